"""Resizing of position embeddings against an independent implementation in numpy and against hand-derived numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dinosearch.embedding.checkpoints import CHECKPOINTS
from dinosearch.embedding.families.dinov2 import TransformerConfig, VisionTransformer
from dinosearch.embedding.runtimes.positions import Positions

SIDE = 37


def cubic(x: float, a: float) -> float:
    """Keys' cubic convolution kernel."""
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def plain(count: int, scale: float) -> np.ndarray:
    """(count, SIDE) matrix of torch's bicubic without antialias: A = -0.75, half-pixel sampling, scale given."""
    matrix = np.zeros((count, SIDE))
    for i in range(count):
        source = (i + 0.5) / scale - 0.5
        for j in range(math.floor(source) - 1, math.floor(source) + 3):
            matrix[i, min(max(j, 0), SIDE - 1)] += cubic(source - j, a=-0.75)
    return matrix


def antialiased(count: int) -> np.ndarray:
    """(count, SIDE) matrix of torch's antialiased bicubic: A = -0.5, kernel widened by the reduction, renormalised."""
    step = SIDE / count
    width = max(step, 1.0)
    matrix = np.zeros((count, SIDE))
    for i in range(count):
        centre = step * (i + 0.5)
        first, last = max(int(centre - 2 * width + 0.5), 0), min(int(centre + 2 * width + 0.5), SIDE)
        for j in range(first, last):
            matrix[i, j] = cubic((j + 0.5 - centre) / width, a=-0.5)
        matrix[i] /= matrix[i].sum()
    return matrix


MATRICES = {
    "offset": lambda count: plain(count, (count + 0.1) / SIDE),
    "size": lambda count: plain(count, count / SIDE),
    "antialias": antialiased,
}


def tiny(interpolation: str, dimension: int = 8) -> VisionTransformer:
    return VisionTransformer(TransformerConfig(dimension, depth=0, heads=1, interpolation=interpolation))  # type: ignore[arg-type]


@pytest.mark.parametrize("grid", [(16, 16), (32, 32), (16, 32), (37, 19), (1, 1), (39, 43), (50, 37)])
@pytest.mark.parametrize("interpolation", ["offset", "size", "antialias"])
def test_positions_equal_the_formula(interpolation: str, grid: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    stored = rng.normal(size=(SIDE, SIDE, 8))
    model = tiny(interpolation)
    model.pos_embed.data = torch.tensor(np.vstack([np.zeros(8), stored.reshape(-1, 8)]), dtype=torch.float32)[None]
    rows, columns = (MATRICES[interpolation](count) for count in grid)
    expected = np.einsum("ay,bx,yxd->abd", rows, columns, stored)
    with torch.inference_mode():
        found = model.cells(grid)[0].numpy()
    np.testing.assert_allclose(found, expected, atol=3e-5)
    without_torch = Positions(interpolation, stored.astype(np.float32)).cells(grid)
    assert without_torch.dtype == np.float32
    np.testing.assert_allclose(without_torch[0], found, atol=3e-5)


def test_published_models_use_the_way_of_the_hub() -> None:
    for name, checkpoint in CHECKPOINTS.items():
        if checkpoint.series == "DINOv2":
            config = TransformerConfig(**checkpoint.shape)
            assert config.interpolation == ("antialias" if name.endswith("_reg4") else "offset")
            assert config.grid == SIDE


def test_hub_samples_at_224_with_step_37_over_16_1() -> None:
    """Cubic convolution nearly keeps a ramp, so a ramp shows where the hub samples: (i + 0.5) * 37 / 16.1 - 0.5.

    The plain size would give (i + 0.5) * 37 / 16 - 0.5; at cell 14 that is 0.21 of a stored cell further. (With
    A = -0.75 the kernel moves a ramp by less than 0.05; only A = -0.5 would keep it exactly.)
    """
    ramp = torch.arange(SIDE, dtype=torch.float32)
    stored = torch.stack(torch.meshgrid(ramp, ramp, indexing="ij"), dim=-1).reshape(1, -1, 2)
    found = {}
    for interpolation in ("offset", "size"):
        model = tiny(interpolation, dimension=2)
        model.pos_embed.data = torch.cat((torch.zeros(1, 1, 2), stored), dim=1)
        with torch.inference_mode():
            found[interpolation] = model.cells((16, 16))[0].numpy()
    for i, hub, plain_size in ((11, 25.92857, 26.09375), (14, 32.82298, 33.03125)):
        np.testing.assert_allclose(found["offset"][i, 5, 0], hub, atol=0.05)
        np.testing.assert_allclose(found["offset"][5, i, 1], hub, atol=0.05)
        np.testing.assert_allclose(found["size"][i, 5, 0], plain_size, atol=0.05)


def test_stored_grid_is_used_as_it_is() -> None:
    model = tiny("offset")
    model.pos_embed.data = torch.randn(1, 1 + SIDE**2, 8)
    assert torch.equal(model.cells((SIDE, SIDE)).flatten(1, 2), model.pos_embed[:, 1:])


@pytest.mark.parametrize("interpolation", ["offset", "antialias"])
def test_every_size_gives_one_position_per_patch(interpolation: str) -> None:
    """Among them 546, 602, 1092, 1204, 1610, 1722 pixels, which break a scale factor without offset (dinov2 #378)."""
    model = tiny(interpolation, dimension=1)
    with torch.inference_mode():
        for count in range(1, 130):
            assert model.cells((count, 130 - count)).shape == (1, count, 130 - count, 1)


def test_side_that_is_no_multiple_of_the_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="230 x 224 pixels; both sides must be multiples of 14"):
        tiny("offset")(torch.zeros(1, 3, 224, 230))
