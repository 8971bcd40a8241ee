"""Published figures, as a table: what others measured with the same weights and setting. Facts with their source only.

None of them was measured here; a band of +-1.0 mAP around the row with the same preprocessing is what to expect, +-2.0
around the paper, which does not state its size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dinosearch.evaluation.result import Published

PAPER = "DINOv2, Oquab et al. 2023, arXiv:2304.07193, table 9"
REGISTERS = "facebookresearch/dinov2, MODEL_CARD.md"
ANY = "zhumorui/AnyRetrival, table 1"
VASTAI = "Vastai/VastModelZOO, dinov2 image retrieval, torch"
KNN = "facebookresearch/dinov2, README (k-NN)"
_UNSTATED = "the paper does not state size and preprocessing"
_BILINEAR = "bilinear resize to a square"
_THUMBNAIL = "Lanczos thumbnail, then a square"


@dataclass(frozen=True)
class _Row:
    """Figures of one model on one data set: `values` holds setup, measure and percent."""

    dataset: str
    model: str
    preprocessing: str
    source: str
    note: str
    values: tuple[tuple[str, str, float], ...]


def _map(**values: float) -> tuple[tuple[str, str, float], ...]:
    return tuple((setup, "mAP", value) for setup, value in values.items())


def _met(gap: float, without: float, accuracy: float) -> tuple[tuple[str, str, float], ...]:
    return (("test", "GAP", gap), ("test", "GAP-", without), ("test", "ACC", accuracy))


def _paper(size: str, *figures: float) -> tuple[_Row, ...]:
    """Table 9's columns: Oxford M and H, Paris M and H, Met GAP, GAP- and ACC, AmsterTime."""
    ox_m, ox_h, pa_m, pa_h, gap, without, accuracy, amster = figures
    rows = (
        ("roxford5k", _map(medium=ox_m, hard=ox_h)),
        ("rparis6k", _map(medium=pa_m, hard=pa_h)),
        ("met", _met(gap, without, accuracy)),
        ("amstertime", (("all", "mAP-rectangular", amster),)),
    )
    return tuple(_Row(name, f"dinov2_{size}", "squash-224", PAPER, _UNSTATED, values) for name, values in rows)


def _row(dataset: str, model: str, pixels: str, source: str, note: str, **values: float) -> _Row:
    return _Row(dataset, f"dinov2_{model}", pixels, source, note, _map(**values))


TABLE: tuple[_Row, ...] = (
    *_paper("vits14", 68.8, 43.2, 84.6, 68.5, 29.4, 54.3, 57.7, 43.5),
    *_paper("vitb14", 72.9, 49.5, 90.3, 78.6, 36.7, 63.5, 66.1, 45.6),
    *_paper("vitl14", 75.1, 54.0, 92.7, 83.5, 40.0, 68.9, 71.6, 50.0),
    *_paper("vitg14", 73.6, 52.3, 92.1, 82.6, 36.8, 73.6, 76.5, 46.7),
    _row("roxford5k", "vits14", "squash-224", ANY, _BILINEAR, easy=85.32, medium=70.02, hard=44.77),
    _row("roxford5k", "vitb14", "squash-224", ANY, _BILINEAR, easy=87.5, medium=73.3, hard=51.36),
    _row("roxford5k", "vitl14", "squash-224", ANY, _BILINEAR, easy=88.46, medium=75.37, hard=54.75),
    _row("roxford5k", "vitg14", "squash-224", ANY, _BILINEAR, easy=85.58, medium=72.95, hard=52.37),
    _row("roxford5k", "vits14", "squash-448", ANY, _BILINEAR, medium=71.85, hard=46.55),
    _row("roxford5k", "vitb14", "squash-448", ANY, _BILINEAR, medium=73.33, hard=50.62),
    _row("roxford5k", "vitl14", "squash-448", ANY, _BILINEAR, medium=75.35, hard=54.06),
    _row("rparis6k", "vits14", "squash-224", ANY, _BILINEAR, medium=85.34, hard=69.68),
    _row("rparis6k", "vitb14", "squash-224", ANY, _BILINEAR, medium=90.63, hard=79.31),
    _row("rparis6k", "vitl14", "squash-224", ANY, _BILINEAR, medium=92.19, hard=82.79),
    _row("rparis6k", "vits14", "squash-448", ANY, _BILINEAR, medium=86.47, hard=71.47),
    _row("rparis6k", "vitb14", "squash-448", ANY, _BILINEAR, medium=91.33, hard=80.76),
    _row("rparis6k", "vitl14", "squash-448", ANY, _BILINEAR, medium=93.37, hard=85.19),
    _row("roxford5k", "vitl14", "squash-224", VASTAI, _THUMBNAIL, medium=74.91, hard=54.14),
    _row("roxford5k", "vitl14_reg4", "squash-224", VASTAI, _THUMBNAIL, medium=79.13, hard=59.21),
    _row("roxford5k", "vits14_reg4", "squash-224", REGISTERS, _UNSTATED, hard=39.5),
    _row("roxford5k", "vitb14_reg4", "squash-224", REGISTERS, _UNSTATED, hard=51.0),
    _row("roxford5k", "vitl14_reg4", "squash-224", REGISTERS, _UNSTATED, hard=55.7),
    _row("roxford5k", "vitg14_reg4", "squash-224", REGISTERS, _UNSTATED, hard=58.2),
    *(
        _Row("imagenet", f"dinov2_{model}", "crop-224", KNN, "k 20", (("val", "top-1", value),))
        for model, value in (
            ("vits14", 79.0),
            ("vitb14", 82.1),
            ("vitl14", 83.5),
            ("vitg14", 83.5),
            ("vits14_reg4", 79.1),
            ("vitb14_reg4", 82.0),
            ("vitl14_reg4", 83.8),
            ("vitg14_reg4", 83.7),
        )
    ),
)
"""Whole query images, class tokens, cosine. ViT-g at 448 is left out: its cells repeat ViT-L's in the source."""


IMAGES = {"roxford5k": 4993, "rparis6k": 6322, "met": 397_121, "amstertime": 2462, "imagenet": 1_281_167}
"""Database images that the figures were measured on; with distractors or a part of them no figure is comparable."""


def find(dataset: str, images: int, recipe: dict[str, Any]) -> tuple[Published, ...]:
    """Published figures for the same data set, weights, preprocessing, class token and whole query images at one scale.

    Args:
        dataset: name of the data set.
        images: in its database.
        recipe: of the run.
    """
    whole = recipe.get("query_crop") == "none" and recipe.get("scales", "1") == "1"
    if not whole or recipe.get("pooling") != "cls" or images != IMAGES.get(dataset):
        return ()
    setting = (dataset, recipe.get("model"), recipe.get("preprocessing"))
    return tuple(_figures(setting))


def _figures(setting: tuple[object, ...]) -> Iterator[Published]:
    for row in TABLE:
        if (row.dataset, row.model, row.preprocessing) == setting:
            yield from (Published(*value, source=row.source, note=row.note) for value in row.values)
