"""A rolling window over the pool of views: reads chunks as they appear, drops the oldest, draws batches.

It makes no views; `pool.py` does.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from . import pool


class Window:
    """The chunks in memory, oldest first.

    Args:
        work: folder with `pool/`; the number of the oldest chunk in use is kept in its file `used`.
        oldest: number of the first chunk to read.
        size: chunks in memory, 190 MB each.
        first: chunks to wait for before the first batch.
    """

    def __init__(self, work: Path, oldest: int, size: int, first: int) -> None:
        self._folder, self._used, self._size = work / "pool", work / "used", size
        # Chunks may have been dropped after the checkpoint that a resumed run starts from: begin with what is there.
        here = (int(path.stem) for path in self._folder.glob("[0-9]*.npz"))
        self.oldest = min((number for number in here if number >= oldest), default=oldest)
        self._chunks: list[tuple[Tensor, Tensor, Tensor]] = []
        while len(self._chunks) < first or (self._path().exists() and len(self._chunks) < size):
            self._chunks.append(pool.read_chunk(self._folder, self.made))

    @property
    def made(self) -> int:
        """How many chunks were taken so far, since the very first."""
        return self.oldest + len(self._chunks)

    def _path(self) -> Path:
        return self._folder / f"{self.made:05d}.npz"

    def refresh(self) -> None:
        """Take the next chunk if it is there, drop the oldest beyond the window."""
        if not self._path().exists():
            return
        self._chunks.append(pool.read_chunk(self._folder, self.made))
        if len(self._chunks) > self._size:
            self._chunks.pop(0)
            (self._folder / f"{self.oldest:05d}.npz").unlink(missing_ok=True)
            self.oldest += 1
            self._used.write_text(str(self.oldest))

    def batch(self, size: int, side: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs of views of `size // 2` photos or scenes, mirrored at random together with their targets.

        Returns:
            Views float32 (size, 3, side, side) in 0..1, targets float32 (size, cells, KEPT), bool (size,) whether a
            view is one photo.
        """
        parts = []
        for index in torch.randint(len(self._chunks), (4,), generator=generator).tolist():
            views, targets, single = self._chunks[index]
            rows = torch.randint(len(views) // 2, (size // 8,), generator=generator) * 2
            rows = torch.stack((rows, rows + 1), 1).flatten()
            parts.append((views[rows], targets[rows].float(), single[rows]))
        views, targets, single = (torch.cat(part) for part in zip(*parts, strict=True))
        images = nn.functional.interpolate(views.float() / 255, side, mode="bilinear", antialias=True)
        flip = torch.rand(len(images), generator=generator) < 0.5
        cells = round(targets.shape[1] ** 0.5)
        mirrored = targets.view(-1, cells, cells, targets.shape[-1]).flip(2).flatten(1, 2)
        images = torch.where(flip[:, None, None, None], images.flip(-1), images)
        return images, torch.where(flip[:, None, None], mirrored, targets), single
