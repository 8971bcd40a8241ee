// A question with two answers, in a dialog.

import { button, el } from "./dom.js";

/** Whether a person says yes. */
export function ask(title, text, yes) {
    return new Promise((resolve) => {
        const close = (answer) => {
            dialog.close(answer);
        };
        const dialog = el(
            "dialog.sheet",
            {
                "aria-labelledby": "confirm-title",
                "aria-describedby": "confirm-text",
                onclose: () => {
                    dialog.remove();
                    resolve(dialog.returnValue === "yes");
                },
            },
            el("header", {}, el("h2", { id: "confirm-title" }, title)),
            el("p.muted", { id: "confirm-text" }, text),
            el(
                "div.buttons.answers",
                {},
                button("Cancel", { onclick: () => close("no") }),
                button(yes, { class: "strong", onclick: () => close("yes") }),
            ),
        );
        document.body.append(dialog);
        dialog.showModal();
    });
}
