"""The way of pixels through a GPU: the same steps are tested here without one, against the plain way on a processor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from dinosearch.embedding import embedder as embedder_module
from dinosearch.embedding.checkpoints import CHECKPOINTS
from dinosearch.embedding.devices.choosing import choose_formats
from dinosearch.embedding.devices.folding import fold_layer_scale
from dinosearch.embedding.devices.queue import DeviceQueue
from dinosearch.embedding.devices.replay import MOST, Replays
from dinosearch.embedding.embedder import TorchEmbedder
from dinosearch.embedding.families.dinov2 import TransformerConfig, VisionTransformer
from dinosearch.embedding.load import open_embedder
from dinosearch.records import AGREEMENT, Fingerprint, Preprocessing
from tests.embedding.random_weights import random_images, random_transformer

CONFIG = TransformerConfig(dimension=48, depth=3, heads=3, registers=4, interpolation="antialias")
PRINT = Fingerprint("dinov2_vits14_reg4", "0" * 64, "squash-56", "cls", 48)
CPU = torch.device("cpu")

gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")]
places = pytest.mark.parametrize("place", ["cpu", pytest.param("cuda", marks=gpu)])


def plain(model: VisionTransformer | None = None, **settings: Any) -> TorchEmbedder:
    settings = {"device": "cpu", **settings}
    preprocessing = Preprocessing("squash", 56)
    model = model or random_transformer(CONFIG)
    return TorchEmbedder(model, CHECKPOINTS["dinov2_vits14_reg4"], PRINT, preprocessing, **settings)


def queued(place: str, model: VisionTransformer | None = None, **settings: Any) -> TorchEmbedder:
    """An embedder whose batches go through a queue: a GPU's own, or one on the processor with a false recorder."""
    if place == "cuda":
        return plain(model, device="cuda", dtype="float32", **settings)
    found = plain(model, **settings)
    found._queue = DeviceQueue(CPU, Replays(Recorder()))
    return found


class Recorder:
    """Stands for CUDA graphs: a replay computes in the buffers of its recording, and overwrites its last output."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, compute: Callable[..., torch.Tensor], example: torch.Tensor, stream: Any, pool: Any) -> Any:
        if self.error is not None:
            raise self.error
        self.shapes.append(tuple(example.shape))
        given, answer = example.clone(), compute(example)

        def replay(batch: torch.Tensor) -> torch.Tensor:
            given.copy_(batch)
            answer.copy_(compute(given))
            return answer.clone()  # nothing copies it from the device here

        return replay, "pool"


def photos(*sizes: tuple[int, int], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, size=(*size, 3), dtype=np.uint8) for size in sizes]


@places
@pytest.mark.parametrize("batch", [1, 3, 8, 64])
def test_queue_keeps_order_sizes_and_last_parts(place: str, batch: int) -> None:
    images = photos(*[(56, 56), (28, 84), (56, 56), (14, 14)] * 5, (28, 84))
    expected = plain(batch=1).embed(images)
    assert (expected[0] @ expected[2]) < 0.999, "the images must differ, or the order could not be seen"
    found = queued(place, batch=batch)
    for _ in range(3):  # as they come, while they are recorded, from the recording
        np.testing.assert_allclose(found.embed(images), expected, atol=1e-3 if place == "cuda" else 1e-5)


@places
def test_threads_share_a_queue(place: str) -> None:
    shared = queued(place, batch=2)
    sets = [photos((56, 56), (28, 56), (56, 56), (56, 56), seed=seed) for seed in range(6)]
    expected = [plain().embed(images) for images in sets]
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
        np.testing.assert_allclose(found[number], vectors, atol=1e-3 if place == "cuda" else 1e-5)


@places
def test_batch_that_does_not_fit_is_halved(place: str) -> None:
    class Small(VisionTransformer):
        """Has room for three images."""

        def last_blocks(self, images: torch.Tensor, count: int) -> Any:  # type: ignore[override]
            if len(images) > 3:
                raise torch.cuda.OutOfMemoryError("out of memory")
            return super().last_blocks(images, count)

    model = Small(CONFIG)
    model.load_state_dict(random_transformer(CONFIG).state_dict())
    images = photos(*[(28, 28)] * 20, (56, 56))
    small = queued(place, model.eval().requires_grad_(False), batch=9)
    expected = plain().embed(images)
    for _ in range(2):
        np.testing.assert_allclose(small.embed(images), expected, atol=1e-3 if place == "cuda" else 1e-5)


def test_images_may_change_once_they_are_submitted() -> None:
    queue = DeviceQueue(CPU)
    images = photos((14, 14), (14, 14))
    kept = np.stack(images)
    waits = []
    for _ in range(5):  # more than there are buffers
        waits.append(queue.submit(images, None, lambda batch: batch.clone()))
        for image in images:
            image += 1
    for number, wait in enumerate(waits):
        np.testing.assert_array_equal(wait(), kept + np.uint8(number))


def test_shapes_that_come_again_are_recorded() -> None:
    recorder = Recorder()
    queue = DeviceQueue(CPU, Replays(recorder))
    counted = []

    def compute(batch: torch.Tensor) -> torch.Tensor:
        counted.append(len(batch))
        return batch.float().sum(dim=(1, 2, 3))[:, None]

    for count in (3, 2, 3, 3, 1):
        images = photos(*[(14, 14)] * count, seed=count)
        expected = np.stack(images).astype(np.float32).sum(axis=(1, 2, 3))[:, None]
        np.testing.assert_allclose(queue.submit(images, "key", compute)(), expected)
    assert recorder.shapes == [(3, 14, 14, 3)]
    queue.submit(photos(*[(14, 14)] * 3), "another key", compute)()
    assert len(recorder.shapes) == 1
    for count in (*range(10, 20), *range(10, 20)):
        queue.submit(photos(*[(14, 14)] * count), "key", compute)()
    assert len(recorder.shapes) == MOST
    queue.forget()
    np.testing.assert_allclose(queue.submit(images, "key", compute)(), expected)


def test_what_cannot_be_recorded_is_computed() -> None:
    queue = DeviceQueue(CPU, Replays(Recorder(RuntimeError("operation not permitted when stream is capturing"))))
    images = photos((14, 14), (14, 14))
    for _ in range(4):
        found = queue.submit(images, None, lambda batch: batch.float().mean(dim=(1, 2)))()
        np.testing.assert_allclose(found, np.stack(images).mean(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("ffn", ["mlp", "swiglu"])
def test_folded_scales_change_nothing(ffn: Any) -> None:
    config = replace(CONFIG, ffn=ffn)
    images = random_images(2, 3, 56, 56)
    with torch.inference_mode():
        expected = random_transformer(config)(images)
        model = fold_layer_scale(random_transformer(config))
        found = model(images)
    assert not any("gamma" in name for name in model.state_dict())
    np.testing.assert_allclose(found.cls.numpy(), expected.cls.numpy(), atol=1e-4)
    np.testing.assert_allclose(found.patches.numpy(), expected.patches.numpy(), atol=1e-4)


class Fragile(VisionTransformer):
    """Overflows in bfloat16, as activations beyond 65,504 do in float16."""

    def last_blocks(self, images: torch.Tensor, count: int) -> Any:  # type: ignore[override]
        spoilt = images * float("nan") if images.dtype == torch.bfloat16 else images
        return super().last_blocks(spoilt, count)


def test_a_format_that_spoils_the_vectors_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder_module, "choose_formats", lambda name, device: (torch.bfloat16, torch.float32))
    images = photos((56, 56), (28, 28))
    model = Fragile(CONFIG)
    model.load_state_dict(random_transformer(CONFIG).state_dict())
    fragile = plain(model.eval().requires_grad_(False))
    assert (fragile.dtype, fragile.fingerprint.numbers) == (torch.float32, "float32")
    assert fragile.fingerprint.agreement >= AGREEMENT
    monkeypatch.undo()
    np.testing.assert_allclose(fragile.embed(images), plain().embed(images), atol=1e-6)


def test_formats_that_are_tried() -> None:
    assert choose_formats(None, CPU) == (torch.float32,)
    assert choose_formats("bfloat16", CPU) == (torch.bfloat16,)
    if torch.cuda.is_available():
        formats = choose_formats(None, torch.device("cuda"))
        assert (formats[0], formats[-1]) == (torch.float16, torch.float32)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_the_chosen_format_agrees_with_float32_on_the_processor() -> None:
    chosen, exact = open_embedder("mini", device="cuda"), open_embedder("mini", device="cpu", dtype="float32")
    images = photos(*[(224, 224)] * 40)
    cosines = (chosen.embed(images) * exact.embed(images)).sum(axis=1)
    assert cosines.mean() >= 0.9999
    assert chosen.fingerprint.agreement >= AGREEMENT
    assert chosen.fingerprint.matches(exact.fingerprint)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_recorded_graph_gives_what_was_launched(dtype: str) -> None:
    found = plain(device="cuda", dtype=dtype, batch=8)
    images = photos(*[(56, 56)] * 24)
    found._queue = DeviceQueue(found.device)
    launched = found.embed(images)
    replays = Replays()
    found._queue = DeviceQueue(found.device, replays)
    for _ in range(3):
        np.testing.assert_allclose(found.embed(images), launched, atol=2e-3)
    assert len(replays._recorded) == 1, "the batch must have been recorded"
    for number in (0, 7, 23):
        np.testing.assert_allclose(found.embed([images[number]])[0], launched[number], atol=5e-3)
