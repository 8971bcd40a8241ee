"""A command that a message prints works when it is pasted, wherever the collection lives."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

import dinosearch
from dinosearch.advice import run as command
from dinosearch.cli.app import VERBS
from dinosearch.collection.places.place import place_of
from tests.cli.conftest import Run
from tests.cli.test_maintain import damage


def advised(said: str) -> list[str]:
    """The words of the last command in a message, as a shell takes them."""
    return shlex.split(re.findall(r"dinosearch ((?:verify|label|index|compact|export)\b[^\n;,`]*)", said)[-1])


def test_the_advice_to_repair_repairs_the_collection_that_was_asked(run: Run, photo_folder: Path) -> None:
    home = "my & photos"
    assert run("index", photo_folder, "--home", home).exit_code == 0
    damage(Path(home))
    found = run("verify", "--home", home)
    assert found.exit_code == 3
    assert run(*advised(found.stderr)).exit_code == 0
    assert run("verify", "--home", home).exit_code == 0
    data = bytearray(next(Path(home).glob("vectors-*")).read_bytes())
    data[:4] = b"none"
    next(Path(home).glob("vectors-*")).write_bytes(data)
    refused = run("query", "id:1", "--exact", "--home", home)
    assert refused.exit_code == 2
    assert advised(refused.stderr)[:2] == ["verify", "--repair"]
    assert run(*advised(refused.stderr)).exit_code == 0
    assert run("query", "id:1", "--home", home).exit_code == 0
    assert not Path("index").exists()


@pytest.mark.parametrize("asked", [["label"], ["label", "cat", "nowhere.png"], ["label", "--vote"]])
def test_label(run: Run, photo_folder: Path, asked: list[str]) -> None:
    assert run("index", photo_folder, "--home", "it's").exit_code == 0
    words = advised(run(*asked, "--home", "it's").stderr)
    assert words[words.index("--home") + 1] == str(Path("it's").absolute())


def test_the_default_collection_needs_no_name(run: Run, indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("label").stderr == "dinosearch: there are no labels; give some with: dinosearch label NAME IMAGE...\n"
    monkeypatch.setenv("DINOSEARCH_HOME", "index")
    assert f"label NAME IMAGE... --home {Path('index').absolute()}\n" in run("label").stderr


def test_summaries_advise_too(run: Run, photo_folder: Path) -> None:
    run("index", photo_folder, "--home", "mine")
    said = run("remove", "id:1", "--home", "mine").stdout
    assert said.endswith(f"dinosearch compact --home {Path('mine').absolute()}\n")
    assert f"dinosearch compact --home {Path('mine').absolute()}" in run("info", "--home", "mine").stdout


def test_an_engine_is_named_with_its_metadata(run: Run, tmp_path: Path) -> None:
    home, metadata = f"milvus://{tmp_path}/v.db?collection=rome", f"sqlite:///{tmp_path}/no & where.sqlite"
    said = run("query", "id:1", "--home", home, "--metadata", metadata).stderr
    assert advised(said) == ["index", "FOLDER", "--home", home, "--metadata", metadata]


def test_addresses_are_quoted_and_keep_their_secrets() -> None:
    address = "postgresql+psycopg:///photos?collection=rome&host=/run/postgresql"
    assert shlex.split(str(command("info", of=place_of(address).named))) == ["dinosearch", "info", "--home", address]
    named = place_of("milvus://u:secret@h:1/rome?db=x", "postgresql+psycopg://v:secret@h/d?collection=a").named
    assert shlex.split(str(command("info", of=named)))[2:] == [
        "--home", "milvus://u@h:1/rome?db=x", "--metadata", "postgresql+psycopg://v@h/d?collection=a",
    ]  # fmt: skip


def test_what_a_command_is_about_is_said_where_it_is_known(run: Run, photo_folder: Path) -> None:
    """Two commands in one sentence: one about another collection, one about this; and one about none."""
    assert run("index", photo_folder, "--home", "a b", "--model", "mini").exit_code == 0
    said = run("query", "id:1", "--home", "a b", "--pooling", "mean").stderr
    other, own = (shlex.split(found) for found in re.findall(r"dinosearch ((?:index|migrate)\b[^\n;,]*)", said))
    assert other[:2] == ["index", "FOLDER"] and other[-2:] == ["--home", "OTHER"]
    assert own[0] == "migrate" and own[-2:] == ["--home", str(Path("a b").absolute())]
    said = run("benchmark", "nothing", "--data", ".", "--home", "a b").stderr
    assert said.endswith("see: dinosearch benchmark --list\n")


def test_of_several_collections_the_damaged_one_is_named(run: Run, photo_folder: Path) -> None:
    for home in ("sound", "bro ken"):
        assert run("index", photo_folder, "--home", home).exit_code == 0
    Path("bro ken", "metadata.sqlite").write_bytes(b"no database")
    said = run("serve", "sound", "bro ken", "--port", "0")
    assert said.exit_code == 2
    assert advised(said.stderr.replace(", or delete", ";"))[-2:] == ["--home", str(Path("bro ken").absolute())]


def test_no_layer_spells_a_command_in_plain_text() -> None:
    """What is plain text gets no collection: it has to be a `Command`, but in help texts."""
    spelled = re.compile(rf"(?<!`)dinosearch ({'|'.join(VERBS)})\b")
    package, found = Path(dinosearch.__file__).parent, []
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        alone |= {
            id(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HELP"
        }
        texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
        found += [f"{path}:{node.lineno}" for node in texts if id(node) not in alone and spelled.search(node.value)]
    assert found == []
