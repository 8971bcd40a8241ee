// What a person says of groups of duplicates: that they are none. It is kept in the collection.

import { at, post } from "./api.js";

const MANY = 10_000; // pairs in one request
const PAGE = 1000;

/** How many photos of one group may be judged at once: their pairs grow with the square. */
export const MOST = 200;

/** Say that none of these photos is a duplicate of another, or take it back. */
export const say = (collection, ids, none) => write(collection, none ? "say" : "forget", pairsOf(ids));

/** How many pairs were said to be none. */
export const total = async (collection) => (await ask(collection, { limit: 1 })).total;

/** Take all of it back. */
export async function forgetAll(collection) {
    const pairs = [];
    for (let cursor = null; ; ) {
        const page = await ask(collection, { limit: PAGE, cursor });
        pairs.push(...page.pairs);
        cursor = page.next;
        if (!cursor) return write(collection, "forget", pairs);
    }
}

const ask = (collection, wanted) => post(at(collection, "not-duplicates"), wanted);

async function write(collection, verb, pairs) {
    for (let low = 0; low < pairs.length; low += MANY)
        await post(at(collection, "not-duplicates", verb), { pairs: pairs.slice(low, low + MANY) });
}

const pairsOf = (ids) => ids.flatMap((one, place) => ids.slice(place + 1).map((other) => [one, other]));
