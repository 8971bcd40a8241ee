// One picture of the collection in a grid: a link to what it leads to, its score, and two quick answers.

import { picture } from "./api.js";
import { button, el } from "./dom.js";
import { basename, LIKELY, score, spokenSure, sure } from "./format.js";

const ESTIMATE =
    "How likely it shows the same thing: the share of results with such a score that do, " +
    "as learned from this collection's own images and from what people said.";

/**
 * A tile.
 *
 * `hit` is a hit or a file; `given` has `collection`, `href`, `open(event)`, and for hits `more()` and `less()`.
 */
export function tile(hit, given) {
    const name = basename(hit.path);
    const ranked = hit.rank !== undefined;
    const image = el("img", { alt: "", decoding: "async", draggable: false, onerror: again });
    let tries = 0;
    const whole = el("span.whole", {}, image, hit.box && boxOn(hit.box));
    const shown = el("span.pic", {}, whole);
    const ratio = hit.width / hit.height;
    const link = el("a.open", { href: given.href, onclick: given.open, title: hit.path }, shown);
    const node = el("li.tile", { data: { id: hit.id } }, link);
    let below = null;
    describe(hit);
    if (given.more) {
        node.append(
            el(
                "span.quick",
                {},
                button("Add to the search", {
                    icon: "plus",
                    text: false,
                    class: "compact",
                    tabIndex: -1,
                    onclick: given.more,
                }),
                button("Not like this", {
                    icon: "minus",
                    text: false,
                    class: "compact",
                    tabIndex: -1,
                    onclick: given.less,
                }),
            ),
        );
    }
    /** Say what is known of the hit. */
    function describe(known) {
        const words = [name];
        if (ranked) words.push(`result ${known.rank}, score ${score(known.score)}`);
        if (known.label) words.push(known.label);
        if (ranked && known.confidence !== null) words.push(spokenSure(known.confidence));
        link.setAttribute("aria-label", words.join(", "));
        if (!ranked) return;
        const next = caption(known, name);
        if (below) below.replaceWith(next);
        else link.after(next);
        below = next;
    }

    /** Where a side of the whole picture begins in a place that is shorter. */
    function cut(place, side, axis) {
        const middle = hit.box ? (hit.box[axis] + hit.box[axis + 2]) / 2 : 0.5;
        return Math.max(place - side, Math.min(0, place / 2 - middle * side));
    }

    /** A busy server refuses pictures for a while. */
    function again() {
        tries += 1;
        if (tries <= 2) setTimeout(() => (image.src = image.dataset.address), 1500 * tries);
    }

    return {
        node,
        link,
        hit,
        picture: shown,
        ratio,
        /** The estimates have changed. */
        judge(confidence) {
            hit.confidence = confidence;
            describe(hit);
        },
        /** Load a picture that is large enough, once it is known how large it is shown. */
        fit({ width, height }) {
            // A picture that is much wider or higher than its place is cut off, so that the frame or the middle is seen.
            const [across, down] = [Math.max(width, height * ratio), Math.max(height, width / ratio)];
            Object.assign(whole.style, {
                left: `${cut(width, across, 0)}px`,
                top: `${cut(height, down, 1)}px`,
                width: `${across}px`,
                height: `${down}px`,
            });
            const address = picture(given.collection, hit.id, Math.max(across, down) * Math.min(2, devicePixelRatio));
            if (image.dataset.address === address) return;
            image.dataset.address = address;
            image.loading = "lazy";
            image.src = address;
        },
    };
}

/** The frame of a part of a picture. */
export function boxOn([left, top, right, bottom]) {
    const node = el("span.frame");
    Object.assign(node.style, {
        left: `${100 * left}%`,
        top: `${100 * top}%`,
        width: `${100 * (right - left)}%`,
        height: `${100 * (bottom - top)}%`,
    });
    return node;
}

function caption(hit, name) {
    const level = el("i");
    level.style.width = `${100 * Math.max(0, Math.min(1, hit.score))}%`;
    return el(
        "span.caption",
        { "aria-hidden": "true" },
        el(
            "span.line",
            {},
            el("b.number", {}, String(hit.rank)),
            el("span.bar", {}, level),
            el("span.number", {}, score(hit.score)),
        ),
        hit.confidence !== null &&
            el("span.sure", { class: hit.confidence < LIKELY ? "" : "likely", title: ESTIMATE }, sure(hit.confidence)),
        el("span.name", {}, hit.label ? `${hit.label} · ${name}` : name),
    );
}
