// Pictures come by drop and paste anywhere on the page, and by the file chooser or the camera of a telephone.

import { tell } from "./announce.js";
import { button, el } from "./dom.js";

const MOST = 16; // examples of a question

/** Take dropped and pasted pictures: `taken(files, add)` gets them, `asking()` says whether a search can be added to. */
export function takeDrops(taken, asking) {
    const veil = document.getElementById("drop");
    const adding = veil.querySelector('[data-zone="add"]');
    let depth = 0;
    const hide = () => {
        depth = 0;
        veil.hidden = true;
    };
    const zoneOf = (event) => event.target.closest?.(".zone");
    addEventListener("dragenter", (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        depth += 1;
        adding.hidden = !asking();
        veil.hidden = false;
    });
    addEventListener("dragleave", (event) => {
        if (!hasFiles(event)) return;
        depth -= 1;
        if (depth <= 0) hide();
    });
    addEventListener("dragover", (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        for (const zone of veil.children) zone.classList.toggle("over", zone === zoneOf(event));
    });
    addEventListener("drop", (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        hide();
        give(event.dataTransfer.files, taken, zoneOf(event)?.dataset.zone === "add");
    });
    addEventListener("paste", (event) => {
        const files = event.clipboardData?.files;
        if (!files?.length) return;
        event.preventDefault();
        give(files, taken, false);
    });
}

/** A button that opens the file chooser, or with `camera` the camera. */
export function pickButton(name, taken, { camera = false, add = false, ...given } = {}) {
    const input = el("input", {
        type: "file",
        accept: "image/*,.heic,.heif,.avif",
        multiple: !camera,
        class: "unseen",
        tabIndex: -1,
        "aria-hidden": "true",
        onchange: () => {
            give(input.files, taken, add);
            input.value = "";
        },
    });
    if (camera) input.setAttribute("capture", "environment");
    const node = button(name, { icon: camera ? "camera" : "picture", ...given, onclick: () => input.click() });
    return el("span", { class: "pick" }, node, input);
}

function give(list, taken, add) {
    const files = [...list].filter(
        (file) => file.type.startsWith("image/") || /\.(heic|heif|avif|tiff?|bmp)$/i.test(file.name),
    );
    if (!files.length) tell("That is no picture; drop a photo, such as a JPEG or PNG file.");
    else {
        if (files.length > MOST) tell(`${MOST} pictures can be asked with at once; the first ${MOST} are taken.`);
        taken(files.slice(0, MOST), add);
    }
}

const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
