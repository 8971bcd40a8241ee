// The page before a search: what can be done, what was searched lately, and photos of the collection to begin with.

import { announce, tell } from "./announce.js";
import { at, get, picture } from "./api.js";
import { button, el, put } from "./dom.js";
import { pickButton } from "./dropzone.js";
import { count } from "./format.js";
import { justifiedList } from "./grid.js";
import { forget, recent } from "./recent.js";
import { describe, format, parse } from "./state.js";
import { tile } from "./tile.js";
import { address, find } from "./uploads.js";

const SHOWN = 30;

export function startView(app) {
    const about = el("p.lead");
    const past = el("section.recent", { hidden: true, "aria-labelledby": "recent-title" });
    const grid = justifiedList({ "aria-labelledby": "sample-title" }, 0.8);
    const others = button("Other photos", { icon: "shuffle", class: "quiet compact", onclick: () => sample(turn + 1) });
    const photos = el(
        "section.sample",
        { hidden: true, "aria-labelledby": "sample-title" },
        el("div.heading", {}, el("h2", { id: "sample-title" }, "Or begin with one of these"), others),
        grid.node,
    );
    const target = el(
        "div.target",
        {},
        el(
            "div.buttons",
            {},
            pickButton("Choose a photo", app.take, { class: "strong", id: "pick" }),
            pickButton("Take a photo", app.take, { camera: true, id: "photograph" }),
        ),
        el(
            "p.muted",
            {},
            el("span.by-mouse", {}, "or drop or paste one anywhere on this page. "),
            "Several at once are searched together.",
        ),
    );
    const node = el(
        "div.start",
        {},
        el(
            "section.hero",
            { "aria-labelledby": "hero-title" },
            el("h1", { id: "hero-title", tabIndex: -1 }, "Find the photos of the same thing"),
            about,
            target,
        ),
        past,
        photos,
    );
    let turn = 0;
    let shownOf = null;

    async function sample(next = 0) {
        turn = next;
        const { name, images } = app.facts;
        try {
            const ids = spread(images, turn);
            const address = `${at(name, "files")}?limit=200`;
            let { files } = await get(`${address}&where=${encodeURIComponent(`id in (${ids})`)}`);
            // Ids are never used again: after many were removed, those of now may all be larger.
            if (!files.length) files = (await get(address)).files.slice(0, SHOWN);
            const found = mixed([...new Map(files.map((file) => [file.id, file])).values()]);
            photos.hidden = !found.length; // before the rows are made, which have no width in what is hidden
            grid.set(
                found.map((file) =>
                    tile(file, {
                        collection: name,
                        href: format({ ...app.fresh(), examples: [{ id: file.id, weight: 1 }] }),
                    }),
                ),
            );
            others.hidden = images <= SHOWN;
            if (next) announce(`${found.length} other photos`);
        } catch (problem) {
            tell(problem.message);
        }
    }

    return {
        node,
        show() {
            const { name, images, state } = app.facts;
            const where = app.collections.length > 1 ? `of ${name}` : "here";
            target.hidden = !images;
            about.textContent = inviting(images, where);
            if (!images) about.replaceChildren(...filling(app));
            showRecent(past);
            if (images && shownOf !== `${name} ${state}`) sample();
            shownOf = `${name} ${state}`;
        },
    };
}

function inviting(images, where) {
    if (images === 1) return `Show one, and see how much the only photo ${where} looks like it.`;
    return (
        `Show one, and the ${count(images)} photos ${where} are ordered by how much they look like it: ` +
        "the same building, object or scene comes first."
    );
}

/** What an empty collection needs. */
function filling({ facts: { name, writable }, href }) {
    const empty = `The collection ${name} holds no photos yet. `;
    if (writable) return [empty, el("a", { href: href({ view: "collection" }) }, "Index a folder"), "."];
    return [empty, "Where the server runs, fill it with ", el("code", {}, "dinosearch index FOLDER --home HOME"), "."];
}

/** Ids over the whole collection; each turn gives others. */
function spread(images, turn) {
    const number = Math.min(SHOWN, images);
    const step = images / number;
    const offset = (turn * 0.618) % 1;
    return [...new Set(Array.from({ length: number }, (_, place) => 1 + Math.floor((place + offset) * step)))];
}

/** Neighbours are of one folder more often than not; here they come far from each other. */
const mixed = (files) =>
    files
        .map((file, place) => [(place * 0.618) % 1, file])
        .sort((a, b) => a[0] - b[0])
        .map(([, file]) => file);

async function showRecent(section) {
    const searches = recent();
    section.hidden = !searches.length;
    if (!searches.length) return;
    const list = el("ul");
    for (const { hash, words } of searches) {
        const state = parse(hash);
        const image = el("img", { alt: "", decoding: "async" });
        const [first] = state.examples;
        if (!first) continue;
        if (first.id && state.collection) image.src = picture(state.collection, first.id, 160);
        else if (first.up) {
            const record = await find(first.up);
            if (record) image.src = address(record);
        }
        const more = state.examples.length > 1 ? el("span.number", {}, `+${state.examples.length - 1}`) : null;
        list.append(
            el("li", {}, el("a", { href: hash, title: words, "aria-label": words || describe(state) }, image, more)),
        );
    }
    const clear = button("Clear", {
        class: "quiet compact",
        "aria-label": "Clear recent searches",
        onclick: () => {
            forget();
            section.hidden = true;
            document.getElementById("hero-title").focus({ preventScroll: true });
            announce("recent searches cleared");
        },
    });
    put(section, el("div.heading", {}, el("h2", { id: "recent-title" }, "Recent searches"), clear), list);
}
