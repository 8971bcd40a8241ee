"""An open text space: images and words as unit vectors of one space; its parts are loaded when they are needed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from dinosearch.embedding.text.spaces import TextFiles, located
from dinosearch.embedding.text.tokenizer import Tokenizer
from dinosearch.embedding.text.tower import HEAD, TextTower, TowerConfig
from dinosearch.embedding.text.vision_head import HeadConfig, VisionHead
from dinosearch.embedding.tokens import ImageTokens
from dinosearch.embedding.weights.files import check_named, file_digest
from dinosearch.embedding.weights.reading import read_state
from dinosearch.errors import DamagedWeightsError, SettingError

Network = TypeVar("Network", bound=nn.Module)
_BLOCK = re.compile(r"^blocks\.(\d+)\.")
_TEXTS = 64  # a pass


def open_text_space(checkpoint: str, folder: str | Path | None = None) -> TextSpace:
    """Find the text space of a backbone; see `spaces.located` for arguments and errors. Nothing is loaded yet."""
    return TextSpace(located(checkpoint, folder))


class TextSpace:
    """Images and words in one space, computed by torch on the processor in float32.

    Args:
        files: its three files.
    """

    def __init__(self, files: TextFiles) -> None:
        self.files = files

    @cached_property
    def sums(self) -> dict[str, str]:
        """SHA-256 of the files; vectors of equal ones can be compared."""
        names = {"head": self.files.head, "tower": self.files.tower, "vocabulary": self.files.vocabulary}
        return {name: file_digest(path) for name, path in names.items()}

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._head.dimension

    def images(self, tokens: Sequence[ImageTokens]) -> np.ndarray:
        """(n, dimension) float32 of unit length, of the tokens of the backbone's last block.

        Raises:
            SettingError: tokens of another length than the vision head takes: another backbone's.
        """
        out = np.empty((len(tokens), self.dimension), np.float32)
        for row, one in enumerate(tokens):
            if one.cls.shape[-1] != self._head.config.dimension:
                raise SettingError(
                    f"{self.files.head} takes tokens of {self._head.config.dimension} numbers, and those of this model "
                    f"have {one.cls.shape[-1]}: it belongs to another model; leave out --text"
                )
            rows = np.concatenate([one.cls[None], one.registers, one.patches.reshape(-1, one.patches.shape[-1])])
            with torch.inference_mode():
                out[row] = _unit(self._head(torch.from_numpy(rows)[None], 1 + len(one.registers)))[0]
        return out

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dimension) float32 of unit length; a text beyond 75 byte pairs is cut.

        Raises:
            SettingError: a text without a word.
        """
        if any(not text.strip() for text in texts):
            raise SettingError('a text without words cannot be searched; ask as in: --text "a red door"')
        parts = [texts[low : low + _TEXTS] for low in range(0, len(texts), _TEXTS)]
        with torch.inference_mode():
            rows = [_unit(self._tower(torch.from_numpy(self._tokenizer(p, self._tower.config.length)))) for p in parts]
        return np.concatenate(rows) if rows else np.empty((0, self.dimension), np.float32)

    @cached_property
    def _head(self) -> VisionHead:
        state = {k.replace("block_list.", "blocks.", 1): v for k, v in _part(self.files.head, "visual_model.head.")}
        try:
            projection = state.get("linear_projection.weight")
            config = HeadConfig(
                len(state["ln_final.weight"]),
                _depth(state),
                len(state["blocks.0.mlp.w1.weight"]),
                None if projection is None else len(projection),
            )
            return _filled(VisionHead, config, config.dimension, state, self.files.head)
        except (KeyError, TypeError) as error:
            raise _misfit(self.files.head, f"it lacks {error}") from None

    @cached_property
    def _tower(self) -> TextTower:
        state = {key.removeprefix("backbone."): value for key, value in _part(self.files.tower, "text_model.")}
        try:
            (words, dimension), length = state["token_embedding.weight"].shape, len(state["positional_embedding"])
            out = len(state["head.linear_projection.weight"])
        except (KeyError, TypeError, ValueError) as error:
            raise _misfit(self.files.tower, f"it lacks {error}") from None
        config = TowerConfig(words, length, dimension, _depth(state), out)
        tower = _filled(TextTower, config, dimension, state, self.files.tower)
        if out != self.dimension:
            raise _misfit(self.files.tower, f"its vectors have {out} numbers, those of images {self.dimension}")
        if self._tokenizer.size != words:
            raise _misfit(
                self.files.tower, f"it knows {words} words, and {self.files.vocabulary} has {self._tokenizer.size}"
            )
        return tower

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer(self.files.vocabulary)


def _part(path: Path, prefix: str) -> list[tuple[str, Tensor]]:
    """The tensors of a file, or those under a prefix where the file holds a whole model, as DINOv3's does."""
    check_named(path)
    state, _ = read_state(path)
    under = [(key.removeprefix(prefix), value) for key, value in state.items() if key.startswith(prefix)]
    return under or list(state.items())


def _depth(state: dict[str, Tensor]) -> int:
    return 1 + max((int(found[1]) for key in state if (found := _BLOCK.match(key))), default=-1)


def _filled(kind: type[Network], config: object, dimension: int, state: dict[str, Tensor], path: Path) -> Network:
    """The network with the tensors of the file as float32; every key and every shape must fit."""
    if not dimension or dimension % HEAD:
        raise _misfit(path, f"its tokens have {dimension} numbers, which is no multiple of {HEAD}")
    with torch.device("meta"):
        network = kind(config)
    try:
        network.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)
    except RuntimeError as error:
        raise _misfit(path, str(error).split("\n")[-1].strip()[:200]) from None
    return network.eval().requires_grad_(False)


def _misfit(path: Path, reason: str) -> DamagedWeightsError:
    return DamagedWeightsError(f"{path} is no part of dino.txt: {reason}; put the official file there again")


def _unit(rows: Tensor) -> np.ndarray:
    found: np.ndarray = nn.functional.normalize(rows, dim=-1).numpy()
    return found
