"""An opened collection as a thing that is held: its home, its model, and how it is closed; it has no verbs."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, TypeVar

from dinosearch.collection.kinds import REFINED
from dinosearch.collection.models.chosen import ModelChoice
from dinosearch.collection.models.embedders import Embedders
from dinosearch.collection.opened import OpenedHome
from dinosearch.protocols import Embedder
from dinosearch.records import Calibration

if TYPE_CHECKING:
    from dinosearch.collection.asking.comparing import Comparer
    from dinosearch.collection.asking.texts import TextSearch

Self = TypeVar("Self", bound="CollectionHeld")


class CollectionHeld:
    """What is open of one home, and the model that answers."""

    def __init__(self, opened: OpenedHome, choice: ModelChoice) -> None:
        self._home = opened
        self._choice = choice
        # A collection that is dropped without `close` closes its files when it is collected.
        self._close = weakref.finalize(self, opened.close)
        self._models = Embedders(opened, choice)
        self._compared: tuple[Embedder, Comparer] | None = None
        self._texts: TextSearch | None = None
        self._lock = threading.Lock()

    @property
    def _opened(self) -> OpenedHome:
        self._home.check_process()
        return self._home

    @property
    def home(self) -> Path | str:
        """Absolute path of the collection's folder, or the address of its engine without the password."""
        return self._home.path

    @property
    def state(self) -> int:
        """A number that rises with every commit to the collection, whoever makes it; milliseconds to ask."""
        return self._opened.store.changes()

    @property
    def images_state(self) -> int:
        """As `state`, but it stays as it is when something is only said of images: labels, verdicts, no duplicates."""
        return self._opened.store.contents()

    @property
    def is_refined(self) -> bool:
        """Whether refined vectors are searched in place of the model's own, which `vectors` hands out all the same."""
        opened = self._opened
        opened.now()
        return opened.searched == REFINED

    @property
    def calibration(self) -> Calibration | None:
        """How sure a score makes; None until `calibrate` was run for the vectors that answer now."""
        from dinosearch.collection.asking.trust import calibration_of

        return calibration_of(self._opened)

    @property
    def embedder(self) -> Embedder:
        """The model, loaded on first use; its fingerprint is the collection's, also after a change of the model."""
        self._home.check_process()
        return self._models.current()

    @property
    def device(self) -> str | None:
        """Where the model runs and in which number format, such as `cuda:0 float16`; None while it is not loaded."""
        embedder = self._models.latest
        if embedder is None:
            return None
        named = (getattr(embedder, name, "") for name in ("device", "dtype"))
        return " ".join(str(name).removeprefix("torch.") for name in named if name) or type(embedder).__name__

    def close(self) -> None:
        """Close every file."""
        self._close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"an open collection cannot be sent to another process; open it there: Collection.open({str(self.home)!r})"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.home)!r})"
