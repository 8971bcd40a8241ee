"""How results and messages are written: results to stdout, everything else to stderr. It decides no wording."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from dinosearch.advice import Command
from dinosearch.cli.advice import told

SCHEMA = 1  # of the JSON objects; it rises when a field changes its meaning or goes


def emit(kind: str, data: dict[str, Any]) -> None:
    """Write one JSON object to stdout; a path that is no UTF-8 has escaped surrogates, which lose nothing."""
    say(json.dumps({"schema": SCHEMA, "type": kind, **data}))


def say(line: str) -> None:
    """Write one line of a result to stdout."""
    try:
        click.echo(line)
    except BrokenPipeError:
        _reader_has_enough()


def say_path(path: str, end: bytes = b"\n") -> None:
    """Write a path to stdout with the very bytes that it has on the disk; to a terminal, as it can be shown."""
    stream = sys.stdout.buffer
    written = shown(path).encode("utf-8") if sys.stdout.isatty() else os.fsencode(path)
    try:
        stream.write(written + end)
        stream.flush()
    except BrokenPipeError:
        _reader_has_enough()


def notice(*parts: str | Command) -> None:
    """Write a sentence for the user to stderr, with the commands that it names."""
    tell(f"dinosearch: {told(*parts)}")


def tell(line: str) -> None:
    """Write a line to stderr, control characters escaped; nobody listening there is no reason to stop."""
    try:
        click.echo(printable(line), err=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def stdin_bytes() -> bytes:
    """Everything on stdin."""
    return sys.stdin.buffer.read()


def shown(path: str) -> str:
    """A path as it can be printed: undecodable bytes and control characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in path)


def printable(text: str) -> str:
    """Text of several lines as it can be printed: what a file is called must not command the terminal."""
    return "\n".join(map(shown, text.split("\n")))


def coloured() -> bool:
    """Whether stdout takes colour: a terminal, and NO_COLOR (no-color.org) is not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 file`, `1,204 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def rate_text(rate: float) -> str:
    """A number a second, with a decimal where it is small."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def size_text(count: float) -> str:
    """Bytes in a unit that reads well."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def table(lines: Iterable[Sequence[str]]) -> None:
    """Write lines of cells to stdout in aligned columns; the last column may be as long as it likes."""
    listed = list(lines)
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)][:-1] if listed else []
    for *cells, last in listed:
        say("  ".join([*(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)), last]).rstrip())


def _reader_has_enough() -> None:
    """The reader, such as `head`, has closed the pipe: end quietly, also when Python flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise click.exceptions.Exit(0)
