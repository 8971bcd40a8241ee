"""The bundled model: its file, its token interface, and what it is good for, by an independent forward pass."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from dinosearch.embedding.checkpoints import BUNDLED, CHECKPOINTS
from dinosearch.embedding.families.convnext import ConvNeXt, ConvNeXtConfig
from dinosearch.embedding.weights.models import load_model
from dinosearch.embedding.weights.reading import read_state


@pytest.fixture(scope="module")
def mini() -> ConvNeXt:
    model = load_model(CHECKPOINTS["mini"], BUNDLED)
    assert isinstance(model, ConvNeXt)
    return model


def _convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A convolution whose kernel is as large as its stride, by reshaping: (c, h, w) to (o, h/k, w/k)."""
    out, channels, k, _ = weight.shape
    rows, columns = x.shape[1] // k, x.shape[2] // k
    cells = x[:, : rows * k, : columns * k].reshape(channels, rows, k, columns, k).transpose(1, 3, 0, 2, 4)
    return (cells.reshape(rows, columns, -1) @ weight.reshape(out, -1).T + bias).transpose(2, 0, 1)


def _depthwise(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    padded = np.pad(x, ((0, 0), (3, 3), (3, 3)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(1, 2))
    return np.einsum("chwij,cij->chw", windows, weight[:, 0]) + bias[:, None, None]


def _norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """LayerNorm over the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * weight + bias


def _gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def _oracle(path: Path, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class token and patch tokens of one image by numpy in float64, from the paper's description."""
    state = {key: value.astype(np.float64) for key, value in load_file(path).items()}

    def part(name: str) -> tuple[np.ndarray, np.ndarray]:
        return state[f"{name}.weight"], state[f"{name}.bias"]

    x = image.astype(np.float64)
    for stage in range(4):
        if stage:
            x = _norm(x.transpose(1, 2, 0), *part(f"downsample_layers.{stage}.0")).transpose(2, 0, 1)
        x = _convolve(x, *part(f"downsample_layers.{stage}.{1 if stage else 0}"))
        if not stage:
            x = _norm(x.transpose(1, 2, 0), *part("downsample_layers.0.1")).transpose(2, 0, 1)
        block = 0
        while (name := f"stages.{stage}.{block}") + ".gamma" in state:
            y = _norm(_depthwise(x, *part(f"{name}.dwconv")).transpose(1, 2, 0), *part(f"{name}.norm"))
            (up, up_bias), (down, down_bias) = part(f"{name}.pwconv1"), part(f"{name}.pwconv2")
            y = (_gelu(y @ up.T + up_bias) @ down.T + down_bias) * state[f"{name}.gamma"]
            x, block = x + y.transpose(2, 0, 1), block + 1
    cells = x.reshape(len(x), -1).T
    return _norm(cells.mean(0), *part("norm")), _norm(cells, *part("norm"))


def test_file_is_small_half_precision_and_says_what_it_is() -> None:
    assert BUNDLED.stat().st_size <= 12_000_000
    state, facts = read_state(BUNDLED)
    assert {value.dtype for value in state.values()} == {torch.float16}
    assert facts["licence"] == "Apache-2.0"
    assert len(facts["data_sha256"]) == 64
    assert json.loads(facts["config"])["family"] == "convnext"
    assert {"recipe", "seed"} <= facts.keys()


def test_tokens_equal_an_independent_forward_pass(mini: ConvNeXt) -> None:
    image = np.random.default_rng(0).normal(size=(3, 64, 96)).astype(np.float32)
    with torch.inference_mode():
        tokens = mini(torch.from_numpy(image)[None])
    cls, patches = _oracle(BUNDLED, image)
    np.testing.assert_allclose(tokens.cls[0].numpy(), cls, rtol=1e-3, atol=2e-4 * np.abs(cls).max())
    np.testing.assert_allclose(tokens.patches[0].numpy(), patches, rtol=1e-3, atol=2e-4 * np.abs(patches).max())


def test_tokens_have_the_transformers_interface(mini: ConvNeXt) -> None:
    with torch.inference_mode():
        tokens = mini(torch.zeros(2, 3, 224, 448))
    d = mini.dimension
    assert (tuple(tokens.cls.shape), tuple(tokens.registers.shape)) == ((2, d), (2, 0, d))
    assert tokens.grid == (224 // mini.patch_size, 448 // mini.patch_size)
    assert tuple(tokens.patches.shape) == (2, tokens.grid[0] * tokens.grid[1], d)


def test_one_image_does_not_change_another(mini: ConvNeXt) -> None:
    images = torch.randn(3, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        together = mini(images).cls
        alone = torch.cat([mini(image[None]).cls for image in images])
    assert torch.allclose(together, alone, atol=1e-4)


def test_patch_size_is_the_product_of_the_strides() -> None:
    net = ConvNeXt(ConvNeXtConfig(depths=(1, 1), widths=(8, 16), strides=(4, 2)))
    with torch.inference_mode():
        assert (net.patch_size, net(torch.zeros(1, 3, 40, 24)).grid) == (8, (5, 3))
    assert net.dimension == 16


def test_rank_one_beats_colour_on_triplets_of_real_photos(mini: ConvNeXt, shared_data: Path) -> None:
    """24 photos of 8 scenes: chance gets 2 of 23, the model must be right for at least half."""
    from PIL import Image

    files = sorted((shared_data / "photos/boofcv/recognition/scene").glob("*.jpg"))
    pixels = np.stack([np.asarray(Image.open(f).convert("RGB").resize((224, 224))) for f in files])
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    mean, deviation = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.inference_mode():
        cls = torch.nn.functional.normalize(mini((batch - mean) / deviation).cls, dim=-1)
    scores = (cls @ cls.T).fill_diagonal_(-2).argmax(1).numpy()
    numbers = np.array([int(f.stem.removeprefix("image")) // 3 for f in files])
    assert (numbers[scores] == numbers).mean() >= 0.5


def test_every_bar_of_the_project_holds(shared_data: Path, tmp_path: Path) -> None:
    """Measured as scripts/bench_mini.py does: leave one out, class token, squash to 224, raw cosine."""
    import bench_mini

    photos = bench_mini.photo_gallery(shared_data / "photos")
    samples = bench_mini.sample_gallery(bench_mini.ROOT / "sample_images")
    wanted = ("mini", "random weights, same architecture", "HSV histogram 8x4x4")
    methods = bench_mini.methods(BUNDLED, tmp_path)  # without the teacher, whose runtime is no test dependency
    rows = {name: bench_mini.measure(methods[name], photos, samples) for name in wanted}
    checked = bench_mini.bars(rows)
    assert len(checked) == 5
    assert all(held for _, held in checked), [line for line, held in checked if not held]
