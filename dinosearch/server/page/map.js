// The map: images that look alike lie together; a list beside it holds what is in sight, for eyes and readers alike.

import { announce } from "./announce.js";
import { at, get, picture, wait } from "./api.js";
import { chosenCard } from "./chosen.js";
import { button, el, put } from "./dom.js";
import { basename, counted } from "./format.js";
import { scatter } from "./scatter.js";
import { format } from "./state.js";
import { underWay } from "./under_way.js";
import { viewport } from "./viewport.js";

const LISTED = 30;
const NONE = "The collection holds no photos yet.";
const HELP =
    "Arrow keys move, plus and minus zoom, zero shows all, Enter opens the photo in the middle. " +
    "The list that follows has the same photos.";

export function mapView(app) {
    const canvas = el("canvas", {
        tabIndex: 0,
        role: "application",
        "aria-label": "Map of the collection",
        "aria-describedby": "map-keys",
    });
    const about = el("p.small", {}, "Photos that look alike lie together.");
    const waiting = el(
        "div.waiting",
        { hidden: true },
        el("p", { role: "status" }),
        el("progress", { max: 1, "aria-label": "Making the map" }),
        button("Try again", { onclick: () => load() }),
    );
    const card = chosenCard(app, {
        searchOf: (id) => searchOf(id),
        closed: () => {
            choose(null);
            canvas.focus();
        },
    });
    const title = el("h2", { id: "sight-title" }, "In sight");
    const list = el("ul");
    const tool = (name, drawn, act) => button(name, { icon: drawn, text: false, onclick: act });
    const tools = el(
        "div.zoom",
        { role: "group", "aria-label": "Zoom" },
        tool("Nearer", "plus", () => view.zoom(1.6)),
        tool("Farther", "minus", () => view.zoom(1 / 1.6)),
        tool("Show all", "fit", () => view.all()),
    );
    const node = el(
        "div.map",
        {},
        el("h1.unseen", { tabIndex: -1 }, "Map"),
        el("div.plane", {}, canvas, el("p.unseen", { id: "map-keys" }, HELP), tools, waiting, card.node),
        el("section.sight", { "aria-labelledby": "sight-title" }, title, about, list),
    );
    const view = viewport(canvas, { margin: () => plot.margin(), changed: moved, tapped: tap, hovered: hover });
    const plot = scatter(canvas, view);
    let points = new Map();
    let shownOf = null;
    let giveUp = new AbortController();
    let listing = 0;
    let byKeys = false;
    let open = null;
    let refs = new Map();

    new ResizeObserver(() => moved()).observe(canvas);
    canvas.addEventListener("keydown", (event) => {
        byKeys = true;
        if (event.key === "Enter") {
            event.preventDefault(); // Firefox would follow the link that gets the focus
            choose(plot.middle(), true);
        } else if (event.key === "Escape") choose(null);
    });
    canvas.addEventListener("blur", () => {
        byKeys = false;
        plot.mark(open);
    });

    function moved() {
        plot.later();
        clearTimeout(listing);
        listing = setTimeout(listSight, 220);
    }

    function tap(left, top) {
        byKeys = false;
        choose(plot.at(left, top));
    }

    function hover(left, top) {
        const id = left === null ? null : plot.at(left, top);
        canvas.classList.toggle("over", id !== null);
        if (!byKeys) plot.mark(id ?? open);
    }

    function choose(id, focus = false) {
        open = id;
        plot.mark(id);
        card.show(id, focus);
    }

    const searchOf = (id) =>
        format({ ...app.fresh(), collection: app.state.collection, examples: [{ id, weight: 1 }] });

    async function listSight() {
        const { name } = app.facts;
        const ids = plot.visible();
        title.textContent = points.size ? `In sight: ${counted(ids.length, "photo")}` : "In sight";
        const shown = ids.slice(0, LISTED);
        if (byKeys) plot.mark(shown[0] ?? null);
        await nameAll(name, shown);
        put(
            list,
            ...shown.map((id) =>
                el(
                    "li",
                    {},
                    el(
                        "a",
                        {
                            href: searchOf(id),
                            "aria-label": refs.get(id) ?? `photo ${id}`,
                            title: refs.get(id) ?? "",
                            onfocus: () => plot.mark(id),
                            onpointerenter: () => plot.mark(id),
                            onpointerleave: () => plot.mark(open),
                        },
                        el("img", { loading: "lazy", decoding: "async", src: picture(name, id, 160), alt: "" }),
                    ),
                ),
            ),
        );
        if (byKeys && shown.length)
            announce(
                `${refs.get(shown[0]) ?? `photo ${shown[0]}`} in the middle, ${counted(ids.length, "photo")} in sight`,
            );
    }

    /** Names of images, as a map has only numbers. */
    async function nameAll(collection, ids) {
        const unknown = ids.filter((id) => !refs.has(id));
        if (!unknown.length) return;
        const where = encodeURIComponent(`id in (${unknown})`);
        const answer = await get(`${at(collection, "files")}?limit=300&where=${where}`).catch(() => ({ files: [] }));
        for (const file of answer.files) if (!refs.has(file.id)) refs.set(file.id, basename(file.path));
    }

    async function load() {
        giveUp.abort();
        giveUp = new AbortController();
        const [words, bar, again] = waiting.children;
        words.textContent = "The map is being made…";
        waiting.hidden = bar.hidden = false;
        again.hidden = true;
        bar.removeAttribute("value");
        try {
            const answer = await wait(at(app.facts.name, "map"), {
                signal: giveUp.signal,
                progress: underWay(words, bar),
            });
            points = new Map(answer.points.map(([id, x, y]) => [id, [x, y]]));
            refs = new Map();
            canvas.setAttribute("aria-label", `Map of ${counted(points.size, "photo")}`);
            plot.show(app.facts.name, answer.points);
            waiting.hidden = points.size > 0;
            bar.hidden = true;
            words.textContent = NONE;
            moved();
        } catch (problem) {
            if (problem.name === "AbortError") return;
            words.textContent = problem.message;
            bar.hidden = true;
            again.hidden = false;
            shownOf = null; // asked again when it is shown again
        }
    }

    return {
        node,
        title: () => "Map",
        async show() {
            const wanted = `${app.facts.name} ${app.facts.images_state}`;
            if (shownOf === wanted) return moved();
            shownOf = wanted;
            choose(null);
            view.all();
            await load();
        },
        leave() {
            if (!waiting.hidden) {
                giveUp.abort();
                shownOf = null;
            }
        },
        themed: () => plot.later(),
        stale: () => {
            shownOf = null;
        },
    };
}
