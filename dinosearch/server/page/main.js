// The page: which view is shown for which address, and the few things that all views share.

import { announce, tell } from "./announce.js";
import { get } from "./api.js";
import { button, el, put } from "./dom.js";
import { takeDrops } from "./dropzone.js";
import { keysButton } from "./keys.js";
import { searchView } from "./search.js";
import { asks, blank, format, parse, same } from "./state.js";
import { themeButton } from "./theme.js";
import { keep } from "./uploads.js";

const LATER = {
    map: () => import("./map.js").then((module) => module.mapView),
    duplicates: () => import("./duplicates.js").then((module) => module.duplicatesView),
    collection: () => import("./manage.js").then((module) => module.manageView),
};
const main = document.getElementById("main");
const place = document.getElementById("view");
const chooser = document.getElementById("chooser");
const views = new Map();
let current = null;

/** What views share: the state of the address, facts of the collection, and how to get to another state. */
const app = {
    state: blank(),
    collections: [],
    facts: null,
    /** A state without anything asked, in the same collection and with the same way to search. */
    fresh: (view = "search") => ({ ...blank(view), collection: app.state.collection, preset: app.state.preset }),
    href: (part) => format({ ...app.state, ...part }),
    go(state, { replace = false } = {}) {
        const hash = format(state);
        if (hash === format(app.state)) return;
        try {
            history[replace ? "replaceState" : "pushState"]({ within: true }, "", hash);
        } catch {
            // Safari takes 100 in ten seconds, and an arrow key that is held makes more: the next one sets it right.
        }
        render(parse(hash));
    },
    change(part, how) {
        const next = { ...app.state, show: null, ...part };
        if (!asks(next) && next.view === "search") Object.assign(next, { box: null, negatives: [] });
        if (next.examples.length !== 1 || (next.examples !== app.state.examples && !("box" in part))) next.box = null;
        app.go(next, how);
    },
    /** Search with uploaded pictures, or with them too. */
    async take(files, add) {
        const records = await Promise.all([...files].map((file) => keep(file, file.name || "pasted picture")));
        const examples = records.map(({ key }) => ({ up: key, weight: 1 }));
        const asked = [...app.state.examples, ...app.state.negatives];
        if (examples.every((one) => asked.some((other) => same(one, other)))) {
            // A shared address asks with them, and this browser had not seen them.
            for (const view of views.values()) view.stale?.();
            render();
        } else if (add && asks(app.state)) app.change({ examples: joined(app.state.examples, examples) });
        else app.go({ ...app.fresh(), examples: joined([], examples) });
        scrollTo({ top: 0 });
    },
    /** Add an image of the collection to what is asked. */
    example(id) {
        app.change({
            examples: joined(app.state.examples, [{ id, weight: 1 }]),
            negatives: app.state.negatives.filter((one) => one.id !== id),
        });
        announce("added to the search");
    },
    /** Take an image of the collection as what is not meant. */
    against(id) {
        const examples = app.state.examples.filter((one) => one.id !== id);
        if (!examples.length) return tell("That is the picture that is searched for.");
        app.change({ examples, negatives: joined(app.state.negatives, [{ id, weight: 1 }]) });
        announce("taken as not meant");
    },
    /** An answer is of another state than what is known of the collection: learn what it is now. */
    async noticed(state) {
        if (state === app.facts.state) return;
        await load().catch(() => {});
        app.facts = app.collections.find(({ name }) => name === app.facts.name) ?? app.facts;
    },
    /** Ask the server about its collections again, after they have changed. */
    async reload() {
        await load();
        for (const view of views.values()) view.stale?.();
        render();
    },
};

async function load() {
    app.collections = (await get("/v1/collections")).collections;
    put(chooser, ...app.collections.map(({ name }) => el("option", { value: name }, name)));
    chooser.parentElement.hidden = app.collections.length < 2;
}

async function render(state = parse(location.hash)) {
    app.state = state;
    app.facts = app.collections.find(({ name }) => name === state.collection) ?? app.collections[0];
    if (!app.facts) return put(place, el("p.empty", {}, "This server has no collection."));
    if (state.collection && app.facts.name !== state.collection)
        tell(`There is no collection ${state.collection} here.`);
    chooser.value = app.facts.name;
    const name = state.view in LATER ? state.view : "search";
    for (const link of document.querySelectorAll("nav a")) {
        if (link.dataset.view === name) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
        link.href = format({ ...blank(link.dataset.view), collection: state.collection });
    }
    try {
        if (!views.has(name)) views.set(name, name === "search" ? searchView(app) : (await LATER[name]())(app));
    } catch {
        return app.state === state && failed("The server does not answer; is it still running?");
    }
    if (app.state !== state) return; // another address came while the view was loaded
    const view = views.get(name);
    if (current !== view) {
        current?.leave?.();
        put(place, view.node);
        if (current) {
            scrollTo({ top: 0 });
            main.focus({ preventScroll: true });
        }
        current = view;
    }
    const title = view.title?.(state);
    document.title = title ? `${title} · dinosearch` : "dinosearch";
    await view.show(state);
}

/** Say why there is no view, and begin anew when the server answers again. */
function failed(text) {
    const again = button("Try again", {
        onclick: () =>
            load().then(
                () => location.reload(),
                (problem) => tell(problem.message),
            ),
    });
    current?.leave?.();
    current = null;
    put(place, el("p.empty", { role: "alert" }, text), el("div.again", {}, again));
}

/** Both lists, each picture once; the server takes 16. */
function joined(list, more) {
    const all = [...list];
    for (const one of more) if (!all.some((other) => same(one, other))) all.push(one);
    return all.slice(0, 16);
}

chooser.addEventListener("change", () => {
    const uploaded = app.state.examples.filter((one) => one.up);
    app.go({ ...app.fresh(app.state.view), examples: uploaded, collection: chooser.value });
});
addEventListener("popstate", () => render());
// A picture whose file is gone: its place says so, and not the browser's sign. These events do not bubble.
for (const kind of ["error", "load"])
    document.addEventListener(
        kind,
        ({ target }) => {
            if (target.localName !== "img") return;
            target.classList.toggle("lost", kind === "error");
            const place = target.closest(".pic, .boxed, .held, .copy .open");
            place?.classList.toggle("unread", kind === "error");
            place?.classList.toggle("upload", target.src.startsWith("blob:"));
        },
        true,
    );
document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
});
themeButton(document.getElementById("theme"), () => current?.themed?.());
keysButton(document.getElementById("help"));
takeDrops(app.take, () => app.state.view === "search" && asks(app.state));
try {
    await load();
    await render();
} catch (problem) {
    failed(problem.message);
    if (!("status" in problem)) throw problem;
}
