"""AmsterTime: photos of today and archive photos of the same 1231 places; each side asks the other one.

Tasks and measures: [seyrankhademi/AmsterTime, README, tasks/retrieval.csv, amstertime/eval.py]; images of one place
have the same file name but for the suffix. With one relevant image rectangular AP is 1 / rank. The official code looks
at the first k only (128 in its example) and counts 0 beyond; here the whole ranking counts, at most 1 / 129 more for a
query.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from dinosearch.evaluation.dataset import NO_ROWS, Dataset, Judgement, Setup
from dinosearch.evaluation.datasets.listing import image_files
from dinosearch.evaluation.datasets.loader import Loader, relative
from dinosearch.evaluation.datasets.parts import Part
from dinosearch.evaluation.datasets.reading import bad, inside, table

NEW, OLD = "new", "old"
MEASURES = ("mAP-rectangular", "hit@1", "hit@5")


def read(loader: Loader, data: Path) -> Dataset:
    """Read AmsterTime; the list is `tasks/retrieval.csv` where it is there, the folders otherwise.

    Args:
        loader: its line in the table.
        data: the folder with `new` and `old`, or one that holds it.

    Returns:
        New images first, then old ones, as database and as queries; setups `new` (new ones ask), `old` and `all`.

    Raises:
        DatasetError: a folder is missing, a line of the list is bad, or no place has both images.
    """
    root = loader.find_folder(data, [NEW], ("", "AmsterTime", "amstertime")).parent
    loader.find_folder(root, [OLD])
    tasks = loader.seek_file(root, ["retrieval.csv"], ("tasks", ""))
    sides = _listed(tasks) if tasks else {side: image_files(root, side, deep=False) for side in (NEW, OLD)}
    truth = _OtherSide(sides[NEW], sides[OLD])
    if not truth.pairs:
        raise loader.lacks(f"no image of {root / NEW} has the name of one of {root / OLD}")
    images, first = (*sides[NEW], *sides[OLD]), len(sides[NEW])
    asking = {NEW: range(first), OLD: range(first, len(images)), "all": range(len(images))}
    return Dataset(
        name=loader.name,
        title=loader.title,
        root=root,
        images=images,
        queries=images,
        setups=tuple(Setup(name, Part(truth, queries), MEASURES) for name, queries in asking.items()),
        truth_files=(relative(root, tasks),) if tasks else (),
    )


class _OtherSide:
    """Relevant is the image of the same place on the other side; the query's own side is taken out."""

    def __init__(self, new: list[str], old: list[str]) -> None:
        self._count = len(new) + len(old)
        self._sides = (np.arange(len(new)), np.arange(len(new), self._count))
        rows = [{PurePosixPath(name).stem: row for row, name in enumerate(new)}]
        rows.append({PurePosixPath(name).stem: row for row, name in enumerate(old, start=len(new))})
        self.pairs = {rows[0][stem]: rows[1][stem] for stem in rows[0] if stem in rows[1]}
        self._other = self.pairs | {second: first for first, second in self.pairs.items()}

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, query: int) -> Judgement:
        own = self._sides[query >= len(self._sides[0])]
        if query not in self._other:
            return Judgement(NO_ROWS, own)
        return Judgement(np.array([self._other[query]], np.int64), own)


def _listed(path: Path) -> dict[str, list[str]]:
    sides: dict[str, list[str]] = {NEW: [], OLD: []}
    for line, (query, target) in table(path, ("query", "target")):
        name = inside(query, f"{path}, line {line}")
        side = name.partition("/")[0]
        if {side, target} != {NEW, OLD}:
            raise bad(
                path,
                line,
                f"a {NEW} image asks {OLD}, or the other way round, but here {query[:60]!r} asks {target[:60]!r}",
            )
        sides[side].append(name)
    return sides
