// Arrow keys among things that lie in rows, and the list of all keys.

import { button, el, put } from "./dom.js";

const KEYS = [
    [
        "Results",
        [
            ["← ↑ → ↓", "from photo to photo"],
            ["Enter", "compare it with the query"],
            ["+", "add it to the search"],
            ["−", "not like this one"],
        ],
    ],
    [
        "Comparison",
        [
            ["← →", "result before and after"],
            ["L, H, P, N", "lines, heat, patches, nothing"],
            ["M", "more like this"],
            ["X", "not like this"],
            ["Esc", "close"],
        ],
    ],
    [
        "Box on the query",
        [
            ["← ↑ → ↓", "move; with Shift: size; with Alt: finely"],
            ["Enter", "search it"],
            ["Del", "remove it"],
        ],
    ],
    [
        "Map",
        [
            ["← ↑ → ↓", "wander"],
            ["+ −", "nearer, farther; 0 shows all"],
            ["Enter", "open the photo in the middle"],
        ],
    ],
    [
        "Duplicates",
        [
            ["← ↑ → ↓", "from file to file"],
            ["K, R", "keep it, mark it for removal"],
            ["N", "the photos of its group are no duplicates"],
        ],
    ],
];

/** Move the focus among links and buttons by arrow keys, as they lie on the screen. */
export function moveAmong(event, list, what = "a.open") {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const from = event.target.closest?.(what);
    if (!direction || !from || event.altKey || event.ctrlKey || event.metaKey) return false;
    const all = [...list.querySelectorAll(what)];
    const target = direction[0] ? all[all.indexOf(from) + direction[0]] : nearest(from, all, direction[1]);
    event.preventDefault();
    target?.focus();
    return true;
}

/** The next one above or below: in the nearest row, the one whose middle is nearest. */
function nearest(from, all, sign) {
    const start = from.getBoundingClientRect();
    const middle = (box) => box.left + box.width / 2;
    let best = null;
    let least = Infinity;
    for (const other of all) {
        const box = other.getBoundingClientRect();
        const away = sign * (box.top - start.top);
        if (away < 2) continue;
        const cost = away * 1000 + Math.abs(middle(box) - middle(start));
        if (cost < least) [best, least] = [other, cost];
    }
    return best;
}

const caps = (keys) => keys.split(/, | /).map((key) => el("kbd", {}, key));

/** Make a button open the list of keys. */
export function keysButton(node) {
    const dialog = document.getElementById("keys");
    const close = button("Close", { icon: "close", text: false, onclick: () => dialog.close() });
    put(
        dialog,
        el("header", {}, el("h2", { id: "keys-title" }, "Keys"), close),
        ...KEYS.map(([title, keys]) =>
            el(
                "section",
                {},
                el("h3", {}, title),
                el(
                    "dl",
                    {},
                    ...keys.map(([key, what]) => el("div", {}, el("dt", {}, ...caps(key)), el("dd", {}, what))),
                ),
            ),
        ),
    );
    dialog.addEventListener("click", (event) => {
        if (event.target === dialog) dialog.close();
    });
    node.addEventListener("click", () => dialog.showModal());
}
