// A picture on which a part is marked: drawn with mouse or finger, moved and sized by its corners or by arrow keys.

import { announce } from "./announce.js";
import { el } from "./dom.js";

const SMALLEST = 0.04; // of a side; less is a click
const STEP = 0.02;
const HELP = "Arrow keys move it, Shift and arrow keys size it, Enter searches, Delete removes it.";
const CORNERS = [
    ["left", "top"],
    ["right", "top"],
    ["right", "bottom"],
    ["left", "bottom"],
];
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The editor; `done(box)` is called with a finished box or null, `changed(box)` with each step on the way, `left()`
    when the box goes away under the focus. */
export function boxEditor({ done, changed = () => {}, left = () => {} }) {
    const image = el("img", { alt: "", draggable: false });
    const marked = el(
        "div.marked",
        { tabIndex: 0, role: "application", "aria-roledescription": "box", hidden: true, onkeydown: pressed },
        ...CORNERS.map((sides) => el("i", { class: sides.join(" "), data: { corner: sides.join(" ") } })),
    );
    const node = el("div.boxed", { onpointerdown: grabbed }, image, marked);
    let box = null; // {left, top, right, bottom}
    let kept = null; // what was searched last

    function grabbed(event) {
        // A finger on the bare picture scrolls the page; with a box on it, it draws.
        if (event.button > 0 || (event.pointerType === "touch" && !box)) return;
        event.preventDefault();
        const start = place(event);
        const corner = event.target.dataset?.corner;
        const inside = event.target === marked;
        const before = box;
        let moved = false;
        node.setPointerCapture(event.pointerId);
        const follow = (move) => {
            const now = place(move);
            if (!moved && Math.hypot(now.x - start.x, now.y - start.y) < 0.01) return;
            moved = true;
            if (corner) draw(sized(before, corner, now));
            else if (inside) draw(shifted(before, now.x - start.x, now.y - start.y));
            else draw(ordered(start, now));
        };
        const finish = (end) => {
            node.removeEventListener("pointermove", follow);
            node.removeEventListener("pointerup", finish);
            node.removeEventListener("pointercancel", finish);
            if (end.type === "pointercancel" || (moved && tooSmall(box))) draw(before);
            else if (moved) commit();
            if (inside || corner) marked.focus({ preventScroll: true });
        };
        node.addEventListener("pointermove", follow);
        node.addEventListener("pointerup", finish);
        node.addEventListener("pointercancel", finish);
    }

    function pressed(event) {
        const move = MOVES[event.key];
        if (move) {
            const [x, y] = move.map((sign) => sign * STEP * (event.altKey ? 0.25 : 1));
            draw(event.shiftKey ? stretched(box, x, y) : shifted(box, x, y));
            announce(spoken(box));
        } else if (event.key === "Enter") commit();
        else if (event.key === "Delete" || event.key === "Backspace") clear();
        else if (event.key === "Escape") draw(kept);
        else return;
        event.preventDefault();
        event.stopPropagation();
    }

    function commit() {
        kept = box;
        changed(box);
        done(listed(box));
    }
    function clear() {
        draw(null);
        kept = null;
        done(null);
    }
    function draw(next) {
        const held = document.activeElement === marked;
        box = next;
        marked.hidden = !box;
        node.classList.toggle("has-box", Boolean(box));
        if (box) {
            Object.assign(marked.style, {
                left: `${100 * box.left}%`,
                top: `${100 * box.top}%`,
                width: `${100 * (box.right - box.left)}%`,
                height: `${100 * (box.bottom - box.top)}%`,
            });
            marked.setAttribute("aria-label", `Part that is searched: ${spoken(box)}. ${HELP}`);
        }
        changed(box);
        if (!held || box) return;
        left();
        announce("The box is removed.");
    }
    function place(event) {
        const bounds = image.getBoundingClientRect();
        return {
            x: within((event.clientX - bounds.left) / bounds.width),
            y: within((event.clientY - bounds.top) / bounds.height),
        };
    }

    return {
        node,
        image,
        clear,
        commit,
        /** Show a picture and the part of it that is searched. */
        show(address, alt, sides) {
            if (image.getAttribute("src") !== address) image.src = address;
            image.alt = alt;
            kept = sides && { left: sides[0], top: sides[1], right: sides[2], bottom: sides[3] };
            draw(kept);
        },
        /** A box in the middle, for keys and fingers to move. */
        begin() {
            draw(box ?? { left: 0.25, top: 0.25, right: 0.75, bottom: 0.75 });
            marked.focus({ preventScroll: true });
            announce(`A box in the middle. ${HELP}`);
        },
        get pending() {
            return Boolean(box) && String(listed(box)) !== String(kept && listed(kept));
        },
    };
}

const within = (number) => Math.min(1, Math.max(0, number));
const rounded = (number) => Math.round(number * 1e4) / 1e4;
const listed = ({ left, top, right, bottom }) => [left, top, right, bottom].map(rounded);
const tooSmall = (box) => !box || box.right - box.left < SMALLEST || box.bottom - box.top < SMALLEST;
const spoken = ({ left, top, right, bottom }) =>
    `from ${Math.round(100 * left)} % left and ${Math.round(100 * top)} % top to ${Math.round(100 * right)} % and ${Math.round(100 * bottom)} %`;
const ordered = (a, b) => ({
    left: Math.min(a.x, b.x),
    top: Math.min(a.y, b.y),
    right: Math.max(a.x, b.x),
    bottom: Math.max(a.y, b.y),
});

function shifted({ left, top, right, bottom }, x, y) {
    const [width, height] = [right - left, bottom - top];
    const [newLeft, newTop] = [Math.min(1 - width, Math.max(0, left + x)), Math.min(1 - height, Math.max(0, top + y))];
    return { left: newLeft, top: newTop, right: newLeft + width, bottom: newTop + height };
}

function stretched({ left, top, right, bottom }, x, y) {
    return {
        left,
        top,
        right: Math.max(left + SMALLEST, within(right + x)),
        bottom: Math.max(top + SMALLEST, within(bottom + y)),
    };
}

function sized(box, corner, { x, y }) {
    const next = { ...box };
    for (const side of corner.split(" ")) next[side] = side === "left" || side === "right" ? x : y;
    return ordered({ x: next.left, y: next.top }, { x: next.right, y: next.bottom });
}
