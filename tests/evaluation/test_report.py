"""The report: what comes back from JSON, which figures stand in the tables, what the page holds and escapes."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dinosearch.errors import DatasetError
from dinosearch.evaluation.report import read, write
from dinosearch.evaluation.report.as_html import html
from dinosearch.evaluation.report.as_markdown import markdown
from dinosearch.evaluation.result import Cost, Example, IndexLoss, Published, Run, Scores, Shown
from dinosearch.evaluation.statistics import mean

NAN = math.nan
CURVE = np.linspace(1, 0.2, 101)
QUERIES = ("tower_1", "tower_2", "bridge_1", "bridge_2")


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float64)[:, None]


def scores(setup: str, *values: float, measure: str = "mAP") -> Scores:
    return Scores(setup, (measure,), column(*values), CURVE)


def make_run(label: str = "mini squash-224", **changes: Any) -> Run:
    """A run of four queries; easy mAP is 0.5, 1 and 0 and one query that does not count."""
    run = Run(
        label=label,
        dataset={"name": "towers", "title": "Towers (2024)", "images": 4993, "queries": 4, "truth_sha256": "ab"},
        recipe={"version": "0.2", "query_crop": "none", "packages": {"numpy": "2.3"}, "seed": 0},
        scores=(scores("easy", 0.5, 1.0, NAN, 0.0), scores("hard", 0.25, 0.25, 0.25, 0.25)),
        queries=QUERIES,
        cost=Cost(embedded=0, index_seconds=12.34, query_ms=1.8349, query_embed_ms=None, bytes_per_image=1551.4),
    )
    return replace(run, **changes)


def full_run(path: str = "/photos/a.jpg") -> Run:
    """A run with something in every place."""
    exact = (scores("easy", 0.6, 1.0, NAN, 0.2), scores("hard", 0.25, 0.25, 0.25, 0.25), gap(0.5))
    run = make_run()
    return replace(
        run,
        dataset=run.dataset
        | {"notes": ["a note"], "unreadable": [{"path": f"{i}.jpg", "reason": "truncated JPEG"} for i in range(12)]},
        scores=(*run.scores, gap(1 / 3)),
        loss=IndexLoss({1: 1.0, 10: 0.9973}, exact),
        worst=(
            Example("easy", "bridge_2", path, (1.5, 2.0, 30.0, 40.25), 0.0, answers(path)),
            Example("hard", "tower_1", path, None, NAN, ()),
        ),
        published=(Published("easy", "mAP", 40.5, "A paper, table 9", "whole images"),),
    )


def gap(value: float) -> Scores:
    return Scores("test", ("GAP", "ACC"), np.array([[value, 0.75]]), None, seed=7)


def answers(path: str) -> tuple[Shown, ...]:
    return Shown(path, 0.875, "wrong"), Shown(path, 0.5, "relevant"), Shown("/gone.jpg", 0.25, "junk")


def plain(value: Any) -> Any:
    """Dataclasses as dicts and arrays as nested lists, NaN as a word, so that == tells any difference."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.shape, plain(value.tolist())]
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return "nan" if isinstance(value, float) and math.isnan(value) else value


# ---- JSON


def test_json_gives_back_every_run_exactly(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    values = rng.random((4, 3))
    values[2, 1] = NAN
    odd = make_run(
        "surrogate \udcff",
        scores=(Scores("all", ("mAP", "mP@10", "N-S@4"), values, rng.random(101), 11),),
        cost=Cost(5, 0.1 + 0.2, 1e-7, 41.5, NAN),
    )
    runs = [full_run(), odd]
    assert write(runs, tmp_path / "new" / "folder") == tmp_path / "new" / "folder"
    for place in (tmp_path / "new" / "folder", tmp_path / "new" / "folder" / "report.json"):
        assert plain(read(place)) == plain(runs)


def test_json_says_means_intervals_and_values_by_query(tmp_path: Path) -> None:
    run = full_run()
    text = (write([run], tmp_path) / "report.json").read_text(encoding="utf-8")
    data = json.loads(text)
    assert "NaN" not in text and data["schema"] == 1
    easy, _, recognition = data["runs"][0]["scores"]
    ends = mean(np.array([0.5, 1.0, 0.0]))
    assert easy["means"] == {"mAP": {"mean": 0.5, "low": ends.low, "high": ends.high, "queries": 3}}
    assert easy["values"] == [
        {"query": "tower_1", "mAP": 0.5},
        {"query": "tower_2", "mAP": 1.0},
        {"query": "bridge_1", "mAP": None},
        {"query": "bridge_2", "mAP": 0.0},
    ]
    assert recognition["values"] == [{"GAP": 1 / 3, "ACC": 0.75}], "one figure for all queries has no query's name"


def test_writing_replaces_an_earlier_report_and_leaves_nothing_else(tmp_path: Path) -> None:
    write([make_run("earlier one")], tmp_path)
    write([make_run("later one")], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json", "report.md"]
    assert [run.label for run in read(tmp_path)] == ["later one"]
    for name in ("report.md", "report.html"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "later one" in text and "earlier one" not in text


def test_a_report_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one run"):
        write([], tmp_path)


def change(path: str, value: Any) -> Any:
    """A function that puts `value` at a dotted place of the report's data."""

    def apply(data: Any) -> None:
        *way, last = path.split(".")
        for step in way:
            data = data[int(step) if step.isdigit() else step]
        data[last] = value

    return apply


DAMAGES = {
    "no schema": lambda data: data.pop("schema"),
    "schema is text": change("schema", "1"),
    "no runs": lambda data: data.pop("runs"),
    "runs are no list": change("runs", {}),
    "a run is a number": lambda data: data["runs"].append(3),
    "no label": lambda data: data["runs"][0].pop("label"),
    "label is a number": change("runs.0.label", 3),
    "no name of the data set": change("runs.0.dataset", {}),
    "a value is text": change("runs.0.scores.0.values.0.mAP", "high"),
    "a value is missing": lambda data: data["runs"][0]["scores"][0]["values"][0].pop("mAP"),
    "a value is true": change("runs.0.scores.0.values.0.mAP", True),
    "no measures": change("runs.0.scores.0.measures", []),
    "precision too short": change("runs.0.scores.0.precision", [1.0]),
    "exact search of other setups": lambda data: data["runs"][0]["loss"]["exact"].pop(),
    "recall at no number": change("runs.0.loss.recall", {"ten": 1.0}),
    "a box of three": change("runs.0.worst.0.box", [1, 2, 3]),
    "an unknown verdict": change("runs.0.worst.0.answers.0.verdict", "fine"),
    "query names are numbers": change("runs.0.queries", [1, 2, 3, 4]),
    "no cost": change("runs.0.cost", None),
    "published without a source": lambda data: data["runs"][0]["published"][0].pop("source"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_malformed_report_is_refused_in_one_sentence(tmp_path: Path, damage: Any) -> None:
    file = write([full_run()], tmp_path) / "report.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    damage(data)
    file.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(DatasetError, match="report.json is not a whole benchmark report") as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value) and "dinosearch benchmark" in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b"\xff\xfe", b'{"schema": NaN}', b"[" * 100_000, b"schema: 1"]
)
def test_what_is_no_report_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(DatasetError, match="is not a whole benchmark report"):
        read(tmp_path)


def test_absent_and_newer_reports_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file"):
        read(tmp_path / "report.json")
    (tmp_path / "report.json").write_text('{"schema": 2, "runs": "as nobody knows yet"}')
    with pytest.raises(DatasetError, match=r"newer dinosearch \(schema 2, this one reads 1\); upgrade"):
        read(tmp_path)


# ---- Markdown


def tables(text: str) -> dict[str, list[list[str]]]:
    """Rows of each Markdown table by the headings above it, the heading row first, the line of dashes left out."""
    found: dict[str, list[list[str]]] = {}
    chapter = section = ""
    for line in text.splitlines():
        if line.startswith("## "):
            chapter = line[3:]
        elif line.startswith("### "):
            section = line[4:]
        elif line.startswith("| ") and not line.startswith("| ---"):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            found.setdefault(f"{chapter} / {section}", []).append([cell.strip() for cell in cells])
    return found


def table(text: str, title: str) -> list[list[str]]:
    return next(rows for name, rows in tables(text).items() if name.endswith(f"/ {title}"))


def test_markdown_has_three_tables_and_the_recipe_under_the_data_set() -> None:
    text = markdown([full_run()])
    assert "\n## Towers (2024): whole query images (query_crop none)\n" in text
    titles = [name.split(" / ")[1] for name in tables(text)]
    assert titles == [
        "What the index loses",
        "Whether the neighbours are the right ones",
        "What it costs",
        "Recipe",
    ]
    recipe = table(text, "Recipe")
    assert ["data set", "images", "4993"] in recipe
    assert ["run", "packages.numpy", "2.3"] in recipe
    assert ["run", "query_crop", "none"] in recipe


def test_accuracy_is_computed_by_hand_with_the_published_figure_beside() -> None:
    rows = table(markdown([full_run()]), "Whether the neighbours are the right ones")
    low, high = mean(np.array([0.5, 1.0, 0.0])).low * 100, mean(np.array([0.5, 1.0, 0.0])).high * 100
    source = "A paper, table 9 (whole images)"
    assert rows == [
        ["setup", "measure", "mean", "95 % interval", "queries", "published", "difference", "source"],
        ["easy", "mAP", "50.00", f"{low:.2f} to {high:.2f}", "3", "40.5", "+9.50", source],
        ["hard", "mAP", "25.00", "25.00 to 25.00", "4", "–", "–", "–"],
        ["test", "GAP", "33.33", "–", "–", "–", "–", "–"],
        ["test", "ACC", "75.00", "–", "–", "–", "–", "–"],
    ]
    assert 0 <= low < 50 < high <= 100
    assert "easy: 3 of 4 queries count" in markdown([full_run()])


def test_two_published_figures_have_a_row_each() -> None:
    published = (Published("hard", "mAP", 24.0, "one"), Published("hard", "mAP", 26.5, "other"))
    rows = table(markdown([make_run(published=published)]), "Whether the neighbours are the right ones")
    assert [row[-3:] for row in rows if row[0] == "hard"] == [["24", "+1.00", "one"], ["26.5", "-1.50", "other"]]


def test_ns_score_stays_between_0_and_4() -> None:
    ns = scores("all", 4.0, 3.0, 2.0, 4.0, measure="N-S@4")
    exact = IndexLoss({4: 1.0}, (scores("all", 4.0, 3.0, 3.0, 4.0, measure="N-S@4"),))
    published = (Published("all", "N-S@4", 3.5, "a paper"),)
    text = markdown([make_run(scores=(ns,), loss=exact, published=published)])
    row = table(text, "Whether the neighbours are the right ones")[1]
    assert (row[2], row[5], row[6]) == ("3.25", "3.5", "-0.25")
    assert table(text, "What the index loses")[2][2:] == ["3.50", "3.25", "0.250"]


def test_loss_stands_against_exact_search() -> None:
    rows = table(markdown([full_run()]), "What the index loses")
    assert rows == [
        ["part", "measure", "exact", "product", "lost"],
        ["neighbours", "recall@1", "100.00", "100.00", "0.000"],
        ["neighbours", "recall@10", "100.00", "99.73", "0.270"],
        # (0.6 + 1.0 + 0.2) / 3 against (0.5 + 1.0 + 0.0) / 3
        ["easy", "mAP", "60.00", "50.00", "10.000"],
        ["hard", "mAP", "25.00", "25.00", "0.000"],
        ["test", "GAP", "50.00", "33.33", "16.667"],
        ["test", "ACC", "75.00", "75.00", "0.000"],
    ]


def test_exact_search_is_said_to_lose_nothing() -> None:
    text = markdown([make_run()])
    assert "Search was exact" in text and not any("loses" in name for name in tables(text))


def test_costs_and_what_is_not_known() -> None:
    runs = [make_run("a"), make_run("b", cost=Cost(4993, 60.0, 12.0, 41.25, 10_300_200.0))]
    assert table(markdown(runs), "What it costs") == [
        ["run", "ms a query", "ms to embed a query", "bytes an image", "seconds of indexing", "images embedded"],
        ["a", "1.83", "–", "1,551", "12.3", "0"],
        ["b", "12.00", "41.25", "10,300,200", "60.0", "4,993"],
    ]


def test_notes_and_the_first_ten_unreadable_images_are_listed() -> None:
    text = markdown([full_run()])
    assert "- a note\n" in text and "Images that are missing or cannot be read: 12\n" in text
    assert re.findall(r"^- (\d+)\.jpg: truncated JPEG$", text, re.MULTILINE) == [str(i) for i in range(10)]
    assert "- and 2 more, listed in report.json\n" in text


def test_names_cannot_break_the_markdown() -> None:
    run = make_run("a|b\n| c", dataset=full_run().dataset | {"title": "<b>T</b> `x` [y](z)\n# no"})
    text = markdown([run])
    assert [row[0] for row in table(text, "What it costs")] == ["run", r"a\|b \| c"]
    assert r"## \<b\>T\</b\> \`x\` \[y\](z) # no:" in text


# ---- several runs


def ablation() -> list[Run]:
    """Ten queries: the second run is better by 0.1 in each, the third by 0.2 in five and worse by 0.1 in the others."""
    base = np.linspace(0.1, 0.5, 10)
    mixed = base + np.array([0.2] * 5 + [-0.1] * 5)
    values = {"first": base, "second": base + 0.1, "third": mixed}
    names = tuple(f"q{i}" for i in range(10))
    return [
        make_run(
            label,
            scores=(scores("easy", *found),),
            queries=names,
            recipe={"query_crop": "none", "size": size, "seed": 0},
            cost=Cost(0, 1.0, ms, None, 1000.0),
        )
        for (label, found), size, ms in zip(values.items(), (224, 448, None), (1.0, 2.0, 3.0), strict=True)
    ]


def test_ablation_shows_the_change_against_the_first_run() -> None:
    header, first, second, third = table(markdown(ablation()), "Whether the neighbours are the right ones")
    assert header[:8] == [
        "measure", "run", "mean", "95 % interval", "queries", "change", "its 95 % interval", "p"
    ]  # fmt: skip
    assert [row[0] for row in (first, second, third)] == ["easy mAP"] * 3
    assert (first[1], first[2], *first[4:8]) == ("first", "30.00", "10", "–", "–", "–")
    assert (second[1], second[2], *second[4:7]) == ("second", "40.00", "10", "+10.00", "+10.00 to +10.00")
    # all ten of one sign: 2 of 2 ** 10 sign patterns are as extreme
    assert abs(float(second[7]) - 2 / 2**10) < 0.002
    assert (third[1], third[2], third[5]) == ("third", "35.00", "+5.00")
    low, high = map(float, third[6].split(" to "))
    # a mean of ten values -10 or +20: standard deviation 15 / sqrt(10), so the interval is about 5 -+ 9.3
    assert abs(low + 4.3) < 1.6 and abs(high - 14.3) < 1.6
    # sign patterns of the ten differences whose sum is as extreme as 0.5, counted one by one
    signs = (np.arange(2**10)[:, None] >> np.arange(10) & 1) * 2 - 1
    exact = np.mean(np.abs(signs @ np.array([2.0] * 5 + [-1.0] * 5)) >= 5 - 1e-9)
    assert abs(float(third[7]) - exact) < 0.02


def test_ablation_has_one_row_a_run_and_says_what_differs() -> None:
    text = markdown(ablation())
    assert table(text, "What differs between the runs") == [
        ["run", "size"], ["first", "224"], ["second", "448"], ["third", "none"]
    ]  # fmt: skip
    other = replace(ablation()[1], dataset=make_run().dataset | {"images_sha256": "cd"})
    differing = table(markdown([ablation()[0], other]), "What differs between the runs")
    assert differing[0] == ["run", "size", "images_sha256"] and differing[2] == ["second", "448", "cd"]
    assert ["run", "size", "224"] not in table(text, "Recipe") and ["run", "seed", "0"] in table(text, "Recipe")
    overview = table(text, "The runs at a glance")
    assert overview[0] == ["run", "easy mAP", "change of easy", "ms a query", "bytes an image"]
    assert overview[1] == ["first", "30.00", "–", "1.00", "1,000"]
    assert overview[2] == ["second", "40.00", "+10.00 (+10.00 to +10.00)", "2.00", "1,000"]
    assert [row[0] for row in table(text, "What it costs")] == ["run", "first", "second", "third"]


def test_runs_over_other_queries_are_not_paired() -> None:
    first, second, _ = ablation()
    other = replace(second, queries=tuple(f"other{i}" for i in range(10)))
    rows = table(markdown([first, other]), "Whether the neighbours are the right ones")
    assert "change" not in rows[0] and [row[2] for row in rows[1:]] == ["30.00", "40.00"]


def mixed_crops() -> list[Run]:
    first, second, third = ablation()
    return [first, replace(second, label="cropped", recipe=second.recipe | {"query_crop": "bbx"}), third]


def test_query_crops_never_share_a_table() -> None:
    for name, rows in tables(markdown(mixed_crops())).items():
        cells = {cell for row in rows for cell in row}
        if "cropped" in cells:
            assert "queries cut to their boxes" in name and not cells & {"first", "third", "+10.00"}
        if cells & {"first", "third"}:
            assert "whole query images" in name
    assert sum("What it costs" in name for name in tables(markdown(mixed_crops()))) == 2


@pytest.mark.parametrize("fact", ["name", "truth_sha256", "images"])
def test_data_sets_never_share_a_table(fact: str) -> None:
    first, second, _ = ablation()
    other = replace(second, dataset=second.dataset | {fact: "another"})
    text = markdown([first, other])
    assert text.count("\n## ") == 2 and "change" not in text


# ---- HTML

VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """Parses a page, asserts that its tags are balanced, and keeps what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.text = text
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} says an attribute twice"
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack and self.stack.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.stack[-1] if self.stack else "", data.strip()))

    def all(self, tag: str, class_: str | None = None) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.tags if name == tag and class_ in (None, *attrs.get("class", "").split())]

    def inside(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "photo.png"
    Image.new("RGB", (320, 240), (40, 90, 200)).save(path)
    return str(path)


def page(runs: Sequence[Run]) -> Page:
    return Page(html(runs))


def test_page_is_well_formed_and_holds_everything_itself(photo: str) -> None:
    found = page([full_run(photo), make_run("second"), *mixed_crops()])
    links = [attrs[name] for _, attrs in found.tags for name in ("src", "href") if name in attrs]
    assert links and all(link.startswith("data:image/jpeg;base64,") for link in links)
    assert (
        not found.all("script") and not found.all("link") and "url(" not in found.text and "@import" not in found.text
    )
    assert "prefers-color-scheme: dark" in found.text and "@media print" in found.text
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in found.all("meta")


def test_page_has_the_tables_of_the_markdown(photo: str) -> None:
    found = page([full_run(photo)])
    assert len(found.all("table")) == 4
    headings = found.inside("h3")
    for title in ("Recipe", "What the index loses", "Whether the neighbours are the right ones", "What it costs"):
        assert title in headings
    assert found.inside("h2") == ["Towers (2024)"]
    cells = found.inside("td")
    for cell in ("50.00", "40.5", "+9.50", "A paper, table 9 (whole images)", "99.73", "0.270", "1,551"):
        assert cell in cells
    assert found.text.count("truncated JPEG") == 10


def test_one_run_has_one_plot_with_a_line_a_setup() -> None:
    lines = page([make_run()]).all("polyline")
    assert len(lines) == 2
    for line in lines:
        points = [tuple(map(float, point.split(","))) for point in line["points"].split()]
        assert len(points) == 101
        xs, ys = zip(*points, strict=True)
        assert list(xs) == sorted(xs) and list(ys) == sorted(ys), "precision falls, and y grows downwards"
    assert len({line["style"] for line in lines}) == 2, "another colour for each"
    assert len({line.get("stroke-dasharray") for line in lines}) == 2, "and another dash"


def test_several_runs_have_a_plot_a_setup_with_a_line_a_run() -> None:
    found = page([make_run("one"), make_run("two"), make_run("three")])
    plots = [figure for figure in found.text.split("<figure>")[1:] if "<polyline" in figure]
    assert [plot.count("<polyline") for plot in plots] == [3, 3]
    assert [re.findall(r"</svg>(\w+)</li>", plot) for plot in plots] == [["one", "two", "three"]] * 2


def test_a_bar_for_each_query_that_counts_best_first_with_its_name() -> None:
    found = page([make_run(scores=(scores("easy", 0.5, 1.0, NAN, 0.0),))])
    bars = found.all("rect", "bar")
    heights = [float(bar["height"]) for bar in bars]
    assert len(bars) == 3 and heights[2] == 0 and heights[0] == pytest.approx(2 * heights[1], abs=0.1)
    assert [text for text in found.inside("title") if "_" in text] == [
        "tower_2: 100.00 %", "tower_1: 50.00 %", "bridge_2: 0.00 %"
    ]  # fmt: skip


def test_many_queries_share_bars() -> None:
    names = tuple(f"q_{i}" for i in range(1000))
    found = page([make_run(scores=(scores("easy", *np.linspace(1, 0, 1000)),), queries=names)])
    bars = found.all("rect", "bar")
    heights = [float(bar["height"]) for bar in bars]
    assert len(bars) == 240 and heights == sorted(heights, reverse=True)
    assert "5 queries, q_0 to q_4: 100.00 to 99.60 %" in found.inside("title")


def test_worst_queries_show_verdicts_as_colour_and_as_sign(photo: str) -> None:
    found = page([full_run(photo)])
    assert [len(found.all("li", verdict)) for verdict in ("wrong", "relevant", "junk")] == [1, 1, 1]
    marks = re.findall(
        r'<span class="mark" title="(\w+)">(.)</span><b>(\d)</b><span class="score">([\d.]+)', found.text
    )
    assert marks == [("wrong", "✗", "1", "0.875"), ("relevant", "✓", "2", "0.500"), ("junk", "–", "3", "0.250")]
    for verdict in ("wrong", "relevant"):
        assert f"--verdict: var(--{verdict})" in found.text
    assert found.text.count(">cannot be read</div>") == 1, "the file that is not there"
    assert "bridge_2" in found.inside("p") and "mAP 0.00 %" in found.inside("p")


def test_query_box_is_framed_in_the_picture(photo: str) -> None:
    run = replace(full_run(photo), worst=(Example("easy", "q", photo, (80, 60, 240, 180), 0.0, answers(photo)),))
    pictures = []
    for image in page([run]).all("img"):
        with Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))) as opened:
            pictures.append(np.asarray(opened).astype(int))
    assert [picture.shape for picture in pictures] == [(120, 160, 3)] * 3
    accent = [np.abs(picture - (196, 77, 44)).sum(axis=2) < 120 for picture in pictures]
    assert accent[0][60, 41:44].any() and accent[0][60, 116:119].any() and not accent[0][60, 50:110].any()
    assert not accent[1].any() and not accent[2].any(), "only the query has a box"


EVIL = "/x/<script>alert(1)</script>\"' onerror=alert(1) & \udcff\x07.png"


def test_names_cannot_break_the_page() -> None:
    run = replace(
        full_run(EVIL),
        label=EVIL,
        dataset=full_run().dataset | {"title": EVIL, "notes": [EVIL], "unreadable": [{"path": EVIL, "reason": EVIL}]},
        recipe={"query_crop": EVIL, EVIL: EVIL},
        queries=tuple(EVIL + str(i) for i in range(4)),
        published=(Published("easy", "mAP", 1.0, EVIL, EVIL),),
        scores=(scores(EVIL, 0.5, 1.0, NAN, 0.0), scores("easy", 0.5, 1.0, NAN, 0.0), gap(0.5)),
        worst=(Example("easy", EVIL, EVIL, None, 0.0, answers(EVIL)),),
    )
    found = page([run, replace(run, recipe=run.recipe | {"seed": EVIL})])
    assert not found.all("script")
    assert not [attrs for _, attrs in found.tags if any(name.startswith("on") for name in attrs)]
    assert "\udcff" not in found.text and "\x07" not in found.text
    found.text.encode("utf-8")
    assert any("<script>alert(1)</script>" in text for text in found.inside("h2")), "shown as it is"


def test_page_keeps_query_crops_apart() -> None:
    parts = html(mixed_crops()).split("<article>")[1:]
    assert [("cropped" in part, ">first<" in part) for part in parts] == [(False, True), (True, False)]
    assert ["queries cut to their boxes" in part for part in parts] == [False, True]
    assert [len(Page(f"<article>{part}".partition("</article>")[0] + "</article>").all("table")) for part in parts] == [
        5,
        3,
    ]


def test_nothing_counts_and_nothing_is_drawn() -> None:
    found = page([make_run(scores=(Scores("easy", ("mAP",), column(NAN, NAN, NAN, NAN), None),))])
    assert not found.all("svg") and "nan" not in found.text.lower().replace("nanmean", "")
