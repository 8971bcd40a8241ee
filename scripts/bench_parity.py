#!/usr/bin/env python3
"""Measures how far our networks are from other people's with the same random weights.

    scripts/bench_parity.py [--only dinov3] [--write]

Each published shape, at full width and depth where two copies fit into some gigabytes, beside transformers', timm's or
torchvision's network of the same weights: the largest difference of any number of any token, in standard deviations,
and the least cosine of any token, over images of several sizes. `--write` puts the table into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Iterator
from typing import Any

from bench.other_networks import LIBRARIES, compare, pair
from bench.report import machine, table, write_section
from dinosearch.embedding import CHECKPOINTS

# What is made smaller, so that both copies fit into memory; all else has the published shape.
CUT: dict[str, dict[str, Any]] = {
    "dinov2_vitl14": {"depth": 2},
    "dinov2_vitl14_reg4": {"depth": 2},
    "dinov2_vitg14": {"depth": 1},
    "dinov2_vitg14_reg4": {"depth": 1},
    "dinov3_vitl16": {"depth": 2},
    "dinov3_vith16plus": {"depth": 2},
    "dinov3_vit7b16": {"dimension": 512, "heads": 4, "hidden": 1024, "depth": 4},
}
SAME = {"dinov3_vitl16_sat493m", "dinov3_vit7b16_sat493m", "dino_vits16_gldv2"}  # as another with other numbers
GRIDS = ((7, 7), (14, 14), (16, 16), (10, 21), (32, 20))  # times 16 pixels, down and across


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="models whose names begin so")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    text = "\n".join(
        [
            machine("torch", "transformers", "timm", "torchvision"),
            "",
            page(list(rows(options.only))),
        ]
    )
    if options.write:
        write_section("bench_parity", text + "\n")


def page(rows: list[tuple[str, ...]]) -> str:
    sizes = ", ".join(f"{width * 16} x {height * 16}" for height, width in GRIDS)
    cut = "; ".join(f"`{name}` {', '.join(f'{key} {value}' for key, value in CUT[name].items())}" for name in CUT)
    return "\n".join(
        [
            table(("model", "beside", "blocks", "largest difference", "least cosine"), rows),
            "",
            f"Images of {sizes} pixels, or the nearest multiples of the patch; class, register and patch tokens. "
            "The difference is in standard deviations of the other's numbers; 0.0 is equal to the last bit. "
            f"Made smaller, so that two copies fit into memory: {cut}.",
        ]
    )


def rows(only: str) -> Iterator[tuple[str, ...]]:
    for name, checkpoint in CHECKPOINTS.items():
        if checkpoint.shape is None or name in SAME or not name.startswith(only):
            continue
        for library, families in LIBRARIES.items():
            if checkpoint.family in families:
                row = _row(name, library)
                print(" | ".join(row), flush=True)
                yield row


def _row(name: str, library: str) -> tuple[str, ...]:
    both = pair(name, library, **CUT.get(name, {}))
    patch = both.ours.patch_size
    found = [compare(both, *(max(1, round(count * 16 / patch)) * patch for count in grid)) for grid in GRIDS]
    shape: Any = both.ours.config
    depth = getattr(shape, "depth", None) or "-".join(map(str, shape.depths))
    del both
    gc.collect()
    return name, library, str(depth), f"{max(d for d, _ in found):.1e}", f"{min(c for _, c in found):.7f}"


if __name__ == "__main__":
    main()
