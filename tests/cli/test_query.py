"""`dinosearch query`: what it answers in each form, from each kind of query image, and its exit codes."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pytest

import dinosearch.cli.sheet
from dinosearch.cli.output import coloured
from tests.cli.conftest import Run, objects
from tests.conftest import FakeEmbedder, write_photo


def ranking(folder: Path, query: Path) -> list[tuple[str, float]]:
    """Paths and scores by brute force over the fake embedder, without the queried file."""
    from dinosearch.images import prepare

    embedder = FakeEmbedder()
    paths = sorted(folder.rglob("*.png"))
    rows = embedder.embed([prepare(p.read_bytes(), p.name, embedder.preprocessing).pixels for p in [query, *paths]])
    scores = rows[1:] @ rows[0]
    order = np.argsort(-scores, kind="stable")
    return [(str(paths[i]), float(scores[i])) for i in order if paths[i] != query]


def test_json_hits_are_the_brute_force_ranking(run: Run, indexed: Path) -> None:
    query = indexed / "03.png"
    result = run("query", query, "--json", "--top", "5", "--rerank", "fast")
    hits = objects(result)
    expected = ranking(indexed, query)[:5]
    assert result.exit_code == 0
    assert [hit["path"] for hit in hits] == [path for path, _ in expected]
    np.testing.assert_allclose([hit["score"] for hit in hits], [score for _, score in expected], atol=1e-5)
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4, 5]
    assert {hit["type"] for hit in hits} == {"hit"}
    assert {(hit["width"], hit["height"], hit["format"]) for hit in hits} == {(64, 48, "PNG")}
    assert all(type(hit["id"]) is int for hit in hits)


def test_plain_text_has_the_same_hits(run: Run, indexed: Path) -> None:
    query = indexed / "03.png"
    lines = [line.split() for line in run("query", query, "-k", "3").stdout.splitlines()]
    hits = objects(run("query", query, "-k", "3", "--json"))
    assert lines == [[str(h["rank"]), f"{h['score']:.4f}", h["path"], f"id:{h['id']}"] for h in hits]


def test_colour_on_a_terminal_only_and_not_with_no_color(run: Run, indexed: Path, monkeypatch) -> None:
    def written(terminal: bool, **environ: str) -> str:
        monkeypatch.setattr("sys.stdout", SimpleNamespace(isatty=lambda: terminal))
        for name in ("NO_COLOR", "TERM"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        answer = coloured()
        monkeypatch.setattr("dinosearch.cli.query.coloured", lambda: answer)
        return run("query", indexed / "03.png", "-k", "1", color=True).stdout

    plain = written(terminal=False)
    assert "\x1b" not in plain
    assert "\x1b[" in written(terminal=True)
    assert click.unstyle(written(terminal=True)) == plain
    assert written(terminal=True, NO_COLOR="1") == plain
    assert written(terminal=True, TERM="dumb") == plain


def test_paths_and_null(run: Run, indexed: Path) -> None:
    expected = [path for path, _ in ranking(indexed, indexed / "03.png")][:4]
    assert run("query", indexed / "03.png", "-k", "4", "--paths", "--rerank", "fast").stdout.splitlines() == expected
    assert run("query", indexed / "03.png", "-k", "4", "-0", "--rerank", "fast").stdout == "".join(
        f"{path}\0" for path in expected
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that takes any bytes as a name")
def test_a_path_that_is_no_utf8_keeps_its_bytes(run: Run, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/photos/caf\xe9\n.png"
    write_photo(tmp_path / "photos" / "x.png", seed=1)
    os.rename(tmp_path / "photos" / "x.png", odd)
    query = write_photo(tmp_path / "query.png", seed=2)
    run("index", "photos")
    assert run("query", query, "--null").stdout_bytes == odd + b"\0"
    assert run("query", query, "--paths").stdout_bytes == odd + b"\n"
    (hit,) = objects(run("query", query, "--json"))
    assert os.fsencode(hit["path"]) == odd
    assert r"caf\udce9\n.png  id:1" in run("query", query).stdout


def test_one_long_path_widens_no_other_row(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(len(str(tmp_path)) + 50))
    names = [f"{'deep/' * 40}x.png", "a.png", "longer.png"]
    paths = [write_photo(tmp_path / "photos" / name, seed=number) for number, name in enumerate(names)]
    run("index", "photos")
    lines = run("query", paths[1], "--include-self", "--rerank", "fast").stdout.splitlines()
    assert len(lines) == 3 and sorted(line.split()[2] for line in lines) == sorted(map(str, paths))
    places = {Path(line.split()[2]).name: line.index("id:") for line in lines}
    assert places["a.png"] == places["longer.png"]  # both padded
    assert all(len(line) < len(str(tmp_path)) + 50 for line in lines if "deep" not in line)


def test_every_kind_of_query_image(run: Run, indexed: Path, embedders) -> None:
    photo = indexed / "05.png"
    by_path = objects(run("query", photo, "--json", "--include-self"))
    by_stdin = objects(run("query", "-", "--json", stdin=photo.read_bytes()))
    embedders.clear()
    by_id = objects(run("query", f"id:{by_path[0]['id']}", "--json", "--include-self"))
    assert embedders == []  # the stored vector is the query: no model is opened
    assert by_path[0]["path"] == str(photo)
    assert by_path[0]["score"] == pytest.approx(1, abs=1e-5)
    assert by_stdin == by_path
    assert [hit["path"] for hit in by_id] == [hit["path"] for hit in by_path]


def test_a_web_address_is_fetched_once_also_for_the_sheet(run: Run, indexed: Path, monkeypatch) -> None:
    fetched, drawn = [], []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return (indexed / "05.png").read_bytes()

    monkeypatch.setattr(dinosearch.cli.sheet, "fetch_image", fetch)
    monkeypatch.setattr(dinosearch.cli.sheet, "contact_sheet", lambda *given, **options: drawn.append(given))
    result = run("query", "https://example.org/a.png", "--sheet", "sheet.html", "-k", "2")
    assert (result.exit_code, fetched) == (0, ["https://example.org/a.png"])
    assert str(indexed / "05.png") in result.stdout
    assert result.stderr == "picture: sheet.html\n"
    ((pictures, hits, output, title),) = drawn
    assert (len(pictures), len(hits), output, title) == (1, 2, Path("sheet.html"), "a.png")


def test_the_sheet_gets_query_and_hits(run: Run, indexed: Path, monkeypatch) -> None:
    drawn = []
    monkeypatch.setattr(dinosearch.cli.sheet, "contact_sheet", lambda *given, **options: drawn.append(given))
    (indexed / "07.png").unlink()
    result = run("query", indexed / "05.png", "id:2", "--sheet", "sheet.png", "-k", "12", "--json")
    ((pictures, hits, output, title),) = drawn
    assert [picture.size for picture in pictures] == [(64, 48)] * 2
    assert [hit.path for hit, _ in hits] == [hit["path"] for hit in objects(result)]
    assert {Path(hit.path).name for hit, data in hits if data is None} == {"07.png"}
    assert all(data == Path(hit.path).read_bytes() for hit, data in hits if data is not None)
    assert (output, title) == (Path("sheet.png"), "05.png + id:2")


@pytest.mark.parametrize("name", ["sheet.jpg", "no/such/sheet.png"])
def test_a_sheet_that_cannot_be_written_is_refused_first(run: Run, indexed: Path, name: str) -> None:
    result = run("query", indexed / "05.png", "--sheet", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--sheet" in result.stderr


def test_where_threshold_exact_unique(run: Run, indexed: Path) -> None:
    query = indexed / "03.png"
    shutil.copy(indexed / "04.png", indexed / "copy.png")
    run("index", indexed)
    everything = ranking(indexed, query)
    named = objects(run("query", query, "--where", "name in ('04.png', '05.png', '06.png')", "--json"))
    assert {Path(hit["path"]).name for hit in named} == {"04.png", "05.png", "06.png"}
    assert len(objects(run("query", query, "-k", "99", "--exact", "--json"))) == 12
    assert len(objects(run("query", query, "-k", "99", "--unique", "--json"))) == 11
    assert everything[3][1] > everything[4][1] + 1e-4
    bound = (everything[3][1] + everything[4][1]) / 2
    above = [path for path, score in everything if score >= bound]
    assert [h["path"] for h in objects(run("query", query, "-k", "99", "--threshold", str(bound), "--json"))] == above


def test_negative_pushes_away(run: Run, indexed: Path) -> None:
    plain = {hit["id"]: hit["score"] for hit in objects(run("query", indexed / "03.png", "-k", "12", "--json"))}
    away = {
        hit["id"]: hit["score"]
        for hit in objects(
            run("query", indexed / "03.png", "--negative", "id:9", "-k", "12", "--include-self", "--json")
        )
    }
    assert away[9] < plain[9] - 0.1


def test_nothing_found(run: Run, indexed: Path) -> None:
    result = run("query", indexed / "03.png", "--where", "width > 10000")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("dinosearch: nothing found")
    assert run("--quiet", "query", indexed / "03.png", "--where", "width > 10000").stderr == ""
    assert "ask for less" in result.stderr
    Path("nothing").mkdir()
    run("index", "nothing", "--home", "empty")
    assert "the collection is empty" in run("query", indexed / "03.png", "--home", "empty").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["absent.png"], "absent.png"),
        (["id:999"], "there is no image id:999"),
        (["id:1", "--where", "width >"], "the filter cannot be read"),
        (["id:1", "--where", "colour = red"], "colour"),
        (["id:1", "--home", "elsewhere"], "dinosearch index FOLDER --home"),
        (["id:1", "--home", "notes.txt"], "notes.txt is a file, and the home of a collection is a folder"),
        (["id:1", "--preprocessing", "fit-448"], "cannot be compared; leave out --preprocessing, make another"),
        (["notes.txt"], "notes.txt: not an image"),
    ],
)
def test_errors_are_one_sentence_with_code_2(run: Run, indexed: Path, arguments: list[str], said: str) -> None:
    Path("notes.txt").write_text("no photo")
    result = run("query", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("dinosearch: ")
    assert said in result.stderr


@pytest.mark.parametrize(
    "arguments", [["id:1", "-k", "0"], ["id:1", "--threshold", "2"], ["-", "-"], ["-"], ["id:1", "--json", "-0"], []]
)
def test_usage_errors(run: Run, indexed: Path, arguments: list[str]) -> None:
    result = run("query", *arguments, stdin=b"")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: ")


def test_images_that_cancel_out_are_refused(run: Run, tmp_path: Path, monkeypatch) -> None:
    write_photo(tmp_path / "photos" / "a.png", seed=1)
    run("index", "photos")
    opposite = {"id:1": 1.0, "id:2": -1.0}
    monkeypatch.setattr(
        "dinosearch.collection.asking.query_vectors.QueryVectors.rows",
        lambda self, images, fresh: np.stack([np.eye(96, dtype=np.float32)[0] * opposite[name] for name in images]),
    )
    result = run("query", "id:1", "id:2")
    assert result.exit_code == 2
    assert result.stderr.startswith("dinosearch: the query images cancel each other out")


def test_a_box_is_asked_with_and_an_absurd_one_refused(run: Run, indexed: Path) -> None:
    query = str(indexed / "03.png")
    whole = run("query", query, "--paths", "--box", "0,0,1,1").stdout
    assert whole == run("query", query, "--paths").stdout
    assert run("query", query, "--paths", "--box", "0,0,8,8").stdout != whole
    for box, says in (("1,2,3", "left,top,right,bottom"), ("0.5,0,0.2,1", "no area"), ("500,0,600,9", "outside")):
        result = run("query", query, "--box", box)
        assert (result.exit_code, says in result.stderr) == (2, True)


def test_what_the_collection_lacks_is_said_with_the_command_that_makes_it(run: Run, indexed: Path) -> None:
    query = str(indexed / "03.png")
    for options, says in (
        (["--regions"], "dinosearch index FOLDER --regions"),
        (["--precision", "0.9"], "dinosearch calibrate"),
        (["--rerank", "diffusion"], "dinosearch refine --diffuse"),
        (["--explain"], "--sheet"),
    ):
        result = run("query", query, *options)
        assert (result.exit_code, says in result.stderr.replace("\n", " ")) == (2, True), result.stderr
