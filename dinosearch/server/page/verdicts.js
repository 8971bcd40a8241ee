// A person's word on a result: the collection's estimates learn from it, where the server lets them.

import { tell } from "./announce.js";
import { at, post } from "./api.js";
import { button } from "./dom.js";

/** Two buttons for a result of a query that is itself in the collection, or none. */
export function verdictButtons({ name, writable }, { example, id }) {
    if (!writable || !example.id) return [];
    const say = async (same) => {
        try {
            await post(at(name, "verdicts"), { query: example.id, results: [id], same });
            tell(same ? "Noted: the same thing." : "Noted: not the same thing.");
        } catch (problem) {
            tell(problem.message);
        }
    };
    return [
        button("It is the same", { icon: "check", class: "quiet", onclick: () => say(true) }),
        button("It is not", { icon: "close", class: "quiet", onclick: () => say(false) }),
    ];
}
