// What people said of results in this collection, the newest first, each with a button that takes it back.

import { announce, tell } from "./announce.js";
import { at, get, picture, post } from "./api.js";
import { button, el, put } from "./dom.js";
import { basename, counted } from "./format.js";

const PAGE = 1000;
const SHOWN = 10; // that are added at a time
const ELSEWHERE = "a picture from elsewhere";

/** A section that hides itself while nothing was said. */
export function saidList(app) {
    const title = el("h2", { id: "said-title", tabIndex: -1 }, "Said of results");
    const about = el("p.muted");
    const list = el("ul.said-list", { "aria-labelledby": "said-title" });
    const more = button("Show more", { onclick: () => grow(rows.length - shown) });
    const node = el("section", { "aria-labelledby": "said-title", hidden: true }, title, about, list, more);
    let rows = [];
    let shown = SHOWN;

    async function grow(left) {
        const first = shown;
        shown += Math.min(left, SHOWN);
        await draw();
        list.children[first]?.querySelector("a, button").focus();
    }

    async function draw() {
        const part = rows.slice(0, shown);
        const names = await namesOf(app.facts.name, part);
        put(list, ...part.map((said) => row(said, names)));
        more.hidden = rows.length <= shown;
    }

    function row(said, names) {
        const called = (id) => (id === null ? ELSEWHERE : (names.get(id) ?? `image ${id}, removed`));
        const [query, result] = [called(said.query), called(said.id)];
        const words = said.same ? "The same thing" : "Not the same thing";
        const what = `${words}: ${query} and ${result}`;
        const small = (id) => names.has(id) && el("img", { src: picture(app.facts.name, id, 160), alt: "" });
        const pair = el("span.pair", {}, small(said.query), small(said.id));
        const compare = app.href({
            ...app.fresh(),
            collection: app.facts.name,
            examples: [{ id: said.query, weight: 1 }],
            show: said.id,
        });
        const looks = names.has(said.query) && names.has(said.id);
        return el(
            "li",
            {},
            looks ? el("a", { href: compare, "aria-label": what }, pair) : pair,
            el("div.words", {}, el("p", {}, words), el("p.small.muted", {}, `${query} and ${result}`)),
            button("Take back", { class: "compact", "aria-label": `Take back: ${what}`, onclick: () => takeBack(said) }),
        );
    }

    async function takeBack(said) {
        const place = rows.indexOf(said);
        const query = said.query === null ? { query_sha256: said.query_sha256 } : { query: said.query };
        try {
            await post(at(app.facts.name, "verdicts", "forget"), { ...query, results: [said.id] });
        } catch (problem) {
            return tell(problem.message);
        }
        announce("Taken back");
        rows.splice(place, 1);
        await draw();
        const next = list.children[Math.min(place, list.children.length - 1)];
        (next?.querySelector("button") ?? document.getElementById("main")).focus({ preventScroll: true });
        app.reload(); // estimates, and what else is shown of the collection
    }

    return {
        node,
        /** Ask anew what was said. */
        async show() {
            const page = await get(`${at(app.facts.name, "verdicts")}?limit=${PAGE}`);
            rows = page.verdicts.sort((one, other) => other.made.localeCompare(one.made));
            node.hidden = !rows.length;
            const calibrated = app.facts.calibrated
                ? "Estimates learn from it."
                : "Estimates learn from it once the collection is calibrated.";
            about.textContent = `${counted(page.total, "verdict")} on whether two pictures show the same thing. ${calibrated}`;
            await draw();
        },
    };
}

/** Names of the images that have a file, by id. */
async function namesOf(collection, rows) {
    const ids = [...new Set(rows.flatMap(({ query, id }) => [query, id]).filter((id) => id !== null))];
    const names = new Map();
    for (let low = 0; low < ids.length; low += 100) {
        const where = encodeURIComponent(`id in (${ids.slice(low, low + 100)})`);
        const { files } = await get(`${at(collection, "files")}?limit=1000&where=${where}`);
        for (const file of files) if (!names.has(file.id)) names.set(file.id, basename(file.path));
    }
    return names;
}
