// A person's word on a result: kept in the collection, whose estimates learn from it, where the server lets them.

import { tell } from "./announce.js";
import { at, get, post } from "./api.js";
import { button } from "./dom.js";

const WORDS = [
    [true, "It is the same", "check", "Noted: the same thing."],
    [false, "It is not", "close", "Noted: not the same thing."],
];

/** Two buttons for a result of a query that is itself in the collection, or none: one is pressed where something was
    said, and pressed again takes it back. `judged` is told of new estimates. */
export function verdictButtons({ name, writable }, { example, id }, judged) {
    if (!writable || !example.id || example.id === id) return [];
    let said = null; // true, false, or null for nothing
    let busy = false;
    let pressed = false; // since then it is known what was said

    async function press(same) {
        if (busy) return;
        busy = true;
        const taken = said === same;
        try {
            const { calibration } = taken
                ? await post(at(name, "verdicts", "forget"), { query: example.id, results: [id] })
                : await post(at(name, "verdicts"), { query: example.id, results: [id], same });
            pressed = true;
            paint(taken ? null : same);
            const noted = taken ? "Taken back." : WORDS.find(([one]) => one === same)[3];
            const follows = taken ? "" : " It counts once the collection is calibrated.";
            tell(noted + (calibration ? " The estimates follow." : follows));
            if (calibration) judged();
        } catch (problem) {
            tell(problem.message);
        } finally {
            busy = false;
        }
    }

    const buttons = WORDS.map(([same, words, icon]) => [
        same,
        button(words, { icon, class: "quiet", onclick: () => press(same) }),
    ]);
    function paint(now) {
        said = now;
        for (const [same, one] of buttons) one.setAttribute("aria-pressed", String(said === same));
    }
    paint(null);
    known(name, example.id, id).then(
        (found) => pressed || paint(found),
        (problem) => tell(problem.message),
    );
    return buttons.map(([, one]) => one);
}

/** What was said of a query and a result: true, false, or null for nothing. */
async function known(collection, query, id) {
    const asked = new URLSearchParams({ query, results: id, limit: 1 });
    const { verdicts } = await get(`${at(collection, "verdicts")}?${asked}`);
    return verdicts.length ? verdicts[0].same : null;
}
