// Files that the page makes and the browser saves.

const COLUMNS = ["mark", "group", "kind", "id", "path", "score", "width", "height", "size", "taken"];

/** All files of all groups with their marks, as comma-separated values (RFC 4180). */
export function asCsv(groups, marks) {
    const rows = groups.flatMap(({ kind, number, files }) =>
        files.map((file) => ({ ...file, mark: marks.has(file) ? "remove" : "keep", group: number, kind })),
    );
    const cell = (value) => {
        const text = typeof value === "number" && !Number.isInteger(value) ? value.toFixed(4) : String(value ?? "");
        return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    return (
        [COLUMNS, ...rows.map((row) => COLUMNS.map((name) => row[name]))]
            .map((row) => row.map(cell).join(","))
            .join("\r\n") + "\r\n"
    );
}

/** The paths that are marked, one a line; those that have lines themselves would name others, and are left out. */
export function asList(files) {
    const paths = files.map(({ path }) => path).filter((path) => !/[\r\n]/.test(path));
    return { text: paths.map((path) => `${path}\n`).join(""), left: files.length - paths.length };
}

/** Let the browser save a text. */
export function save(name, type, text) {
    const address = URL.createObjectURL(new Blob(bytesOf(text), { type: `${type};charset=utf-8` }));
    const link = document.createElement("a");
    link.href = address;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Names need not be UTF-8: other bytes come as U+DC80 and on, one each, and are written as they were. */
const bytesOf = (text) =>
    text.split(/([\udc80-\udcff]+)/u).map((part, place) => {
        return place % 2 ? Uint8Array.from(part, (sign) => sign.charCodeAt(0) - 0xdc00) : part;
    });
