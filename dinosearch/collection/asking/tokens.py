"""Patch tokens of the query and of a shortlist, all in one basis: kept by the collection, or computed anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dinosearch.collection.asking.pictures import QueryImage, picture
from dinosearch.collection.derived.basis import Basis
from dinosearch.collection.derived.details import DETAILS
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import ImageNotFoundError, ImageUnreadableError, SettingError
from dinosearch.images import resize
from dinosearch.protocols import Embedder
from dinosearch.records import Preprocessing

KIND = "patches"


class TokenReader:
    """Reads patch tokens; those that the collection does not keep are computed from the pictures.

    Args:
        opened: the home.
        embedder: the collection's model.

    Raises:
        SettingError: the embedder gives no patch tokens.
    """

    def __init__(self, opened: OpenedHome, embedder: Embedder) -> None:
        self._opened, self._embedder, self._detail = opened, embedder, DETAILS[KIND]
        self._tokens: Any = getattr(embedder, "tokens", None)
        if self._tokens is None:
            raise SettingError(
                "this collection's embedder gives no patch tokens to compare pictures by; use --rerank fast, or an "
                "embedder with a method tokens()"
            )

    @property
    def kept(self) -> bool:
        """Whether the collection keeps patch tokens."""
        return self._opened.generation_of(KIND) is not None

    def of_query(self, images: Sequence[QueryImage]) -> np.ndarray:
        """(p, d) float32 rows of unit length: the patches of the query's images behind each other."""
        return np.concatenate([self._computed(picture(image, self._opened, self.side)) for image in images])

    def map_of(self, image: Any) -> np.ndarray:
        """(h, w, d) float32 patches of a Pillow image, in the basis of the kept ones."""
        rows = self._computed(image)
        return rows.reshape(*self.grid, rows.shape[1])

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        each = self.side // self._embedder.patch_size
        return each, each

    def of_images(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Patches of images of the collection.

        Args:
            ids: (m,) int64.

        Returns:
            known (m,) bool: False for those that are neither kept nor readable; and (known.sum(), p, d) float32.
        """
        kept = np.zeros(len(ids), bool)
        found: list[np.ndarray | None] = [None] * len(ids)
        if self.kept:
            search = self._opened.search(KIND)
            kept = ~np.isin(ids, search.missing(ids))
            rows = search.vectors(ids[kept])
            width = (self._basis.pca.matrix if self._basis.pca is not None else rows).shape[1]
            patches = rows.reshape(len(rows), rows.shape[1] // width, width) * np.sqrt(rows.shape[1] / width)
            for place, one in zip(np.flatnonzero(kept), patches, strict=True):
                found[place] = one
        for place in np.flatnonzero(~kept):
            found[place] = self._read_again(int(ids[place]))
        known = np.array([one is not None for one in found], bool)
        readable = [one for one in found if one is not None]
        return known, np.stack(readable).astype(np.float32) if readable else np.empty((0, 1, 1), np.float32)

    @property
    def _basis(self) -> Basis:
        return self._opened.basis(KIND) or Basis()

    @property
    def side(self) -> int:
        """Pixels that pictures are squashed to."""
        patch = self._embedder.patch_size
        return max(1, round(self._detail.side / patch)) * patch

    def _read_again(self, image_id: int) -> np.ndarray | None:
        try:
            return self._computed(picture(f"id:{image_id}", self._opened, self.side))
        except (ImageNotFoundError, ImageUnreadableError):
            return None

    def _computed(self, image: Any) -> np.ndarray:
        pixels = resize(image, Preprocessing("squash", self.side), self._embedder.patch_size)
        basis = self._basis
        return basis.apply(self._detail.parts(self._tokens([pixels])[0].patches, basis.centre))
