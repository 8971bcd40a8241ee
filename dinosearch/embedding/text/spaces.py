"""The table of text spaces: which backbone has words, and which files they come from. It loads nothing.

Jose et al. 2024, "DINOv2 Meets Text" (arXiv:2412.16334); names and shapes: facebookresearch/dinov2 (hub/dinotxt.py) and
facebookresearch/dinov3 (hub/dinotxt.py). No SHA-256 of these files was published but the digits in DINOv3's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dinosearch.advice import run
from dinosearch.embedding.weights.files import weights_folder
from dinosearch.errors import WeightsUnavailableError

_DINOV2 = "https://dl.fbaipublicfiles.com/dinov2"
VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"
"""CLIP's byte pairs (Radford et al. 2021, arXiv:2103.00020), which both text towers were trained with."""


@dataclass(frozen=True)
class TextRow:
    """One text space.

    Attributes:
        backbone: the checkpoint whose tokens the vision head takes.
        head: file of the vision head.
        tower: file of the text tower; DINOv3's has both in one.
        source: where the files are to be had.
        licence: of the files.
    """

    backbone: str
    head: str
    tower: str
    source: str
    licence: str


ROWS = {
    row.backbone: row
    for row in (
        TextRow(
            "dinov2_vitl14_reg4",
            "dinov2_vitl14_reg4_dinotxt_tet1280d20h24l_vision_head.pth",
            "dinov2_vitl14_reg4_dinotxt_tet1280d20h24l_text_encoder.pth",
            f"{_DINOV2}/dinov2_vitl14/ (and the vocabulary: {_DINOV2}/thirdparty/)",
            "Apache-2.0",
        ),
        TextRow(
            "dinov3_vitl16",
            "dinov3_vitl16_dinotxt_vision_head_and_text_encoder-a442d8f5.pth",
            "dinov3_vitl16_dinotxt_vision_head_and_text_encoder-a442d8f5.pth",
            "where DINOv3's weights are given out on request",
            "DINOv3 License",
        ),
    )
}
"""By the name of the backbone's checkpoint."""


@dataclass(frozen=True)
class TextFiles:
    """Where the files of a text space lie."""

    head: Path
    tower: Path
    vocabulary: Path


def located(checkpoint: str, folder: str | Path | None = None) -> TextFiles:
    """The files of a backbone's text space.

    Args:
        checkpoint: name of the backbone.
        folder: where they lie; None for the folder of weights. A folder may hold those of any backbone, as
            `vision_head.safetensors` and `text_tower.safetensors` too.

    Raises:
        WeightsUnavailableError: the backbone has none, or a file is not there; says which files to put where.
    """
    place, row = Path(folder).expanduser() if folder else weights_folder(), ROWS.get(checkpoint)
    heads, towers = ["vision_head.safetensors"], ["text_tower.safetensors"]
    if row is not None:
        heads, towers = [row.head, *heads], [row.tower, *towers]
    found = [next((place / name for name in names if (place / name).is_file()), None) for names in (heads, towers)]
    head, tower = found
    vocabulary = place / VOCABULARY
    if head is not None and tower is not None and vocabulary.is_file():
        return TextFiles(head, tower, vocabulary)
    if row is None:
        raise WeightsUnavailableError(
            f"there is no text space for {checkpoint} in {place}; words are understood with a collection made by: ",
            run("index", "FOLDER", "--model", next(iter(ROWS))),
        )
    missing = [names[0] for names, path in ((heads, head), (towers, tower)) if path is None]
    missing += [] if vocabulary.is_file() else [VOCABULARY]
    raise WeightsUnavailableError(
        f"words need {' and '.join(dict.fromkeys(missing))}, which {'is' if len(set(missing)) == 1 else 'are'} not in "
        f"{place}; put them there from {row.source}, or name another folder with: --text-files FOLDER"
    )
