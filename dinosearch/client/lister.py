"""The verbs of a collection on a server that tell what it holds; signatures and answers are those of `Collection`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dinosearch.arguments import checked_verbs
from dinosearch.client.answers import calibration_of, facets_of, info_of
from dinosearch.client.transport import Transport
from dinosearch.errors import SettingError
from dinosearch.protocols import Progress
from dinosearch.records import Calibration

if TYPE_CHECKING:
    from dinosearch.collection.reports import CollectionInfo
    from dinosearch.records.facets import Facets

PAGE = 1000
"""Hits, files or vectors in one answer."""
_IDS = 100_000
_SIDES = (160, 320, 640, 1280, 2048)

Paths = str | os.PathLike[str]


@checked_verbs
class ClientLister:
    """A collection on a server as a list of images with their files, vectors and pictures."""

    _transport: Transport
    _path: str

    @property
    def state(self) -> int:
        """As `Collection.state`."""
        return int(self._transport.get(self._path)["state"])

    @property
    def images_state(self) -> int:
        """As `Collection.images_state`."""
        return int(self._transport.get(self._path)["images_state"])

    @property
    def is_refined(self) -> bool:
        """As `Collection.is_refined`."""
        return bool(self._transport.get(self._path)["is_refined"])

    @property
    def calibration(self) -> Calibration | None:
        """As `Collection.calibration`."""
        return calibration_of(self._transport.get(self._path)["calibration"])

    def info(self) -> CollectionInfo:
        """As `Collection.info`."""
        return info_of(self._transport.get(self._path))

    def facets(self) -> Facets:
        """As `Collection.facets`, with the 500 folders, cameras and labels that have most files."""
        return facets_of(self._transport.get(f"{self._path}/facets"))

    def files(self, where: str | None = None) -> Iterator[dict[str, Any]]:
        """As `Collection.files`, asked for page by page."""
        for page in self._pages(lambda **of: self._transport.get(f"{self._path}/files", where=where, **of)):
            yield from page["files"]

    def ids(self, where: str | None = None) -> np.ndarray:
        """As `Collection.ids`."""
        return self._ids(where=where)

    def vectors(self, ids: Sequence[int] | np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """As `Collection.vectors`."""
        path = f"{self._path}/vectors"
        if ids is None:
            pages = list(self._pages(lambda **of: self._transport.post(path, of)))
        else:
            wanted = np.asarray(ids, np.int64).reshape(-1).tolist()
            parts = (wanted[low : low + PAGE] for low in range(0, len(wanted), PAGE))
            pages = [self._transport.post(path, {"ids": part}) for part in parts]
        found = np.array([number for page in pages for number in page["ids"]], np.int64)
        rows = [np.array(page["vectors"], np.float32) for page in pages if page["ids"]]
        return found, np.concatenate(rows) if rows else self._no_vectors()

    def picture(self, image: int, side: int = 320) -> bytes:
        """As `Collection.picture`, for the sides 160, 320, 640, 1280 and 2048.

        Raises:
            SettingError: another side.
        """
        if side not in _SIDES:
            raise SettingError(f"a server makes pictures with a side of {', '.join(map(str, _SIDES))}, not {side}")
        return self._transport.content(f"{self._path}/images/{int(image)}/picture", size=side)

    def export(self, folder: Paths, *, progress: Progress | None = None) -> int:
        """As `Collection.export`; the folder is of this machine.

        Raises:
            ExportError: something lies in the folder, or the collection was changed meanwhile.
        """
        from dinosearch.client.exporting import export

        return export(self, Path(folder), progress)

    def _no_vectors(self) -> np.ndarray:
        fingerprint = self.info().fingerprint
        return np.empty((0, fingerprint.dimension if fingerprint else 0), np.float32)

    def _ids(self, **asked: str | None) -> np.ndarray:
        pages = self._pages(lambda **of: self._transport.post(f"{self._path}/ids", asked | of), _IDS)
        return np.array([number for page in pages for number in page["ids"]], np.int64)

    def _pages(self, ask: Callable[..., Any], limit: int | None = None) -> Iterator[Any]:
        """All pages of an answer that has a cursor."""
        cursor: str | None = None
        while True:
            page = ask(limit=limit or PAGE, cursor=cursor)
            yield page
            cursor = page["next"]
            if cursor is None:
                return
