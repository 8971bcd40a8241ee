// Lines between places of two pictures that agree, and the outline of the one in the other, over both.

import { svg } from "./dom.js";

// Told apart by colour-blind readers: Okabe and Ito, "Color Universal Design", https://jfly.uni-koeln.de/color/ (2008),
// without black and without the vermilion that is the accent; as in the pictures that `dinosearch explain` draws.
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#f0e442"];
const MOST = 60; // more cannot be followed
const SMALL = 240; // pixels of a picture that large dots would hide

/** Pairs that lie far from each other: each next one has the longest way to all before it; from top to bottom. */
export function spread(pairs, number = MOST) {
    let chosen = pairs.filter((pair) => pair.every(Number.isFinite));
    if (chosen.length > number) {
        const all = chosen;
        const middle = all[0].map((_, axis) => all.reduce((sum, pair) => sum + pair[axis], 0) / all.length);
        const far = all.map((pair) => Math.hypot(...pair.map((value, axis) => value - middle[axis])));
        const first = far.indexOf(Math.max(...far));
        const distances = all.map((pair) => between(pair, all[first]));
        const places = new Set([first]);
        while (places.size < number) {
            let next = 0;
            for (let place = 0; place < all.length; place += 1) if (distances[place] > distances[next]) next = place;
            places.add(next);
            for (let place = 0; place < all.length; place += 1)
                distances[place] = Math.min(distances[place], between(all[place], all[next]));
        }
        chosen = [...places].map((place) => all[place]);
    }
    return chosen.toSorted((a, b) => a[1] - b[1] || a[0] - b[0]);
}

/** Draw over `stage`, an element that holds both pictures; `explained` may be null. */
export function drawLines(layer, stage, images, explained, asked) {
    const origin = stage.getBoundingClientRect();
    const places = images.map((image) => {
        const box = image.getBoundingClientRect();
        return { x: box.left - origin.left, y: box.top - origin.top, width: box.width, height: box.height };
    });
    layer.setAttribute("viewBox", `0 0 ${origin.width} ${origin.height}`);
    layer.replaceChildren();
    const on = (side, x, y) => [places[side].x + x * places[side].width, places[side].y + y * places[side].height];
    if (asked)
        polygon(
            layer,
            "asked",
            corners(asked).map(([x, y]) => on(0, x, y)),
        );
    if (!explained) return 0;
    const pairs = spread(explained.pairs);
    const r = places[0].width < SMALL ? 2.4 : 3.6;
    const lines = svg("g", { class: "lines" });
    const dots = svg("g", { class: "dots" });
    for (const [place, [x, y, u, v]] of pairs.entries()) {
        const [start, end] = [on(0, x, y), on(1, u, v)];
        const colour = COLOURS[place % COLOURS.length];
        lines.append(svg("line", { x1: start[0], y1: start[1], x2: end[0], y2: end[1], stroke: colour }));
        for (const [cx, cy] of [start, end]) dots.append(svg("circle", { cx, cy, r, fill: colour }));
    }
    layer.append(lines);
    if (explained.outline) {
        polygon(
            layer,
            "accent",
            corners([0, 0, 1, 1]).map(([x, y]) => on(0, x, y)),
        );
        if (explained.box)
            polygon(
                layer,
                "light",
                corners(explained.box).map(([x, y]) => on(1, x, y)),
            );
        const seen = clip(explained.outline);
        if (seen.length)
            polygon(
                layer,
                "accent",
                seen.map(([x, y]) => on(1, x, y)),
            );
    }
    layer.append(dots);
    return pairs.length;
}

const between = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3]);
const corners = ([left, top, right, bottom]) => [
    [left, top],
    [right, top],
    [right, bottom],
    [left, bottom],
];

/** A closed line on a wider dark one, which keeps it visible on any picture. */
function polygon(layer, kind, points) {
    const text = points.map((point) => point.map((value) => value.toFixed(1)).join(",")).join(" ");
    layer.append(svg("polygon", { class: "dark", points: text }), svg("polygon", { class: kind, points: text }));
}

/** A polygon cut to the picture, side by side. */
function clip(polygonCorners) {
    let points = polygonCorners;
    if (!points.flat().every(Number.isFinite)) return [];
    for (const axis of [0, 1]) {
        for (const [sign, limit] of [
            [1, 0],
            [-1, 1],
        ]) {
            points = points.flatMap((point, place) => {
                const before = points.at(place - 1);
                const [depth, last] = [(point[axis] - limit) * sign, (before[axis] - limit) * sign];
                const kept = depth >= 0 ? [point] : [];
                if (depth >= 0 === last >= 0) return kept;
                const share = last / (last - depth);
                return [before.map((value, which) => value + share * (point[which] - value)), ...kept];
            });
        }
    }
    return points;
}
