"""How one picture may have become a turned, resized or cut part of another, guessed from spectra.

The magnitudes of a spectrum do not know where a thing lies; on a grid of angles and logarithms of frequencies a turn
and a change of size are shifts, which phase correlation finds (Reddy and Chatterji 1996, "An FFT-based technique for
translation, rotation, and scale-invariant image registration"). So is the shift that remains then.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from dinosearch.analysis.duplicates.pyramid import Pyramid, drawn

_N = 128  # pixels of the frames, angles and radii
_RADII = (3.0, 60.0)  # frequencies that are looked at, in periods a frame
_PEAKS = 3  # turns and sizes that are tried for each of the picture and its mirror image
_LARGEST = 3.3  # times that one may be as large as the other: a part of a tenth of the area
_CLEAR = 2  # cells around a peak that belong to it
_LIKELY = 0.09
"""Height of the peak that tells the shift, from which on a guess is worth a look: 0.05 at most in 60 pairs of unrelated
photos, 0.17 at least in 100 copies that were cut, turned, mirrored or framed."""


def guesses(one: Pyramid, other: Pyramid) -> list[np.ndarray]:
    """(2, 3) matrices from places of one picture to places of the other, the likeliest first; none unless clear."""
    found: list[tuple[float, np.ndarray]] = []
    for mirrored in (False, True):
        scene, there = _framed(other, mirrored, other.even(_N))
        for angle, size in _turns(one, other, mirrored):
            for turn in (angle, angle + np.pi):  # spectra are alike after half a turn
                likely, matrix = _shifted(one, scene, there, turn, size)
                if likely >= _LIKELY:
                    found.append((likely, _between(one, other, mirrored, matrix)))
    return [matrix for _, matrix in sorted(found, key=lambda guess: -guess[0])]


def _turns(one: Pyramid, other: Pyramid, mirrored: bool) -> Iterator[tuple[float, float]]:
    """Angles in radians and factors of size that bring the one onto the other, the likeliest first."""
    likely = _correlated(_spectrum(one, False), _spectrum(other, mirrored))
    step = np.log(_RADII[1] / _RADII[0]) / (_N - 1)
    for _ in range(_PEAKS):
        row, column = np.unravel_index(int(likely.argmax()), likely.shape)
        turn, size = ((int(at) + _N // 2) % _N - _N // 2 for at in (row, column))
        rows, columns = ((np.arange(-_CLEAR, _CLEAR + 1) + at) % _N for at in (row, column))
        likely[np.ix_(rows, columns)] = -np.inf
        if abs(size) * step < np.log(_LARGEST):
            yield turn / _N * np.pi, float(np.exp(size * step))


def _shifted(one: Pyramid, scene: np.ndarray, there: np.ndarray, angle: float, size: float) -> tuple[float, np.ndarray]:
    """How likely the best shift is after a turn, and the whole map between frames that keep the aspect."""
    frame, inside = _framed(one, False, one.even(_N))
    turn = size * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([turn, np.zeros(2)])
    seen, reached = drawn(scene, matrix, _N)
    covered = drawn(there.astype(np.float32), matrix, _N)[0] > 0.99
    likely = _correlated(np.fft.fft2(frame * inside), np.fft.fft2(np.where(reached & covered, seen, 0)))
    row, column = np.unravel_index(int(likely.argmax()), likely.shape)
    shift = np.array([(int(at) + _N // 2) % _N - _N // 2 for at in (column, row)]) / (_N / 2)
    matrix[:, 2] = -turn @ shift
    return float(likely[row, column]), matrix


def _between(one: Pyramid, other: Pyramid, mirrored: bool, matrix: np.ndarray) -> np.ndarray:
    """A map between frames that keep the aspect as one between places."""
    into = np.diag([*(np.array(one.size) / max(one.size)), 1])
    out = np.diag(max(other.size) / np.array(other.size) * (-1 if mirrored else 1, 1))
    places: np.ndarray = out @ matrix @ into
    return places


def _framed(picture: Pyramid, mirrored: bool, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture in its aspect in the middle of a square frame, and where it lies."""
    width, height = max(picture.size) / np.array(picture.size)
    return drawn(values, np.array([[-width if mirrored else width, 0, 0], [0, height, 0]]), _N)


def _spectrum(picture: Pyramid, mirrored: bool) -> np.ndarray:
    """(N, N) complex transform of the magnitudes by angle and logarithm of the frequency."""
    if mirrored not in picture.spectra:
        values, inside = _framed(picture, mirrored, picture.grey[_N])
        values = np.where(inside, values - values[inside].mean(), 0)
        rows, columns = inside.any(axis=1), inside.any(axis=0)
        window = np.zeros_like(values)  # no edges: they would be lines in every spectrum
        window[np.ix_(rows, columns)] = np.outer(np.hanning(rows.sum()), np.hanning(columns.sum()))
        magnitudes = np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(values * window))))
        left, top, right, down = _polar()
        above = magnitudes[top, left] * (1 - right) + magnitudes[top, left + 1] * right
        below = magnitudes[top + 1, left] * (1 - right) + magnitudes[top + 1, left + 1] * right
        polar = above * (1 - down) + below * down
        # Each frequency less its mean over all angles: what is left has a direction.
        picture.spectra[mirrored] = np.fft.fft2((polar - polar.mean(axis=0)) * np.hanning(_N))
    return picture.spectra[mirrored]


@lru_cache(maxsize=1)
def _polar() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where the cells of the polar grid lie: column and row of the pixel before, and the way to the next."""
    angles = np.arange(_N)[:, None] / _N * np.pi
    radii = np.geomspace(*_RADII, _N)[None, :]
    x, y = _N / 2 + radii * np.cos(angles), _N / 2 + radii * np.sin(angles)
    left, top = x.astype(np.int32), y.astype(np.int32)
    return left, top, x - left, y - top


def _correlated(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How likely each shift from the other to the one is, from their transforms: phase correlation."""
    product = one * np.conj(other)
    likely: np.ndarray = np.fft.ifft2(product / (np.abs(product) + 1e-9)).real
    return likely
