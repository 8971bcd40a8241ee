// A window on a plane of 0..1 by 0..1: moved and zoomed by wheel, drag, two fingers, keys and buttons.

const [FARTHEST, NEAREST] = [0.8, 400];
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The window of a canvas; `margin()` gives pixels around the whole plane, `changed()` is called after each move,
    `tapped(x, y)` for a click in pixels of the canvas. */
export function viewport(canvas, { margin, changed, tapped, hovered = () => {} }) {
    const view = { x: 0.5, y: 0.5, zoom: 1 };
    const fingers = new Map();
    let travelled = 0;

    const size = () => ({ width: canvas.clientWidth, height: canvas.clientHeight });
    const spans = () => {
        const { width, height } = size();
        const free = 2 * margin();
        return { x: Math.max(1, width - free) * view.zoom, y: Math.max(1, height - free) * view.zoom };
    };
    const settle = () => {
        view.zoom = Math.min(NEAREST, Math.max(FARTHEST, view.zoom));
        view.x = Math.min(1, Math.max(0, view.x));
        view.y = Math.min(1, Math.max(0, view.y));
        changed();
    };
    const api = {
        /** From the plane to pixels of the canvas. */
        place(x, y) {
            const { width, height } = size();
            const span = spans();
            return [(x - view.x) * span.x + width / 2, (y - view.y) * span.y + height / 2];
        },
        /** From pixels to the plane. */
        plane(left, top) {
            const { width, height } = size();
            const span = spans();
            return [(left - width / 2) / span.x + view.x, (top - height / 2) / span.y + view.y];
        },
        /** Zoom so that the place under a pixel stays there. */
        zoom(factor, left = size().width / 2, top = size().height / 2) {
            const before = api.plane(left, top);
            view.zoom = Math.min(NEAREST, Math.max(FARTHEST, view.zoom * factor));
            const after = api.plane(left, top);
            view.x += before[0] - after[0];
            view.y += before[1] - after[1];
            settle();
        },
        pan(left, top) {
            const span = spans();
            view.x -= left / span.x;
            view.y -= top / span.y;
            settle();
        },
        all() {
            Object.assign(view, { x: 0.5, y: 0.5, zoom: 1 });
            settle();
        },
        /** Look at a place, at least as near as `zoom`. */
        look(x, y, zoom = view.zoom) {
            Object.assign(view, { x, y, zoom: Math.max(view.zoom, zoom) });
            settle();
        },
        get scale() {
            return view.zoom;
        },
    };

    const at = (event) => {
        const box = canvas.getBoundingClientRect();
        return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener(
        "wheel",
        (event) => {
            event.preventDefault();
            const lines = event.deltaMode === 1 ? 24 : 1;
            api.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), ...at(event));
        },
        { passive: false },
    );
    canvas.addEventListener("pointerdown", (event) => {
        if (event.button > 0) return;
        canvas.setPointerCapture(event.pointerId);
        if (!fingers.size) travelled = 0;
        fingers.set(event.pointerId, at(event));
    });
    canvas.addEventListener("pointermove", (event) => {
        const now = at(event);
        const before = fingers.get(event.pointerId);
        if (!before) return hovered(...now);
        const [left, top] = [now[0] - before[0], now[1] - before[1]];
        travelled += Math.hypot(left, top);
        if (fingers.size === 2) pinch(event.pointerId, before, now);
        else if (travelled > 4) api.pan(left, top);
        fingers.set(event.pointerId, now);
    });
    const lift = (event) => {
        const was = fingers.get(event.pointerId);
        const alone = fingers.size === 1;
        fingers.delete(event.pointerId);
        if (was && alone && travelled <= 4 && event.type === "pointerup") tapped(...was);
    };
    canvas.addEventListener("pointerup", lift);
    canvas.addEventListener("pointercancel", lift);
    canvas.addEventListener("pointerleave", () => hovered(null, null));
    // Safari tells of two fingers on a trackpad by events of its own; those on the screen are among the pointers.
    let spread = 1;
    canvas.addEventListener("gesturestart", (event) => {
        event.preventDefault();
        spread = 1;
    });
    canvas.addEventListener("gesturechange", (event) => {
        event.preventDefault();
        if (!fingers.size) api.zoom(event.scale / spread, ...at(event));
        spread = event.scale;
    });
    canvas.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const step = KEYS[event.key];
        if (step) api.pan(-60 * step[0], -60 * step[1]);
        else if (event.key === "+" || event.key === "=") api.zoom(1.5);
        else if (event.key === "-") api.zoom(1 / 1.5);
        else if (event.key === "0") api.all();
        else return;
        event.preventDefault();
    });

    function pinch(moved, before, now) {
        const [other] = [...fingers].filter(([id]) => id !== moved).map(([, spot]) => spot);
        const apart = (spot) => Math.max(1, Math.hypot(spot[0] - other[0], spot[1] - other[1]));
        const middle = (spot) => [(spot[0] + other[0]) / 2, (spot[1] + other[1]) / 2];
        const [from, to] = [middle(before), middle(now)];
        api.pan(to[0] - from[0], to[1] - from[1]);
        api.zoom(apart(now) / apart(before), ...to);
    }
    return api;
}
