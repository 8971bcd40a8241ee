// Files that are equal or nearly so, in groups: which to keep and which to remove is marked, and the list exported.

import { announce, tell } from "./announce.js";
import { at, wait } from "./api.js";
import { ask as confirm } from "./confirm.js";
import { bestOf } from "./copy.js";
import { button, el, put, segments } from "./dom.js";
import { asCsv, asList, save } from "./export.js";
import { bytes, count, counted } from "./format.js";
import { groupCard } from "./group.js";
import { forgetAll, total } from "./judged.js";
import { run } from "./jobs.js";
import { moveAmong } from "./keys.js";
import { marksOf } from "./marks.js";
import { underWay } from "./under_way.js";

const NEARNESS = [
    ["0.99", "Nearly equal"],
    ["0.95", "Very alike"],
    ["0.9", "Alike"],
];
const ABOUT =
    "Files with the same content, and photos that are nearly the same. Marks make a list; no file is ever deleted from the disk.";
const KEEPS =
    "They will no longer be found. The files stay on the disk, and the next indexing run of their folder brings them back.";
const FORGETS = "Groups that were said to be no duplicates are shown again.";

export function duplicatesView(app) {
    const nearness = segments("How alike", NEARNESS, "0.95", (chosen) => {
        threshold = chosen;
        load();
    });
    const summary = el("p", { role: "status" });
    const marking = button("Mark all but the best", {
        icon: "check",
        onclick: () => markAll((file, best) => file !== best),
    });
    const clearing = button("Clear marks", { class: "quiet compact", onclick: () => markAll(() => false) });
    const table = button("Export table", { icon: "download", class: "compact", onclick: exportTable });
    const names = button("Export list", { icon: "download", class: "compact", onclick: exportList });
    const removing = button("Remove", { icon: "close", class: "strong compact", onclick: removeMarked });
    const list = el("ol.groups", { onkeydown: pressed });
    const more = button("Show more", { onclick: () => !loading && page(cursor) });
    const title = el("h1", { tabIndex: -1 }, "Duplicates");
    const foot = el("div.foot", { hidden: true }, more);
    const saidText = el("span.muted");
    const said = el("p.said", { hidden: true }, saidText, button("Forget it", { class: "compact", onclick: forget }));
    const bar = el("progress", { max: 1, "aria-label": "Looking for duplicates" });
    const waiting = el("div.looking", { hidden: true }, el("p.muted", { role: "status" }, "Looking for duplicates…"), bar);
    const buttons = el("div.buttons", {}, marking, clearing, table, names, removing);
    const toolbar = el("div.toolbar", { role: "group", "aria-label": "Marks" }, summary, buttons);
    const head = el("header", {}, el("div", {}, title, el("p", {}, ABOUT)), nearness);
    const node = el("div.page", {}, head, toolbar, waiting, list, foot, said);
    let threshold = "0.95";
    let groups = [];
    let cursor = null;
    let marks = null;
    let shownOf = null;
    let loading = false;
    let giveUp = new AbortController();

    async function load() {
        giveUp.abort();
        giveUp = new AbortController();
        groups = [];
        marks = marksOf(app.facts.name);
        put(list);
        foot.hidden = toolbar.hidden = said.hidden = true;
        bar.removeAttribute("value");
        waiting.hidden = false;
        await page(null);
    }

    async function page(from) {
        const { signal } = giveUp;
        const query = new URLSearchParams({ threshold, limit: "40", ...(from && { cursor: from }) });
        const progress = underWay(waiting.firstChild, bar);
        const byButton = document.activeElement === more;
        loading = true;
        try {
            const answer = await wait(`${at(app.facts.name, "duplicates")}?${query}`, { signal, progress });
            if (signal.aborted) return;
            const first = groups.length;
            const shared = { app, marks, changed };
            groups.push(...answer.groups.map((group, place) => groupCard(group, first + place, shared)));
            cursor = answer.next;
            list.append(...groups.slice(first).map(({ node }) => node));
            if (byButton) groups[first]?.cards[0].link.focus();
            toolbar.hidden = false;
            summarise();
            showSaid();
            if (!groups.length) put(list, el("li.empty", {}, "No two photos are that alike."));
        } catch (problem) {
            if (problem.name !== "AbortError") failed(problem, from);
        } finally {
            if (!signal.aborted) {
                loading = false;
                waiting.hidden = true;
                foot.hidden = !cursor;
            }
        }
    }

    function failed(problem, from) {
        if (from) return tell(problem.message);
        const again = button("Try again", { onclick: () => load() });
        put(list, el("li.empty", {}, el("p", { role: "alert" }, problem.message), el("div.again", {}, again)));
        cursor = shownOf = null; // asked again when it is shown again
    }

    function pressed(event) {
        const node = event.target.closest?.(".copy");
        if (!node || event.ctrlKey || event.metaKey || event.altKey) return;
        const group = groups.find((one) => one.node.contains(node));
        const card = group.cards.find((one) => one.node === node);
        const key = event.key.toLowerCase();
        if (key === "r" || key === "delete") card.mark(true);
        else if (key === "k") card.mark(false);
        else if (key === "n") group.judge();
        else {
            moveAmong(event, list, event.target.matches(".remove") ? "button.remove" : "a.open");
            return;
        }
        event.preventDefault();
    }

    const open = () => groups.filter((group) => !group.isJudged());
    const toRemove = () => open().flatMap(({ files }) => files.filter((file) => marks.has(file)));

    function markAll(whether) {
        for (const { files, cards } of open()) {
            for (const file of files) marks.set(file, whether(file, bestOf(files)));
            for (const card of cards) card.paint();
        }
        summarise();
        announce(`${counted(toRemove().length, "file")} marked`);
    }

    function changed() {
        summarise();
        showSaid();
    }

    function summarise() {
        const gone = toRemove();
        const size = bytes(gone.reduce((sum, file) => sum + file.size, 0));
        const left = open();
        const files = left.reduce((sum, group) => sum + group.files.length, 0);
        const found = `${counted(left.length, "group")}${cursor ? " so far" : ""}, ${counted(files, "file")}`;
        summary.textContent = `${found}; ${gone.length ? `${count(gone.length)} marked for removal, ${size}` : "none marked"}`;
        names.disabled = clearing.disabled = removing.disabled = gone.length === 0;
        table.disabled = marking.disabled = left.length === 0;
        removing.hidden = !app.facts.writable;
        // A button that cannot be pressed any more takes the focus with it.
        if (document.activeElement?.disabled) (marking.disabled ? title : marking).focus();
        removing.lastChild.textContent = gone.length ? `Remove ${count(gone.length)}` : "Remove";
    }

    function exportTable() {
        save(`duplicates-${app.facts.name}.csv`, "text/csv", asCsv(open(), marks));
    }
    function exportList() {
        const { text, left } = asList(toRemove());
        save(`remove-${app.facts.name}.txt`, "text/plain", text);
        if (left)
            tell(`Left out of the list: ${counted(left, "file")} with a line break in the name. The table has them.`);
    }

    async function showSaid() {
        const pairs = app.facts.writable ? await total(app.facts.name).catch(() => 0) : 0;
        said.hidden = pairs === 0;
        saidText.textContent = `${counted(pairs, "pair was", "pairs were")} said to be no duplicates.`;
    }

    async function forget() {
        if (!(await confirm("Forget what was said?", FORGETS, "Forget it"))) return;
        try {
            await forgetAll(app.facts.name);
            title.focus({ preventScroll: true });
            await app.reload();
        } catch (problem) {
            tell(problem.message);
        }
    }

    async function removeMarked() {
        const gone = toRemove();
        if (!(await confirm(`Remove ${counted(gone.length, "file")} from the collection?`, KEEPS, "Remove"))) return;
        title.focus({ preventScroll: true });
        removing.disabled = true;
        try {
            await run(app.facts.name, "remove", { targets: gone.map(targetOf) });
            tell(`${counted(gone.length, "file")} removed from the collection.`);
            for (const file of gone) marks.set(file, false);
            await app.reload();
        } catch (problem) {
            tell(problem.message);
            removing.disabled = false;
        }
    }

    return {
        node,
        title: () => "Duplicates",
        async show() {
            const wanted = `${app.facts.name} ${app.facts.state}`;
            if (shownOf === wanted) return;
            shownOf = wanted;
            await load();
        },
        leave() {
            if (waiting.hidden) return;
            giveUp.abort();
            shownOf = null;
        },
        stale: () => {
            shownOf = null;
        },
    };
}

/** A path where the server shows paths, and else the number. */
const targetOf = ({ id, path }) => (/[/\\]/.test(path) ? path : `id:${id}`);
