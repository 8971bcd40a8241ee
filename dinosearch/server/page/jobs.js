// Work on a collection that takes a while: begun, watched event by event, cancelled.

import { at, get, post, Problem, remove } from "./api.js";

export const start = (collection, verb, options = {}) => post(at(collection, "jobs"), { verb, arguments: options });

export const list = async () => (await get("/v1/jobs")).jobs;

export const cancel = (id) => remove(`/v1/jobs/${id}`);

/** Watch a job: `progress` gets what the server calls JobProgress, or null while the server is away; gives its result, or
    fails as it did. */
export function watch(id, progress = () => {}) {
    return new Promise((resolve, reject) => {
        const events = new EventSource(`/v1/jobs/${id}/events`);
        const end = (finish) => (event) => {
            events.close();
            finish(event);
        };
        events.addEventListener("progress", (event) => progress(JSON.parse(event.data)));
        events.addEventListener(
            "done",
            end((event) => resolve(JSON.parse(event.data).result)),
        );
        events.addEventListener(
            "failed",
            end((event) => {
                const { problem } = JSON.parse(event.data);
                reject(new Problem(problem.status ?? 500, problem.detail ?? "It failed.", problem));
            }),
        );
        events.addEventListener(
            "cancelled",
            end(() => reject(new Problem(0, "It was cancelled.", { type: "Cancelled" }))),
        );
        // A broken line is tried again by the browser; a closed one is not.
        events.onerror = () => {
            if (events.readyState === EventSource.CLOSED)
                reject(new Problem(0, "The server does not tell about the job any more."));
            else progress(null);
        };
    });
}

/** Begin and wait for the end. */
export async function run(collection, verb, options, progress) {
    return watch((await start(collection, verb, options)).id, progress);
}
