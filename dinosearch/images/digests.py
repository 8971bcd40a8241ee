"""By which digest an image is known that somebody asks with, without decoding what has encoded bytes."""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any

_NAMED = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII | re.IGNORECASE)


def sha256_of(image: Any) -> str:
    """Hex digest as `prepare` and `prepare_pixels` give it.

    Args:
        image: `sha256:HEX`, a path, a web address, encoded bytes, a Pillow image, or an array as for `prepare_pixels`.

    Raises:
        ImageNotFoundError, ImageUnreadableError: a file that is not there, or an address that does not answer.
        TypeError, ValueError: no image.
    """
    if isinstance(image, str) and (named := _NAMED.fullmatch(image)) and not os.path.exists(image):
        return named[1].lower()
    if isinstance(image, (bytes, bytearray, memoryview)):
        return hashlib.sha256(image).hexdigest()
    if isinstance(image, (str, os.PathLike)):
        return hashlib.sha256(_content(os.fspath(image))).hexdigest()
    from dinosearch.images.resizing import pixels_sha256

    return pixels_sha256(image)


def _content(name: str) -> bytes:
    from dinosearch.images.finding.address import is_url

    if is_url(name):
        from dinosearch.images.finding.remote import fetch_image

        return fetch_image(name)
    from dinosearch.images.finding.read import read_bytes

    return read_bytes(os.path.expanduser(name))
