// Rows of equal height that fill the width: sizes come from the numbers of the answer, so that nothing jumps when
// pictures arrive.

import { el } from "./dom.js";
import { moveAmong } from "./keys.js";

const [NARROWEST, WIDEST] = [0.5, 2.4];

/**
 * Widths and heights of pictures in rows.
 *
 * Pictures go into a row until it is as low as wanted when it fills the width; the last row keeps the wanted height.
 */
export function justify(ratios, width, target, gap) {
    const sizes = [];
    let row = [];
    const place = (height) => {
        for (const ratio of row) sizes.push({ width: Math.floor(ratio * height * 100) / 100, height });
        row = [];
    };
    for (const ratio of ratios) {
        row.push(Math.min(WIDEST, Math.max(NARROWEST, ratio)));
        const height = (width - gap * (row.length - 1)) / row.reduce((sum, one) => sum + one, 0);
        if (height <= target) place(height);
    }
    if (row.length) {
        const height = (width - gap * (row.length - 1)) / row.reduce((sum, one) => sum + one, 0);
        place(Math.min(target, height));
    }
    return sizes;
}

/** A list of tiles, laid out again whenever its width changes; each has `ratio` and `node`, an `li` with a `.pic`.
    `scale` makes rows lower or higher. */
export function justifiedList(given = {}, scale = 1) {
    const node = el("ol.grid", given);
    let tiles = [];
    let width = 0;

    node.addEventListener("keydown", (event) => moveAmong(event, node));

    function lay() {
        width = node.getBoundingClientRect().width;
        if (!width) return;
        const gap = width < 600 ? 8 : 14;
        const target = scale * (width < 600 ? width / 2.1 : width < 1000 ? 215 : 250);
        node.style.gap = `${gap + 6}px ${gap}px`;
        const sizes = justify(
            tiles.map((tile) => tile.ratio),
            width,
            target,
            gap,
        );
        for (const [place, tile] of tiles.entries()) {
            tile.node.style.width = `${sizes[place].width}px`;
            tile.picture.style.height = `${sizes[place].height}px`;
            tile.fit?.(sizes[place]);
        }
    }
    // In the next frame: rows change the height of what is watched here, which browsers report as an error.
    new ResizeObserver(() =>
        requestAnimationFrame(() => {
            if (node.getBoundingClientRect().width !== width) lay();
        }),
    ).observe(node);

    return {
        node,
        set(next) {
            tiles = next;
            node.replaceChildren(...tiles.map((tile) => tile.node));
            lay();
        },
        add(more) {
            tiles = [...tiles, ...more];
            node.append(...more.map((tile) => tile.node));
            lay();
        },
        get tiles() {
            return tiles;
        },
    };
}
