"""Makes random views of photos: crop, turn, flip, perspective, colour, blur, and mixtures of several photos.

It decides nothing about what the views are compared with: student and teacher get the very same pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = torch.linalg.inv(_TO_YIQ)


def views(pixels: Tensor, aspect: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """One random view of each photo.

    Args:
        pixels: uint8, (n, 3, h, w), photos squashed to a square.
        aspect: float32, (n,), width / height before squashing; crops are drawn in the photo's true geometry.
        side: side of the views in pixels.
        generator: source of all randomness.

    Returns:
        float32, (n, 3, side, side), values in 0..1.
    """
    source = pixels.float().div_(255)
    grid = _grid(aspect, side, generator)
    out = F.grid_sample(source, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return _colour(_blur(out, generator), generator).clamp_(0, 1)


def mix(batch: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Replace some of the views by mixtures: cut-mix, mix-up or a 2 x 2 collage.

    Consecutive rows 2i, 2i+1 are expected to be two views of one photo; a pair is mixed or left alone as a whole.

    Returns:
        The batch and a bool tensor (n,) that is true where a view is still one photo.
    """
    n, _, side, _ = batch.shape
    out = batch.clone()
    kind = _uniform((n // 2,), 0, 1, generator).repeat_interleave(2)
    other = torch.randperm(n, generator=generator)
    third, fourth = torch.randperm(n, generator=generator), torch.randperm(n, generator=generator)
    small = F.interpolate(batch, scale_factor=0.5, mode="area")
    half = side // 2
    for i in torch.nonzero(kind < 0.4).flatten().tolist():
        if kind[i] < 0.15:
            height, width = (int(v) for v in _uniform((2,), 0.35, 0.8, generator) * side)
            top, left = (int(v) for v in _uniform((2,), 0, 1, generator) * torch.tensor([side - height, side - width]))
            out[i, :, top : top + height, left : left + width] = batch[
                other[i], :, top : top + height, left : left + width
            ]
        elif kind[i] < 0.25:
            share = float(_uniform((1,), 0.3, 0.7, generator))
            out[i] = share * batch[i] + (1 - share) * batch[other[i]]
        else:
            out[i, :, :half, :half], out[i, :, :half, half:] = small[i], small[other[i]]
            out[i, :, half:, :half], out[i, :, half:, half:] = small[third[i]], small[fourth[i]]
    return out, kind >= 0.4


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low


def _grid(aspect: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Sampling grid of a random crop: area 20-100 %, aspect 3/4-4/3, turn, flip, slight perspective."""
    n = len(aspect)
    area = _uniform((n,), 0.2, 1.0, generator)
    shape = torch.exp(_uniform((n,), -0.3, 0.3, generator))
    width = (torch.sqrt(area * shape / aspect.sqrt())).clamp(max=1)
    height = (torch.sqrt(area / shape * aspect.sqrt())).clamp(max=1)
    whole = _uniform((n,), 0, 1, generator) < 0.15  # the retrieval setting is the whole image, squashed
    width, height = torch.where(whole, 1.0, width), torch.where(whole, 1.0, height)
    centre_x = _uniform((n,), -1, 1, generator) * (1 - width)
    centre_y = _uniform((n,), -1, 1, generator) * (1 - height)
    flip = torch.where(_uniform((n,), 0, 1, generator) < 0.5, -1.0, 1.0)
    turn = torch.randn(n, generator=generator) * torch.where(_uniform((n,), 0, 1, generator) < 0.5, 0.2, 0.03)
    tilt = torch.randn(n, 2, generator=generator) * 0.08

    line = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    x, y = x.expand(n, -1, -1), y.expand(n, -1, -1)

    def per_image(v: Tensor) -> Tensor:
        return v[:, None, None]

    depth = 1 + per_image(tilt[:, 0]) * x + per_image(tilt[:, 1]) * y
    x, y = x / depth, y / depth
    cos, sin = per_image(turn.cos()), per_image(turn.sin())
    x, y = cos * x - sin * y, sin * x + cos * y
    x = x * per_image(width * flip) + per_image(centre_x)
    y = y * per_image(height) + per_image(centre_y)
    return torch.stack((x, y), dim=-1)


def _blur(batch: Tensor, generator: torch.Generator) -> Tensor:
    chosen = torch.nonzero(_uniform((len(batch),), 0, 1, generator) < 0.15).flatten()
    if len(chosen):
        small = F.interpolate(batch[chosen], scale_factor=0.45, mode="area")
        batch[chosen] = F.interpolate(small, size=batch.shape[-2:], mode="bilinear", align_corners=False)
    return batch


def _colour(batch: Tensor, generator: torch.Generator) -> Tensor:
    n = len(batch)
    saturation = _uniform((n,), 0.5, 1.5, generator)
    saturation[_uniform((n,), 0, 1, generator) < 0.08] = 0.0
    hue = torch.randn(n, generator=generator) * 0.15
    turn = torch.zeros(n, 3, 3)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = hue.cos() * saturation
    turn[:, 1, 2], turn[:, 2, 1] = -hue.sin() * saturation, hue.sin() * saturation
    matrix = _FROM_YIQ @ turn @ _TO_YIQ
    tint = 1 + torch.randn(n, 3, 1, generator=generator) * 0.05
    out: Tensor = (matrix * tint) @ batch.flatten(2)
    contrast, brightness = _uniform((n, 1, 1), 0.65, 1.4, generator), _uniform((n, 1, 1), 0.7, 1.3, generator)
    mean = out.mean(dim=(1, 2), keepdim=True)
    out = (out - mean) * contrast + mean * brightness
    out += torch.randn(n, 1, 1, generator=generator).abs() * 0.01 * torch.randn(out.shape, generator=generator)
    return out.view_as(batch)
