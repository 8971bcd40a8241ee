"""The machine, tables, and the sections of docs/benchmarks.md that a script writes."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


def machine(*packages: str) -> str:
    """One line: processor, cores, memory, Python and the versions of the packages."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = [f"{processor()}, {cores} cores, {memory():.0f} GiB, Python {platform.python_version()}"]
    for package in packages:
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            parts.append(f"no {package}")
    return ", ".join(parts)


def processor() -> str:
    """The processor's name with the number formats that matter here."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"model name\s*: (.*)", text)
    flags = set((re.search(r"flags\s*: (.*)", text) or [""])[0].split())
    known = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "avx512_vnni") if flag in flags]
    return f"{name[1].strip() if name else platform.machine()} ({' '.join(known)})"


def memory() -> float:
    """Memory of the machine in GiB."""
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def write_section(name: str, text: str) -> None:
    """Put text between the marks `<!-- name begin -->` and `<!-- name end -->` of docs/benchmarks.md.

    Raises:
        ValueError: the page has no such marks.
    """
    page = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} begin -->\n", f"<!-- {name} end -->"
    if begin not in page or end not in page:
        raise ValueError(f"docs/benchmarks.md has no section {name}; put its two marks where it shall stand")
    head, rest = page.split(begin, 1)
    PAGE.write_text(head + begin + text.strip() + "\n" + end + rest.split(end, 1)[1], encoding="utf-8")
