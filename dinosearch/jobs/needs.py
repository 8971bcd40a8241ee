"""The optional libraries of this layer, each asked for when it is needed; its absence is one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dinosearch.errors import SettingError

_COMMAND = "pip install 'dinosearch[ray]'"
OLDEST_RAY = (2, 52)
"""Older ones let web pages run programs (GHSA-q279-jhrf-cc6v, reliability.md, section 4)."""


@contextmanager
def needed(what: str) -> Iterator[None]:
    """Around an import: an absent library becomes a sentence.

    Args:
        what: that needs it, such as `embed`.

    Raises:
        SettingError: a library is not installed.
    """
    try:
        yield
    except ImportError as error:
        name = (error.name or str(error)).partition(".")[0]
        raise SettingError(f"{what} needs {name}, which is not installed; install it with: {_COMMAND}") from None


def check_ray(version: str) -> None:
    """Refuse a Ray with a known hole.

    Raises:
        SettingError: it is older than `OLDEST_RAY`.
    """
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < OLDEST_RAY:
        oldest = ".".join(map(str, OLDEST_RAY))
        raise SettingError(
            f"Ray {version} lets web pages run programs (GHSA-q279-jhrf-cc6v); use {oldest} or newer: {_COMMAND}"
        )
