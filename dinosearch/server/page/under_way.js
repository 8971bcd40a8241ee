// How far something is that the server computes: what it does, in words, and a bar.

import { capital } from "./format.js";

/** Show it in a text that is read out, and in a bar; `progress` of `wait`. */
export function underWay(words, bar) {
    return (doing, share) => {
        const text = `${capital(doing)}…`;
        if (words.textContent !== text) words.textContent = text; // said once, not each second
        if (share === null) bar.removeAttribute("value");
        else bar.value = share;
    };
}
