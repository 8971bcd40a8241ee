"""The embedder: values against a plain computation, batches, mixed sizes, number formats, devices, threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from dinosearch.embedding.checkpoints import CHECKPOINTS
from dinosearch.embedding.embedder import TorchEmbedder, choose_batch
from dinosearch.embedding.families.dinov2 import TransformerConfig, VisionTransformer
from dinosearch.errors import SettingError
from dinosearch.records import Fingerprint, Preprocessing
from tests.embedding.random_weights import random_transformer

CONFIG = TransformerConfig(dimension=48, depth=3, heads=3, registers=4, interpolation="antialias")
PRINT = Fingerprint("dinov2_vits14_reg4", "0" * 64, "squash-56", "cls", 48)

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def embedder(model: VisionTransformer | None = None, **settings: object) -> TorchEmbedder:
    checkpoint = CHECKPOINTS["dinov2_vits14_reg4"]
    settings = {"device": "cpu", **settings}
    return TorchEmbedder(
        model or random_transformer(CONFIG), checkpoint, PRINT, Preprocessing("squash", 56), **settings
    )  # type: ignore[arg-type]


def photos(*sizes: tuple[int, int], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, size=(*size, 3), dtype=np.uint8) for size in sizes]


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


def test_vector_is_the_normalised_class_token_of_normalised_pixels() -> None:
    model = random_transformer(CONFIG)
    image = photos((56, 56))[0]
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = ((image / 255 - mean) / deviation).transpose(2, 0, 1)[None]
    with torch.inference_mode():
        cls = model(torch.tensor(pixels, dtype=torch.float32)).cls[0].double().numpy()
    found = embedder(model).embed([image])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], cls / np.linalg.norm(cls), atol=1e-5)


def test_batch_equals_single_images_of_mixed_sizes() -> None:
    images = photos((56, 56), (28, 84), (56, 56), (14, 14), (28, 84), *[(56, 56)] * 7)
    one_by_one = embedder(batch=1)
    expected = np.concatenate([one_by_one.embed([image]) for image in images])
    assert cosines(expected[0], expected[1]) < 0.99, "the images must differ, or the order could not be seen"
    for batch in (1, 2, 5, 64):
        found = embedder(batch=batch).embed(images)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
        assert cosines(found, expected).min() >= 0.999999
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_no_images_give_no_rows() -> None:
    assert embedder().embed([]).shape == (0, 48)
    assert embedder().tokens([]) == []


def test_tokens_are_those_of_the_model() -> None:
    model = random_transformer(CONFIG)
    images = photos((28, 42), (56, 56), (28, 42))
    found = embedder(model).tokens(images)
    vectors = embedder(model).embed(images)
    for image, tokens, vector in zip(images, found, vectors, strict=True):
        height, width = image.shape[0] // 14, image.shape[1] // 14
        assert tokens.patches.shape == (height, width, 48)
        assert tokens.registers.shape == (4, 48)
        np.testing.assert_allclose(tokens.cls / np.linalg.norm(tokens.cls), vector, atol=1e-5)
        mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        pixels = ((torch.from_numpy(image) / 255 - mean) / deviation).permute(2, 0, 1)[None]
        with torch.inference_mode():
            expected = model(pixels)
        np.testing.assert_allclose(tokens.patches[1, 2], expected.patches[0, width + 2].numpy(), atol=1e-4)
        np.testing.assert_allclose(tokens.registers, expected.registers[0].numpy(), atol=1e-4)


def test_bfloat16_stays_near_float32() -> None:
    images = photos((56, 56), (28, 28))
    found = embedder(dtype="bfloat16").embed(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    exact = embedder(dtype="float32").embed(images)
    assert not np.array_equal(found, exact)
    assert cosines(found, exact).min() > 0.999


def test_many_threads_get_the_same_vectors() -> None:
    shared = embedder(batch=2)
    sets = [photos((56, 56), (28, 56), (56, 56), seed=seed) for seed in range(6)]
    expected = [shared.embed(images) for images in sets]
    found: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        for _ in range(5):
            found[number] = shared.embed(sets[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, vectors in enumerate(expected):
        np.testing.assert_allclose(found[number], vectors, atol=1e-6)


def test_global_state_of_torch_is_left_alone() -> None:
    before = (
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_inference_mode_enabled(),
        torch.is_grad_enabled(),
    )
    embedder().embed(photos((28, 28)))
    assert before == (
        torch.get_num_threads(), torch.get_default_dtype(), torch.is_inference_mode_enabled(), torch.is_grad_enabled(),
    )  # fmt: skip


def test_batch_that_does_not_fit_into_memory_is_halved() -> None:
    refused = 0

    class Small(VisionTransformer):
        """Has room for three images, as a GPU might."""

        def last_blocks(self, images: torch.Tensor, count: int):  # type: ignore[no-untyped-def]
            nonlocal refused
            if len(images) > 3:
                refused += 1
                raise torch.cuda.OutOfMemoryError("out of memory")
            return super().last_blocks(images, count)

    model = Small(CONFIG)
    model.load_state_dict(random_transformer(CONFIG).state_dict())
    images = photos(*[(28, 28)] * 9)
    small = embedder(model.eval().requires_grad_(False), batch=9)
    np.testing.assert_allclose(small.embed(images), embedder().embed(images), atol=1e-5)
    for mine, theirs in zip(small.tokens(images, blocks=2), embedder().tokens(images, blocks=2), strict=True):
        np.testing.assert_allclose(mine.patches, theirs.patches, atol=1e-4)
        np.testing.assert_allclose(mine.earlier[0].cls, theirs.earlier[0].cls, atol=1e-4)
    assert refused >= 4


def test_wrong_arrays_are_refused() -> None:
    for wrong in (np.zeros((28, 28), np.uint8), np.zeros((28, 28, 4), np.uint8), np.zeros((28, 28, 3), np.float32)):
        with pytest.raises(ValueError, match=r"pixels must be \(h, w, 3\) uint8"):
            embedder().embed([wrong])
    with pytest.raises(ValueError, match="multiples of 14"):
        embedder().embed(photos((28, 30)))


def test_settings_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for settings, sentence in (
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
        ({"device": "meta"}, "device 'meta' cannot be used"),
        ({"dtype": "float8"}, "float32, bfloat16, float16"),
        ({"dtype": "float16"}, "--dtype bfloat16"),
        ({"batch": 0}, "batch of 0 images"),
    ):
        with pytest.raises(SettingError, match=sentence):
            embedder(**settings)
    if not torch.cuda.is_available():
        with pytest.raises(SettingError, match="device 'cuda' cannot be used on this machine"):
            embedder(device="cuda")
    monkeypatch.setenv("DINOSEARCH_DEVICE", "abacus")
    with pytest.raises(SettingError, match="abacus"):
        embedder(device=None)
    monkeypatch.setenv("DINOSEARCH_DEVICE", "cpu")
    assert embedder(device=None).device.type == "cpu"


def test_chosen_batch_shrinks_with_the_pixels() -> None:
    cpu = torch.device("cpu")
    assert choose_batch(Preprocessing("squash", 224), cpu) == 8
    assert choose_batch(Preprocessing("squash", 448), cpu) == 2
    assert choose_batch(Preprocessing("fit", 1022), cpu) == 1


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize(
    ("dtype", "least"), [("float32", 0.9999), ("float16", 0.999), ("bfloat16", 0.99), (None, 0.999)]
)
def test_cuda_agrees_with_the_processor(dtype: str | None, least: float) -> None:
    images = photos((56, 56), (28, 84), (56, 56))
    found = embedder(device="cuda", dtype=dtype).embed(images)
    assert cosines(found, embedder().embed(images)).min() > least


@pytest.mark.gpu
@needs_cuda
def test_cuda_is_chosen_where_it_is() -> None:
    chosen = embedder(device=None)
    assert (chosen.device.type, chosen.dtype) == ("cuda", torch.float16)
    assert chosen.batch_size >= 16
