"""File and folder names that are no nice text, and whether each survives the way in and out of a collection."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

from dinosearch import Collection
from torture.numbered import NumberEmbedder, png
from torture.verdict import Verdict

NAMES: tuple[bytes, ...] = (
    b"\xff\xfe", b"caf\xe9", "caf\u00e9".encode(), "cafe\u0301".encode(), b"new\nline", b"tab\there", b"cr\r",
    b"\r\n", b"'single'", b'"double"', b"it's \"both\"", b"-rf", b"--json", b"--", b"-", b"-0", b" leading",
    b"trailing ", b"dot.", b"\x1b[31mred\x1b[0m", b"\x1b]0;title\x07", b"\x07bell", b"\x7fdel", b"\x01\x02",
    b"back\\slash", b"$(touch x)", b"`id`", b"%s%n%d", b"{path}", b"id:7", b"id:x", b"a.tar!x", b"x.tar::y.png",
    b"::", b"a::b", b"~", b"~root", b"*", b"?", b"[a]", b"**", b"!x", b"#x", b"http:", b"file:", b"Case", b"case",
    b"CASE", b"n" * 255, "\U0001f600".encode(), b"a=b", b";ls", "\u202eexe.gpj".encode(), "\u65e5\u672c".encode(),
    "\u00a0".encode(), "\U0010ffff".encode(), b"\xed\xa0\x80", b"\xc0\xaf", "\U0010ff7f\U0010ff80".encode(),
    b"&amp;<b>", b"con", b"nul", b"%2e%2e", b"...", b"a b  c", b"|", b"\xe2\x80\xa8", b"null",
)  # fmt: skip
"""Each by itself is a name of a file and of a folder; those that begin with a dot are hidden, and are left out."""

DRIVER = """
import sys
import dinosearch.embedding
from torture.numbered import NumberEmbedder
dinosearch.embedding.open_embedder = lambda *given, **settings: NumberEmbedder()
from dinosearch.cli import run
run()
"""
"""The command line with an embedder that needs no weights."""
CONTROLS = {*range(32), 127} - {10}
"""Bytes that a terminal obeys."""


def cli(cwd: Path | bytes, *arguments: str | bytes | Path, **options) -> subprocess.CompletedProcess[bytes]:  # noqa: ANN003
    """Run the command line as a process; `prefix` is a command that runs it."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    command = [*options.pop("prefix", []), sys.executable, "-c", DRIVER, *map(os.fsencode, arguments)]
    return subprocess.run(command, cwd=cwd, env=_environment(), timeout=120, check=False, **options)


def some_names(rng: random.Random, count: int) -> list[bytes]:
    """Random names: bytes of any value, pieces of `NAMES`, up to 255 long."""
    found: set[bytes] = set()
    while len(found) < count:
        kind = rng.randrange(4)
        name = bytes(rng.choices(range(1, 256), k=rng.choice([1, 2, 5, 255]))) if kind == 0 else b""
        if kind == 1:
            name = "".join(map(chr, rng.choices(range(1, 0xD800), k=rng.randrange(1, 60)))).encode()
        if kind > 1:
            name = b"".join(rng.choices(NAMES, k=kind))
        name = name.replace(b"/", b"_")[:255]
        if name and name not in (b".", b".."):
            found.add(name)
    return sorted(found)


def fill(root: Path, names: list[bytes] | tuple[bytes, ...]) -> dict[bytes, int]:
    """A file of each name, and one in a folder of each name; the number in each file that is to be found."""
    made: dict[bytes, int] = {}
    for folder in (b"files", b"folders"):
        for name in names:
            path = os.path.join(os.fsencode(root), folder, *([name, b"x"] if folder == b"folders" else [name]))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            number = len(made) + 1
            with open(path, "wb") as file:
                file.write(png(number))
            if not name.startswith(b"."):
                made[path] = number
    return made


def round_trip(folder: Path, names: list[bytes] | tuple[bytes, ...], number: int | str, verdict: Verdict) -> None:
    """Index files of the names by the library, and hand every answer back: query, filter, remove."""
    made = fill(folder / "photos", names)
    with Collection.open(folder / "home", create=True, embedder=NumberEmbedder()) as collection:
        summary = collection.index(folder / "photos")
        if (summary.added, summary.failed) != (len(made), 0):
            verdict.fail(number, f"{summary.added} of {len(made)} files were indexed, {summary.failures[:2]} failed")
        listed = [str(file["path"]) for file in collection.files()]
        _equal(number, "files", {os.fsencode(path) for path in listed}, set(made), verdict)
        for path in listed:
            hit = collection.query(path, k=1, include_self=True, rerank="fast")[0]
            if hit.path != path or hit.score < 0.999:
                verdict.fail(number, f"asked with {path!r}, found {hit.path!r} with {hit.score:.3f}")
            quoted = path.replace("'", "''")
            found = [str(file["path"]) for file in collection.files(f"path = '{quoted}'")]
            if found != [path]:
                verdict.fail(number, f"the filter for {path!r} finds {found[:3]!r}")
            verdict.count("asked and filtered by its own name")
        again = collection.index(*listed)
        if again.unchanged != len(listed):
            verdict.fail(number, f"given back to index, {again.unchanged} of {len(listed)} are unchanged")
        collection.export(folder / "export")
        rest = set(listed)
        for path in listed[::3]:
            collection.remove(path)
            rest.discard(path)
            left = {str(file["path"]) for file in collection.files()}
            if left != rest:
                verdict.fail(number, f"remove {path!r} left {sorted(left ^ rest)[:3]!r} wrong")
                rest = left
            verdict.count("removed by its own name")
    with Collection.open(folder / "other", create=True, embedder=NumberEmbedder()) as collection:
        collection.import_(folder / "export")
        _equal(number, "import", {os.fsencode(str(file["path"])) for file in collection.files()}, set(made), verdict)
    verdict.count("exported and imported", len(made))


def through_the_command_line(
    folder: Path, names: list[bytes] | tuple[bytes, ...], number: int | str, verdict: Verdict
) -> None:
    """The same by processes: every output mode, and what it wrote given back as arguments or on stdin."""
    made = fill(folder / "photos", names)
    done = cli(folder, "index", "photos", "--json")
    if done.returncode or json.loads(done.stdout.splitlines()[-1])["added"] != len(made):
        verdict.fail(number, f"index: {done.stdout[-300:]!r} {done.stderr[-300:]!r}")
    count = str(2 * len(made))
    query = ("query", "id:1", "--include-self", "-k", count)
    outputs = {
        "query -0": cli(folder, *query, "-0").stdout.split(b"\0")[:-1],
        "query --json": _paths(cli(folder, *query, "--json").stdout),
        "export -": _paths(cli(folder, "export", "-").stdout),
    }
    for mode, found in outputs.items():
        _equal(number, mode, set(found), set(made), verdict)
        verdict.count(f"written by {mode}", len(found))
    lines = cli(folder, *query, "--paths").stdout
    if sorted(lines.splitlines()) != sorted(b"\n".join(made).splitlines()):
        verdict.fail(number, "query --paths writes other bytes than the names have")
    listed = b"\0".join(outputs["query -0"])
    again = cli(folder, "index", "-", "--json", input=listed + b"\0")
    if again.returncode or json.loads(again.stdout.splitlines()[-1])["unchanged"] != len(made):
        verdict.fail(number, f"index -: {again.stdout[-300:]!r} {again.stderr[-300:]!r}")
    verdict.count("given back on stdin", len(made))
    html = cli(folder, *query, "--sheet", "sheet.html", "--quiet")
    if html.returncode or CONTROLS & set((folder / "sheet.html").read_bytes()):
        verdict.fail(number, f"the sheet is not clean: {html.stderr[-300:]!r}")
    for arguments in (query, (*query, "--paths"), (*query, "-0"), ("info",), ("export", "-"), ("verify", "--quiet")):
        _on_a_terminal(folder, number, verdict, *arguments)
    some = list(made)[:: max(1, len(made) // 12)]
    for path in some:  # what is wrong with them is said in a sentence, whatever they are called
        _on_a_terminal(folder, number, verdict, "query", os.path.basename(path) + b"-not-there", status={1, 2})
        _on_a_terminal(folder, number, verdict, "remove", b"./" + os.path.basename(path) + b"-no", status={2})
    gone = cli(folder, "remove", "--json", "--", *some)
    if gone.returncode or json.loads(gone.stdout)["removed"] != len(some):
        verdict.fail(number, f"remove: {gone.stdout[-300:]!r} {gone.stderr[-300:]!r}")
    _equal(number, "remove", set(_paths(cli(folder, "export", "-").stdout)), set(made) - set(some), verdict)
    verdict.count("removed by arguments", len(some))


def _on_a_terminal(
    folder: Path, number: int | str, verdict: Verdict, *arguments: str | bytes, status: set[int] | None = None
) -> None:
    """Run a command on a pseudo-terminal: nothing that it writes may command the terminal, but for its own colours."""
    terminal, inner = os.openpty()
    written = b""
    command = [os.fsencode(argument) for argument in arguments]
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, *command],
        cwd=folder,
        env=_environment(),
        stdout=inner,
        stderr=inner,
        stdin=inner,
    )
    os.close(inner)
    try:
        while data := os.read(terminal, 1 << 16):
            written += data
    except OSError:  # Linux says so when the other side is closed
        pass
    os.close(terminal)
    code = process.wait(60)
    if code not in (status or {0}) or b"Traceback" in written:
        verdict.fail(number, f"{command!r} on a terminal ends with {code}: {written[-300:]!r}")
    # The terminal writes a carriage return before each new line; -0 ends each path by a NUL.
    plain = written.replace(b"\r\n", b"\n")
    bad = CONTROLS & set(plain.replace(b"\0", b"") if b"-0" in command else plain)
    if bad:
        verdict.fail(number, f"{command!r} writes the control characters {sorted(bad)} to a terminal")
    verdict.count("written to a terminal")


def _environment() -> dict[str, str]:
    scripts = Path(__file__).resolve().parents[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DINOSEARCH_")}
    found = os.pathsep.join([str(scripts.parent), str(scripts)])
    more = {"PYTHONPATH": found, "DINOSEARCH_DECODE": "inline", "DINOSEARCH_OFFLINE": "1", "NO_COLOR": "1"}
    return {**kept, **more, "TERM": "xterm"}


def _paths(lines: bytes) -> list[bytes]:
    return [os.fsencode(json.loads(line)["path"]) for line in lines.splitlines()]


def _equal(number: int | str, what: str, found: set[bytes], wanted: set[bytes], verdict: Verdict) -> None:
    if found != wanted:
        verdict.fail(number, f"{what}: {sorted(found ^ wanted)[:4]!r} are there or missing wrongly")
