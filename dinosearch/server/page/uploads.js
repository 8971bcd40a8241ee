// Pictures that were asked with, kept in this browser only, so that back, forward and a reload bring them back.

const LARGEST = 96 * 2 ** 20; // bytes of all; the oldest go first
const MOST = 40;
const memory = new Map();
let opening = null;

/** Keep a picture under a name made from its content: {key, name, blob}. */
export async function keep(blob, name = "picture") {
    const { type, size } = blob;
    const bytes = await blob.arrayBuffer();
    const key = await nameOf(bytes);
    const record = { key, name, blob };
    memory.set(key, record);
    try {
        const store = await stored("readwrite");
        // Bytes, as private windows of Safari store no blobs.
        store.put({ key, name, type, bytes, size, used: Date.now() });
        makeRoom(store);
    } catch {
        // Full disks, and browsers that store nothing: the picture lives as long as the page.
    }
    return record;
}

/** The picture of a name, or null: an address can come from another browser. */
export async function find(key) {
    if (memory.has(key)) return memory.get(key);
    try {
        const found = await done((await stored("readonly")).get(key));
        if (!found) return null;
        const { name, type, bytes, blob = new Blob([bytes], { type }) } = found;
        memory.set(key, { key, name, blob });
        return memory.get(key);
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

async function nameOf(bytes) {
    // crypto.subtle is missing where the page comes over http from another machine; then equal pictures are two.
    const content = crypto.subtle && new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return [...(content ?? crypto.getRandomValues(new Uint8Array(8))).slice(0, 8)]
        .map((byte) => byte.toString(16).padStart(2, "0"))
        .join("");
}

async function stored(mode) {
    opening ??= new Promise((resolve, reject) => {
        const asked = indexedDB.open("dinosearch", 2);
        asked.onupgradeneeded = ({ oldVersion }) => {
            const store = oldVersion
                ? asked.transaction.objectStore("uploads")
                : asked.result.createObjectStore("uploads", { keyPath: "key" });
            store.createIndex("age", ["used", "size"]);
        };
        asked.onsuccess = () => resolve(asked.result);
        asked.onerror = () => reject(asked.error);
        asked.onblocked = () => reject(new Error("an older page holds it")); // in another tab
    });
    return (await opening).transaction("uploads", mode).objectStore("uploads");
}

function makeRoom(store) {
    let [number, total] = [0, 0];
    // Newest first, by keys alone: the pictures themselves are many bytes.
    const newest = store.index("age").openKeyCursor(null, "prev");
    newest.onsuccess = () => {
        const cursor = newest.result;
        if (!cursor) return;
        number += 1;
        total += cursor.key[1];
        if (number > 1 && (number > MOST || total > LARGEST)) store.delete(cursor.primaryKey);
        cursor.continue();
    };
}

const done = (asked) =>
    new Promise((resolve, reject) => {
        asked.onsuccess = () => resolve(asked.result);
        asked.onerror = () => reject(asked.error);
    });
