// Controls for folder, dates and sizes, the filter that they make, and a place for what is wrong with it.

import { at, get } from "./api.js";
import { el, field, put } from "./dom.js";
import { bytes, count, shortFolder } from "./format.js";
import { read, write } from "./where.js";

const DEEPEST = 5; // folders in each other that are seen as such; more would push the names out of sight

/** The form; `change(where)` is called with a new filter. */
export function filtersForm(change) {
    const controls = {
        folder: el("select", { onchange: changed }),
        label: el("select", { onchange: changed }),
        from: el("input", { type: "date", onchange: changed }),
        to: el("input", { type: "date", onchange: changed }),
        width: el("input", { type: "number", min: 0, step: 1, inputMode: "numeric", onchange: changed }),
        size: el("input", { type: "number", min: 0, step: 1, inputMode: "numeric", onchange: changed }),
    };
    const text = el("textarea", {
        id: "where",
        rows: 2,
        spellcheck: false,
        autocapitalize: "off",
        class: "code",
        placeholder: 'camera ~ "*canon*" and width > 1000',
        onkeydown: typed,
        oninput: () => {
            apply.hidden = text.value === shown;
        },
        onchange: () => submit(text.value),
    });
    text.setAttribute("aria-describedby", "where-wrong");
    const wrong = el("p.wrong", { id: "where-wrong", role: "alert" });
    const apply = el(
        "button.button.compact",
        { type: "button", hidden: true, onclick: () => submit(text.value) },
        "Apply",
    );
    const clear = el(
        "button.button.quiet.compact",
        { type: "button", hidden: true, onclick: () => submit("") },
        "Clear",
    );
    const folderField = field("Folder", controls.folder);
    const labelField = field("Label", controls.label);
    labelField.hidden = true;
    const node = el(
        "section.filters",
        { "aria-labelledby": "filters-title" },
        el("div.heading", {}, el("h2", { id: "filters-title" }, "Filters"), clear),
        folderField,
        labelField,
        el("div.pair", {}, field("Taken from", controls.from), field("to", controls.to)),
        el("div.pair", {}, field("Width from, px", controls.width), field("File from, kB", controls.size)),
        el("label.field", { htmlFor: "where" }, el("span", {}, "As text")),
        text,
        wrong,
        apply,
    );
    let shown = "";
    let rest = "";

    function changed() {
        submit(
            write({
                ...Object.fromEntries(Object.entries(controls).map(([name, control]) => [name, control.value])),
                rest,
            }),
        );
    }
    function typed(event) {
        if (event.key !== "Enter" || event.shiftKey) return;
        event.preventDefault();
        submit(text.value);
    }
    function submit(where) {
        const wanted = where.trim();
        if (wanted !== shown) change(wanted);
    }

    /** What is not listed, as from a shared address, is a choice all the same. */
    function choose(name, value, shown = value) {
        const control = controls[name];
        const listed = [...control.options].some((option) => option.value === value);
        if (value && !listed) control.append(el("option", { value }, shown));
        control.value = value;
    }
    function chooseOf({ folder, label }) {
        choose("folder", folder, shortFolder(folder));
        choose("label", label);
        if (label) labelField.hidden = false;
    }

    return {
        node,
        /** Show the filter of a state. */
        show(where) {
            const parts = read(where);
            chooseOf(parts);
            for (const name of ["from", "to"]) controls[name].value = wholeDate(parts[name], name);
            for (const name of ["width", "size"]) controls[name].value = parts[name];
            rest = parts.rest;
            shown = where;
            text.value = where;
            apply.hidden = true;
            clear.hidden = !where;
            this.fail("");
        },
        /** Say what is wrong, at its place. */
        fail(sentence) {
            wrong.textContent = sentence;
            text.setAttribute("aria-invalid", sentence ? "true" : "false");
        },
        /** Offer what the collection has. */
        async offer(collection) {
            const facets = await get(at(collection, "facets"));
            put(controls.folder, el("option", { value: "" }, "All folders"), ...folderOptions(facets.folders));
            const labels = facets.labels.map(({ label, files }) =>
                el("option", { value: label }, `${label} (${count(files)})`),
            );
            put(controls.label, el("option", { value: "" }, "All labels"), ...labels);
            folderField.hidden = facets.folders.length < 2;
            labelField.hidden = !labels.length;
            chooseOf(read(shown));
            const [first, last] = [facets.taken.first, facets.taken.last].map((moment) => moment?.slice(0, 10) ?? "");
            for (const name of ["from", "to"]) {
                controls[name].disabled = !first && !controls[name].value;
                Object.assign(controls[name], { min: first, max: last });
            }
            const widest = facets.width.max;
            controls.width.placeholder = widest === null ? "" : `up to ${count(widest)}`;
            controls.size.placeholder = facets.size.max === null ? "" : `up to ${bytes(facets.size.max)}`;
        },
    };
}

/** Years and months of a filter as the days that a date field can show. */
function wholeDate(text, name) {
    if (!text) return "";
    const [year, month, day] = text.split("-");
    if (day) return text;
    if (name === "from") return `${year}-${month ?? "01"}-01`;
    const last = new Date(Date.UTC(Number(year), Number(month ?? 12), 0));
    return last.toISOString().slice(0, 10);
}

/** Folders with the files of everything below them; those that all others lie in say nothing and are left out. */
function folderOptions(folders) {
    const counts = new Map();
    let total = 0;
    for (const { path, files } of folders) {
        total += files;
        const names = path.split("/");
        for (let depth = names.length; depth > 1; depth -= 1) {
            const parent = names.slice(0, depth).join("/");
            counts.set(parent, (counts.get(parent) ?? 0) + files);
        }
    }
    const parents = [...counts]
        .filter(([, files]) => files < total)
        .map(([path]) => path)
        .sort();
    const root = commonFolder(parents);
    return parents.map((path) => {
        const below = path.slice(root.length).split("/").filter(Boolean);
        const indent = "\u2003".repeat(Math.min(DEEPEST, Math.max(0, below.length - 1)));
        return el(
            "option",
            { value: path, title: path },
            `${indent}${below.at(-1) ?? path} (${count(counts.get(path))})`,
        );
    });
}

function commonFolder(paths) {
    if (!paths.length) return "";
    let names = paths[0].split("/").slice(0, -1);
    for (const path of paths) {
        const others = path.split("/").slice(0, -1);
        const differs = names.findIndex((name, depth) => name !== others[depth]);
        if (differs >= 0) names = names.slice(0, differs);
    }
    return names.join("/");
}
