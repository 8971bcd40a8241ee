"""The report of a benchmark as three files: report.json for programs, report.md and report.html for people.

It measures nothing: the runs carry all figures, and only intervals and comparisons are computed on the way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dinosearch.advice import run
from dinosearch.arguments import checked
from dinosearch.errors import DatasetError
from dinosearch.evaluation.report.as_html import html_page
from dinosearch.evaluation.report.as_json import SCHEMA, from_json, to_dict, to_json
from dinosearch.evaluation.report.as_markdown import markdown, markdown_text
from dinosearch.evaluation.report.chapter import chapters
from dinosearch.evaluation.result import Run
from dinosearch.home import atomic_path

JSON_NAME, MARKDOWN_NAME, HTML_NAME = "report.json", "report.md", "report.html"

__all__ = ["HTML_NAME", "JSON_NAME", "MARKDOWN_NAME", "markdown", "read", "to_dict", "write"]


@checked
def write(runs: Sequence[Run], folder: Path) -> Path:
    """Write the three files, each atomically; files of an earlier report in the folder are replaced.

    Args:
        runs: the rows, at least one; changes are against the first of the same data set and setting.
        folder: made where it is missing.

    Returns:
        The folder.

    Raises:
        ValueError: no runs.
        OSError: the folder cannot be written.
    """
    parts = chapters(runs)
    contents = {
        JSON_NAME: json.dumps(to_json(runs), indent=1, allow_nan=False) + "\n",
        MARKDOWN_NAME: markdown_text(parts),
        HTML_NAME: html_page(parts),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8", newline="\n")
    return folder


@checked
def read(path: Path) -> list[Run]:
    """Read a report back.

    Args:
        path: report.json, or the folder that holds it.

    Raises:
        DatasetError: no such file, malformed, or written by a newer dinosearch.
    """
    file = path / JSON_NAME if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"), parse_constant=_refuse)
        schema = data["schema"]
        if type(schema) is not int or schema < 1:
            raise ValueError(f"schema {schema!r}")
        if schema == SCHEMA:
            return from_json(data)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DatasetError(
            f"{file} is not a whole benchmark report ({_clause(error)}); make one with: ",
            run("benchmark", "DATASET", "--data", "DIR"),
        ) from None
    raise DatasetError(
        f"{file} was written by a newer dinosearch (schema {schema}, this one reads {SCHEMA}); upgrade dinosearch"
    )


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _clause(error: Exception) -> str:
    if isinstance(error, OSError):
        return str(error.strerror or error).lower()
    return f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split()) or "damaged"
