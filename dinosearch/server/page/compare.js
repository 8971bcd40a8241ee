// One result beside the query: why they match, what is known of the file, what to do next, and the results around it.

import { announce } from "./announce.js";
import { picture } from "./api.js";
import { button, el, put, segments } from "./dom.js";
import { factsOf, imageFacts } from "./examples.js";
import { explain, verdict } from "./explanation.js";
import { metadata } from "./facts.js";
import { basename, score, sentence, sure } from "./format.js";
import { pairStage } from "./stage.js";
import { verdictButtons } from "./verdicts.js";

const MODES = { l: "lines", h: "heat", p: "patches", n: "plain" };

/** The dialog; `results` has `hits()`, `more()`, `judged()` and `closed(id)`. */
export function comparison(app, results) {
    const dialog = document.getElementById("compare");
    const title = el("h2", { id: "compare-title", tabIndex: -1 });
    const position = el("p.muted.number.small");
    const before = button("Result before", { icon: "left", text: false, onclick: () => step(-1) });
    const after = button("Next result", { icon: "right", text: false, onclick: () => step(1) });
    const close = button("Close", { icon: "close", text: false, onclick: () => dialog.close() });
    const stage = pairStage();
    const which = el("div.which");
    const words = el("div.verdict", { role: "status" });
    const actions = el("div.buttons");
    const details = el("div.details");
    const body = el(
        "div.body",
        { tabIndex: -1 },
        stage.node,
        stage.controls,
        which,
        el("div.about", {}, el("div", {}, words, actions), details),
    );
    put(
        dialog,
        el("header", {}, el("div.title", {}, title, position), el("div.buttons", {}, before, after, close)),
        body,
    );
    let shown = null; // {id, hit, state, example}
    let leaving = false;
    let opened = false; // from a page that back leads to

    dialog.addEventListener("close", () => {
        if (leaving || !shown) return;
        const { id } = shown;
        shown = null;
        if (opened) history.back();
        else app.change({ show: null }, { replace: true });
        results.closed(id);
    });
    dialog.addEventListener("click", (event) => {
        if (event.target === dialog) dialog.close();
    });
    dialog.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const key = event.key.toLowerCase();
        const among = event.target.matches("input[type=radio]"); // where arrows mean something else
        if (event.key === "ArrowLeft" && !among) step(-1);
        else if (event.key === "ArrowRight" && !among) step(1);
        else if (key in MODES) stage.choose(MODES[key]);
        else if (key === "m") like();
        else if (key === "x") act(app.against);
        else return;
        event.preventDefault();
    });

    async function step(by) {
        const place = results.hits().findIndex((hit) => hit.id === shown?.id);
        if (place + by >= results.hits().length) await results.more();
        const next = results.hits()[place + by];
        if (next) app.change({ show: next.id }, { replace: true });
        else announce(by > 0 ? "This is the last result." : "This is the first result.");
    }

    const like = () => act((id) => app.go({ ...app.fresh(), examples: [{ id, weight: 1 }] }));

    /** Do something that leads elsewhere, so that closing does not go back. */
    function act(action) {
        const { id } = shown;
        hide();
        action(id);
    }

    function hide() {
        leaving = true;
        if (dialog.open) dialog.close();
        leaving = false;
        shown = null;
    }

    async function explainIt(turn) {
        const box = turn.state.examples.length === 1 ? turn.state.box : null;
        stage.explain(null, box);
        put(words, el("p.muted", {}, "Comparing the two…"));
        try {
            const explained = await explain(app.facts.name, turn.example, turn.id);
            if (shown !== turn) return;
            const [headline, rest] = verdict(explained);
            put(words, el("p.headline", {}, headline), el("p", {}, rest));
            stage.explain(explained, box);
        } catch (problem) {
            if (shown === turn) put(words, el("p.wrong", {}, sentence(`the two cannot be compared: ${problem.message}`)));
        }
    }

    /** What to do next; a word on whether it is right is on the example that it is compared with. */
    function offerActions(turn) {
        put(
            actions,
            button("More like this", { icon: "search", class: "strong", onclick: like }),
            button("Add to the search", { icon: "plus", onclick: () => act(app.example) }),
            button("Not this", { icon: "minus", onclick: () => act(app.against) }),
            ...verdictButtons(app.facts, turn, judged),
        );
    }

    /** Which of several examples it is compared with. */
    function offerExamples(turn, facts) {
        which.hidden = facts.length < 2;
        const choices = facts.map((fact, place) => [String(place), fact?.name ?? "?"]);
        const choose = (place) => {
            turn.example = turn.state.examples[Number(place)];
            offerActions(turn);
            showQuery(facts[Number(place)]);
            explainIt(turn);
        };
        put(which, el("span.small.muted", {}, "Compared with"), segments("Compared with", choices, "0", choose));
    }

    function place(hit) {
        const words = hit ? [`Result ${hit.rank}`, `score ${score(hit.score)}`] : [];
        if (hit && hit.confidence !== null) words.push(sure(hit.confidence));
        position.textContent = words.join(" · ");
    }

    /** Somebody has said whether it is right, and the estimates have followed. */
    async function judged() {
        await results.judged();
        if (shown) place(shown.hit);
    }

    function showQuery(facts) {
        if (facts)
            stage.picture(0, facts.address.replace("size=640", "size=1280"), facts.name, facts.width, facts.height);
    }

    function showResult(turn, path, { width, height } = {}) {
        const name = basename(path);
        title.textContent = name;
        stage.picture(1, picture(app.facts.name, turn.id, 1280), name, width, height);
        announce(`${name}, ${position.textContent}`);
    }

    async function showDetails(turn) {
        try {
            const image = await imageFacts(app.facts.name, turn.id);
            if (shown !== turn) return;
            if (!turn.hit) showResult(turn, image.files[0].path, image);
            put(details, metadata(image));
        } catch (problem) {
            if (shown === turn) put(details, el("p.wrong", {}, sentence(problem.message)));
        }
    }

    return {
        hide,
        /** Open the dialog with a result, or go on to it. */
        async show(state, id) {
            if (shown?.id === id && dialog.open) return;
            const hit = results.hits().find((one) => one.id === id) ?? null;
            const turn = { id, hit, state, example: state.examples[0] };
            shown = turn;
            if (!dialog.open) {
                opened = history.state?.within ?? false;
                dialog.showModal();
                title.focus({ preventScroll: true });
            }
            body.scrollTop = 0;
            const isFirst = !hit || results.hits().indexOf(hit) === 0;
            if (isFirst && document.activeElement === before) after.focus();
            before.disabled = isFirst;
            place(hit);
            offerActions(turn);
            stage.frame(hit?.box);
            if (hit) showResult(turn, hit.path, hit);
            else title.textContent = `Image ${id}`;
            const facts = await Promise.all(
                state.examples.map((one) => factsOf(one, app.facts.name).catch(() => null)),
            );
            if (shown !== turn) return;
            showQuery(facts[0]);
            offerExamples(turn, facts);
            explainIt(turn);
            showDetails(turn);
        },
    };
}
