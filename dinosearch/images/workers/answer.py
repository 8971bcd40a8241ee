"""Do what is wanted of one image, with what is wrong with it as an answer, not an error; it decides not where."""

from __future__ import annotations

import hashlib

import numpy as np

from dinosearch.errors import ImageNotFoundError, ImageUnreadableError
from dinosearch.images.decoding import Reserve, decode
from dinosearch.images.finding.read import read_bytes
from dinosearch.images.resizing import prepare
from dinosearch.images.workers.messages import Wanted
from dinosearch.records import PreparedImage, Preprocessing, Problem


def answer(path: str, data: bytes | None, wanted: Wanted, reserve: Reserve | None = None) -> PreparedImage | Problem:
    """Decode one image, read from its path where no bytes are given; what cannot be decoded becomes a problem.

    `reserve` is as for `decode`.
    """
    try:
        data = read_bytes(path) if data is None else data
        if wanted.preprocessing is not None:
            return prepare(data, path, Preprocessing.parse(wanted.preprocessing), wanted.patch, reserve)
        picture, info = decode(data, path, hint=wanted.hint, reserve=reserve)
        return PreparedImage(np.asarray(picture), info, hashlib.sha256(data).hexdigest())
    except ImageNotFoundError:
        return Problem(path, "no longer there")
    except ImageUnreadableError as error:
        return Problem(path, error.reason)
    except MemoryError:
        return Problem(path, "not enough memory to decode it")
