"""`dinosearch dense`: each verb with `mini` on the sample images, attention with a small transformer, and mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinosearch.cli import cli
from tests.cli.conftest import objects
from tests.embedding.tiny import REGISTERS, write_weights

SAMPLES = Path(__file__).resolve().parents[2] / "sample_images"
TEMPLES = [str(SAMPLES / f"temple/temple_{number}.jpg") for number in (1, 3, 6)]
MINI = ["--model", "mini", "--size", "224"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DINOSEARCH_HOME", raising=False)
    monkeypatch.delenv("DINOSEARCH_DEVICE", raising=False)
    return tmp_path


def dense(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["dense", *map(str, arguments)], catch_exceptions=False)


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        assert picture.format == path.suffix[1:].upper().replace("JPG", "JPEG")
        return picture.size


def test_pca(here: Path) -> None:
    result = dense("pca", *TEMPLES, *MINI, "-o", "colours.png", "--arrays", "colours.npz", "--json")
    assert result.exit_code == 0, result.stderr
    found = objects(result)
    assert [one["path"] for one in found] == TEMPLES
    assert "picture: colours.png\narrays: colours.npz\n" in result.stderr
    assert size_of(here / "colours.png")[0] == 1480
    with np.load("colours.npz") as arrays:
        assert arrays["images"].tolist() == TEMPLES
        for number, one in enumerate(found):
            kept = arrays[f"foreground_{number}"]
            assert list(kept.shape) == one["grid"] and max(kept.shape) == 224 // 16
            assert one["foreground"] == pytest.approx(kept.mean(), abs=1e-3)
            assert (kept == (arrays[f"first_{number}"] > 0)).all()
            assert arrays[f"components_{number}"].shape == arrays[f"colours_{number}"].shape == (*kept.shape, 3)
    flipped = objects(dense("pca", *TEMPLES, *MINI, "--arrays", "x.npz", "--flip", "--json", "--quiet"))
    assert [one["foreground"] for one in flipped] == pytest.approx([1 - one["foreground"] for one in found], abs=1e-3)
    whole = dense("pca", TEMPLES[0], *MINI, "--arrays", "x.npz", "--whole", "--quiet")
    assert whole.stdout.endswith("100 % foreground\n") and not whole.stderr


def test_match(here: Path) -> None:
    result = dense("match", *TEMPLES[:2], *MINI, "-n", "5", "-o", "places.png", "--arrays", "places.npz", "--json")
    assert result.exit_code == 0, result.stderr
    pairs = objects(result)
    assert [pair["number"] for pair in pairs] == [1, 2, 3, 4, 5]
    sizes = [size_of(Path(path)) for path in TEMPLES[:2]]
    for pair in pairs:
        for place, size in zip((pair["first"], pair["second"]), sizes, strict=True):
            assert 0 < place[0] < size[0] and 0 < place[1] < size[1]
    assert sorted((pair["saliency"] for pair in pairs), reverse=True) == [pair["saliency"] for pair in pairs]
    with np.load("places.npz") as arrays:
        assert arrays["first"].tolist() == [pair["first"] for pair in pairs]
        assert arrays["cosine"].shape == (5,)
    assert size_of(here / "places.png")[0] == 1480
    table = dense("match", *TEMPLES[:2], *MINI, "-n", "5").stdout.splitlines()
    assert table[0].split()[:3] == ["pair", "x", "in"] and len(table) == 6
    # A photo corresponds to itself place by place.
    for pair in objects(dense("match", TEMPLES[0], TEMPLES[0], *MINI, "--json")):
        assert pair["first"] == pair["second"] and pair["cosine"] == pytest.approx(1, abs=1e-5)


def test_no_match_ends_with_1(here: Path) -> None:
    blank = here / "blank.png"
    Image.new("RGB", (64, 64), (90, 90, 90)).save(blank)
    result = dense("match", blank, blank, *MINI, "--threshold", "1", "-o", "none.png")
    assert result.exit_code == 1 and not result.stdout
    assert "a lower --threshold finds more" in result.stderr
    assert size_of(here / "none.png")[0] == 1480


@pytest.mark.parametrize("verb", ["cosegment", "parts"])
def test_segments(here: Path, verb: str) -> None:
    options = ["-o", "sheet.png", "--masks", "deep/masks", "--arrays", "labels.npz", "--json"]
    result = dense(verb, *TEMPLES, *MINI, *options)
    assert result.exit_code == 0, result.stderr
    found = objects(result)
    assert [one["path"] for one in found] == TEMPLES
    with np.load("labels.npz") as arrays:
        for number, one in enumerate(found):
            labels = arrays[f"labels_{number}"]
            assert sum(one["shares"]) == pytest.approx(1, abs=1e-3)
            assert one["shares"][0] == pytest.approx((labels == 0).mean(), abs=1e-3) and one["shares"][0] < 1
            assert len(one["shares"]) == (2 if verb == "cosegment" else 5)
            with Image.open(one["mask"]) as mask, Image.open(TEMPLES[number]) as photo:
                assert mask.size == photo.size == (one["width"], one["height"])
                numbers = np.unique(np.asarray(mask))
                assert set(numbers) <= ({0, 255} if verb == "cosegment" else set(range(5)))
                share = (np.asarray(mask) == 0).mean()
                assert share == pytest.approx(one["shares"][0], abs=0.05)
    assert size_of(here / "sheet.png")[0] == 1480
    words = dense(verb, *TEMPLES, *MINI, "--quiet").stdout
    assert words.count(" % of the image") == 3 and words.count("part 4 ") == (0 if verb == "cosegment" else 3)


def test_nothing_in_common_ends_with_1(here: Path) -> None:
    result = dense("cosegment", *TEMPLES, *MINI, "--threshold", "1", "-o", "sheet.png", "--masks", "masks")
    assert result.exit_code == 1 and not result.stdout
    assert "nothing in common" in result.stderr
    assert list(here.iterdir()) == []


def test_attention_of_a_transformer(here: Path) -> None:
    weights = write_weights(here / "tiny.safetensors", REGISTERS)
    made = ["--model", "mini", "--weights", weights, "--size", "112"]
    result = dense(
        "attention", TEMPLES[0], *made, "--stride", "7", "-o", "looks.png", "--arrays", "looks.npz", "--json"
    )
    assert result.exit_code == 0, result.stderr
    (found,) = objects(result)
    with np.load("looks.npz") as arrays:
        assert arrays["attention"].shape == (3, *found["grid"]) == (3, 11, 15)
        np.testing.assert_allclose(arrays["attention"].sum(axis=(1, 2)), found["on_patches"], atol=1e-3)
    assert max(found["on_patches"]) <= 1
    assert size_of(here / "looks.png")[0] == 1480
    assert dense("attention", TEMPLES[0], *made, "-o", "looks.png").stdout.count(" % on patches") == 3
    keys = ["--facet", "key", "--layer", "0", "--bin", "--json"]
    pairs = objects(dense("match", TEMPLES[0], TEMPLES[0], *made, *keys))
    assert pairs and all(pair["first"] == pair["second"] for pair in pairs)


def test_an_unreadable_image_is_left_out_and_told(here: Path) -> None:
    (here / "bad.jpg").write_bytes(b"no image")
    result = dense("pca", TEMPLES[0], "bad.jpg", *MINI, "-o", "colours.png", "--json")
    assert result.exit_code == 3
    assert [one["path"] for one in objects(result)] == TEMPLES[:1]
    assert "dinosearch: bad.jpg: not an image; left out" in result.stderr


def test_images_of_a_collection(here: Path) -> None:
    folder = SAMPLES / "temple"
    made = CliRunner().invoke(cli, ["index", str(folder), "--model", "mini", "--quiet"])
    assert made.exit_code == 0
    (one,) = objects(dense("pca", "id:1", *MINI, "--arrays", "x.npz", "--json"))
    assert Path(one["path"]).parent == folder
    for image in ("id:999", "id:x", "id:" + "9" * 40):
        result = dense("pca", image, *MINI, "--arrays", "x.npz")
        assert result.exit_code == 2 and f"there is no image {image} in index" in result.stderr


MISTAKES = [
    (["pca", TEMPLES[0]], "say where the colours go: -o FILE.png, --arrays FILE.npz, or both"),
    (["attention", TEMPLES[0]], "say where the attention goes"),
    (["attention", TEMPLES[0], "-o", "x.png"], "mini is a network of convolutions and has no attention; use a Vision"),
    (
        ["match", TEMPLES[0], TEMPLES[1], "--facet", "key"],
        "has no key of a patch; use a Vision Transformer such as",
    ),
    (["match", TEMPLES[0], TEMPLES[1], "--stride", "8"], "has no other stride than its own"),
    (["match", TEMPLES[0], "gone.jpg"], "gone.jpg: no such file"),
    (["match", TEMPLES[0]], "Missing argument 'SECOND'"),
    (["parts", TEMPLES[0], "-n", "0"], "-n"),
    (["parts", TEMPLES[0], "--layer", "9"], "mini has no layer 9; use 0 to 3, or for the last: --layer -1"),
    (["cosegment", TEMPLES[0], "-o", "x.jpg"], "x.jpg does not end with .png"),
    (["cosegment", TEMPLES[0], "-o", "nowhere/x.png"], "there is no folder"),
    (["cosegment", TEMPLES[0], "--arrays", "x.npy"], "x.npy does not end with .npz"),
    (["pca", TEMPLES[0], "--size", "5", "-o", "x.png"], "a size of 5 pixels is not possible"),
]


@pytest.mark.parametrize(("arguments", "why"), MISTAKES)
def test_mistakes(here: Path, arguments: list[str], why: str) -> None:
    result = dense(*arguments, "--model", "mini")
    assert result.exit_code == 2
    assert why in result.stderr
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("verb", ["pca", "attention", "match", "cosegment", "parts"])
def test_help_begins_with_what_it_does_and_an_example(verb: str) -> None:
    usage, sentence, example = dense(verb, "--help").stdout.split("\n\n")[:3]
    assert usage.startswith(f"Usage: cli dense {verb} ")
    assert sentence.startswith("  ") and sentence.endswith(".")
    assert example.startswith(f"    dinosearch dense {verb}")
