// Which files a person wants to remove: remembered in this browser for each collection, until it is exported or done.

/** The marks of a collection; a file is known by its image and its path. */
export function marksOf(collection) {
    const place = `dinosearch.marks.${collection}`;
    const marks = new Set(read(place));
    const write = () => {
        try {
            localStorage.setItem(place, JSON.stringify([...marks]));
        } catch {
            // Then they live as long as the page.
        }
    };
    return {
        has: (file) => marks.has(keyOf(file)),
        set(file, marked) {
            marks[marked ? "add" : "delete"](keyOf(file));
            write();
        },
    };
}

const keyOf = ({ id, path }) => `${id} ${path}`;

function read(place) {
    try {
        const found = JSON.parse(localStorage.getItem(place) ?? "[]");
        return Array.isArray(found) ? found : [];
    } catch {
        return [];
    }
}
