// What is known of an image and its files, as a list of names and values.

import { el } from "./dom.js";
import { bytes, count, folder, percent, taken } from "./format.js";

export function metadata({ id, width, height, files }) {
    const [file, ...others] = files;
    const megapixels = (width * height) / 1e6;
    const facts = [
        ["Label", named(file)],
        ["Taken", taken(file.taken)],
        ["Camera", file.camera],
        ["Pixels", `${count(width)} × ${count(height)}${megapixels >= 0.1 ? ` (${megapixels.toFixed(1)} MP)` : ""}`],
        ["File", `${file.format}, ${bytes(file.size)}`],
        ["Folder", folder(file.path)],
        ["Number", `id:${id}`],
    ].filter(([, value]) => value);
    return el(
        "div",
        {},
        el("dl.facts", {}, ...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
        others.length > 0 &&
            el(
                "h3",
                {},
                `The same content in ${others.length === 1 ? "another file" : `${others.length} other files`}`,
            ),
        others.length > 0 && el("ul.copies.small", {}, ...others.map(({ path }) => el("li", {}, path))),
    );
}

/** The label, and where a vote gave it, its share of the votes. */
const named = ({ label, label_given: given, label_confidence: share }) =>
    label && (given ? label : `${label}, ${percent(share)} of the votes`);
