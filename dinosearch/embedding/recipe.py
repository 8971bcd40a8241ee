"""Everything that decides the vectors of an embedder before it is opened; it opens nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dinosearch.embedding.checkpoints import Checkpoint
from dinosearch.errors import SettingError
from dinosearch.records import Fingerprint, Pooling, Preprocessing


@dataclass(frozen=True)
class Recipe:
    """A model with its weight file and what is done before and after it.

    Attributes:
        checkpoint: the model.
        weights: its weight file.
        digest: SHA-256 of that file, hex.
        preprocessing: how pixels are prepared at the scale 1.
        pooling: how tokens become a vector.
        scales: name of a set in `dinosearch.records.SCALES`.
    """

    checkpoint: Checkpoint
    weights: Path
    digest: str
    preprocessing: Preprocessing
    pooling: Pooling
    scales: str = "1"

    def fingerprint(self, patch: int, width: int, depth: int) -> Fingerprint:
        """What the vectors are marked with, once the model is known: its patch, length of a token, and blocks.

        Raises:
            SettingError: the model does not offer what the recipe asks for.
        """
        name, size = self.checkpoint.name, self.preprocessing.size
        if self.pooling.blocks > depth:
            raise SettingError(
                f"pooling {self.pooling} takes the last {self.pooling.blocks} blocks, but {name} offers its last "
                f"{depth}; write at most @{depth}"
            )
        if size % patch:
            raise SettingError(f"size {size} is no multiple of {name}'s patch of {patch} pixels")
        dimension = width * self.pooling.tokens
        return Fingerprint(name, self.digest, str(self.preprocessing), str(self.pooling), dimension, self.scales)
