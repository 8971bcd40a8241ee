// Why two images match: asked from the server, arrays read, the finding in words.

import { at, post, upload } from "./api.js";
import { find } from "./uploads.js";

const known = new Map();
const MOST = 60;

/** The explanation of a result for one example, asked once. */
export function explain(collection, example, id) {
    const key = JSON.stringify([collection, example.id ?? example.up, id]);
    if (!known.has(key)) {
        const asked = ask(collection, example, id).then(readArrays);
        asked.catch(() => known.delete(key));
        known.set(key, asked);
        if (known.size > MOST) known.delete(known.keys().next().value);
    }
    return known.get(key);
}

/** What was found, in words: a headline and the rest. */
export function verdict({ matched, inliers, bound, score, without }) {
    const agree = `${inliers} ${inliers === 1 ? "place agrees" : "places agree"}`;
    const similarity = `Similarity ${hundredths(score)}`;
    if (!matched) return ["No common thing found", `${agree}, ${bound} would be needed. ${similarity}.`];
    const rest = without === null ? "" : `, and ${hundredths(without)} without the matched part`;
    return ["The same thing", `${agree}; fewer than ${bound} could be chance. ${similarity}${rest}.`];
}

const hundredths = (number) => (Math.round(number * 100) / 100 + 0).toFixed(2);

async function ask(collection, example, id) {
    const address = at(collection, "explain");
    if (example.id) return post(address, { query: { id: example.id }, result: { id } });
    const { blob, name } = await find(example.up);
    const form = new FormData();
    form.append("image", blob, name);
    form.append("result", String(id));
    return upload(`${address}/upload`, form);
}

function readArrays(data) {
    return {
        ...data,
        pairs: rows(array(data.pairs)),
        outline: data.outline && rows(array(data.outline)),
        heat: data.heat.map(array),
        colours: data.colours.map(array),
    };
}

const KINDS = { float32: Float32Array, float64: Float64Array, uint8: Uint8Array };

/** An array as the server writes it: base64 of little-endian numbers, with type and shape. */
function array({ dtype, shape, data }) {
    const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
    return { shape, values: new KINDS[dtype](bytes.buffer) };
}

const rows = ({ shape: [number, width], values }) =>
    Array.from({ length: number }, (_, row) => [...values.subarray(row * width, (row + 1) * width)]);
