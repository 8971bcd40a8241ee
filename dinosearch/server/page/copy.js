// One file of a group of duplicates: its picture, what tells it from the others, and whether it is to be removed.

import { announce } from "./announce.js";
import { picture } from "./api.js";
import { el } from "./dom.js";
import { basename, bytes, count, folder, score, shortFolder, taken } from "./format.js";

/** The card of a file; `marks` remembers what `changed` is told of. */
export function copyCard(file, { collection, href, best, equal, marks, changed }) {
    const name = basename(file.path);
    const button = el(
        "button.button.compact.remove",
        { type: "button", onclick: () => mark(!marks.has(file)) },
        el("span"),
    );
    const alike = file.score < 0.9995 && score(file.score);
    const facts = [`${count(file.width)} × ${count(file.height)}`, bytes(file.size), alike];
    const link = el(
        "a.open",
        { href, "aria-label": `Search with ${name}` },
        el("img", { loading: "lazy", decoding: "async", src: picture(collection, file.id, 320), alt: "" }),
    );
    const node = el(
        "li.copy",
        {},
        link,
        el(
            "p.name",
            { title: file.path },
            el("span", {}, name),
            best && el("span.tag", {}, "best"),
            equal && el("span.tag", {}, "same content"),
        ),
        el("p.small.muted", { title: folder(file.path) }, shortFolder(folder(file.path))),
        el("p.small.number", {}, facts.filter(Boolean).join(" · ")),
        file.taken && el("p.small.number.muted", {}, taken(file.taken)),
        button,
    );

    function paint() {
        const gone = marks.has(file);
        node.classList.toggle("gone", gone);
        button.setAttribute("aria-pressed", String(gone));
        button.setAttribute("aria-label", `Remove ${name}`);
        button.firstChild.textContent = gone ? "Will be removed" : "Remove";
    }
    function mark(gone, { quietly = false } = {}) {
        marks.set(file, gone);
        paint();
        if (quietly) return;
        changed();
        announce(`${name}: ${gone ? "remove" : "keep"}`);
    }
    paint();
    return { node, link, file, paint, mark };
}

/** The one with most pixels, of those the largest file, of those the oldest. */
export function bestOf(files) {
    const order = (a, b) =>
        b.width * b.height - a.width * a.height ||
        b.size - a.size ||
        (a.taken ?? "9").localeCompare(b.taken ?? "9") ||
        a.id - b.id ||
        a.path.localeCompare(b.path);
    return files.toSorted(order)[0];
}
