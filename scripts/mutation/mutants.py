"""Draws mutants: one changed place of one file each, made by cosmic-ray."""

from __future__ import annotations

import ast
import contextlib
import difflib
import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Mutant:
    """One changed place of one file."""

    file: str
    line: int
    kind: str
    code: str

    def diff(self) -> str:
        """The lines that differ."""
        before = (ROOT / self.file).read_text(encoding="utf-8").splitlines()
        lines = list(difflib.unified_diff(before, self.code.splitlines(), lineterm="", n=0))[2:]
        return "\n".join(line for line in lines if not line.startswith("@@"))

    @classmethod
    def from_diff(cls, file: str, line: int, kind: str, diff: str) -> Mutant | None:
        """The same change in today's file, at the nearest place that has the old lines; None where there is none."""
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
        old, new = ([told[1:] for told in diff.splitlines() if told[0] == sign] for sign in "-+")
        places = [at for at in range(len(lines)) if lines[at : at + len(old)] == old]
        if not places:
            return None
        at = min(places, key=lambda at: abs(at + 1 - line))
        return cls(file, at + 1, kind, "\n".join([*lines[:at], *new, *lines[at + len(old) :], ""]))


def mutants(file: str, rng: random.Random, share: float) -> Iterator[Mutant]:
    """One mutant for each place of a file and kind of change, of a share of them by chance."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names

    source = (ROOT / file).read_text(encoding="utf-8")
    tree, meaning = get_ast(source), _meaning(source)
    places: dict[tuple[tuple[int, int], str], list[tuple[str, int]]] = {}
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments():
            continue
        kind = name.rpartition("/")[2].split("_")[0]
        spots = (start for node in ast_nodes(tree) for start, _ in operator().mutation_positions(node))
        for number, start in enumerate(spots):
            places.setdefault((start, kind), []).append((name, number))
    wanted = math.ceil(share * len(places))
    for (start, kind), candidates in rng.sample(sorted(places.items()), len(places)):
        if not wanted:
            return
        name, number = rng.choice(candidates)
        with contextlib.suppress(SyntaxError, AttributeError):  # some operators of cosmic-ray fail at dotted names
            code = mutate_code(source, get_operator(name)(), number)
            if code is not None and _meaning(code) != meaning:
                wanted -= 1
                yield Mutant(file, start[0], kind, code)


def _meaning(source: str) -> str:
    """The program without annotations, which nothing evaluates here."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return ast.dump(tree)


def sample(pattern: str, share: float, seed: int, only: str = "", without: Sequence[str] = ()) -> list[Mutant]:
    """Mutants that the seed draws of the files of a pattern; each file has draws of its own.

    Args:
        pattern: of files, below the root.
        share: of the places of each file.
        seed: decides the places and what becomes of them.
        only: regular expression for the names of the files wanted.
        without: files that the pattern fits but that are left out.
    """
    chosen: list[Mutant] = []
    for path in sorted(ROOT.glob(pattern)):
        file = path.relative_to(ROOT).as_posix()
        if re.search(only, file) and file not in without:
            rng = random.Random(f"{seed} {file}")
            chosen += mutants(file, rng, share)
    return chosen
