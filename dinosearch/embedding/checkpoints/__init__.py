"""The table of published weights: what can be named with --model. It loads nothing and imports no torch."""

from __future__ import annotations

import difflib

from dinosearch.advice import run
from dinosearch.embedding.checkpoints import dinov1, dinov2, dinov3
from dinosearch.embedding.checkpoints.checkpoint import BUNDLED, Checkpoint
from dinosearch.errors import UnknownCheckpointError

__all__ = ["BUNDLED", "CHECKPOINTS", "Checkpoint", "find_checkpoint"]

_MINI = Checkpoint(
    name="mini",
    series="mini",
    family="convnext",
    dimension=288,
    patch=16,
    parameters=4_297_968,
    shape=None,
    gigaflop=2.14,  # docs/model-card-mini.md
)
CHECKPOINTS: dict[str, Checkpoint] = {
    row.name: row for row in (_MINI, *dinov2.CHECKPOINTS, *dinov3.CHECKPOINTS, *dinov1.CHECKPOINTS)
}


def find_checkpoint(name: str) -> Checkpoint:
    """The checkpoint of that name, or of that name on Hugging Face or in timm.

    Raises:
        UnknownCheckpointError: no such name; the sentence has the nearest ones.
    """
    names = {alias: c for c in CHECKPOINTS.values() for alias in (c.name, *c.aliases)}
    if name in names:
        return names[name]
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UnknownCheckpointError(f"there is no model {name!r}; {hint}all of them are listed by: ", run("models"))
