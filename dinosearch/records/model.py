"""What decides the vectors: preprocessing, pooling, scales and the fingerprint of all of it; texts only, no pixels."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

ResizeMode = Literal["squash", "fit", "crop"]


@dataclass(frozen=True)
class Preprocessing:
    """How an upright RGB image becomes model input; part of the fingerprint.

    Attributes:
        mode: `squash` resizes the whole image to size x size, ignoring aspect (the setting that reproduces the
            published DINOv2 retrieval figures); `fit` keeps aspect: the longer side becomes `size`, both sides are
            padded with the mean colour to multiples of the patch; `crop` resizes the shorter side to size * 256 / 224
            and cuts the centre.
        size: pixels, a multiple of the patch size.
    """

    mode: ResizeMode = "squash"
    size: int = 224

    def __str__(self) -> str:
        return f"{self.mode}-{self.size}"

    @classmethod
    def parse(cls, text: str) -> Preprocessing:
        """Read `squash-224`, `fit-448`, `crop-224`.

        Raises:
            ValueError: another mode, or a size that is not a positive integer.
        """
        mode, _, size = text.partition("-")
        if mode not in ("squash", "fit", "crop") or not size.isdecimal() or int(size) < 1:
            raise ValueError(f"preprocessing {text!r} is not one of squash-N, fit-N, crop-N, such as squash-224")
        return cls(mode, int(size))  # type: ignore[arg-type]


GRAMMAR = (
    "cls, mean, gem (p = 3), gemP, sgem, sgemP with 1 <= P <= 20 such as gem4.6, or several of them joined by +; a "
    "part that ends in @N is taken of each of the last N blocks, as in cls@4+mean"
)
"""How a pooling is written, to be read after "one of"."""

_PART = re.compile(r"(cls|mean|s?gem)((?<=gem)[0-9]{1,2}(?:\.[0-9]{1,3})?)?(?:@([0-9]{1,3}))?")
_USUAL_POWER = 3.0  # Radenovic et al. 2018, arXiv:1711.02512, where p starts at 3


@dataclass(frozen=True)
class PoolingPart:
    """One part of a pooling.

    Attributes:
        kind: `cls` is the class token, `mean` the mean of the patch tokens, `gem` their generalised mean with negative
            numbers cut off, `sgem` their generalised mean that keeps the signs.
        power: p of `gem` and `sgem`; 1 for the others, which have none.
        blocks: the part is taken of each of the last so many blocks, the earliest first.
    """

    kind: str
    power: float = 1.0
    blocks: int = 1

    def __str__(self) -> str:
        power = "" if "gem" not in self.kind or self.power == _USUAL_POWER else f"{self.power:g}"
        return f"{self.kind}{power}" + (f"@{self.blocks}" if self.blocks > 1 else "")

    @classmethod
    def parse(cls, text: str) -> PoolingPart:
        """Read `cls`, `gem4.6`, `mean@2`; `gem3` is `gem`, and `sgem1`, which is the same numbers as `mean`, is `mean`.

        Raises:
            ValueError: another text, or numbers out of their range.
        """
        found = _PART.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no part of a pooling")
        kind, blocks = found[1], int(found[3] or 1)
        power = float(found[2] or _USUAL_POWER) if "gem" in kind else 1.0
        if not 1 <= power <= 20 or blocks < 1:
            raise ValueError(f"the numbers of {text!r} are out of range")
        return cls("mean", 1.0, blocks) if (kind, power) == ("sgem", 1) else cls(kind, power, blocks)


@dataclass(frozen=True)
class Pooling:
    """How the tokens of an image become its one vector: parts, put behind each other and then brought to unit length.

    `cls` is what published retrieval figures of DINOv2 have, `cls@4+mean` the larger vector of its linear evaluation,
    `cls+gem4` that of DINO's copy detection (before whitening). Poolings that give equal numbers have equal texts.

    The parts are not brought to unit length one by one: both of these join them as they are (facebookresearch/dinov2,
    eval/linear.py, create_linear_input; facebookresearch/dino, eval_copy_detection.py), and so a mean that is short
    because the patches disagree weighs less than one on which they agree.

    Attributes:
        parts: in their order in the vector.
    """

    parts: tuple[PoolingPart, ...]

    def __str__(self) -> str:
        return "+".join(map(str, self.parts))

    @property
    def blocks(self) -> int:
        """How many of the last blocks it needs."""
        return max(part.blocks for part in self.parts)

    @property
    def tokens(self) -> int:
        """Length of its vector in lengths of a token."""
        return sum(part.blocks for part in self.parts)

    @classmethod
    def parse(cls, text: str) -> Pooling:
        """Read `cls`, `gem4.6`, `cls@4+mean`.

        Raises:
            ValueError: another text, or a part that is named twice; with the grammar.
        """
        try:
            parts = tuple(map(PoolingPart.parse, text.split("+")))
        except ValueError:
            parts = ()
        if not parts or len(set(parts)) < len(parts):
            raise ValueError(f"pooling {text!r} is not one of {GRAMMAR}" + ("; it names a part twice" if parts else ""))
        return cls(parts)


SCALES: dict[str, tuple[float, ...]] = {
    "1": (1.0,),
    "gem": (1.0, 2**-0.5, 0.5),
    "superglobal": (2**-0.5, 1.0, 2**0.5),
}
"""Sets of scales at which one image is embedded, its vector being the mean over them: `1` only as large as the
preprocessing says; `gem` of Radenovic et al. 2018 (arXiv:1711.02512) and of DINO's retrieval (facebookresearch/dino,
utils.py); `superglobal` of Shao et al. 2023 (arXiv:2308.06954; model/resnet.py has them as .7071, 1, 1.4142)."""


def scales_named(name: str) -> tuple[float, ...]:
    """The set of scales of that name.

    Raises:
        ValueError: no such set.
    """
    if name not in SCALES:
        raise ValueError(f"scales {name!r} is not one of {', '.join(SCALES)}")
    return SCALES[name]


AGREEMENT = 0.9999
"""Mean cosine to float32 from which on two numeric families may be mixed; bfloat16 reaches 0.99995 to 0.99998 on random
ViT-S weights, int8 0.9985 to 0.9995 (performance.md, section A)."""


@dataclass(frozen=True)
class Fingerprint:
    """What two vectors must share to be comparable: the embedding fingerprint.

    Attributes:
        checkpoint: name in the table of checkpoints, such as `dinov2_vits14`.
        weights_sha256: hex digest of the weight file.
        preprocessing: text form, such as `squash-224`.
        pooling: how tokens became a vector: text form of a `Pooling`.
        dimension: length of a vector.
        scales: name of a set in `SCALES`.
        numbers: the numeric family, which is the format that the activations have: `float32`, `bfloat16`, `float16`
            or `int8`. All programs and devices of one family count as alike.
        agreement: mean cosine between vectors of this family and those of float32, measured on fixed pictures with
            these very weights (`dinosearch.embedding.probe`); 0 where nobody has measured it.
    """

    checkpoint: str
    weights_sha256: str
    preprocessing: str
    pooling: str
    dimension: int
    scales: str = "1"
    numbers: str = "float32"
    agreement: float = 1.0

    def __str__(self) -> str:
        numbers = "" if self.numbers == "float32" else f", {self.numbers}"
        return f"{self.settings} ({self.dimension}-d{numbers}, weights {self.weights_sha256[:8]})"

    def matches(self, other: Fingerprint) -> bool:
        """Whether vectors of the two can be compared: all is equal but for families that both agree with float32."""
        mine = replace(self, numbers=other.numbers, agreement=other.agreement)
        return mine == other and (self.numbers == other.numbers or min(self.agreement, other.agreement) >= AGREEMENT)

    @property
    def settings(self) -> str:
        """What was chosen, such as `mini squash-224 cls`; scales are named where there are several."""
        scales = "" if self.scales == "1" else f" scales {self.scales}"
        return f"{self.checkpoint} {self.preprocessing} {self.pooling}{scales}"

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Fingerprint:
        """Read what `to_dict` wrote; older homes lack the fields that have a default.

        Raises:
            KeyError: another field is missing.
        """
        known = {**{f.name: f.default for f in dataclasses.fields(cls) if f.default is not dataclasses.MISSING}, **data}
        return cls(**{f.name: known[f.name] for f in dataclasses.fields(cls)})
