"""From words to numbers: CLIP's byte pair encoding, with a vocabulary that the user gives.

Radford et al. 2021 (arXiv:2103.00020); the procedure of openai/CLIP, clip/simple_tokenizer.py: text mended and in lower
case, cut into words, each word's bytes written as letters and joined pair by pair in the order of the vocabulary.
"""

from __future__ import annotations

import gzip
import html
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from dinosearch.errors import DamagedWeightsError, SettingError

MERGES = 49152 - 256 - 2
"""Pairs that are read after the first line, a heading: 49,408 numbers with two for each byte and two marks."""
_START, _END = "<|startoftext|>", "<|endoftext|>"
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_LARGEST = 1 << 24  # bytes unpacked; CLIP's has 3 MB
_LONGEST = 10_000  # letters of a text, of which some hundred fit


class Tokenizer:
    """Turns texts into numbers.

    Args:
        path: the vocabulary, gzipped text.

    Raises:
        DamagedWeightsError: the file is none.
        SettingError: the packages that it needs are not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import ftfy
            import regex
        except ImportError:
            raise SettingError(
                "words need two small packages more; install them with: pip install 'dinosearch[text]'"
            ) from None
        self._mend, self._words = ftfy.fix_text, regex.compile(_WORDS, regex.IGNORECASE)
        merges = _merges(path)
        letters = _letters()
        singles = [letters[byte] for byte in _ORDER]
        vocabulary = [*singles, *(f"{letter}</w>" for letter in singles), *map("".join, merges), _START, _END]
        self._letters = letters
        self._numbers = {word: number for number, word in enumerate(vocabulary)}
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}
        self._known: dict[str, list[int]] = {mark: [self._numbers[mark]] for mark in (_START, _END)}

    @property
    def size(self) -> int:
        """Numbers there are."""
        return len(self._numbers)

    def __call__(self, texts: Sequence[str], length: int = 77) -> np.ndarray:
        """(n, length) int64: start, the words, end, then zeros; a text that is too long is cut and still ends."""
        start, end = self._numbers[_START], self._numbers[_END]
        out = np.zeros((len(texts), length), np.int64)
        for row, text in enumerate(texts):
            numbers = [start, *self.encode(text), end][:length]
            numbers[-1] = end
            out[row, : len(numbers)] = numbers
        return out

    def encode(self, text: str) -> list[int]:
        """The numbers of a text, without marks."""
        mended = html.unescape(html.unescape(self._mend(text[:_LONGEST])))
        plain = " ".join(mended.split()).lower()
        return [number for word in self._words.findall(plain) for number in self._of_word(word)]

    def _of_word(self, word: str) -> list[int]:
        if word not in self._known:
            parts = [self._letters[byte] for byte in word.encode("utf-8")]
            parts[-1] += "</w>"
            while len(parts) > 1:
                rank, pair = min((self._ranks.get(pair, MERGES), pair) for pair in pairwise(parts))
                if rank == MERGES:
                    break
                parts = _joined(parts, pair)
            self._known[word] = [self._numbers[part] for part in parts]
        return self._known[word]


def _joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    """Every occurrence of the pair made one, from the left."""
    out: list[str] = []
    place = 0
    while place < len(parts):
        both = tuple(parts[place : place + 2]) == pair
        out.append("".join(pair) if both else parts[place])
        place += 2 if both else 1
    return out


# Bytes that can be seen stand for themselves, the others for letters behind the first 256.
_SEEN = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
_UNSEEN = [byte for byte in range(256) if byte not in set(_SEEN)]
_ORDER = [*_SEEN, *_UNSEEN]


def _letters() -> dict[int, str]:
    return {byte: chr(byte) for byte in _SEEN} | {byte: chr(256 + place) for place, byte in enumerate(_UNSEEN)}


def _merges(path: Path) -> list[tuple[str, str]]:
    try:
        with gzip.open(path) as file:
            text = file.read(_LARGEST + 1).decode("utf-8")
        if len(text) > _LARGEST:
            raise ValueError("it is too large")
        lines = [line.split() for line in text.split("\n")[1 : MERGES + 1] if line.strip()]
        if not lines or any(len(line) != 2 for line in lines):
            raise ValueError("a line is no pair")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DamagedWeightsError(
            f"{path} cannot be read as a vocabulary of byte pairs ({error}); put the official file there again"
        ) from None
    return [(first, second) for first, second in lines]
