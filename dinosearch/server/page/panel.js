// What is asked: the picture with its box, further examples and counter-examples with weights, and how to search.

import { button, el, field, put, segments } from "./dom.js";
import { boxEditor } from "./box.js";
import { chip, factsOf } from "./examples.js";
import { pickButton } from "./dropzone.js";
import { percent } from "./format.js";
import { same } from "./state.js";

const LOST =
    "A picture of this search was uploaded in another browser and is not here. Drop the same file to search with it again.";
const LOST_ALL =
    "Pictures of this search were uploaded in another browser and are not here. Drop the same files to search with them again.";
const NAMES = [
    ["fast", "Fast"],
    ["balanced", "Balanced"],
    ["thorough", "Thorough"],
];

export function panelView(app) {
    const editor = boxEditor({ done: (box) => app.change({ box }), changed: update, left: () => draw.focus() });
    const draw = button("Draw a box", { icon: "box", class: "compact", onclick: () => editor.begin() });
    const search = button("Search the box", {
        icon: "search",
        class: "strong compact",
        hidden: true,
        onclick: () => editor.commit(),
    });
    const whole = button("Whole picture", {
        class: "compact",
        hidden: true,
        onclick: () => {
            editor.clear();
            draw.focus();
        },
    });
    const name = el("p.name");
    const add = pickButton("Add a picture", app.take, { add: true, class: "compact", icon: "plus" });
    const addBelow = el("div.buttons");
    const figure = el(
        "figure.query",
        {},
        editor.node,
        el("figcaption.under", {}, name, el("div.buttons", {}, draw, search, whole, add)),
    );
    const chips = el("ul.chips", { "aria-label": "Examples" });
    const lost = el("p.notice.small", { hidden: true });
    const options = el("div.options");
    const node = el(
        "section.asked",
        { "aria-labelledby": "asked-title" },
        el("h2", { id: "asked-title" }, "Search for"),
        lost,
        figure,
        chips,
        addBelow,
        options,
    );
    let shown = 0;

    function update(box) {
        draw.hidden = Boolean(box);
        whole.hidden = !box;
        search.hidden = !editor.pending;
    }

    function chipsOf(list, facts, against, alone) {
        return list.map((example, place) =>
            chip(example, facts[place], {
                against,
                alone,
                weigh: (weight) =>
                    change(
                        list.map((one) => (same(one, example) ? { ...one, weight } : one)),
                        against,
                    ),
                remove: () =>
                    change(
                        list.filter((one) => !same(one, example)),
                        against,
                    ),
            }),
        );
    }
    const change = (list, against) => app.change(against ? { negatives: list } : { examples: list, box: null });

    function showOptions(state) {
        const preset = segments("How to search", NAMES, state.preset, (chosen) => app.change({ preset: chosen }));
        const exact = el("input", {
            type: "checkbox",
            checked: state.exact,
            onchange: () => app.change({ exact: exact.checked }),
        });
        const sure = el(
            "select",
            { onchange: () => app.change({ sure: Number(sure.value) }) },
            ...[0, 0.5, 0.8, 0.9, 0.95, 0.99].map((share) =>
                el("option", { value: share }, share ? `those that are right in ${percent(share)}` : "all, best first"),
            ),
        );
        sure.value = state.sure;
        put(
            options,
            el("fieldset.field", {}, el("legend", {}, "How to search"), preset),
            el("label.check", {}, exact, el("span", {}, "Exact: compare with every photo")),
            app.facts.calibrated && field("Answer", sure),
        );
    }

    return {
        node,
        /** Show what a state asks. */
        async show(state, absent) {
            const turn = ++shown;
            const { name: collection } = app.facts;
            const of = (list) => Promise.all(list.map((one) => factsOf(one, collection).catch(() => null)));
            const [examples, negatives] = await Promise.all([of(state.examples), of(state.negatives)]);
            if (turn !== shown) return;
            const alone = state.examples.length === 1;
            const [first] = examples;
            figure.hidden = !alone || !first;
            (figure.hidden ? addBelow : figure.querySelector(".buttons")).append(add);
            if (alone && first) {
                showPicture(first, state.box);
                if (first.width) shape(first.width / first.height);
            }
            const among = alone && first ? [] : chipsOf(state.examples, examples, false, alone);
            put(chips, among, chipsOf(state.negatives, negatives, true, false));
            chips.hidden = !chips.children.length;
            lost.hidden = !absent.length;
            lost.textContent = absent.length === 1 ? LOST : LOST_ALL;
            showOptions(state);
        },
    };

    function showPicture(facts, box) {
        editor.image.onload = () => shape(editor.image.naturalWidth / editor.image.naturalHeight);
        editor.show(facts.address, `Query: ${facts.name}`, box);
        name.textContent = facts.name;
        name.title = facts.files[0]?.path ?? facts.name;
    }

    /** The frame has the shape of its picture before that is loaded, so that nothing jumps. */
    function shape(ratio) {
        if (ratio > 0) editor.node.style.setProperty("--ratio", String(ratio));
    }
}
