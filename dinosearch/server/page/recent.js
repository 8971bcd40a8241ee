// Searches that were made in this browser, newest first: their addresses and what they looked like in words.

const KEY = "dinosearch.recent";
const MOST = 12;

export function recent() {
    try {
        const found = JSON.parse(localStorage.getItem(KEY) ?? "[]");
        return Array.isArray(found)
            ? found.filter((one) => typeof one?.hash === "string" && one.hash.startsWith("#/"))
            : [];
    } catch {
        return [];
    }
}

/** Remember a search; one with the same pictures takes the place of the earlier one. */
export function remember(entry) {
    write([entry, ...recent().filter((one) => one.hash !== entry.hash && one.base !== entry.base)].slice(0, MOST));
}

export const forget = () => write([]);

function write(entries) {
    try {
        localStorage.setItem(KEY, JSON.stringify(entries));
    } catch {
        // Then nothing is remembered.
    }
}
