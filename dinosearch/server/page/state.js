// What is shown, as the part of the address behind #, and back: an address can be kept, shared and returned to.

import { basename } from "./format.js";

/** Presets of re-ranking, the first is the server's own choice. */
export const PRESETS = ["balanced", "fast", "thorough"];
const SIDES = 4;

/** A state with nothing in it. */
export const blank = (view = "search") => ({
    view,
    collection: null,
    examples: [],
    negatives: [],
    box: null,
    where: "",
    preset: PRESETS[0],
    exact: false,
    sure: 0,
    show: null,
});

/** Read an address; what is not understood is left out. */
export function parse(hash) {
    const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
    const state = blank(path || "search");
    const given = new URLSearchParams(query);
    for (const [name, kind] of [
        ["ids", "id"],
        ["up", "up"],
    ]) {
        for (const part of (given.get(name) ?? "").split(",").filter(Boolean)) {
            const example = readExample(part, kind);
            if (example) (part.startsWith("-") ? state.negatives : state.examples).push(example);
        }
    }
    state.collection = given.get("c");
    state.box = readBox(given.get("box"));
    state.where = given.get("where") ?? "";
    if (PRESETS.includes(given.get("preset"))) state.preset = given.get("preset");
    state.exact = given.get("exact") === "1";
    const sure = Number(given.get("sure"));
    state.sure = sure > 0 && sure < 1 ? sure : 0;
    const show = Number(given.get("show"));
    state.show = Number.isSafeInteger(show) && show > 0 ? show : null;
    return state;
}

/** Write an address; the same state gives the same text. */
export function format(state) {
    const given = new URLSearchParams();
    if (state.collection) given.set("c", state.collection);
    for (const [name, kind] of [
        ["ids", "id"],
        ["up", "up"],
    ]) {
        const parts = [
            ...state.examples.filter((one) => kind in one).map((one) => writeExample(one, kind)),
            ...state.negatives.filter((one) => kind in one).map((one) => `-${writeExample(one, kind)}`),
        ];
        if (parts.length) given.set(name, parts.join(","));
    }
    if (state.box) given.set("box", state.box.map((side) => +side.toFixed(SIDES)).join(","));
    if (state.where) given.set("where", state.where);
    if (state.preset !== PRESETS[0]) given.set("preset", state.preset);
    if (state.exact) given.set("exact", "1");
    if (state.sure) given.set("sure", String(state.sure));
    if (state.show) given.set("show", String(state.show));
    const query = given.toString().replaceAll("%2C", ",");
    return `#/${state.view}${query ? `?${query}` : ""}`;
}

/** What has to be asked again when it changes: all but the result that is open. */
export const question = (state) => format({ ...state, show: null });

export const asks = (state) => state.examples.length > 0;

/** Whether two examples are the same picture. */
export const same = (one, other) => ("id" in one ? one.id === other.id : one.up === other.up);

/** A few words for a title and for the list of recent searches. */
export function describe(state, names = new Map()) {
    const of = (one) => ("id" in one ? `image ${one.id}` : basename(names.get(one.up) ?? "an uploaded picture"));
    const words = [state.examples.map(of).join(" and ")];
    if (state.box) words.push("a part of it");
    if (state.negatives.length) words.push(`not like ${state.negatives.map(of).join(", ")}`);
    if (state.where) words.push(`where ${state.where}`);
    return words.join(", ");
}

function readExample(part, kind) {
    const match = /^-?([0-9a-z]{1,64})(?:\*([0-9.]{1,8}))?$/.exec(part);
    if (!match) return null;
    const weight = match[2] === undefined ? 1 : Number(match[2]);
    if (!(weight > 0 && weight <= 100)) return null;
    if (kind === "up") return { up: match[1], weight };
    return /^\d{1,15}$/.test(match[1]) ? { id: Number(match[1]), weight } : null;
}

const writeExample = (one, kind) => `${one[kind]}${one.weight === 1 ? "" : `*${+one.weight.toFixed(2)}`}`;

function readBox(text) {
    const sides = (text ?? "").split(",").map(Number);
    const [left, top, right, bottom] = sides;
    const fits = sides.length === 4 && sides.every((side) => side >= 0 && side <= 1) && left < right && top < bottom;
    return fits ? sides : null;
}
