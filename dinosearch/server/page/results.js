// The answer: tiles page by page, with a button for more that presses itself when it comes into sight.

import { announce, tell } from "./announce.js";
import { button, el } from "./dom.js";
import { count, counted, LIKELY, sentence } from "./format.js";
import { justifiedList } from "./grid.js";
import { ask } from "./query.js";
import { tile } from "./tile.js";

const MOST = 1000; // hits of one answer
const SLOW = 1500; // milliseconds, after which it is said that an answer takes a while
const BY_ITSELF = 8; // pages; then the button waits to be pressed

export function resultsView(app, { wrongFilter }) {
    const title = el("h1", { id: "results-title", tabIndex: -1 }, "Results");
    const took = el("p.muted.number");
    const grid = justifiedList({ "aria-labelledby": "results-title" });
    const none = el("p.empty", { hidden: true });
    const again = button("Try again", { onclick: () => load(null) });
    const retry = el("div.again", { hidden: true }, again);
    const waiting = el("progress.searching", { "aria-label": "Searching" });
    const more = button("Show more", { onclick: () => next() });
    const foot = el("div.foot", { hidden: true }, more);
    const node = el(
        "section.results",
        { "aria-labelledby": "results-title", "aria-busy": "false" },
        el("div.heading", {}, title, took),
        waiting,
        grid.node,
        none,
        retry,
        foot,
    );
    let milliseconds = 0;
    let loading = false;
    let asked = null; // {state, cursor, pages, giveUp}
    grid.node.addEventListener("keydown", quick);
    new IntersectionObserver(
        (entries) => {
            if (entries.some((entry) => entry.isIntersecting) && asked?.cursor && asked.pages < BY_ITSELF) next();
        },
        { rootMargin: "600px" },
    ).observe(foot);

    function tileOf(hit) {
        return tile(hit, {
            collection: app.facts.name,
            href: app.href({ show: hit.id }),
            open: (event) => {
                if (event.ctrlKey || event.metaKey || event.shiftKey) return;
                event.preventDefault();
                app.change({ show: hit.id });
            },
            more: () => app.example(hit.id),
            less: () => app.against(hit.id),
        });
    }

    function quick(event) {
        const id = Number(event.target.closest?.(".tile")?.dataset.id);
        if (!id || event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.key === "+") app.example(id);
        else if (event.key === "-") app.against(id);
        else return;
        event.preventDefault();
    }

    async function load(cursor) {
        const { state, giveUp } = asked;
        const pressed = [more, again].includes(document.activeElement);
        const slow = setTimeout(() => announce(cursor ? "Still looking for more" : "Searching"), SLOW);
        loading = true;
        node.setAttribute("aria-busy", "true");
        node.classList.toggle("busy", true);
        if (!grid.tiles.length) title.textContent = "Searching…";
        none.hidden = retry.hidden = true;
        try {
            const answer = await ask(state, app.facts, { cursor, signal: giveUp.signal });
            if (asked.giveUp !== giveUp) return;
            asked.cursor = answer.next;
            asked.pages += 1;
            const tiles = answer.hits.map(tileOf);
            if (cursor) grid.add(tiles);
            else grid.set(tiles);
            if (pressed && cursor) (tiles[0]?.link ?? title).focus();
            else if (pressed) title.focus({ preventScroll: true });
            told(answer, cursor);
        } catch (problem) {
            if (problem.name === "AbortError") return;
            failed(problem, cursor);
            if (pressed && !cursor) (retry.hidden ? title : again).focus();
        } finally {
            clearTimeout(slow);
            if (asked.giveUp === giveUp) {
                loading = false;
                node.setAttribute("aria-busy", "false");
                node.classList.toggle("busy", false);
                foot.hidden = !asked.cursor;
            }
        }
    }

    function told(answer, cursor) {
        const number = grid.tiles.length;
        const text = number
            ? `${counted(number, "result")}${asked.cursor ? ", more below" : ""}${likely()}`
            : "No results";
        title.textContent = number
            ? asked.cursor
                ? `Best ${counted(number, "result")}`
                : counted(number, "result")
            : "No results";
        if (!cursor) milliseconds = Math.max(1, Math.round(answer.took.total));
        summarise();
        took.hidden = !number;
        none.hidden = number > 0;
        none.textContent =
            app.state.where || app.state.sure
                ? "No photo passes the filters. Take one of them away, and there will be more."
                : app.facts.images > 1
                  ? "Nothing was found."
                  : "The collection holds no other photo.";
        announce(text);
        // Who began with a button that is gone now goes on at the answer; who only opened the address begins at the top.
        const began = navigator.userActivation?.hasBeenActive ?? true;
        if (!cursor && began && document.activeElement === document.body) title.focus({ preventScroll: true });
        app.noticed(answer.state);
    }

    /** How many are likely right, where that is estimated. */
    function likely() {
        const hits = grid.tiles.map((one) => one.hit).filter((hit) => hit.confidence !== null);
        if (!hits.length) return "";
        const good = hits.filter((hit) => hit.confidence >= LIKELY).length;
        return `, ${good ? count(good) : "none"} likely the same`;
    }

    function summarise() {
        took.textContent = [likely().slice(2), `${milliseconds} ms`].filter(Boolean).join(" · ");
    }

    function failed(problem, cursor) {
        if (cursor && problem.status === 422) {
            asked.cursor = null; // the collection has changed, or this is as deep as pages go
            return;
        }
        if (problem.kind === "FilterError") wrongFilter(problem.message);
        if (cursor) {
            tell(problem.message);
            return;
        }
        grid.set([]);
        title.textContent = "No results";
        took.hidden = true;
        none.hidden = false;
        retry.hidden = !(problem.status === 0 || problem.status >= 500);
        none.textContent =
            problem.kind === "FilterError"
                ? "The filter cannot be understood; what is wrong stands beside it."
                : `${problem.status === 413 ? "That is more than this server takes. " : ""}${sentence(problem.message)}`;
        announce(none.textContent);
    }

    async function next() {
        if (!asked?.cursor || loading) return;
        await load(asked.cursor);
    }

    return {
        node,
        /** Ask anew; the old answer stays until the new one is there. */
        async ask(state) {
            asked?.giveUp.abort();
            asked = { state, cursor: null, pages: 0, giveUp: new AbortController() };
            wrongFilter("");
            foot.hidden = true;
            await load(null);
        },
        /** Nothing can be asked: say why. */
        stop(text) {
            asked?.giveUp.abort();
            asked = { state: null, cursor: null, pages: 0, giveUp: new AbortController() };
            grid.set([]);
            title.textContent = "No results";
            took.hidden = foot.hidden = true;
            none.hidden = false;
            retry.hidden = true;
            none.textContent = text;
            node.classList.remove("busy");
        },
        next,
        /** Ask for the estimates of what is shown again, as somebody has said what is right. */
        async judgeAnew() {
            const { state, giveUp } = asked;
            const k = Math.min(MOST, Math.max(1, grid.tiles.length));
            const answer = await ask(state, app.facts, { k, signal: giveUp.signal }).catch(() => ({ hits: [] }));
            const known = new Map(answer.hits.map((hit) => [hit.id, hit.confidence]));
            if (asked.giveUp !== giveUp) return;
            for (const one of grid.tiles) if (known.has(one.hit.id)) one.judge(known.get(one.hit.id));
            summarise();
        },
        get hits() {
            return grid.tiles.map((one) => one.hit);
        },
        get cursor() {
            return asked?.cursor;
        },
        /** Put the focus on the tile of an image. */
        focus(id) {
            (grid.tiles.find((one) => one.hit.id === id)?.link ?? title).focus();
        },
        /** Addresses in tiles hold the whole state, which may have changed since they were made. */
        refresh() {
            for (const one of grid.tiles) one.link.href = app.href({ show: one.hit.id });
        },
    };
}
