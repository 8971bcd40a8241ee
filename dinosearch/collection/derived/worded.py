"""Each image's vector in a space of words, made of its tokens by dino.txt's vision head (`embedding.text`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dinosearch.advice import run
from dinosearch.collection.derived.basis import Basis
from dinosearch.collection.derived.details import Begun
from dinosearch.collection.kinds import IMAGES, TEXT
from dinosearch.errors import SettingError, WeightsUnavailableError
from dinosearch.records import Generation

if TYPE_CHECKING:
    from dinosearch.collection.opened import OpenedHome
    from dinosearch.embedding import TextSpace

FILES = "text_files"
"""The setting with the folder of the files, where one was named."""


class Worded:
    """The kind `text`; fulfils `details.Rows`.

    Args:
        opened: the home.
        side: which model's images.
    """

    kind, side, indexed = TEXT, 224, True

    def __init__(self, opened: OpenedHome, side: str = "") -> None:
        self._opened, self._side_of = opened, side
        self._space: TextSpace | None = None

    @property
    def space(self) -> TextSpace:
        """The space of words of the model that made the images' vectors.

        Raises:
            WeightsUnavailableError: the model has none, or its files are not there.
        """
        if self._space is None:
            from dinosearch.embedding import open_text_space

            model = self._opened.search(self._side_of + IMAGES).generation.fingerprint
            self._space = open_text_space(model.checkpoint, self._opened.store.setting(FILES))
        return self._space

    def is_current(self, generation: Generation, images: int) -> bool:
        try:
            return bool(generation.recipe["side"] == self.side and generation.recipe["head"] == self.space.sums["head"])
        except WeightsUnavailableError:
            return True  # nothing can be made anew, and perhaps nothing has to

    def begin(self, sample: Callable[[], tuple[list[Any], int]]) -> Begun | None:
        return Begun(self.space.dimension, {"rows": 1, "side": self.side, **self.space.sums})

    def rows(self, tokens: Any, basis: Basis) -> np.ndarray:
        return self.space.images([tokens])

    def require(self) -> None:
        """Refuse what could not be done, before anything else is begun; errors as `space`."""
        _ = self.space

    def check(self) -> None:
        """Refuse to ask with words that the images' vectors do not know.

        Raises:
            SettingError: the collection keeps no such vectors, or they were made with other files.
        """
        held = self._opened.generation_of(TEXT)
        again = run("index", "FOLDER", "--text", of=self._opened.named)
        if held is None:
            raise SettingError(
                f"the collection in {self._opened.path} does not understand words; let it look at its images once "
                "more with: ",
                again,
            )
        if held.recipe["head"] != self.space.sums["head"]:
            raise SettingError(
                f"the images of {self._opened.path} were looked at with another {self.space.files.head.name}; look at "
                "them again with: ",
                again,
            )
