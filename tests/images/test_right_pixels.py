"""One table of odd but valid images: each against its reference, made by NumPy from what the format says it means.

Every row says how near the decoded pixels are (PSNR) and how near the bundled model's vectors (cosine); `pytest -s`
prints it, docs/images.md keeps it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from dinosearch.embedding import open_embedder
from dinosearch.images import decode, prepare
from tests.images.meant import RGB, pillow
from tests.images.odd_images import COARSE, cases

COSINE = 0.99


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = float(np.mean((one.astype(float) - other) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


@cache
def bundled() -> Any:
    return open_embedder("mini", device="cpu")


def cosines(pairs: list[tuple[bytes, bytes]]) -> np.ndarray:
    """(n,) of the bundled model's vectors of each pair of encoded images."""
    model = bundled()
    pixels = [prepare(data, "x", model.preprocessing, model.patch_size).pixels for pair in pairs for data in pair]
    different = {each.tobytes(): each for each in pixels}
    vectors = dict(zip(different, model.embed(list(different.values())), strict=True))
    rows = np.array([vectors[each.tobytes()] for each in pixels])
    return np.asarray((rows[::2] * rows[1::2]).sum(axis=1))


def test_every_odd_image_has_the_pixels_that_its_format_means() -> None:
    near = cosines([(data, pillow(meant, "PNG")) for data, meant, _ in cases().values()])
    wrong = []
    sys.stdout.write(f"\n{len(cases())} images\n| image | PSNR, dB | cosine |\n|---|---:|---:|\n")
    for (name, (data, meant, bound)), cosine in zip(cases().items(), near, strict=True):
        found = np.asarray(decode(data, name)[0])
        same = found.shape == meant.shape
        distance = psnr(found, meant) if same else -math.inf
        shown = "exact" if distance == math.inf else f"{distance:.1f}"
        sys.stdout.write(f"| {name} | {shown} | {cosine:.4f} |\n")
        if not same or distance < bound or cosine < COSINE:
            wrong.append((name, found.shape, meant.shape, round(distance, 1), round(float(cosine), 4)))
    assert not wrong


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: image[:, ::-1],
        lambda image: np.rot90(image),
        lambda image: 255 - image,
        lambda image: np.minimum(image.astype(int) * 4, 255),
        lambda image: image[..., ::-1],
        lambda image: np.roll(image, 40, axis=1),
    ],
    ids=["mirrored", "turned", "inverted", "clipped", "channels swapped", "shifted"],
)
def test_the_table_would_notice(spoil: Callable[[np.ndarray], np.ndarray]) -> None:
    """The usual faults of decoders are far beyond the bounds, so that the table says something."""
    spoilt = np.ascontiguousarray(spoil(RGB)).astype(np.uint8)
    [cosine] = cosines([(pillow(spoilt, "PNG"), pillow(RGB, "PNG"))])
    assert cosine < COSINE or (spoilt.shape == RGB.shape and psnr(spoilt, RGB) < COARSE)
