"""JPEG files to prepared pixels on the device that embeds: torchvision decodes (nvJPEG on CUDA), two products resize.

Only files that need no other colour space are taken; all the others, and whatever fails, are left to
`dinosearch.images`, which also says what is wrong with a damaged one.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from dinosearch.embedding.devices.jpeg_header import Plain, plain
from dinosearch.embedding.devices.resampling import centre_box, resampling
from dinosearch.records import Preprocessing

MAX_PIXELS = 100_000_000
"""Larger pictures are decoded on the host, at a reduced scale: here one would take 1.5 GB as it is resized."""
_TURNED: dict[int, Callable[[Tensor], Tensor]] = {
    1: lambda picture: picture,
    2: lambda picture: picture.flip(2),
    3: lambda picture: picture.flip(1, 2),
    4: lambda picture: picture.flip(1),
    5: lambda picture: picture.transpose(1, 2),
    6: lambda picture: picture.transpose(1, 2).flip(2),
    7: lambda picture: picture.transpose(1, 2).flip(1, 2),
    8: lambda picture: picture.transpose(1, 2).flip(1),
}
"""What makes (3, h, w) upright, by the value of EXIF's orientation (CIPA DC-008, section 4.6.4)."""
TOGETHER = 256_000_000
"""Pixels decoded at once, at three bytes each."""
_CROP_RATIO = 256 / 224  # as `dinosearch.images.resizing`
_MATRICES = 32  # kept: photos of one camera share theirs; 3.6 MB each for a side of 4,000 pixels
_RGB = 3  # torchvision.io.ImageReadMode.RGB


class DeviceDecoder:
    """Prepares encoded images as `dinosearch.images.prepare` does, on a device.

    The picture is decoded at full size, where Pillow decodes large ones at a reduced scale: the results differ as that
    does from a full decode (PSNR 52 dB and more; performance.md, section B).

    Args:
        preprocessing: what prepared images look like; images for `fit` are all left to the host.
        device: where they are to lie; a processor does the same, slower than `dinosearch.images`.
    """

    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        self._preprocessing, self._device = preprocessing, device
        self._matrix = lru_cache(_MATRICES)(self._matrix_of)
        self._operators: Any = None
        self._lock = threading.Lock()

    def prepare(self, data: Sequence[bytes]) -> list[Tensor | None]:
        """Decode and resize.

        Args:
            data: encoded images of any kind.

        Returns:
            For each (size, size, 3) uint8 on the device, or None where it is left to the host.
        """
        operators = self._loaded()
        if operators is None or self._preprocessing.mode == "fit":
            return [None] * len(data)
        headers = {row: header for row, one in enumerate(data) if (header := plain(one)) is not None}
        out: list[Tensor | None] = [None] * len(data)
        for rows in _groups({row: header.height * header.width for row, header in headers.items()}):
            with contextlib.suppress(torch.cuda.OutOfMemoryError), torch.inference_mode():
                files = [torch.frombuffer(bytearray(data[row]), dtype=torch.uint8) for row in rows]
                for row, picture in zip(rows, self._decoded(operators, files), strict=True):
                    if picture is not None and _fits(picture, headers[row]):
                        out[row] = self._resized(_TURNED[headers[row].turn](picture))
        return out

    def _decoded(self, operators: Any, files: list[Tensor]) -> list[Tensor | None]:
        """(3, h, w) uint8 on the device of each file; None for one that cannot be decoded."""
        try:
            # The operators behind torchvision.io.decode_jpeg, which warns of its successor at each call.
            if self._device.type == "cuda":
                return list(operators.decode_jpegs_cuda(files, _RGB, self._device))
            return [operators.decode_jpeg(file, _RGB, False) for file in files]
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError:
            # One damaged file spoils the call: each on its own tells which.
            return [None] if len(files) == 1 else [self._decoded(operators, [file])[0] for file in files]

    def _resized(self, picture: Tensor) -> Tensor:
        """(size, size, 3) uint8 of (3, h, w) uint8: rows, then columns, each rounded to 8 bits as Pillow does."""
        height, width = picture.shape[1:]
        size = self._preprocessing.size
        if self._preprocessing.mode == "crop":
            across, down = centre_box(width, height, size, round(size * _CROP_RATIO))
        else:
            across, down = (0.0, float(width)), (0.0, float(height))
        narrow = _rounded(picture.float() @ self._matrix(width, *across, size).T)
        return _rounded(self._matrix(height, *down, size) @ narrow).to(torch.uint8).permute(1, 2, 0).contiguous()

    def _matrix_of(self, side: int, low: float, high: float, count: int) -> Tensor:
        return torch.from_numpy(resampling(side, low, high, count)).to(self._device)

    def _loaded(self) -> Any:
        """The operators of torchvision; None where it cannot be imported, or has none for this device."""
        with self._lock:
            if self._operators is None:
                self._operators = _operators("decode_jpegs_cuda" if self._device.type == "cuda" else "decode_jpeg")
            return self._operators or None


def _groups(pixels: Mapping[int, int]) -> Iterator[list[int]]:
    """The keys of pictures that are decoded together, by their pixels; too large ones are left out."""
    held: list[int] = []
    total = 0
    for row, count in pixels.items():
        if count > MAX_PIXELS:
            continue
        if held and total + count > TOGETHER:
            yield held
            held, total = [], 0
        held.append(row)
        total += count
    if held:
        yield held


def _fits(picture: Tensor, header: Plain) -> bool:
    return tuple(picture.shape) == (3, header.height, header.width)


def _operators(name: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of its own future when it is imported
            importlib.import_module("torchvision.io")
        getattr(torch.ops.image, name)
    except (ImportError, OSError, RuntimeError, AttributeError):
        return False
    return torch.ops.image


def _rounded(values: Tensor) -> Tensor:
    return values.round_().clamp_(0, 255)
