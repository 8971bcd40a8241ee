// A group of duplicates: its files side by side, and a person's word that they are none.

import { announce, tell } from "./announce.js";
import { bestOf, copyCard } from "./copy.js";
import { button, el } from "./dom.js";
import { basename, counted } from "./format.js";
import { MOST, say } from "./judged.js";
import { format } from "./state.js";

const KINDS = { exact: "The same content", near: "Nearly the same" };

/** The card of a group; `changed` is told when files are marked, or the group is judged. */
export function groupCard({ kind, files }, place, { app, marks, changed }) {
    const best = bestOf(files);
    const ids = [...new Set(files.map(({ id }) => id))];
    const cards = files.map((file) => {
        const href = format({ ...app.fresh(), examples: [{ id: file.id, weight: 1 }] });
        // In a group of near copies some may be equal: their files are of one image.
        const equal = kind === "near" && files.some((other) => other !== file && other.id === file.id);
        return copyCard(file, { collection: app.facts.name, href, best: file === best, equal, marks, changed });
    });
    const number = `${place + 1}. `;
    const title = el("span", {}, `${number}${KINDS[kind]}`);
    const size = el("span.muted", {}, counted(files.length, "file"));
    const mayJudge = app.facts.writable && ids.length > 1 && ids.length <= MOST;
    const none = button("Not duplicates", { icon: "close", class: "quiet compact", onclick: () => judge(true) });
    const undo = button("Undo", { class: "compact", hidden: true, onclick: () => judge(false) });
    const list = el("ul.files", {}, ...cards.map((card) => card.node));
    const node = el(
        "li.group.card",
        { class: files.length > 3 ? "many" : "" },
        el("div.heading", {}, el("h2", {}, title, " ", size), mayJudge && none, undo),
        list,
    );
    let judged = false;

    async function judge(wanted) {
        if (!mayJudge || wanted === judged) return;
        none.disabled = undo.disabled = true;
        try {
            await say(app.facts.name, ids, wanted);
        } catch (problem) {
            return tell(problem.message);
        } finally {
            none.disabled = undo.disabled = false;
        }
        judged = wanted;
        if (judged) for (const card of cards) card.mark(false, { quietly: true });
        node.classList.toggle("judged", judged);
        list.hidden = none.hidden = judged;
        undo.hidden = !judged;
        title.textContent = judged ? `${number}Not duplicates` : `${number}${KINDS[kind]}`;
        size.textContent = judged ? files.map(({ path }) => basename(path)).join(", ") : counted(files.length, "file");
        (judged ? undo : none).focus();
        announce(judged ? "Noted: no duplicates. This group is shown no more." : "Taken back.");
        changed();
    }

    return { kind, number: place + 1, node, cards, files, judge: () => judge(true), isJudged: () => judged };
}
