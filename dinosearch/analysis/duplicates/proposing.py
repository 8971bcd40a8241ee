"""Make a group of files that belong together: which is kept, and which of the others may go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np

from dinosearch.analysis.duplicates.group import EXACT, DuplicateGroup, Member
from dinosearch.analysis.duplicates.keeping import Keep
from dinosearch.analysis.duplicates.scope import File, Scope


def same_content(files: Sequence[File], scope: Scope, keep: Keep) -> DuplicateGroup:
    """The group of an image's own files, two at least."""
    kept = keep.first(files)
    side = scope.place(kept["path"])
    others = [file for file in files if file is not kept]
    going = [scope.between is None or scope.place(file["path"]) != side for file in others]
    members = [_member(kept, 1.0), *(_member(file, 1.0, "", goes) for file, goes in zip(others, going, strict=True))]
    return DuplicateGroup(EXACT, tuple(members), 1.0, 1.0)


def alike(
    tier: str,
    files: Sequence[File],
    cosines: np.ndarray,
    compared: np.ndarray,
    proven: np.ndarray,
    keep: Keep,
    change: Callable[[File, File], str],
) -> DuplicateGroup:
    """The group of several images.

    Args:
        tier: what they are.
        files: the file of each image that the tiers before would keep.
        cosines: (k, k) of the images.
        compared: (k, k) bool, the pairs that the scope lets count.
        proven: (k, k) bool, the pairs that are duplicates themselves: only such a file may go.
        keep: the rules.
        change: what makes the second a copy of the first, the one that is kept.
    """
    kept = files.index(keep.first(files))
    order = sorted((place for place in range(len(files)) if place != kept), key=lambda place: str(files[place]["path"]))
    members = [_member(files[kept], 1.0)]
    for place in order:
        goes = bool(compared[kept, place] and proven[kept, place])
        words = change(files[kept], files[place])
        members.append(_member(files[place], float(cosines[kept, place]), words, goes))
    pairs = cosines[np.triu(compared, 1)]
    return DuplicateGroup(tier, tuple(members), float(pairs.min()), float(pairs.mean()))


def _member(file: File, score: float, change: str = "", goes: bool = False) -> Member:
    facts = {name: file[name] for name in ("id", "path", "width", "height", "size", "sha256", "taken")}
    return Member(**facts, modified=datetime.fromisoformat(file["modified"]), score=score, change=change, goes=goes)
