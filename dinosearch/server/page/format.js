// Numbers, dates, sizes and names as people read them.

const COUNT = new Intl.NumberFormat("en");
const UNITS = ["B", "kB", "MB", "GB", "TB"];

export const count = (number) => COUNT.format(number);

/** "1 result", "24 results". */
export const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

export const score = (number) => number.toFixed(3);

export const percent = (share) => (share > 0.995 && share < 1 ? "> 99 %" : `${Math.round(share * 100)} %`);

/** From which estimate on a result is called a likely one. */
export const LIKELY = 0.5;

/** An estimate in words; it is learned from some hundred pairs, so that it never is quite 0 or 1. */
export const sure = (share) => {
    const number = share < 0.01 ? "< 1" : share > 0.99 ? "> 99" : Math.round(share * 100);
    return `${number} % sure`.replaceAll(" ", "\u00a0"); // on one line
};

/** The same to be read out. */
export const spokenSure = (share) => sure(share).replaceAll("\u00a0", " ").replace("<", "less than").replace(">", "more than");

/** Bytes in powers of 1000, as filters count them. */
export function bytes(number) {
    const step = Math.min(UNITS.length - 1, number < 1 ? 0 : Math.floor(Math.log10(number) / 3));
    const value = number / 1000 ** step;
    return `${step && value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[step]}`;
}

/** A camera's clock has no zone, so its text is shown and not moved into the browser's zone. */
export const taken = (text) => (text ? text.replace("T", ", ").slice(0, 17) : "");

export function seconds(number) {
    if (!Number.isFinite(number)) return "";
    if (number < 90) return `${Math.max(1, Math.round(number))} s`;
    if (number < 5400) return `${Math.round(number / 60)} min`;
    return `${(number / 3600).toFixed(1)} h`;
}

/** With a capital and a full stop, as the server's sentences have neither. */
export const sentence = (text) => `${capital(text)}${/[.!?]$/.test(text) ? "" : "."}`;

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The last part of a path or of an archive's member. */
export const basename = (path) => path.split(/::|[/\\]/).pop() || path;

/** The path without its last part; "" where only a name is shown. */
export const folder = (path) => path.slice(0, path.length - basename(path).length).replace(/(::|[/\\])$/, "");

/** The end of a folder, which tells more than its beginning. */
export function shortFolder(path, parts = 2) {
    const names = path.split("/").filter(Boolean);
    return names.length > parts ? `…/${names.slice(-parts).join("/")}` : path;
}
