"""Draws mutants: one changed place of one file each, made by cosmic-ray."""

from __future__ import annotations

import ast
import contextlib
import difflib
import math
import random
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


def mutants(file: str, rng: random.Random) -> list[Mutant]:
    """One mutant for each place of a file and kind of change, in the order of the file."""
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
    found = []
    for (start, kind), candidates in sorted(places.items()):
        name, number = rng.choice(candidates)
        with contextlib.suppress(SyntaxError, AttributeError):  # some operators of cosmic-ray fail at dotted names
            code = mutate_code(source, get_operator(name)(), number)
            if code is not None and _meaning(code) != meaning:
                found.append(Mutant(file, start[0], kind, code))
    return found


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


def sample(pattern: str, share: float, seed: int, only: str = "", without: str = "") -> list[Mutant]:
    """Mutants that the seed draws of the files of a pattern; each file has draws of its own.

    Args:
        pattern: of files, below the root.
        share: of the places of each file.
        seed: decides the places and what becomes of them.
        only: part of the name of the files wanted.
        without: a file that the pattern fits but that is left out.
    """
    chosen: list[Mutant] = []
    for path in sorted(ROOT.glob(pattern)):
        file = path.relative_to(ROOT).as_posix()
        if only in file and file != without:
            rng = random.Random(f"{seed} {file}")
            found = mutants(file, rng)
            chosen += rng.sample(found, min(len(found), math.ceil(share * len(found))))
    random.Random(seed).shuffle(chosen)  # so that a run that is stopped has tried a fair part
    return chosen
