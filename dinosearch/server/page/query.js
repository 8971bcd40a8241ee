// From a state to the question that the server understands, and its answer page by page.

import { at, post, upload } from "./api.js";
import { find } from "./uploads.js";

export const PAGE = 30;

/** Pictures of a state that this browser does not have. */
export async function missing(state) {
    const uploaded = [...state.examples, ...state.negatives].filter((one) => one.up);
    const found = await Promise.all(uploaded.map((one) => find(one.up)));
    return uploaded.filter((_, place) => !found[place]);
}

/** One page of the answer; `cursor` is `next` of the page before. */
export async function ask(state, facts, { cursor = null, signal, k = PAGE } = {}) {
    const form = new FormData();
    let files = 0;
    const described = async (list, part) => {
        const examples = [];
        for (const one of list) {
            if (one.id !== undefined) {
                examples.push({ id: one.id, weight: one.weight });
                continue;
            }
            const { blob, name } = await find(one.up);
            examples.push({ part: examples.filter((other) => "part" in other).length, weight: one.weight });
            form.append(part, blob, name);
            files += 1;
        }
        return examples;
    };
    const examples = await described(state.examples, "image");
    const negatives = await described(state.negatives, "negative");
    const body = { ...conditions(state, facts), examples, negatives, cursor, k };
    const address = at(facts.name, "search");
    if (!files) return post(address, body, { signal });
    form.append("question", JSON.stringify(body));
    return upload(`${address}/upload`, form, { signal });
}

/** Everything of a question but its pictures. */
export function conditions(state, facts) {
    // Parts of images are compared as they are: no re-ranking, no estimate of confidence.
    const parts = Boolean(state.box && facts.regions);
    return {
        k: PAGE,
        box: state.box,
        where: state.where.trim() || null,
        rerank: parts ? null : state.preset,
        precision: state.sure && facts.calibrated && !parts ? state.sure : null,
        exact: state.exact,
        unique: true,
    };
}
