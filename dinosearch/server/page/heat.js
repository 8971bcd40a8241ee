// Numbers per patch as colours over a picture: how well each place is seen in the other one, and patches as colours.

// From low to high, dark blue over violet and orange to light yellow: lightness grows all the way, so that the order
// survives colour blindness and a grey print. The same as in the pictures that `dinosearch explain` draws.
const STOPS = [
    [22, 26, 74],
    [78, 45, 128],
    [160, 62, 122],
    [224, 104, 78],
    [246, 170, 66],
    [253, 238, 150],
];
const SHARE = 0.75; // of the heat in the mix; the rest is the picture in grey

/** Lowest and highest finite number of all maps. */
export function scaleOf(maps) {
    let [low, high] = [Infinity, -Infinity];
    for (const { values } of maps) {
        for (const value of values) {
            if (!Number.isFinite(value)) continue;
            if (value < low) low = value;
            if (value > high) high = value;
        }
    }
    return low <= high ? [low, high] : [0, 0];
}

/** Draw heat; the canvas is stretched over the picture and smoothed by the browser. */
export function drawHeat(canvas, { shape: [height, width], values }, [low, high]) {
    paint(canvas, width, height, (place) => {
        const value = values[place];
        if (!Number.isFinite(value)) return [0, 0, 0, 0];
        return [...colourOf(high > low ? (value - low) / (high - low) : 0.5), 255 * SHARE];
    });
}

/** Draw patches in their colours, each as one square. */
export function drawPatches(canvas, { shape: [height, width], values }) {
    paint(canvas, width, height, (place) => [values[3 * place], values[3 * place + 1], values[3 * place + 2], 255]);
}

/** Draw the scale from low to high. */
export function drawScale(canvas) {
    paint(canvas, 128, 1, (place) => {
        const colour = colourOf((place + 0.5) / 128);
        return [...colour.map((value) => SHARE * value + (1 - SHARE) * 128), 255];
    });
}

function colourOf(share) {
    const place = Math.min(1, Math.max(0, share)) * (STOPS.length - 1);
    const left = Math.min(STOPS.length - 2, Math.floor(place));
    return STOPS[left].map((value, channel) => value + (place - left) * (STOPS[left + 1][channel] - value));
}

function paint(canvas, width, height, colour) {
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(width, height);
    for (let place = 0; place < width * height; place += 1) pixels.data.set(colour(place), 4 * place);
    context.putImageData(pixels, 0, 0);
}
