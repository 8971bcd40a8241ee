// Elements from data: text always goes in as text, so that no path or camera name can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `el("button.icon", {type: "button", onclick}, "text", child)`; null children are left out. */
export function el(what, given = {}, ...children) {
    const [tag, ...classes] = what.split(".");
    const node = document.createElement(tag);
    if (classes.length) node.className = classes.join(" ");
    return fill(node, given, children);
}

/** The same in SVG. */
export function svg(tag, given = {}, ...children) {
    return fill(document.createElementNS(SVG, tag), given, children);
}

/** An icon of the sprite in index.html. */
export function icon(name) {
    return svg("svg", { "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));
}

/** A button with an icon, a name that is read out, and, where `text` is wanted, one that is seen. */
export function button(name, { icon: drawn, text = true, ...given } = {}) {
    const kind = text ? "button.button" : "button.icon";
    const node = el(kind, { type: "button", ...given }, drawn && icon(drawn), text && el("span", {}, name));
    if (!text) {
        node.setAttribute("aria-label", name);
        node.title = name;
    }
    return node;
}

/** A choice of one of few: radio buttons that look like one bar. */
export function segments(label, choices, chosen, change, given = {}) {
    const group = `g${++groups}`;
    return el(
        "div.segments",
        { role: "radiogroup", "aria-label": label, ...given },
        ...choices.map(([value, text]) =>
            el(
                "label",
                {},
                el("input", {
                    type: "radio",
                    name: group,
                    value,
                    checked: value === chosen,
                    onchange: () => change(value),
                }),
                el("span", {}, text),
            ),
        ),
    );
}
let groups = 0;

/** A labelled field. */
export function field(label, control, more = null) {
    return el("label.field", {}, el("span", {}, label), control, more);
}

/** Replace what a node holds; the focus of a control that is made anew goes to the one of its name. */
export function put(node, ...children) {
    const held = document.activeElement !== node && node.contains(document.activeElement) && document.activeElement;
    const place = held ? alike(node, held).indexOf(held) : 0;
    node.replaceChildren(
        ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
    );
    if (held) (node.contains(held) ? held : alike(node, held)[place])?.focus({ preventScroll: true });
    return node;
}

/** Those that are called like one. */
const alike = (node, one) =>
    [...node.querySelectorAll(one.localName)].filter((other) => nameOf(other) === nameOf(one));

const nameOf = (node) => node.getAttribute("aria-label") ?? (node.closest("label") ?? node).textContent;

function fill(node, given, children) {
    for (const [name, value] of Object.entries(given)) {
        if (value === undefined || value === null) continue;
        if (value === false && typeof node[name] !== "boolean") continue; // some are on by themselves: spellcheck
        if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
        else if (name === "class") node.classList.add(...value.split(" ").filter(Boolean));
        else if (name === "data") Object.assign(node.dataset, value);
        else if (name in node && !(node instanceof SVGElement) && name !== "list") node[name] = value;
        else node.setAttribute(name, value === true ? "" : value);
    }
    for (const child of children.flat()) {
        if (child !== null && child !== undefined && child !== false) node.append(child);
    }
    return node;
}
