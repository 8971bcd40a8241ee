// One job: what it does, how far it is, how long it will take, and how it ended.

import { announce, tell } from "./announce.js";
import { button, el, put } from "./dom.js";
import { bytes, capital, count, seconds } from "./format.js";
import { cancel, watch } from "./jobs.js";

const ENDED = ["done", "failed", "cancelled"];
const COUNTS = ["added", "unchanged", "moved", "changed", "removed", "failed"];

const CANCELLED = "Cancelled; what was done until then is kept.";

/** The card of a job, which follows it to its end and then calls `ended`. */
export function jobCard(job, ended) {
    const what = [job.verb.replaceAll("_", " "), ...(job.arguments?.paths ?? [])].join(" ");
    const title = el("h3", { tabIndex: -1 }, what);
    const state = el("p", {}, "Waiting to begin");
    const bar = el("progress", { max: 1, "aria-label": `Progress of ${what}` });
    const stop = button("Cancel", {
        class: "compact",
        onclick: async () => {
            title.focus();
            stop.disabled = true;
            put(state, "Being cancelled…");
            await cancel(job.id).catch((problem) => {
                stop.disabled = false;
                tell(problem.message);
            });
        },
    });
    const node = el("li.job.card", {}, el("div.heading", {}, title, stop), bar, state);

    const finish = (text, failed = false) => {
        if (document.activeElement === stop) title.focus();
        bar.remove();
        stop.remove();
        node.classList.toggle("bad", failed);
        put(state, text);
        announce(`${what}: ${text}`);
    };

    if (ENDED.includes(job.status)) {
        const ending = { done: () => words(job.result), cancelled: () => CANCELLED };
        finish(ending[job.status]?.() ?? job.problem?.detail ?? job.status, job.status === "failed");
        return node;
    }
    watch(job.id, (now) => {
        if (!now) return put(state, "The server does not answer at the moment.");
        if (now.total) bar.value = now.done / now.total;
        else bar.removeAttribute("value");
        state.textContent = sentenceOf(now);
    }).then(
        (result) => {
            finish(words(result));
            ended();
        },
        (problem) => {
            const cancelled = problem.kind === "Cancelled";
            finish(cancelled ? CANCELLED : problem.message, !cancelled);
            ended();
        },
    );
    return node;
}

/** "Indexing: 300 of 1,200 images · 84 a second · 11 s left", as the command line says it. */
function sentenceOf({ doing, unit, done, total, rate, eta }) {
    const amount = unit === "bytes" ? bytes : count;
    const sizes = total === null ? amount(done) : `${amount(done)} of ${amount(total)}`;
    const parts = [`${capital(doing)}: ${unit === "bytes" ? sizes : `${sizes} ${unit}`}`];
    if (rate) parts.push(`${unit === "bytes" ? bytes(rate) : rate < 10 ? rate.toFixed(1) : count(Math.round(rate))} a second`);
    if (eta !== null && done < total) parts.push(`${seconds(eta)} left`);
    return parts.join(" · ");
}

function words(result) {
    if (!result || typeof result !== "object") return "Done.";
    const parts = COUNTS.filter((name) => result[name]).map((name) => `${count(result[name])} ${name}`);
    return `${parts.length ? parts.join(", ") : "Done"}${result.seconds ? ` in ${seconds(result.seconds)}` : ""}.`;
}
