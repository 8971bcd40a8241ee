// Light, dark, or as the system is: the choice is remembered, early.js applies it at the next opening.

import { announce } from "./announce.js";

const KEY = "dinosearch.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export const isDark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : system.matches;
};

/** Make a button change the theme; `changed` is told, as canvases do not follow a style sheet. */
export function themeButton(node, changed) {
    const label = () => {
        const text = isDark() ? "Use the light theme" : "Use the dark theme";
        node.setAttribute("aria-label", text);
        node.title = text;
    };
    node.addEventListener("click", () => {
        const next = isDark() ? "light" : "dark";
        // The system's own theme needs no memory: then the page follows it again.
        const followed = (next === "dark") === system.matches;
        if (followed) delete document.documentElement.dataset.theme;
        else document.documentElement.dataset.theme = next;
        try {
            if (followed) localStorage.removeItem(KEY);
            else localStorage.setItem(KEY, next);
        } catch {
            // Then it holds until the page is left.
        }
        label();
        announce(`${next} theme`);
        changed();
    });
    system.addEventListener("change", () => {
        label();
        changed();
    });
    label();
}
