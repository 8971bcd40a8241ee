"""Prepare one image, with what is wrong with it as an answer instead of an error; it decides not where this runs."""

from __future__ import annotations

from dinosearch.errors import ImageNotFoundError, ImageUnreadableError
from dinosearch.images.decode import Reserve
from dinosearch.images.read import read_bytes
from dinosearch.images.resize import prepare
from dinosearch.records import PreparedImage, Preprocessing, Problem


def answer(
    path: str, data: bytes | None, preprocessing: Preprocessing, patch: int, reserve: Reserve | None = None
) -> PreparedImage | Problem:
    """Prepare one image, read from its path where no bytes are given; what cannot be prepared becomes a problem.

    `reserve` is as for `decode`.
    """
    try:
        return prepare(read_bytes(path) if data is None else data, path, preprocessing, patch, reserve)
    except ImageNotFoundError:
        return Problem(path, "no longer there")
    except ImageUnreadableError as error:
        return Problem(path, error.reason)
    except MemoryError:
        return Problem(path, "not enough memory to decode it")
