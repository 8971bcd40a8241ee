// The view of a search: before it the start, then what is asked on the left and the answer on the right.

import { missing } from "./query.js";
import { comparison } from "./compare.js";
import { el } from "./dom.js";
import { filtersForm } from "./filters.js";
import { panelView } from "./panel.js";
import { remember } from "./recent.js";
import { resultsView } from "./results.js";
import { startView } from "./start.js";
import { asks, blank, describe, format, question } from "./state.js";
import { names } from "./uploads.js";

export function searchView(app) {
    const start = startView(app);
    const filters = filtersForm((where) => app.change({ where }));
    const panel = panelView(app);
    const results = resultsView(app, { wrongFilter: (sentence) => filters.fail(sentence) });
    const wide = matchMedia("(min-width: 48.01rem)");
    const refine = el("details.refine", {}, el("summary", {}, "Filters and options"));
    const aside = el("aside", { class: "panel", "aria-label": "The question" }, panel.node, refine);
    const layout = el("div.search", {}, aside, results.node);
    const node = el("div.view");
    const compare = comparison(app, {
        closed: (id) => results.focus(id),
        hits: () => results.hits,
        more: () => (results.cursor ? results.next() : null),
        judged: () => results.judgeAnew(),
    });
    let shown = null;
    let offered = null;

    // On a wide screen filters are always there; on a narrow one they are behind one line.
    const place = () => {
        refine.hidden = wide.matches;
        (wide.matches ? aside : refine).append(panel.node.querySelector(".options") ?? options, filters.node);
        if (wide.matches) panel.node.append(options);
    };
    const options = panel.node.querySelector(".options");
    wide.addEventListener("change", place);
    place();

    return {
        node,
        title: (state) => (asks(state) ? describe(state, names()) : ""),
        /** Show a state; what is shown already is not asked again. */
        async show(state) {
            const wanted = asks(state) ? layout : start.node;
            if (node.firstChild !== wanted) node.replaceChildren(wanted);
            if (!asks(state)) {
                shown = null;
                compare.hide();
                start.show();
                return;
            }
            if (offered !== app.facts.name) {
                offered = app.facts.name;
                filters.offer(offered).catch(() => {}); // then the text still filters
            }
            const key = `${app.facts.name} ${question(state)}`;
            if (key !== shown) {
                shown = key;
                filters.show(state.where);
                const absent = await missing(state);
                if (shown !== key) return;
                panel.show(state, absent);
                if (absent.length) results.stop("A picture of this search is not in this browser.");
                else {
                    const named = { ...state, collection: app.facts.name };
                    const pictures = {
                        ...blank(),
                        collection: named.collection,
                        examples: state.examples,
                        negatives: state.negatives,
                    };
                    remember({ hash: question(named), base: format(pictures), words: describe(state, names()) });
                    await results.ask(state);
                    if (shown !== key) return;
                }
            } else results.refresh();
            if (app.state.show) compare.show(app.state, app.state.show);
            else compare.hide();
        },
        leave() {
            compare.hide();
        },
        /** The collection has changed. */
        stale() {
            shown = offered = null;
        },
    };
}
