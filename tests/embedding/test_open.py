"""Opening an embedder by name: which weights are taken, what `auto` does, what the fingerprint says."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dinosearch.embedding import CHECKPOINTS, open_embedder, resolve
from dinosearch.embedding.checkpoints import BUNDLED
from dinosearch.embedding.families.dinov2 import TransformerConfig
from dinosearch.errors import DamagedWeightsError, SettingError, UnknownCheckpointError, WeightsUnavailableError
from dinosearch.records import Preprocessing
from tests.embedding.random_weights import random_transformer

FILE = "dinov2_vits14_pretrain.pth"
Put = Callable[[str], Path]


@pytest.fixture
def put_official(weight_places: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Put a random ViT-S/14 at a place and make its digest the published one."""

    def put(place: str) -> Path:
        path = weight_places / place / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(random_transformer(TransformerConfig(**CHECKPOINTS["dinov2_vits14"].shape)).state_dict(), path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(CHECKPOINTS, "dinov2_vits14", replace(CHECKPOINTS["dinov2_vits14"], sha256=digest))
        return path

    return put


def photo(side: int = 224) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(side, side, 3), dtype=np.uint8)


def test_importing_loads_no_torch() -> None:
    program = (
        "import sys, dinosearch.embedding; dinosearch.embedding.find_checkpoint('mini'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_auto_offline_falls_to_mini_with_one_line(weight_places: Path) -> None:
    lines: list[str] = []
    embedder = open_embedder("auto", notify=lines.append, device="cpu")
    assert embedder.fingerprint.checkpoint == "mini"
    assert embedder.fingerprint.weights_sha256 == hashlib.sha256(BUNDLED.read_bytes()).hexdigest()
    assert len(lines) == 1
    assert "\n" not in lines[0]
    for part in ("'mini'", FILE, str(weight_places / "weights"), "--model dinov2_vits14"):
        assert part in lines[0]
    vector = embedder.embed([photo()])
    assert vector.shape == (1, CHECKPOINTS["mini"].dimension) == (1, embedder.fingerprint.dimension)
    assert abs(np.linalg.norm(vector) - 1) < 1e-6


@pytest.mark.parametrize("behaviour", ["refuses", "says nothing"])
def test_auto_without_an_answer_falls_to_mini_within_three_seconds(
    behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DINOSEARCH_OFFLINE")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    lines: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/{FILE}"
        monkeypatch.setitem(CHECKPOINTS, "dinov2_vits14", replace(CHECKPOINTS["dinov2_vits14"], url=url))
        if behaviour == "refuses":
            listener.close()
        started = time.monotonic()
        checkpoint, path = resolve("auto", notify=lines.append)
        seconds = time.monotonic() - started
    assert (checkpoint.name, path) == ("mini", BUNDLED)
    assert seconds < 3
    assert len(lines) == 1


@pytest.mark.parametrize("place", ["weights", "torch/hub/checkpoints"])
def test_auto_takes_dinov2_that_is_here(place: str, put_official: Put) -> None:
    path = put_official(place)
    lines: list[str] = []
    embedder = open_embedder("auto", notify=lines.append, device="cpu")
    assert lines == []
    print_ = embedder.fingerprint
    assert (print_.checkpoint, print_.dimension, print_.preprocessing, print_.pooling) == (
        "dinov2_vits14", 384, "squash-224", "cls",
    )  # fmt: skip
    assert print_.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert embedder.embed([photo()]).shape == (1, 384)


def test_wrong_file_under_the_official_name_is_not_replaced_by_mini(put_official: Put) -> None:
    path = put_official("weights")
    path.write_bytes(path.read_bytes()[:-1])
    for model in ("auto", "dinov2_vits14"):
        with pytest.raises(DamagedWeightsError, match="SHA-256"):
            open_embedder(model)


def test_file_by_name_needs_no_published_digest(tmp_path: Path) -> None:
    path = tmp_path / "tuned.pth"
    config = TransformerConfig(**CHECKPOINTS["dinov2_vits14_reg4"].shape)
    torch.save(random_transformer(config).state_dict(), path)
    embedder = open_embedder(
        "facebook/dinov2-with-registers-small", weights=str(path), preprocessing=Preprocessing("fit", 112), device="cpu"
    )
    assert embedder.fingerprint.checkpoint == "dinov2_vits14_reg4"
    assert embedder.fingerprint.preprocessing == "fit-112"
    assert embedder.tokens([photo(112)])[0].registers.shape == (4, 384)
    with pytest.raises(DamagedWeightsError, match="has the unknown register_tokens"):
        open_embedder("auto", weights=path)


def test_model_asked_for_by_name_never_becomes_another(weight_places: Path) -> None:
    with pytest.raises(WeightsUnavailableError) as caught:
        open_embedder("dinov2_vitb14_reg4")
    for part in ("dinov2_vitb14_reg4_pretrain.pth", str(weight_places / "weights"), "DINOSEARCH_OFFLINE"):
        assert part in str(caught.value)


def test_errors_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(UnknownCheckpointError):
        open_embedder("resnet50")
    with pytest.raises(WeightsUnavailableError, match="there is no weight file"):
        open_embedder("mini", weights=tmp_path / "none.pth")
    with pytest.raises(SettingError, match="size 225 is no multiple"):
        open_embedder("mini", preprocessing=Preprocessing("squash", 225))
