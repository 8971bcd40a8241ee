"""Decode single images, such as a query's, in a child process too: a file that crashes its decoder ends no program.

The children stay for the next image: the first costs the start of a process, most of which a query hides behind the
loading of its model, later ones a millisecond or two.
"""

from __future__ import annotations

import atexit
import os
from functools import lru_cache
from typing import TYPE_CHECKING

from dinosearch.errors import ImageUnreadableError
from dinosearch.images.workers.messages import Wanted
from dinosearch.images.workers.pool import DecodePool
from dinosearch.records import ImageInfo, PreparedImage, Preprocessing, Problem

if TYPE_CHECKING:
    from PIL import Image


def prepare_apart(data: bytes, name: str, preprocessing: Preprocessing, patch: int = 14) -> PreparedImage:
    """`prepare` in a child process; waits for memory where the image is large.

    Raises:
        ImageUnreadableError: it cannot be decoded, takes too long, or crashed its decoder; `reason` says which.
    """
    return _answer(data, name, Wanted(str(preprocessing), patch))


def decode_apart(data: bytes, name: str, hint: int | None = None) -> tuple[Image.Image, ImageInfo]:
    """`decode` in a child process; as `prepare_apart`."""
    from PIL import Image  # here, as a query needs it in the child only

    found = _answer(data, name, Wanted(hint=hint))
    return Image.fromarray(found.pixels), found.info


def _answer(data: bytes, name: str, wanted: Wanted) -> PreparedImage:
    found = _pool(os.getpid(), os.environ.get("DINOSEARCH_DECODE")).answer(name, data, len(data), wanted)
    if isinstance(found, Problem):
        raise ImageUnreadableError(name, found.reason)
    return found


@lru_cache(maxsize=1)
def _pool(process: int, decode_in: str | None) -> DecodePool:
    """A forked process gets its own, as does one whose environment says otherwise by now."""
    pool = DecodePool(Preprocessing())
    atexit.register(_close, pool, process)
    return pool


def _close(pool: DecodePool, process: int) -> None:
    if process == os.getpid():  # a forked process must not end its parent's children
        pool.close()
