"""dino.txt's parts against independent implementations with random weights: transformers' CLIP, timm's blocks."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from timm.layers import SwiGLU
from timm.models.vision_transformer import Block
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from dinosearch.embedding import open_text_space
from dinosearch.embedding.text.spaces import ROWS, VOCABULARY
from dinosearch.embedding.text.tokenizer import Tokenizer
from dinosearch.embedding.tokens import ImageTokens
from dinosearch.errors import DamagedWeightsError, SettingError, WeightsUnavailableError
from tests.embedding.text_files import merges, write_text_files, write_vocabulary

TEXTS = [
    "a red door",
    "The Windmill\u2019s sail, 1987!",
    "they're   near\tthe harbour; we'll see",
    "\u00fcber den D\u00e4chern \u2014 \u6771\u4eac \U0001f6b2 x",
    "a",
    "the bridge " * 60,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text_files(tmp_path_factory.mktemp("text"))


def clip_tokenizer(folder: Path) -> CLIPTokenizer:
    ours = Tokenizer(write_vocabulary(folder / "pairs.gz"))
    (folder / "vocab.json").write_text(json.dumps(ours._numbers))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, merges())]))
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))


def test_words_are_numbered_as_by_transformers(tmp_path: Path) -> None:
    theirs = clip_tokenizer(tmp_path)
    ours = Tokenizer(tmp_path / "pairs.gz")
    for text in ["a red door", "The Windmill's sail, 1987!", "they're near the harbour; we'll see", *TEXTS[4:]]:
        wanted = theirs(text, truncation=True, max_length=77)["input_ids"]
        found = ours([text])[0]
        assert found[: len(wanted)].tolist() == wanted
        assert not found[len(wanted) :].any()


def test_text_is_mended_before_it_is_cut(tmp_path: Path) -> None:
    ours = Tokenizer(write_vocabulary(tmp_path / "pairs.gz"))
    assert ours.encode("the &amp;amp; door") == ours.encode("THE   & Door\n")
    assert ours.encode("the windmill\u2019s sail") == ours.encode("the windmill's sail")
    assert ours.encode("\u00c3\u00bcber") == ours.encode("\u00fcber")
    numbers = ours(["the bridge " * 60, "a"])
    assert numbers.shape == (2, 77) and numbers.dtype == np.int64
    assert numbers[0, -1] == numbers[1, 2] == ours.size - 1 and not numbers[1, 3:].any()


def test_the_tower_is_transformers_clip(folder: Path) -> None:
    """CLIP's text model with GELU, no bias in queries, keys and values, and the projection: the same function."""
    space = open_text_space("mini", folder)
    state = load_file(folder / "text_tower.safetensors")
    ours, width = space._tower, 128
    config = CLIPTextConfig(
        vocab_size=ours.config.words,
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=ours.config.out,
        num_hidden_layers=ours.config.depth,
        num_attention_heads=2,
        hidden_act="gelu",
        max_position_embeddings=77,
        eos_token_id=ours.config.words - 1,
        bos_token_id=ours.config.words - 2,
        pad_token_id=0,
    )
    theirs = CLIPTextModelWithProjection(config).eval()
    renamed = {
        "text_model.embeddings.token_embedding.weight": state["backbone.token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": state["backbone.positional_embedding"],
        "text_model.final_layer_norm.weight": state["backbone.ln_final.weight"],
        "text_model.final_layer_norm.bias": state["backbone.ln_final.bias"],
        "text_projection.weight": state["head.linear_projection.weight"],
    }
    names = {"attention_norm": "layer_norm1", "ffn_norm": "layer_norm2", "feed_forward": "mlp"}
    for number in range(ours.config.depth):
        mine, layer = f"backbone.blocks.{number}.", f"text_model.encoder.layers.{number}."
        for part in ("weight", "bias"):
            for own, other in names.items():
                for inner in (".fc1", ".fc2") if own == "feed_forward" else ("",):
                    renamed[f"{layer}{other}{inner}.{part}"] = state[f"{mine}{own}{inner}.{part}"]
            renamed[f"{layer}self_attn.out_proj.{part}"] = state[f"{mine}attention.proj.{part}"]
        for letter, rows in zip("qkv", state[f"{mine}attention.qkv.weight"].chunk(3), strict=True):
            renamed[f"{layer}self_attn.{letter}_proj.weight"] = rows
            renamed[f"{layer}self_attn.{letter}_proj.bias"] = torch.zeros(width)
    theirs.load_state_dict(renamed)
    numbers = torch.from_numpy(space._tokenizer(TEXTS))
    with torch.inference_mode():
        wanted, found = theirs(input_ids=numbers).text_embeds, ours(numbers)
    assert (found - wanted).abs().max() < 2e-5 * wanted.abs().max()
    wanted = torch.nn.functional.normalize(wanted, dim=-1).numpy()
    assert np.einsum("nd,nd->n", space.texts(TEXTS), wanted).min() > 1 - 1e-6


def test_the_head_is_timms_blocks(folder: Path) -> None:
    state, d = load_file(folder / "vision_head.safetensors"), 64
    blocks = []
    for number in range(2):
        parts = {"mlp_layer": SwiGLU, "act_layer": torch.nn.SiLU, "norm_layer": torch.nn.LayerNorm}
        block = Block(d, 1, mlp_ratio=192 / d, qkv_bias=False, init_values=1e-5, **parts)
        names = {"mlp.w1": "mlp.fc1_g", "mlp.w2": "mlp.fc1_x", "mlp.w3": "mlp.fc2"}
        own = {k.removeprefix(f"block_list.{number}."): v for k, v in state.items() if f"block_list.{number}." in k}
        for old, new in names.items():
            own = {key.replace(old, new): value for key, value in own.items()}
        block.load_state_dict(own)
        blocks.append(block.eval())
    norm = torch.nn.LayerNorm(d)
    norm.load_state_dict({"weight": state["ln_final.weight"], "bias": state["ln_final.bias"]})
    rng = np.random.default_rng(0)
    images = [
        ImageTokens(*(rng.standard_normal(shape).astype(np.float32) for shape in ((d,), (4, d), (h, w, d))))
        for h, w in ((3, 5), (4, 4))
    ]
    found = open_text_space("mini", folder).images(images)
    for row, one in zip(found, images, strict=True):
        tokens = torch.from_numpy(np.concatenate([one.cls[None], one.registers, one.patches.reshape(-1, d)]))[None]
        with torch.inference_mode():
            for block in blocks:
                tokens = block(tokens)
            tokens = norm(tokens)[0]
        wanted = torch.cat([tokens[0], tokens[5:].mean(dim=0)])
        assert np.abs(row - (wanted / wanted.norm()).numpy()).max() < 1e-6


def test_the_official_shapes_and_names() -> None:
    """Names and shapes of facebookresearch/dinov2's TextTower and VisionHead, on the meta device."""
    from dinosearch.embedding.text.tower import TextTower, TowerConfig
    from dinosearch.embedding.text.vision_head import HeadConfig, VisionHead

    with torch.device("meta"):
        tower, head = TextTower(TowerConfig()).state_dict(), VisionHead(HeadConfig()).state_dict()
    assert tower["token_embedding.weight"].shape == (49408, 1280)
    assert tower["positional_embedding"].shape == (77, 1280)
    assert tower["blocks.23.feed_forward.fc1.weight"].shape == (5120, 1280)
    assert tower["blocks.0.attention.qkv.weight"].shape == (3840, 1280) and "blocks.0.attention.qkv.bias" not in tower
    assert tower["head.linear_projection.weight"].shape == (2048, 1280)
    assert head["blocks.1.mlp.w1.weight"].shape == (2752, 1024) and "linear_projection.weight" not in head
    assert {key.split(".")[2] for key in head if key.startswith("blocks")} == {
        "norm1", "attn", "ls1", "norm2", "mlp", "ls2",
    }  # fmt: skip
    assert set(ROWS) == {"dinov2_vitl14_reg4", "dinov3_vitl16"}


def test_one_file_may_hold_both_as_dinov3s_does(folder: Path, tmp_path: Path) -> None:
    both = {f"text_model.{k}": v for k, v in load_file(folder / "text_tower.safetensors").items()}
    head = load_file(folder / "vision_head.safetensors")
    both |= {f"visual_model.head.{k.replace('block_list', 'blocks')}": v for k, v in head.items()}
    row = ROWS["dinov3_vitl16"]
    name = row.head.replace("-a442d8f5", "")
    torch.save(both, tmp_path / name)
    (tmp_path / VOCABULARY).write_bytes((folder / VOCABULARY).read_bytes())
    (tmp_path / name).rename(tmp_path / row.head)
    with pytest.raises(DamagedWeightsError, match="a442d8f5"):
        open_text_space("dinov3_vitl16", tmp_path).texts(["a door"])
    for part in ("vision_head", "text_tower"):
        save_file(both, tmp_path / f"{part}.safetensors")
    (tmp_path / row.head).unlink()
    one, other = open_text_space("dinov3_vitl16", tmp_path), open_text_space("mini", folder)
    assert np.array_equal(one.texts(TEXTS), other.texts(TEXTS))


def test_what_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match="_head.pth and .*text_encoder.pth and bpe_.*put them"):
        open_text_space("dinov2_vitl14_reg4", tmp_path)
    with pytest.raises(WeightsUnavailableError, match="no text space for dinov2_vits14.*--model dinov2_vitl14_reg4"):
        open_text_space("dinov2_vits14", tmp_path)
    with pytest.raises(SettingError, match="without words"):
        open_text_space("mini", folder).texts(["a", " "])


DAMAGE = {
    "no vocabulary": (VOCABULARY, b"\x1f\x8b damaged"),
    "no pairs": (VOCABULARY, gzip.compress(b"#\na b c\n")),
    "another vocabulary": (VOCABULARY, gzip.compress(b"#\na b\n")),
    "no tower": ("text_tower.safetensors", b"damaged"),
    "no head": ("vision_head.safetensors", b"damaged"),
}


@pytest.mark.parametrize("name, data", DAMAGE.values(), ids=DAMAGE)
def test_damaged_files_are_refused(folder: Path, tmp_path: Path, name: str, data: bytes) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes() if path.name != name else data)
    with pytest.raises(DamagedWeightsError, match=name):
        open_text_space("mini", tmp_path).texts(["a door"])


def test_files_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    other = write_text_files(tmp_path / "other", dimension=128)
    (other / "text_tower.safetensors").write_bytes((folder / "text_tower.safetensors").read_bytes())
    with pytest.raises(DamagedWeightsError, match="128 numbers, those of images 256"):
        open_text_space("mini", other).texts(["a door"])
    state = load_file(folder / "vision_head.safetensors")
    del state["block_list.1.mlp.w2.weight"]
    save_file(state, other / "vision_head.safetensors")
    with pytest.raises(DamagedWeightsError, match="no part of dino.txt"):
        open_text_space("mini", other).dimension  # noqa: B018


def test_absent_packages_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ftfy", None)
    with pytest.raises(SettingError, match=r"pip install 'dinosearch\[text\]'"):
        open_text_space("mini", folder).texts(["a door"])
