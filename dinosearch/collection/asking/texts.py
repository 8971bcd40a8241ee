"""Search by words: texts become vectors of the space in which the collection keeps its images (`derived.worded`)."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from dinosearch.collection.derived.worded import Worded
from dinosearch.collection.kinds import TEXT
from dinosearch.collection.opened import OpenedHome
from dinosearch.retrieval import combine
from dinosearch.store import Filter


class TextSearch:
    """Finds images by words; what it has loaded stays for the next question.

    Args:
        opened: the home.
    """

    def __init__(self, opened: OpenedHome) -> None:
        self._opened = opened
        self._words: Worded | None = None
        self._lock = threading.Lock()

    def direction(self, texts: Sequence[str]) -> np.ndarray:
        """(1, d) float32 of unit length: what the texts have in common.

        Raises:
            SettingError: the collection keeps no vectors among words, or a text has none.
            WeightsUnavailableError: the files of words are not there.
        """
        with self._lock:
            if self._words is None:
                self._words = Worded(self._opened)
            self._words.check()
            return combine(self._words.space.texts(texts))[None]

    def find(
        self, direction: np.ndarray, k: int, allowed: np.ndarray | None, where: Filter | None = None, *, exact: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ids (m,) int64, m <= k, of the nearest images, and their cosines (m,) float32."""
        ids, scores = self._opened.search(TEXT).search(direction, k, allowed=allowed, where=where, exact=exact)
        found = ids[0] >= 0
        return ids[0][found], scores[0][found]
