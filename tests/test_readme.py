"""The README and the pages in docs/ name only commands and options that exist, and their Python runs."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from dinosearch import Collection
from tests.conftest import FakeEmbedder

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands() -> dict[str, click.Command]:
    from dinosearch.cli import cli

    assert isinstance(cli, click.Group)
    below = {
        f"{name} {verb}": command
        for name, group in cli.commands.items()
        if isinstance(group, click.Group)
        for verb, command in group.commands.items()
    }
    return {**below, **cli.commands}  # the longer names first, as the first that fits is taken


def test_the_first_thirty_lines_show_index_and_query_with_output() -> None:
    head = (ROOT / "README.md").read_text().splitlines()[:30]
    text = "\n".join(head)
    assert "$ dinosearch index" in text
    assert "$ dinosearch query" in text
    assert re.search(r"^\s*1\s+0\.\d+\s+\S+\.jpg", text, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    verbs = "|".join(commands())
    for verb, rest in re.findall(rf"dinosearch ({verbs})\b([^`\n]*)", page.read_text()):
        known = {option for parameter in commands()[verb].params for option in parameter.opts} | {"--help"}
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", rest.split("#")[0]):
            assert option in known, f"{page.name}: dinosearch {verb} has no {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_python_of_the_readme_runs(tmp_path: Path, photo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    photo_folder.rename(tmp_path / "Pictures")
    (tmp_path / "facade.jpg").write_bytes((tmp_path / "Pictures" / "00.png").read_bytes())
    real = Collection.open
    monkeypatch.setattr(Collection, "open", lambda home, **kw: real(home, embedder=FakeEmbedder(), **kw))
    printed: list[tuple[object, ...]] = []
    exec(
        code[1].replace('where="taken >= 2020-01-01"', 'where="width > 10"'),
        {"print": lambda *args: printed.append(args)},
    )
    assert len(printed) == 10
    assert printed[0][0] == pytest.approx(1.0, abs=1e-5)
