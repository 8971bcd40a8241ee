// The collection in numbers, its folders, and, where the server lets it be changed, indexing with its progress.

import { announce, tell } from "./announce.js";
import { at, get, remove } from "./api.js";
import { button, el, field, put } from "./dom.js";
import { bytes, count, counted, percent } from "./format.js";
import { jobCard } from "./job_card.js";
import { list, start } from "./jobs.js";
import { saidList } from "./said_list.js";

const SESSION = "/v1/session";

export function manageView(app) {
    const title = el("h1", {}, "Collection");
    const about = el("p");
    const numbers = el("dl.numbers");
    const folders = el("ul.folders");
    const work = el("section", { "aria-labelledby": "work-title", hidden: true });
    const jobs = el("ul.jobs", { "aria-label": "Jobs" });
    const wrong = el("p.wrong", { role: "alert" });
    const path = el("input", {
        type: "text",
        spellcheck: false,
        autocapitalize: "off",
        placeholder: "/home/me/Pictures",
    });
    const leaving = el(
        "section",
        { "aria-labelledby": "session-title", hidden: true },
        el("h2", { id: "session-title" }, "Session"),
        el("p.muted", {}, "This browser has shown the token. Afterwards it has to be shown again."),
        button("Log out", { onclick: logOut }),
    );
    const said = saidList(app);
    const node = el(
        "div.page",
        {},
        el("header", {}, el("div", {}, title, about)),
        numbers,
        el("section", { "aria-labelledby": "folders-title" }, el("h2", { id: "folders-title" }, "Folders"), folders),
        work,
        said.node,
        leaving,
    );
    const known = new Set();
    let shownOf = null;

    put(
        work,
        el("h2", { id: "work-title" }, "Indexing"),
        el("p.muted", {}, "Looks for new, changed and moved photos. Searching goes on meanwhile."),
        el(
            "form.begin",
            {
                onsubmit: (event) => {
                    event.preventDefault();
                    index([path.value.trim()]);
                },
            },
            field("Another folder on the server", path),
            el("button.button", { type: "submit" }, "Index it"),
        ),
        wrong,
        jobs,
    );

    async function index(paths) {
        wrong.textContent = "";
        if (!paths[0]) {
            wrong.textContent = "Name a folder.";
            path.focus();
            return;
        }
        try {
            follow(await start(app.facts.name, "index", { paths }));
            announce("indexing has begun");
        } catch (problem) {
            wrong.textContent = problem.message;
        }
    }

    async function logOut() {
        try {
            await remove(SESSION);
            location.reload();
        } catch (problem) {
            tell(problem.message);
        }
    }

    function follow(job) {
        if (known.has(job.id)) return;
        known.add(job.id);
        jobs.prepend(jobCard(job, () => app.reload()));
    }

    async function describe() {
        const { name, writable } = app.facts;
        const info = await get(at(name));
        title.textContent = name;
        const model = info.fingerprint?.checkpoint ?? "no model yet";
        about.textContent = `${counted(info.images, "image")} in ${counted(info.files, "file")}, embedded with ${model}.`;
        const recall = Object.values(info.index?.recall ?? {})[0];
        const facts = [
            ["Images", count(info.images)],
            ["Files", count(info.files)],
            ["Could not be read", info.failed ? count(info.failed) : null],
            ["On the disk", bytes(info.bytes)],
            ["Numbers of a vector", info.fingerprint && count(info.fingerprint.dimension)],
            ["Index", info.index?.type ?? "none: every vector is compared"],
            ["Measured recall", recall === undefined ? null : percent(recall)],
            ["Calibrated", app.facts.calibrated ? "yes" : "no"],
            ["Parts of images", app.facts.regions ? "can be found" : "not indexed"],
        ];
        put(
            numbers,
            ...facts
                .filter(([, value]) => value)
                .map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value))),
        );
        put(
            folders,
            ...info.roots.map((root) =>
                el(
                    "li",
                    {},
                    el("span.path", {}, root.path),
                    el(
                        "span.muted.number",
                        {},
                        `${counted(root.files, "file")}${root.online ? "" : ", not there now"}`,
                    ),
                    writable &&
                        root.online &&
                        /[/\\]/.test(root.path) &&
                        button("Index again", {
                            class: "compact",
                            "aria-label": `Index ${root.path} again`,
                            onclick: () => index([root.path]),
                        }),
                ),
            ),
        );
        if (!info.roots.length) put(folders, el("li.muted", {}, "No folder was indexed yet."));
        work.hidden = !writable;
    }

    return {
        node,
        title: () => app.facts.name,
        async show() {
            try {
                if (shownOf !== app.facts.name) {
                    shownOf = app.facts.name;
                    known.clear();
                    put(jobs);
                }
                await describe();
                leaving.hidden = (await get(SESSION)).status !== "open";
                if (!app.facts.writable) {
                    said.node.hidden = true;
                    return;
                }
                await said.show();
                for (const job of (await list()).toReversed()) if (job.collection === shownOf) follow(job);
            } catch (problem) {
                about.textContent = problem.message;
            }
        },
    };
}
