// Points on a canvas, as small pictures where there is room for them, and which one is where.

import { picture } from "./api.js";

const PICTURES = 260; // in sight; more are dots
const KEPT = 800; // loaded small pictures
const [SMALLEST, LARGEST] = [26, 150]; // pixels of a picture's side
const MARGIN = 36; // pixels around the whole plane, at least
const NEAR = 14; // pixels to a dot that still hit it

/** Draws `points` ([id, x, y]) of a collection through a viewport. */
export function scatter(canvas, view) {
    const context = canvas.getContext("2d");
    const images = new Map();
    let collection = "";
    let points = [];
    let inSight = [];
    let side = 0; // of pictures; 0 draws dots
    let marked = null;
    let due = 0;
    let [ink, paper, accent] = ["", "", ""];

    function draw() {
        due = 0;
        const { clientWidth: width, clientHeight: height } = canvas;
        const ratio = Math.min(2, devicePixelRatio || 1);
        if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
            canvas.width = Math.round(width * ratio);
            canvas.height = Math.round(height * ratio);
        }
        context.setTransform(ratio, 0, 0, ratio, 0, 0);
        context.clearRect(0, 0, width, height);
        inSight = [];
        for (const [id, x, y] of points) {
            const [left, top] = view.place(x, y);
            if (left > -LARGEST && top > -LARGEST && left < width + LARGEST && top < height + LARGEST)
                inSight.push([id, left, top]);
        }
        const room = roomOf(inSight.length);
        side = sideOf(inSight.length);
        const style = getComputedStyle(canvas);
        [ink, paper, accent] = [style.color, style.backgroundColor, style.accentColor];
        if (side) for (const spot of inSight) thumb(spot, side, 1.5, paper);
        else {
            const radius = Math.min(4, Math.max(1.3, room / 9));
            context.globalAlpha = 0.75;
            context.fillStyle = ink;
            for (const [, left, top] of inSight) context.fillRect(left - radius, top - radius, 2 * radius, 2 * radius);
            context.globalAlpha = 1;
        }
        const chosen = inSight.find(([id]) => id === marked);
        if (chosen) thumb(chosen, Math.max(84, side * 1.25), 3, accent);
    }

    /** Pixels across that each of so many has. */
    const roomOf = (number) => Math.sqrt((canvas.clientWidth * canvas.clientHeight) / Math.max(1, number));
    const sideOf = (number) =>
        number > PICTURES ? 0 : Math.min(LARGEST, Math.max(SMALLEST, roomOf(number) * 0.62));

    function thumb([id, left, top], size, border, edge) {
        const image = load(id);
        let [width, height] = [size, size];
        if (image.naturalWidth) {
            const scale = size / Math.max(image.naturalWidth, image.naturalHeight);
            [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
        }
        const [x, y] = [left - width / 2, top - height / 2];
        if (image.naturalWidth) {
            context.fillStyle = edge;
            context.fillRect(x - border, y - border, width + 2 * border, height + 2 * border);
        }
        if (image.naturalWidth) context.drawImage(image, x, y, width, height);
        else {
            context.fillStyle = ink;
            context.fillRect(left - 3, top - 3, 6, 6);
        }
    }

    function load(id) {
        let image = images.get(id);
        if (image) images.delete(id);
        else {
            image = new Image();
            image.onload = later;
            image.src = picture(collection, id, 160);
        }
        images.set(id, image); // last used is last
        if (images.size > KEPT) images.delete(images.keys().next().value);
        return image;
    }

    function later() {
        due ||= requestAnimationFrame(draw);
    }

    function nearest(left, top, most) {
        let best = null;
        let least = most;
        for (const [id, x, y] of inSight) {
            const away = Math.hypot(x - left, y - top);
            if (away <= least) [best, least] = [id, away];
        }
        return best;
    }

    return {
        later,
        /** Pixels around the plane, so that no picture at its edge is cut off. */
        margin: () => Math.max(MARGIN, sideOf(points.length) / 2 + 8),
        show(name, given) {
            if (name !== collection) images.clear();
            collection = name;
            points = given;
            later();
        },
        /** The image under a pixel, or null. */
        at: (left, top) => nearest(left, top, Math.max(NEAR, side * 0.6)),
        /** The image nearest to the middle, or null. */
        middle: () => nearest(canvas.clientWidth / 2, canvas.clientHeight / 2, Infinity),
        /** Ids in sight, those nearest to the middle first. */
        visible() {
            if (due) {
                cancelAnimationFrame(due);
                draw();
            }
            const { clientWidth: width, clientHeight: height } = canvas;
            return inSight
                .filter(([, x, y]) => x >= 0 && y >= 0 && x <= width && y <= height)
                .map(([id, x, y]) => [id, Math.hypot(x - width / 2, y - height / 2)])
                .sort((a, b) => a[1] - b[1])
                .map(([id]) => id);
        },
        mark(id) {
            if (marked === id) return;
            marked = id;
            later();
        },
    };
}
