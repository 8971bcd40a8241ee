"""Where a model runs under torch, in which number formats it may, and how many images at a time."""

from __future__ import annotations

import os

import torch

from dinosearch.errors import SettingError
from dinosearch.records import Preprocessing

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_BFLOAT16_FROM = (8, 0)
"""CUDA compute capability from which on matrix units multiply bfloat16; float16 they all do."""


def choose_device(name: str | None) -> torch.device:
    """The device asked for, DINOSEARCH_DEVICE, or a CUDA device where there is one, else the processor.

    Other devices that torch knows, such as `mps`, are taken when they are named: they are not tested here.

    Raises:
        SettingError: no such device on this machine.
    """
    name = name or os.environ.get("DINOSEARCH_DEVICE") or "auto"
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise SettingError(
            f"device {name!r} cannot be used on this machine ({reason}); leave out --device and DINOSEARCH_DEVICE, "
            "or use: --device cpu"
        ) from None
    return device


def choose_formats(name: str | None, device: torch.device) -> tuple[torch.dtype, ...]:
    """The number format asked for; else those to be tried in this order until one agrees with float32.

    On CUDA float16 comes first: it is as fast as bfloat16 and keeps 11 bits of a number instead of 8, so its vectors
    lie nearer to float32's. Activations above 65,504 overflow it; bfloat16 takes those, where the device has it.

    Raises:
        SettingError: no such format, or float16 on the processor, where it is slow and gains nothing over bfloat16.
    """
    if name in (None, "auto"):
        if device.type != "cuda":
            return (torch.float32,)
        has_bfloat16 = torch.cuda.get_device_capability(device) >= _BFLOAT16_FROM
        return (torch.float16, *([torch.bfloat16] if has_bfloat16 else []), torch.float32)
    if name not in DTYPES:
        raise SettingError(f"dtype {name!r} is not one of {', '.join(DTYPES)}; leave out --dtype to have it chosen")
    if name == "float16" and device.type == "cpu":
        raise SettingError("dtype 'float16' is for GPUs; on the processor use: --dtype bfloat16")
    return (DTYPES[str(name)],)


def choose_batch(preprocessing: Preprocessing, device: torch.device) -> int:
    """Images a forward pass: as many pixels as 8 images of 224 x 224 on a processor, more with the memory of a GPU.

    A processor gains nothing beyond 8 images of that size, measured with ViT-S/14 on 4 cores. A GPU that runs out of
    memory in spite of this halves the batch by itself.
    """
    images = 8
    if device.type == "cuda":
        gigabytes = torch.cuda.get_device_properties(device).total_memory / 2**30
        images = int(min(256, max(16, gigabytes * 8)))
    return max(1, int(images * (224 / preprocessing.size) ** 2))
