// The HTTP API: JSON in and out, problems as exceptions, patience where the server asks for it.

/** An error that the server, or the way to it, answered with one sentence. */
export class Problem extends Error {
    constructor(status, detail, data = {}) {
        super(detail);
        this.status = status;
        this.kind = (data.type ?? "").replace("urn:dinosearch:", "");
        this.data = data;
    }
}

const TRIES = 3;

/** The address of a collection's resource. */
export const at = (collection, ...parts) => ["/v1/collections", encodeURIComponent(collection), ...parts].join("/");

/** The address of an image's picture, at least `side` pixels long where the image is. */
export function picture(collection, id, side) {
    const size = [160, 320, 640, 1280, 2048].find((offered) => offered >= side) ?? 2048;
    return `${at(collection, "images", id, "picture")}?size=${size}`;
}

export const get = (address, { signal } = {}) => ask(address, { signal });

export const post = (address, body, { signal } = {}) =>
    ask(address, {
        method: "POST",
        signal,
        body: JSON.stringify(body),
        headers: { "Content-Type": "application/json" },
    });

export const upload = (address, form, { signal } = {}) => ask(address, { method: "POST", signal, body: form });

export const remove = (address) => ask(address, { method: "DELETE" });

/** Ask until what is computed (202) is there; `progress` gets what is being done, in words, and 0..1 or null. */
export async function wait(address, { signal, progress = () => {} } = {}) {
    for (;;) {
        const response = await request(address, { signal });
        const data = await read(response);
        if (response.status !== 202) return data;
        progress(data.doing, data.progress);
        await pause(1000 * (Number(response.headers.get("Retry-After")) || 1), signal);
    }
}

async function ask(address, options) {
    return read(await request(address, options));
}

async function request(address, options, attempt = 1) {
    let response;
    try {
        response = await fetch(address, { credentials: "same-origin", ...options });
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new Problem(0, "The server does not answer; is it still running?");
    }
    if (response.ok) return response;
    const after = Number(response.headers.get("Retry-After"));
    if (response.status === 503 && after > 0 && after <= 5 && attempt < TRIES) {
        await pause(after * 1000, options.signal);
        return request(address, options, attempt + 1);
    }
    // The session has ended: the server answers the page itself with its login form.
    if (response.status === 401) location.reload();
    const data = await response.json().catch(() => ({}));
    throw new Problem(response.status, data.detail || `The server answered ${response.status}.`, data);
}

async function read(response) {
    return response.status === 204 ? null : response.json();
}

function pause(milliseconds, signal) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(resolve, milliseconds);
        signal?.addEventListener("abort", () => {
            clearTimeout(timer);
            reject(new DOMException("given up", "AbortError"));
        });
    });
}
