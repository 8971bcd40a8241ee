"""The verb of a collection that understands words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.arguments import checked_verbs
from dinosearch.collection.asking.question import Asked
from dinosearch.collection.reader import CollectionReader
from dinosearch.records import Hit

if TYPE_CHECKING:
    from dinosearch.collection.asking.texts import TextSearch


@checked_verbs
class CollectionWorder(CollectionReader):
    """An opened collection that can be asked with words, where it keeps its images among them."""

    def query_text(
        self,
        *texts: str,
        k: int = 10,
        where: str | None = None,
        threshold: float | None = None,
        exact: bool = False,
        unique: bool = False,
    ) -> list[Hit]:
        """Find the images that words describe best; needs `index` with `text`.

        Args:
            texts: such as `a red door`; what several have in common is looked for.
            k: hits wanted, at least 1.
            where: a filter.
            threshold: smallest score to answer; cosines of words with images are far below those of images.
            exact: brute force instead of the index.
            unique: answer identical files once.

        Returns:
            At most k hits, best first; the score is the cosine of words and image, which no calibration speaks of.

        Raises:
            SettingError: the collection keeps no vectors among words, or a text has no word.
            WeightsUnavailableError: the files of words are not there.
        """
        asked = Asked(k, where, threshold, None, exact, unique)
        return self._answer(lambda: self._ask(asked).by_texts(texts, self._wording()))

    def _wording(self) -> TextSearch:
        from dinosearch.collection.asking.texts import TextSearch

        with self._lock:
            if self._texts is None:
                self._texts = TextSearch(self._opened)
            return self._texts
