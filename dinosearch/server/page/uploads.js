// Pictures that were asked with, kept in this browser only, so that back, forward and a reload bring them back.

const LARGEST = 96 * 2 ** 20; // bytes of all; the oldest go first
const MOST = 40;
const memory = new Map();
let opening = null;

/** Keep a picture under a name made from its content: {key, name, blob}. */
export async function keep(blob, name = "picture") {
    const key = await nameOf(blob);
    const record = { key, name, blob, size: blob.size, used: Date.now() };
    memory.set(key, record);
    try {
        const store = await stored("readwrite");
        store.put(record);
        await makeRoom(store);
    } catch {
        // Private windows and full disks: the picture lives as long as the page.
    }
    return record;
}

/** The picture of a name, or null: an address can come from another browser. */
export async function find(key) {
    if (memory.has(key)) return memory.get(key);
    try {
        const record = (await done((await stored("readonly")).get(key))) ?? null;
        if (record) memory.set(key, record);
        return record;
    } catch {
        return null;
    }
}

/** An address for <img>, made once for each picture. */
export function address(record) {
    record.address ??= URL.createObjectURL(record.blob);
    return record.address;
}

/** Names of pictures by key, of those that were used since the page was opened. */
export const names = () => new Map([...memory].map(([key, record]) => [key, record.name]));

async function nameOf(blob) {
    // crypto.subtle is missing where the page comes over http from another machine; then equal pictures are two.
    const content = crypto.subtle && new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
    return [...(content ?? crypto.getRandomValues(new Uint8Array(8))).slice(0, 8)]
        .map((byte) => byte.toString(16).padStart(2, "0"))
        .join("");
}

async function stored(mode) {
    opening ??= new Promise((resolve, reject) => {
        const asked = indexedDB.open("dinosearch", 1);
        asked.onupgradeneeded = () => asked.result.createObjectStore("uploads", { keyPath: "key" });
        asked.onsuccess = () => resolve(asked.result);
        asked.onerror = () => reject(asked.error);
    });
    return (await opening).transaction("uploads", mode).objectStore("uploads");
}

async function makeRoom(store) {
    const all = (await done(store.getAll())).sort((a, b) => b.used - a.used);
    let total = 0;
    for (const [place, record] of all.entries()) {
        total += record.size;
        if (place > 0 && (place >= MOST || total > LARGEST)) store.delete(record.key);
    }
}

const done = (asked) =>
    new Promise((resolve, reject) => {
        asked.onsuccess = () => resolve(asked.result);
        asked.onerror = () => reject(asked.error);
    });
