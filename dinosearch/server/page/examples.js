// The pictures of a question, each with its weight: what the answer shall be like, and what not.

import { at, get, picture } from "./api.js";
import { button, el } from "./dom.js";
import { basename } from "./format.js";
import { address, find } from "./uploads.js";

const known = new Map();

/** Name, address and sides of an example, whether it is of the collection or was uploaded; null where it is not here. */
export async function factsOf(example, collection) {
    if (example.up) {
        const record = await find(example.up);
        return record && { name: record.name, address: address(record), files: [], width: 0, height: 0 };
    }
    const facts = await imageFacts(collection, example.id);
    return { ...facts, name: basename(facts.files[0].path), address: picture(collection, example.id, 640) };
}

/** An image and its files, asked once. */
export function imageFacts(collection, id) {
    const key = at(collection, "images", id);
    if (!known.has(key)) {
        const asked = get(key);
        asked.catch(() => known.delete(key));
        known.set(key, asked);
    }
    return known.get(key);
}

/** A chip: picture, name, weight, and a way to take it out. */
export function chip(example, facts, { against = false, alone = false, weigh, remove }) {
    const name = facts?.name ?? (example.up ? "not in this browser" : `id:${example.id} is not here`);
    const shown = el("output.number", {}, times(example.weight));
    const slider = el("input", {
        type: "range",
        min: -2,
        max: 2,
        step: 0.5,
        value: Math.log2(example.weight),
        "aria-label": `Weight of ${name}`,
        "aria-valuetext": times(example.weight),
        oninput: () => {
            shown.textContent = times(2 ** slider.value);
            slider.setAttribute("aria-valuetext", times(2 ** slider.value));
        },
        onchange: () => weigh(2 ** slider.value),
    });
    return el(
        "li.chip",
        { class: against ? "against" : "" },
        facts ? el("img", { src: facts.address, alt: "" }) : el("span.lost", { "aria-hidden": "true" }, "?"),
        el(
            "div",
            {},
            el("span.name", { title: name }, against && el("b", {}, "Not "), name),
            alone ? null : el("span.weight", {}, slider, shown),
        ),
        button(`Take out ${name}`, { icon: "close", text: false, class: "compact", onclick: remove }),
    );
}

const times = (weight) => `× ${+weight.toFixed(2)}`;
