// Two pictures side by side and what is drawn over them: lines, heat, patches as colours, the part that was asked with.

import { announce } from "./announce.js";
import { el, segments, svg } from "./dom.js";
import { drawHeat, drawPatches, drawScale, scaleOf } from "./heat.js";
import { drawLines } from "./lines.js";
import { boxOn } from "./tile.js";

const MODES = [
    ["lines", "Lines"],
    ["heat", "Heat"],
    ["patches", "Patches"],
    ["plain", "Pictures"],
];
const LEGENDS = {
    lines: "Lines join places that agree. Orange: the edges of the query, found again. White: the box around them.",
    heat: "Light and warm: this place is also seen in the other picture.",
    patches: "Equal colours: similar patches.",
    plain: "",
};
const UNMATCHED = "Too few of the places that look alike also lie alike in both pictures.";

/** The stage: `node` holds the pictures, `controls` choose what is drawn. */
export function pairStage() {
    const sides = ["Query", "Result"].map(side);
    const layer = svg("svg", { class: "layer", "aria-hidden": "true" });
    const node = el("div.stage", {}, sides[0].node, sides[1].node, layer);
    const modes = segments("What is drawn", MODES, "lines", choose);
    const bar = el("canvas");
    const scale = el("span.scale.number.small", { hidden: true }, el("span"), bar, el("span"));
    const legend = el("p.small.muted");
    const controls = el("div.drawn", {}, modes, scale, legend);
    let mode = "lines";
    let explained = null;
    let asked = null; // box of the query

    drawScale(bar);
    new ResizeObserver(draw).observe(node);

    function side(name) {
        const image = el("img", { alt: "", decoding: "async" });
        const canvas = el("canvas", { hidden: true, "aria-hidden": "true" });
        const held = el("div.held", {}, image, canvas);
        const caption = el("span.muted");
        const figure = el("figure", {}, held, el("figcaption.small", {}, el("b", {}, name), " ", caption));
        image.addEventListener("load", () => {
            shape(held, image.naturalWidth / image.naturalHeight); // uploaded pictures tell their size only now
            draw();
        });
        return { name, image, canvas, held, caption, node: figure };
    }

    function choose(next) {
        mode = next;
        draw();
        if (legend.textContent) announce(legend.textContent);
    }

    function draw() {
        node.dataset.mode = mode;
        legend.textContent = explained ? (mode === "lines" && !explained.matched ? UNMATCHED : LEGENDS[mode]) : "";
        const warm = explained && scaleOf(explained.heat);
        for (const [place, { canvas }] of sides.entries()) {
            canvas.hidden = !explained || !["heat", "patches"].includes(mode);
            if (canvas.hidden) continue;
            if (mode === "heat") drawHeat(canvas, explained.heat[place], warm);
            else drawPatches(canvas, explained.colours[place]);
        }
        scale.hidden = mode !== "heat" || !explained;
        if (!scale.hidden)
            [scale.firstChild.textContent, scale.lastChild.textContent] = warm.map((end) => end.toFixed(2));
        const images = sides.map(({ image }) => image);
        drawLines(
            layer,
            node,
            images,
            mode === "lines" ? explained : null,
            ["plain", "lines"].includes(mode) ? asked : null,
        );
    }

    return {
        node,
        controls,
        /** Show a picture on the left (0) or right (1); sides in pixels where they are known. */
        picture(which, address, name, width = 0, height = 0) {
            const { name: role, image, held, caption } = sides[which];
            if (image.getAttribute("src") !== address) image.src = address;
            image.alt = `${role}: ${name}`;
            caption.textContent = name;
            shape(held, width / height);
        },
        /** Draw a comparison, or none as yet; `box` is the part that was asked with. */
        explain(comparison, box) {
            [explained, asked] = [comparison, box];
            draw();
        },
        /** Frame the part of the result that was found. */
        frame(box) {
            sides[1].held.querySelector(".frame")?.remove();
            if (box) sides[1].held.append(boxOn(box));
        },
        /** Choose what is drawn as if it were clicked. */
        choose: (wanted) => modes.querySelector(`[value=${wanted}]`).click(),
    };
}

function shape(held, ratio) {
    if (ratio > 0 && Number.isFinite(ratio)) held.style.setProperty("--ratio", String(ratio));
}
