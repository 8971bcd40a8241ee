// One picture of the collection in a grid: a link to what it leads to, its score, and two quick answers.

import { picture } from "./api.js";
import { button, el } from "./dom.js";
import { basename, percent, score } from "./format.js";

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
    const shown = el("span.pic", {}, image, hit.box && boxOn(hit.box));
    const words = [name];
    if (ranked) words.push(`result ${hit.rank}, score ${score(hit.score)}`);
    if (ranked && hit.confidence !== null) words.push(`${percent(hit.confidence)} sure`);
    const link = el(
        "a.open",
        { href: given.href, "aria-label": words.join(", "), onclick: given.open, title: hit.path },
        shown,
    );
    const node = el("li.tile", { data: { id: hit.id } }, link, ranked && caption(hit, name));
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
    /** A busy server refuses pictures for a while. */
    function again() {
        tries += 1;
        if (tries > 2) shown.classList.add("broken");
        else setTimeout(() => (image.src = image.dataset.address), 1500 * tries);
    }

    return {
        node,
        link,
        hit,
        picture: shown,
        ratio: hit.width / hit.height,
        /** Load a picture that is large enough, once it is known how large it is shown. */
        fit({ width, height }) {
            const address = picture(given.collection, hit.id, Math.max(width, height) * Math.min(2, devicePixelRatio));
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
        hit.confidence !== null && el("span.sure", {}, `${percent(hit.confidence)} sure`),
        el("span.name", {}, name),
    );
}
