"""The pictures of a question, for the stages that compare pictures; fulfils `retrieval.rerank.Pictures`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dinosearch.collection.asking.comparing import Comparer
from dinosearch.collection.asking.pictures import QueryImage
from dinosearch.collection.asking.tokens import TokenReader
from dinosearch.retrieval import Match, maxsim
from dinosearch.retrieval.threads import one_thread


class ShownPictures:
    """The images of each query, compared with images of the collection when a stage asks.

    Args:
        images: of each query.
        comparer: opens what compares pictures by geometry.
        reader: opens what reads patch tokens.
    """

    def __init__(
        self,
        images: Sequence[Sequence[QueryImage]],
        comparer: Callable[[], Comparer],
        reader: Callable[[], TokenReader],
    ) -> None:
        self._images, self._comparer, self._reader = images, comparer, reader

    def matches(self, number: int, ids: np.ndarray) -> list[Match | None]:
        """How images of the collection match a query."""
        return self._comparer().matches(self._images[number], ids.tolist())

    def likeness(self, number: int, ids: np.ndarray) -> np.ndarray:
        """(m,) float32 MaxSim of a query with images of the collection, not-a-number where one cannot be read."""
        reader = self._reader()
        known, answers = reader.of_images(ids)
        likeness = np.full(len(ids), np.nan, np.float32)
        if known.any():
            query = reader.of_query(self._images[number])
            with one_thread():
                likeness[known] = maxsim(query, answers)
        return likeness
