// A person's word on a result: the collection's estimates learn from it, where the server lets them.

import { tell } from "./announce.js";
import { at, post } from "./api.js";
import { button } from "./dom.js";

const said = new Map(); // what was said since the page was opened

/** Two buttons for a result of a query that is itself in the collection, or none; `judged` is told of new estimates. */
export function verdictButtons({ name, writable }, { example, id }, judged) {
    if (!writable || !example.id || example.id === id) return [];
    const key = JSON.stringify([name, example.id, id]);
    const say = async (same) => {
        try {
            const { calibration } = await post(at(name, "verdicts"), { query: example.id, results: [id], same });
            said.set(key, same);
            paint();
            const noted = same ? "Noted: the same thing." : "Noted: not the same thing.";
            tell(`${noted} ${calibration ? "The estimates follow." : "It counts once the collection is calibrated."}`);
            if (calibration) await judged();
        } catch (problem) {
            tell(problem.message);
        }
    };
    const buttons = [
        [true, "It is the same", "check"],
        [false, "It is not", "close"],
    ].map(([same, words, icon]) => [same, button(words, { icon, class: "quiet", onclick: () => say(same) })]);
    const paint = () => {
        for (const [same, node] of buttons) node.setAttribute("aria-pressed", String(said.get(key) === same));
    };
    paint();
    return buttons.map(([, node]) => node);
}
