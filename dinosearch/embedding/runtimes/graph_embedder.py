"""The embedder over an exported graph: the way of a processor, without torch.

Vectors are normalised here, as `embedder` does it for torch; images are decoded and resized elsewhere.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from dinosearch.embedding.runtimes.graphs import GraphFolder
from dinosearch.embedding.runtimes.programs import Outputs, Runtime
from dinosearch.embedding.tokens import ImageTokens
from dinosearch.errors import SettingError
from dinosearch.records import Fingerprint, Preprocessing

_FEW = 2
"""So many images are embedded one after the other with all cores each, for the first answer; more side by side."""
_ONE_MODEL = 1 << 30
"""From so many bytes of weights on, the model is opened once only, for both ways of working."""
_BATCH = 32  # images of 224 x 224 that are handed over at once: enough that no stream waits long for the last one


class GraphEmbedder:
    """A graph with its preprocessing; fulfils `dinosearch.protocols.Embedder` and may be used by many threads.

    Args:
        graph: the exported model.
        few: it in a runtime, opened for few images at a time.
        opener: opens it in that runtime: for many images at a time if true.
        fingerprint: what the vectors are marked with.
        preprocessing: how pixels are prepared.
        reference: opens the embedder by torch, which is asked for tokens of several blocks.
        batch: images that are handed over at once; None chooses.

    Attributes:
        device: `cpu`.
        dtype: number format of the activations.
        runtime: the program that runs the graph, with its version.

    Raises:
        SettingError: a batch that is not possible.
    """

    device = "cpu"

    def __init__(
        self,
        graph: GraphFolder,
        few: Runtime,
        opener: Callable[[bool], Runtime],
        fingerprint: Fingerprint,
        preprocessing: Preprocessing,
        *,
        reference: Callable[[], Any],
        batch: int | None = None,
    ) -> None:
        if batch is not None and batch < 1:
            raise SettingError(f"a batch of {batch} images is not possible; leave out --batch, or use: --batch 8")
        self.fingerprint, self.preprocessing = fingerprint, preprocessing
        self.patch_size, self.depth = graph.patch, graph.depth
        self.batch_size = batch or max(1, int(_BATCH * (224 / preprocessing.size) ** 2))
        self.dtype = fingerprint.numbers
        self._graph, self._opener, self._open_reference = graph, opener, reference
        self._positions = graph.positions()
        self._cells: dict[tuple[int, int], np.ndarray] = {}
        self._runtimes = {False: few}
        self.runtime = few.name
        self._threads: ThreadPoolExecutor | None = None
        self._reference: Any = None
        self._lock = threading.Lock()

    def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """Embed prepared images; see `dinosearch.protocols.Embedder.embed`.

        Raises:
            ValueError: an array that is not (h, w, 3) uint8, or whose sides are no multiples of the patch.
        """
        return self._embed(pixels, many=len(pixels) > _FEW)

    def _embed(self, pixels: Sequence[np.ndarray], many: bool) -> np.ndarray:
        out = np.empty((len(pixels), self.fingerprint.dimension), np.float32)
        for rows, (vectors, _) in self._outputs(pixels, many, tokens=False):
            out[rows] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return out

    @property
    def side_by_side(self) -> int:
        """Callers of `embed_beside` that are answered at once; 1 where that is no faster than `embed`.

        To be asked once, by who is about to have such callers: it opens the model for them.
        """
        return self._runtime(many=True).streams

    def embed_beside(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """As `embed`, on one core for each image: for callers that ask at the same time.

        One after the other with all cores each, images wait for the slowest thread of every layer: 58 a second of ViT-S
        at 224 on 4 cores, and 100 side by side (`scripts/bench_serve.py`).
        """
        return self._embed(pixels, many=True)

    def rest(self) -> None:
        """Give back what working on many images at a time takes, 140 MiB for ViT-S; the next such call has it anew."""
        with self._lock:
            self._runtimes.pop(True, None)

    def tokens(self, pixels: Sequence[np.ndarray], blocks: int = 1) -> list[ImageTokens]:
        """Tokens of each image after the final norm, in the order given; arguments and errors as `TorchEmbedder`'s."""
        if not 1 <= blocks <= self.depth:
            raise ValueError(f"tokens can be had of the last 1 to {self.depth} blocks, not of {blocks}")
        if blocks > 1:
            return list(self._torch().tokens(pixels, blocks))
        patch, registers = self.patch_size, self._graph.registers
        found: dict[int, ImageTokens] = {}
        for rows, (_, tokens) in self._outputs(pixels, len(pixels) > _FEW, tokens=True):
            for row, one in zip(rows, tokens, strict=True):
                height, width = (side // patch for side in pixels[row].shape[:2])
                patches = one[1 + registers :].reshape(height, width, -1)
                found[row] = ImageTokens(one[0], one[1 : 1 + registers], patches)
        return [found[row] for row in range(len(pixels))]

    def _outputs(
        self, pixels: Sequence[np.ndarray], many: bool, *, tokens: bool
    ) -> Iterator[tuple[list[int], Outputs]]:
        """Numbers of images with their outputs, without their tokens if these are not wanted, as the runtime likes."""
        alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for row, image in enumerate(pixels):
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                raise ValueError(f"pixels must be (h, w, 3) uint8, not {image.shape} {image.dtype}")
            height, width = image.shape[:2]
            if not height or not width or height % self.patch_size or width % self.patch_size:
                raise ValueError(
                    f"the image is {width} x {height} pixels; both sides must be multiples of {self.patch_size}"
                )
            alike[image.shape].append(row)
        runtime = self._runtime(many)
        step = min(runtime.part, self.batch_size)
        parts = [rows[low : low + step] for rows in alike.values() for low in range(0, len(rows), step)]

        def run(rows: list[int]) -> Outputs:
            images = np.stack([pixels[row] for row in rows])
            cells = self._cells_for(images.shape[1] // self.patch_size, images.shape[2])
            return runtime.run(images, cells, tokens=tokens)

        if runtime.streams == 1 or len(parts) == 1:
            yield from ((rows, run(rows)) for rows in parts)
        else:
            yield from zip(parts, self._pool(runtime.streams).map(run, parts), strict=True)

    def _cells_for(self, rows: int, width: int) -> np.ndarray | None:
        if self._positions is None:
            return None
        grid = (rows, width // self.patch_size)
        if grid not in self._cells:
            self._cells[grid] = self._positions.cells(grid)
        return self._cells[grid]

    def _runtime(self, many: bool) -> Runtime:
        many = many and self._graph.size < _ONE_MODEL
        with self._lock:
            if many not in self._runtimes:
                self._runtimes[many] = self._opener(many)
            return self._runtimes[many]

    def _pool(self, threads: int) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(threads, thread_name_prefix="dinosearch-embed")
            return self._threads

    def _torch(self) -> Any:
        with self._lock:
            if self._reference is None:
                self._reference = self._open_reference()
            return self._reference
