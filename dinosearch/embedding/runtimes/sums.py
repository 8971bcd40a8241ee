"""Checksums of files that are opened at every start: made to be quick, against damage and not against an attacker.

88 MB take 4 ms where SHA-256 takes 57 and CRC-32 takes 21 (one core, file in memory), so all of it is compared every
time: the programs that open such files end the process, or compute something else, where bytes have changed.
"""

from __future__ import annotations

import json
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np

from dinosearch.home import atomic_path

_PAGE = 512  # words of 8 bytes: blocks of a disk that change places are noticed
_NAME = "sums.json"


def quick_sum(path: Path) -> int:
    """CRC-32 over the sums of the words of each 4 KB, and over the bytes behind the last of them.

    Raises:
        OSError: it cannot be read.
    """
    if not path.stat().st_size:
        return 0
    content = np.memmap(path, np.uint8, "r")
    whole = len(content) // (8 * _PAGE) * (8 * _PAGE)
    sums = content[:whole].view("<u8").reshape(-1, _PAGE).sum(axis=1, dtype=np.uint64)
    return zlib.crc32(content[whole:].tobytes(), zlib.crc32(sums.astype("<u8").tobytes()))


def drop_unsound(folder: Path) -> None:
    """Delete the files of a folder that are not as `keep_sums` saw them: they can be made again."""
    kept = _kept(folder)
    for path in _files(folder):
        with suppress(OSError):
            if kept.get(path.name) != quick_sum(path):
                path.unlink()


def keep_sums(folder: Path) -> None:
    """Remember the checksums of new files of a folder."""
    kept = _kept(folder)
    with suppress(OSError):
        found = {path.name: kept.get(path.name, quick_sum(path)) for path in _files(folder)}
        if found != kept:
            with atomic_path(folder / _NAME) as temporary:
                temporary.write_text(json.dumps(found), encoding="utf-8")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if path.is_file() and not path.name.startswith(_NAME)]


def _kept(folder: Path) -> dict[str, int]:
    try:
        return dict(json.loads((folder / _NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}
