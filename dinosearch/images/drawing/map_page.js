// A map of a collection on a canvas: pictures where they have room, dots for all other images; moved and zoomed.

const data = JSON.parse(document.getElementById("data").textContent);
const canvas = document.querySelector("canvas");
const context = canvas.getContext("2d");
const panel = document.querySelector("aside");
const field = document.querySelector("input");

const [FARTHEST, NEAREST] = [0.6, 200];
const MARGIN = 60; // pixels around the whole map
const [SMALLEST, LARGEST] = [34, 128]; // pixels of a picture's longer side while the whole map is in sight
const MOST = 168; // and when it is looked at closely
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const count = data.ids.length;
const raw = Uint8Array.from(atob(data.xy), (sign) => sign.charCodeAt(0));
const numbers = new DataView(raw.buffer);
const place = (i) => [numbers.getUint16(4 * i, true) / 65535, numbers.getUint16(4 * i + 2, true) / 65535];
const points = Array.from({ length: count }, (_, i) => place(i));
const path = (i) => data.root + data.paths[i];
const sprites = new Map(data.shown.map(([i, ...spot]) => [i, spot]));
const sheets = data.sheets.map((address) => {
    const image = new Image();
    image.onload = later;
    image.src = address;
    return image;
});

const view = { x: 0.5, y: 0.5, zoom: 1 };
let chosen = null;
let found = null; // images whose path is looked for
let laid = { zoom: 0, width: 0, height: 0, side: 0, places: [], dots: [] };
let due = 0;

const size = () => [canvas.clientWidth, canvas.clientHeight];
const span = () => {
    const [width, height] = size();
    const side = Math.max(1, Math.min(width, height) - 2 * MARGIN);
    // Both axes have one scale, but a wide window may use its width.
    return [Math.min(Math.max(1, width - 2 * MARGIN), side * data.aspect) * view.zoom, side * view.zoom];
};
const pixel = ([x, y]) => {
    const [width, height] = size();
    const [across, down] = span();
    return [(x - view.x) * across + width / 2, (y - view.y) * down + height / 2];
};
const plane = (left, top) => {
    const [width, height] = size();
    const [across, down] = span();
    return [(left - width / 2) / across + view.x, (top - height / 2) / down + view.y];
};

function later() {
    due ||= requestAnimationFrame(draw);
}

/** Which images have a picture at this zoom: the first ones of the list that cover none before them. */
function lay() {
    const [width, height] = size();
    if (laid.zoom === view.zoom && laid.width === width && laid.height === height && laid.found === found) return;
    const [across, down] = span();
    const room = Math.sqrt((across * down) / Math.max(1, data.shown.length)) / view.zoom;
    const whole = Math.min(LARGEST, Math.max(SMALLEST, room * 0.62));
    const side = Math.min(MOST, whole * Math.sqrt(Math.max(1, view.zoom)));
    const cells = new Map();
    const places = [];
    const taken = new Set();
    for (const [i, , , , w, h] of data.shown) {
        if (found && !found.has(i)) continue;
        const scale = side / Math.max(w, h);
        const box = [points[i][0] * across, points[i][1] * down, (w * scale) / 2 + 1, (h * scale) / 2 + 1];
        const [column, row] = [Math.floor(box[0] / side), Math.floor(box[1] / side)];
        let free = true;
        for (let c = column - 1; free && c <= column + 1; c++)
            for (let r = row - 1; free && r <= row + 1; r++)
                for (const other of cells.get(`${c} ${r}`) ?? [])
                    if (Math.abs(other[0] - box[0]) < other[2] + box[2] && Math.abs(other[1] - box[1]) < other[3] + box[3])
                        free = false;
        if (!free) continue;
        const key = `${column} ${row}`;
        if (!cells.has(key)) cells.set(key, []);
        cells.get(key).push(box);
        places.push(i);
        taken.add(i);
    }
    const dots = [];
    for (let i = 0; i < count; i++) if (!taken.has(i) && (!found || found.has(i))) dots.push(i);
    laid = { zoom: view.zoom, width, height, found, side, places, dots };
}

function draw() {
    due = 0;
    const [width, height] = size();
    const ratio = Math.min(2, devicePixelRatio || 1);
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
    }
    lay();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(document.documentElement);
    const [ink, accent] = [style.getPropertyValue("--muted"), style.getPropertyValue("--accent")];
    const radius = Math.min(5, (laid.dots.length > 20000 ? 1 : 2.2) * Math.max(1, view.zoom ** 0.3));
    context.fillStyle = ink;
    context.globalAlpha = 0.6;
    for (const i of laid.dots) {
        const [x, y] = pixel(points[i]);
        if (x < -5 || y < -5 || x > width + 5 || y > height + 5) continue;
        if (radius < 2) context.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
        else {
            context.beginPath();
            context.arc(x, y, radius, 0, 7);
            context.fill();
        }
    }
    context.globalAlpha = 1;
    for (const i of laid.places) thumb(i, laid.side);
    if (chosen !== null) {
        if (sprites.has(chosen)) thumb(chosen, Math.max(96, laid.side * 1.15), accent);
        else {
            const [x, y] = pixel(points[chosen]);
            context.strokeStyle = accent;
            context.lineWidth = 3;
            context.beginPath();
            context.arc(x, y, radius + 5, 0, 7);
            context.stroke();
        }
    }
}

function boxOf(i, side) {
    const [, , , w, h] = sprites.get(i);
    const scale = side / Math.max(w, h);
    const [x, y] = pixel(points[i]);
    return [x - (w * scale) / 2, y - (h * scale) / 2, w * scale, h * scale];
}

function thumb(i, side, edge) {
    const [sheet, left, top, w, h] = sprites.get(i);
    const [x, y, width, height] = boxOf(i, side);
    if (x > canvas.clientWidth || y > canvas.clientHeight || x + width < 0 || y + height < 0) return;
    if (!sheets[sheet].naturalWidth) return;
    context.save();
    context.beginPath();
    context.roundRect(x, y, width, height, Math.min(6, side / 12));
    if (edge) {
        context.lineWidth = 6;
        context.strokeStyle = edge;
        context.stroke();
    }
    context.clip();
    context.drawImage(sheets[sheet], left, top, w, h, x, y, width, height);
    context.restore();
}

/** The image under a pixel, or null. */
function at(left, top) {
    for (const i of laid.places) {
        const [x, y, width, height] = boxOf(i, laid.side);
        if (left >= x && top >= y && left <= x + width && top <= y + height) return i;
    }
    let [best, least] = [null, 14];
    for (const i of laid.dots) {
        const [x, y] = pixel(points[i]);
        const away = Math.hypot(x - left, y - top);
        if (away < least) [best, least] = [i, away];
    }
    return best;
}

function choose(i) {
    chosen = i;
    panel.hidden = i === null;
    later();
    if (i === null) return;
    const name = path(i);
    const [large, strong, small, link] = ["canvas", "strong", "span", "a"].map((tag) => panel.querySelector(tag));
    const spot = sprites.get(i);
    large.hidden = !spot;
    large.style.display = spot ? "" : "none";
    if (spot) {
        const [sheet, left, top, w, h] = spot;
        [large.width, large.height] = [2 * w, 2 * h];
        large.getContext("2d").drawImage(sheets[sheet], left, top, w, h, 0, 0, 2 * w, 2 * h);
    }
    strong.textContent = name.split("/").pop() || `id:${data.ids[i]}`;
    small.textContent = `id:${data.ids[i]}  ${name}`;
    link.hidden = !name || name.includes("::");
    link.href = `file://${name.split("/").map(encodeURIComponent).join("/")}`;
}

function settle() {
    view.zoom = Math.min(NEAREST, Math.max(FARTHEST, view.zoom));
    view.x = Math.min(1, Math.max(0, view.x));
    view.y = Math.min(1, Math.max(0, view.y));
    canvas.dataset.view = `${view.x.toFixed(4)} ${view.y.toFixed(4)} ${view.zoom.toFixed(3)}`;
    later();
}

function zoom(factor, left = size()[0] / 2, top = size()[1] / 2) {
    const before = plane(left, top);
    view.zoom = Math.min(NEAREST, Math.max(FARTHEST, view.zoom * factor));
    const after = plane(left, top);
    view.x += before[0] - after[0];
    view.y += before[1] - after[1];
    settle();
}

function pan(left, top) {
    const [across, down] = span();
    view.x -= left / across;
    view.y -= top / down;
    settle();
}

function all() {
    Object.assign(view, { x: 0.5, y: 0.5, zoom: 1 });
    settle();
}

const fingers = new Map();
let travelled = 0;
const spot = (event) => [event.offsetX, event.offsetY];

canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    if (!fingers.size) travelled = 0;
    fingers.set(event.pointerId, spot(event));
});
canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = spot(event);
    travelled += Math.hypot(now[0] - before[0], now[1] - before[1]);
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
        const apart = (one) => Math.max(1, Math.hypot(one[0] - other[0], one[1] - other[1]));
        pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
        zoom(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    } else if (travelled > 4) pan(now[0] - before[0], now[1] - before[1]);
    fingers.set(event.pointerId, now);
});
for (const kind of ["pointerup", "pointercancel"])
    canvas.addEventListener(kind, (event) => {
        const was = fingers.get(event.pointerId);
        const alone = fingers.size === 1;
        fingers.delete(event.pointerId);
        if (was && alone && travelled <= 4 && kind === "pointerup") choose(at(...was));
    });
canvas.addEventListener(
    "wheel",
    (event) => {
        event.preventDefault();
        const lines = event.deltaMode === 1 ? 24 : 1;
        zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), ...spot(event));
    },
    { passive: false },
);
// Safari tells of two fingers on a trackpad by events of its own; those on the screen are among the pointers.
let spread = 1;
canvas.addEventListener("gesturestart", (event) => {
    event.preventDefault();
    spread = 1;
});
canvas.addEventListener("gesturechange", (event) => {
    event.preventDefault();
    if (!fingers.size) zoom(event.scale / spread, ...spot(event));
    spread = event.scale;
});
canvas.addEventListener("dblclick", (event) => zoom(2, ...spot(event)));
addEventListener("keydown", (event) => {
    if (event.target === field || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = KEYS[event.key];
    if (step) pan(-70 * step[0], -70 * step[1]);
    else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else if (event.key === "0") all();
    else if (event.key === "Escape") choose(null);
    else return;
    event.preventDefault();
});
field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    found = wanted ? new Set(data.paths.keys()) : null;
    if (wanted) for (const i of data.paths.keys()) if (!path(i).toLowerCase().includes(wanted)) found.delete(i);
    document.querySelector("output").textContent = wanted ? `${found.size.toLocaleString("en")} found` : "";
    later();
});
const buttons = { in: () => zoom(1.4), out: () => zoom(1 / 1.4), all, close: () => choose(null) };
for (const button of document.querySelectorAll("button")) button.addEventListener("click", buttons[button.name]);
addEventListener("resize", later);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", later);
settle();
