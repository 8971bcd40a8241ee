// The text of a filter and the controls beside it: what a control can say is read out of the text, all else is kept.

const KINDS = [
    ["folder", /^path ~ "((?:[^"]|"")*)"$/i, folderOf],
    ["label", /^label = "((?:[^"]|"")*)"$/i, (text) => text.replaceAll('""', '"')],
    ["from", /^taken >= (\d{4}(?:-\d\d){0,2})$/i, String],
    ["to", /^taken <= (\d{4}(?:-\d\d){0,2})$/i, String],
    ["width", /^width >= (\d+)$/i, Number],
    ["size", /^size >= (\d+) ?kB$/i, Number],
];

/** The parts of a filter that controls show, and the rest as text. */
export function read(text) {
    const parts = { folder: "", label: "", from: "", to: "", width: "", size: "", rest: "" };
    const rest = [];
    for (const test of split(text.trim())) {
        const known = KINDS.find(([name, shape, value]) => {
            const match = parts[name] === "" && shape.exec(test);
            if (match) parts[name] = value(match[1]);
            return match && parts[name] !== "";
        });
        if (!known) rest.push(test);
    }
    parts.rest = rest.join(" and ");
    return parts;
}

/** The text of these parts. */
export function write({ folder, label, from, to, width, size, rest }) {
    return [
        folder && `path ~ "${pattern(folder)}"`,
        label && `label = "${label.replaceAll('"', '""')}"`,
        from && `taken >= ${from}`,
        to && `taken <= ${to}`,
        width && `width >= ${width}`,
        size && `size >= ${size}kB`,
        rest && (/\bor\b/i.test(rest) && split(rest).length === 1 && !/^\(.*\)$/.test(rest) ? `(${rest})` : rest),
    ]
        .filter(Boolean)
        .join(" and ");
}

/** Everything below a folder or inside an archive; what patterns take for signs is put into brackets. */
function pattern(folder) {
    const plain = folder.replace(/[*?[]/g, "[$&]").replaceAll('"', '""');
    return plain.endsWith("/") ? `${plain}**` : `${plain}${/\.tar$/i.test(folder) ? "::" : "/"}**`;
}

/** The folder that a pattern was made of; "" where it says something else. */
function folderOf(text) {
    const folder = text
        .replace(/(\/|::)\*\*$/, "")
        .replace(/\[([*?[])\]/g, "$1")
        .replaceAll('""', '"');
    return pattern(folder) === text ? folder : "";
}

/** The tests joined by "and" outside of quotes and parentheses; one test where "or" joins them. */
function split(text) {
    const tests = [];
    let start = 0;
    let depth = 0;
    let quote = "";
    for (let place = 0; place < text.length; place += 1) {
        const sign = text[place];
        if (quote) {
            if (sign === quote) quote = "";
        } else if (sign === '"' || sign === "'") quote = sign;
        else if (sign === "(") depth += 1;
        else if (sign === ")") depth -= 1;
        else if (depth === 0) {
            if (/^\sor\s/i.test(text.slice(place, place + 4))) return [text];
            if (/^\sand\s/i.test(text.slice(place, place + 5))) {
                tests.push(text.slice(start, place).trim());
                start = place + 5;
                place = start - 1;
            }
        }
    }
    tests.push(text.slice(start).trim());
    return tests.filter(Boolean);
}
