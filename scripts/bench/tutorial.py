"""The loop that tutorials show, as the peer of `dinosearch index`: Hugging Face, torchvision, a DataLoader.

    python -m bench.tutorial rate WEIGHTS PHOTO...        images/s, as JSON
    python -m bench.tutorial reference WEIGHTS PHOTO...   float32 vectors of photos decoded in full, as JSON

It runs in a process of its own, so that its threads and its memory are not ours. The weights are official ones or have
their layout; the Hugging Face model is given the same numbers.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from transformers import Dinov2Config, Dinov2Model

from dinosearch.records import Preprocessing

BATCH, WORKERS = 8, 3
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NAMES = (
    (r"^blocks\.", "encoder.layer."),
    (r"\.attn\.proj\.", ".attention.o_proj."),
    (r"\.ls(\d)\.gamma$", r".layer_scale\1.lambda1"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (r"^pos_embed$", "embeddings.position_embeddings"),
    (r"^(cls|mask)_token$", r"embeddings.\1_token"),
    (r"^norm\.", "layernorm."),
)
"""Official name of a parameter to that of Hugging Face (transformers 5); qkv is split besides."""


class Photos(Dataset):
    """Files as the model wants them."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        self.transform = transforms.Compose(
            [
                transforms.Resize(256, interpolation=transforms.InterpolationMode.BICUBIC),
                transforms.CenterCrop(224),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, DEVIATION),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> torch.Tensor:
        return self.transform(Image.open(self.paths[place]).convert("RGB"))


def converted(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """An official state dict under the names of Hugging Face."""
    out = {}
    for name, tensor in state.items():
        if ".attn.qkv." in name:
            for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                out[name.replace("attn.qkv", f"attention.{letter}_proj")] = part
        else:
            out[name] = tensor
    for pattern, replacement in NAMES:
        out = {re.sub(pattern, replacement, name): tensor for name, tensor in out.items()}
    return out


def open_model(weights: str) -> Dinov2Model:
    """The Hugging Face model in float32; every one of its parameters comes from the file."""
    state = load_file(weights)
    width = state["cls_token"].shape[-1]
    config = Dinov2Config(
        hidden_size=width,
        num_hidden_layers=len({name.split(".")[1] for name in state if name.startswith("blocks.")}),
        num_attention_heads=width // 64,
        image_size=518,
        patch_size=state["patch_embed.proj.weight"].shape[-1],
    )
    model = Dinov2Model(config)
    model.load_state_dict(converted(state))
    return model.eval()


def rate(weights: str, paths: list[str]) -> dict[str, float]:
    """Images/s of the loop; loading the model is not in it, starting the DataLoader is."""
    model, vectors = open_model(weights), []
    with torch.no_grad():
        model(torch.zeros(BATCH, 3, 224, 224))
        started = time.perf_counter()
        for batch in DataLoader(Photos(paths), batch_size=BATCH, num_workers=WORKERS):
            vectors.append(model(batch).last_hidden_state[:, 0].numpy())
        seconds = time.perf_counter() - started
    return {"images": len(np.concatenate(vectors)), "seconds": seconds}


def reference(weights: str, paths: list[str]) -> dict[str, object]:
    """Unit vectors in float32 by torch of the photos decoded in full and resized to 224 x 224 (`squash-224`).

    With them two lowest cosines of this model to our own transformer in float32 on the same pixels: of 224 x 224, where
    Hugging Face interpolates the position embedding a little differently from the official code, which ours follows,
    and of 518 x 518, where nothing is interpolated.
    """
    from dinosearch.embedding import open_embedder

    model, ours = open_model(weights), {}
    for side in (224, 518):
        ours[side] = open_embedder(
            "dinov2_vits14", weights=weights, runtime="torch", device="cpu", dtype="float32",
            preprocessing=Preprocessing("squash", side),
        )  # fmt: skip
    vectors = ours[224].embed([_squashed(path, 224) for path in paths])
    same = {}
    for side, count in ((224, 8), (518, 2)):
        pictures = [_squashed(path, side) for path in paths[:count]]
        theirs, mine = _unit(model, pictures), ours[side].embed(pictures).astype(np.float64)
        same[str(side)] = float(np.einsum("nd,nd->n", theirs, mine).min())
    return {"vectors": vectors.tolist(), "same": same}


def _squashed(path: str, side: int) -> np.ndarray:
    return np.array(Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BICUBIC))


def _unit(model: Dinov2Model, pictures: list[np.ndarray]) -> np.ndarray:
    """(n, d) float64 unit class tokens."""
    values = torch.stack([torch.from_numpy(picture) for picture in pictures]).permute(0, 3, 1, 2) / 255.0
    with torch.no_grad():
        rows = model((values - _column(MEAN)) / _column(DEVIATION)).last_hidden_state[:, 0].double().numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _column(values: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)


if __name__ == "__main__":
    what, file, *photos = sys.argv[1:]
    assert Path(file).is_file()
    print(json.dumps({"rate": rate, "reference": reference}[what](file, photos)))
