// The photo that was chosen on the map: larger, with its facts and a way to search with it.

import { announce } from "./announce.js";
import { picture } from "./api.js";
import { button, el, put } from "./dom.js";
import { imageFacts } from "./examples.js";
import { metadata } from "./facts.js";
import { basename } from "./format.js";

/** A card that `show(id)` fills and `show(null)` hides. */
export function chosenCard(app, { searchOf, closed }) {
    const node = el("aside.chosen", {
        hidden: true,
        "aria-label": "Chosen photo",
        onkeydown: (event) => event.key === "Escape" && closed(),
    });
    let shown = null;

    return {
        node,
        async show(id, focus = false) {
            shown = id;
            node.hidden = id === null;
            if (id === null) return;
            const { name } = app.facts;
            const search = el("a.button.strong", { href: searchOf(id) }, "Search with it");
            const image = el("img", { src: picture(name, id, 320), alt: "" });
            const words = el("div.words", {}, el("p.muted", {}, `id:${id}`));
            const close = button("Close", { icon: "close", text: false, class: "compact", onclick: closed });
            put(node, image, words, el("div.buttons", {}, search), close);
            if (focus) search.focus();
            try {
                const facts = await imageFacts(name, id);
                if (shown !== id) return;
                const title = basename(facts.files[0].path);
                image.alt = title;
                put(words, el("h3", {}, title), metadata(facts));
                announce(title);
            } catch (problem) {
                if (shown === id) put(words, el("p.wrong", {}, problem.message));
            }
        },
    };
}
