"""One contract for a collection on this machine and one on a server: the same questions, the same answers.

Every test runs over `Collection` and over `Client`. Its oracle is brute force over the vectors in the home, which are
read past both.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection
from dinosearch.client import Client
from dinosearch.errors import FilterError, ImageNotFoundError, ImageUnreadableError, SettingError
from tests.conftest import FakeEmbedder, write_photo
from tests.serving import served

Either = Collection | Client
COUNT = 40


@dataclass
class Photos:
    """A collection of photos 00.png .. 39.png, a copy of photo 07, and the vectors of all as the oracle has them."""

    either: Either
    folder: Path
    ids: dict[str, int]
    vectors: dict[int, np.ndarray]

    def path(self, number: int) -> Path:
        return self.folder / f"{number:02}.png"

    def id(self, number: int) -> int:
        return self.ids[str(self.path(number))]

    def nearest(self, query: np.ndarray, skip: tuple[Any, ...] = ()) -> list[tuple[str, float]]:
        """Paths with their cosines, best first; copies beside each other by their path."""
        unit = query / np.linalg.norm(query)
        scores = {path: float(self.vectors[number] @ unit) for path, number in self.ids.items()}
        return sorted(
            ((p, s) for p, s in scores.items() if p not in skip and self.ids[p] not in skip),
            key=lambda x: (-x[1], x[0]),
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Iterator[tuple[Collection, str, Path]]:
    folder = tmp_path_factory.mktemp("contract")
    for number in range(COUNT):
        write_photo(folder / "photos" / f"{number:02}.png", number, (64 + number, 48))
    (folder / "photos" / "copy.png").write_bytes((folder / "photos" / "07.png").read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DINOSEARCH_DECODE", "inline")
        with Collection.open(folder / "home", create=True, embedder=FakeEmbedder()) as collection:
            collection.index(folder / "photos")
            with served({"photos": collection}) as url:
                yield collection, url, folder / "photos"


@pytest.fixture(params=["embedded", "remote"])
def photos(request, made) -> Iterator[Photos]:
    collection, url, folder = made
    ids, rows = collection.vectors()
    known = dict(zip(ids.tolist(), rows, strict=True))
    paths = {file["path"]: file["id"] for file in collection.files()}
    if request.param == "embedded":
        yield Photos(collection, folder, paths, known)
    else:
        with Client(url) as client:
            yield Photos(client, folder, paths, known)


def agree(hits: list[Any], wanted: list[tuple[str, float]]) -> None:
    assert [hit.path for hit in hits] == [path for path, _ in wanted]
    np.testing.assert_allclose([hit.score for hit in hits], [score for _, score in wanted], atol=1e-6)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))


def test_ranking_and_scores_equal_brute_force(photos: Photos, tmp_path: Path):
    for seed in (100, 101, 102):
        photo = write_photo(tmp_path / f"{seed}.png", seed)
        vector = FakeEmbedder().embed([np.asarray(Image.open(photo).resize((224, 224), Image.Resampling.BICUBIC))])[0]
        for exact in (False, True):
            agree(photos.either.query(photo, k=100, exact=exact, rerank="fast"), photos.nearest(vector))
        agree(photos.either.query(photo, k=5, exact=True), photos.nearest(vector)[:5])


def test_every_form_of_an_image_gives_the_same_answer(photos: Photos):
    photo = photos.path(3)
    with Image.open(photo) as opened:
        pixels = np.asarray(opened.convert("RGB"))
        forms = [
            photo.read_bytes(),
            bytearray(photo.read_bytes()),
            opened.copy(),
            pixels,
            pixels / 255,
            pixels[..., [0, 1, 2]],
        ]
    wanted = photos.nearest(photos.vectors[photos.id(3)])
    for form in forms:
        agree(photos.either.query(form, k=50, rerank="fast"), wanted)
    agree(photos.either.query(photos.vectors[photos.id(3)], k=50, rerank="fast"), wanted)
    agree(photos.either.query(2.5 * photos.vectors[photos.id(3)], k=50, rerank="fast"), wanted)
    without = photos.nearest(photos.vectors[photos.id(3)], (str(photo),))
    for form in (photo, str(photo), photos.id(3), np.int64(photos.id(3)), f"id:{photos.id(3)}"):
        agree(photos.either.query(form, k=50, rerank="fast"), without)
        agree(photos.either.query(form, k=50, rerank="fast", include_self=True), wanted)


def test_pictures_lie_upright_before_they_are_sent(photos: Photos, tmp_path: Path):
    """A file turned by its EXIF, given as the opened image and as bytes."""
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(photos.path(5)) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as turned:
        hits = [photos.either.query(form, k=1)[0] for form in (turned, (tmp_path / "turned.png").read_bytes())]
    assert [(hit.path, hit.score > 0.9999) for hit in hits] == [(str(photos.path(5)), True)] * 2


def test_own_files_are_left_out_and_the_rest_moves_up(photos: Photos):
    """A copy of the asked file under another path is an answer; the file itself is none."""
    hits = photos.either.query(photos.path(7), k=3)
    assert hits[0].path == str(photos.folder / "copy.png") and hits[0].rank == 1
    assert len(hits) == 3
    assert str(photos.path(7)) not in [hit.path for hit in photos.either.query(photos.path(7), k=50)]
    number = photos.id(7)
    assert number not in [hit.id for hit in photos.either.query(number, k=50)]


def test_identical_files_once_or_each(photos: Photos):
    data = photos.path(7).read_bytes()
    both = [Path(hit.path).name for hit in photos.either.query(data, k=2)]
    assert both == ["07.png", "copy.png"]
    once = photos.either.query(data, k=50, unique=True)
    assert len({hit.id for hit in once}) == len(once) == COUNT


def test_several_images_negatives_and_weights(photos: Photos):
    a, b, c, d = (photos.vectors[photos.id(number)] for number in range(4))
    images, negative = [photos.path(0), photos.id(1)], [photos.path(2).read_bytes(), f"id:{photos.id(3)}"]
    skip = (str(photos.path(0)), photos.id(1), photos.id(3))
    agree(
        photos.either.query(*images, negative=negative, k=50, rerank="fast"),
        photos.nearest((a + b) / 2 - 0.5 * (c + d) / 2, skip),
    )
    agree(
        photos.either.query(
            *images, negative=negative, weights=[3, 1], negative_weights=[0.25, 0.75], k=50, rerank="fast"
        ),
        photos.nearest((3 * a + b) / 4 - 0.5 * (c + 3 * d) / 4, skip),
    )


@pytest.mark.parametrize(
    "where", ["width > 90", "name = '12.png' or name = '13.png'", "id < 10 and not (width = 70)", "width < 0"]
)
def test_filters(photos: Photos, where: str, made):
    allowed = {file["path"] for file in made[0].files(where)}
    vector = photos.vectors[photos.id(0)]
    wanted = [(path, score) for path, score in photos.nearest(vector) if path in allowed]
    agree(photos.either.query(vector, k=50, where=where, rerank="fast"), wanted)
    assert [file["path"] for file in photos.either.files(where)] == [f["path"] for f in made[0].files(where)]


def test_thresholds(photos: Photos):
    vector = photos.vectors[photos.id(11)]
    wanted = photos.nearest(vector)
    threshold = (wanted[9][1] + wanted[10][1]) / 2
    agree(photos.either.query(vector, k=50, threshold=threshold, rerank="fast"), wanted[:10])
    agree(photos.either.query(vector, k=50, threshold=np.float32(threshold), rerank="fast"), wanted[:10])


def test_boxes_ask_with_a_part(photos: Photos, tmp_path: Path):
    """The part of a picture, as fractions and as pixels, is asked with as if it were the picture."""
    with Image.open(photos.path(20)) as image:
        image.crop((21, 12, 63, 36)).save(tmp_path / "part.png")
    wanted = [(hit.path, hit.score) for hit in photos.either.query(tmp_path / "part.png", k=10, rerank="fast")]
    data = photos.path(20).read_bytes()
    agree(photos.either.query(data, k=10, box=(21, 12, 63, 36), rerank="fast"), wanted)
    agree(photos.either.query(data, k=10, box=(0.25, 0.25, 0.75, 0.75), rerank="fast"), wanted)


@pytest.mark.parametrize("rerank", [None, "fast", "balanced", "expansion", "k-reciprocal"])
def test_stages_give_the_same_order(photos: Photos, made, rerank: str | None):
    """The oracle of re-ranking is `Collection`: the stages have their own tests."""
    hits = photos.either.query(photos.vectors[photos.id(4)], k=20, rerank=rerank)
    wanted = made[0].query(photos.vectors[photos.id(4)], k=20, rerank=rerank)
    agree(hits, [(hit.path, hit.score) for hit in wanted])


def test_hits_have_all_fields(photos: Photos, made):
    hit = photos.either.query(photos.path(9).read_bytes(), k=1)[0]
    size = photos.path(9).stat().st_size
    assert (hit.path, hit.id, hit.width, hit.height) == (str(photos.path(9)), photos.id(9), 73, 48)
    assert (hit.format, hit.size, hit.taken, hit.camera, hit.box, hit.confidence) == (
        "PNG",
        size,
        None,
        None,
        None,
        None,
    )
    assert hit == made[0].query(photos.path(9).read_bytes(), k=1)[0]


ERRORS: dict[str, tuple[type[Exception], Any]] = {
    "no image": (ValueError, lambda c, p: c.query()),
    "k 0": (ValueError, lambda c, p: c.query(1, k=0)),
    "k of vectors 0": (ValueError, lambda c, p: c.search_vectors(np.ones(96), 0)),
    "id": (ImageNotFoundError, lambda c, p: c.query("id:999999")),
    "negative id": (ImageNotFoundError, lambda c, p: c.query(-5)),
    "large id": (ImageNotFoundError, lambda c, p: c.query(f"id:{10**40}")),
    "no id": (ImageNotFoundError, lambda c, p: c.query("id:abc")),
    "file": (ImageNotFoundError, lambda c, p: c.query(p / "gone.png")),
    "folder": (ImageUnreadableError, lambda c, p: c.query(p)),
    "bytes": (ImageUnreadableError, lambda c, p: c.query(b"this is no image at all")),
    "empty bytes": (ImageUnreadableError, lambda c, p: c.query(b"")),
    "half an image": (ImageUnreadableError, lambda c, p: c.query((p / "01.png").read_bytes()[:200])),
    "embed bytes": (ImageUnreadableError, lambda c, p: c.embed(b"nothing")),
    "shape of pixels": (ValueError, lambda c, p: c.query(np.zeros((2, 2, 7), np.uint8))),
    "kind of pixels": (TypeError, lambda c, p: c.query(np.zeros((2, 2, 3), np.int64))),
    "no image type": (TypeError, lambda c, p: c.query(object())),
    "filter": (FilterError, lambda c, p: c.query(1, where="width >")),
    "filter of files": (FilterError, lambda c, p: list(c.files("nonsense = 1"))),
    "filter of vectors": (FilterError, lambda c, p: c.search_vectors(np.ones(96), where="(")),
    "stage": (SettingError, lambda c, p: c.query(1, rerank="magic")),
    "precision": (SettingError, lambda c, p: c.query(1, precision=0.9)),
    "precision 2": (SettingError, lambda c, p: c.query(1, precision=2)),
    "regions": (Exception, lambda c, p: c.query(1, regions=True)),
    "box without area": (SettingError, lambda c, p: c.query(p / "01.png", box=(0.5, 0.5, 0.5, 0.9))),
    "box of two": (SettingError, lambda c, p: c.query(1, 2, box=(0, 0, 1, 1))),
    "weights": (SettingError, lambda c, p: c.query(1, 2, weights=[1])),
    "weights below 0": (SettingError, lambda c, p: c.query(1, 2, weights=[1, -1])),
    "weights of nothing": (SettingError, lambda c, p: c.query(1, 2, negative_weights=[1])),
    "cancelled": (SettingError, lambda c, p: c.query(c.embed(p / "01.png")[0], -c.embed(p / "01.png")[0])),
    "zero vector": (ValueError, lambda c, p: c.query(np.zeros(96, np.float32))),
    "short vector": (ValueError, lambda c, p: c.query(np.ones(95, np.float32))),
    "infinite vector": (ValueError, lambda c, p: c.search_vectors(np.full(96, np.inf, np.float32))),
    "vectors of another kind": (ValueError, lambda c, p: c.search_vectors(np.ones((2, 97), np.float32))),
    "ranked zero": (ValueError, lambda c, p: c.rank(np.zeros(96))),
    "vectors of no image": (ImageNotFoundError, lambda c, p: c.vectors([1, 999999])),
    "explain without tokens": (SettingError, lambda c, p: c.explain(1, "id:2")),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_of_the_same_class(photos: Photos, made, name: str):
    """And what a server says of its part is a sentence, no trace."""
    kind, ask = ERRORS[name]
    with pytest.raises(Exception) as here:
        ask(made[0], photos.folder)
    assert isinstance(here.value, kind)
    with pytest.raises(type(here.value)) as found:
        ask(photos.either, photos.folder)
    assert isinstance(found.value, kind)
    assert "Traceback" not in str(found.value) and "dinosearch/" not in str(found.value)


def test_embed(photos: Photos, made):
    forms = [
        photos.path(1),
        photos.id(2),
        f"id:{photos.id(3)}",
        photos.path(4).read_bytes(),
        photos.vectors[photos.id(5)] * 3,
    ]
    found = photos.either.embed(*forms)
    assert (found.shape, found.dtype) == ((5, 96), np.float32)
    np.testing.assert_allclose(found, [photos.vectors[photos.id(number)] for number in range(1, 6)], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    many = photos.either.embed(*(photos.path(number) for number in range(COUNT)))
    np.testing.assert_allclose(many, [photos.vectors[photos.id(number)] for number in range(COUNT)], atol=1e-6)
    assert photos.either.embed().shape == (0, 96)


def test_search_by_vectors(photos: Photos):
    rows = np.stack([photos.vectors[photos.id(number)] for number in (1, 2, 3)])
    for given in (rows, rows.astype(np.float64), 7 * rows):
        found = photos.either.search_vectors(given, 50)
        for row, hits in zip(rows, found, strict=True):
            agree(hits, photos.nearest(row))
    (single,) = photos.either.search_vectors(rows[0], 4, exact=True, where="width > 70")
    wanted = [x for x in photos.nearest(rows[0]) if int(Path(x[0]).stem.replace("copy", "07")) > 6][:4]
    agree(single, wanted)


def test_rank(photos: Photos):
    rng = np.random.default_rng(5)
    queries = rng.normal(size=(300, 96)).astype(np.float32)
    ids, scores = photos.either.rank(queries, 7)
    assert (ids.shape, ids.dtype, scores.dtype) == ((300, 7), np.int64, np.float32)
    known = np.array(sorted(photos.vectors))
    cosines = queries @ np.stack([photos.vectors[i] for i in known]).T
    cosines /= np.linalg.norm(queries, axis=1, keepdims=True)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :7]
    np.testing.assert_array_equal(ids, known[order])
    np.testing.assert_allclose(scores, np.take_along_axis(cosines, order, 1), atol=1e-6)
    only = known[[3, 5, 8]]
    ids, scores = photos.either.rank(queries[0], 5, ids=only)
    assert set(ids[0, :3].tolist()) == set(only.tolist()) and ids[0, 3:].tolist() == [-1, -1]
    assert np.all(np.isneginf(scores[0, 3:])) and np.all(np.isfinite(scores[0, :3]))
    ids, _ = photos.either.rank(queries[0], 5, ids=np.array([], np.int64))
    assert ids.tolist() == [[-1] * 5]


def test_vectors(photos: Photos, made):
    ids, rows = photos.either.vectors()
    assert (ids.dtype, rows.dtype) == (np.int64, np.float32)
    assert ids.tolist() == sorted(photos.vectors)
    np.testing.assert_array_equal(rows, [photos.vectors[number] for number in ids.tolist()])
    some = [photos.id(9), photos.id(2), photos.id(9)]
    ids, rows = photos.either.vectors(some)
    assert ids.tolist() == some
    np.testing.assert_array_equal(rows, [photos.vectors[number] for number in some])
    ids, rows = photos.either.vectors([])
    assert (ids.shape, rows.shape) == ((0,), (0, 96))


def test_info_and_files(photos: Photos, made):
    assert photos.either.info() == made[0].info()
    assert list(photos.either.files()) == list(made[0].files())
    assert len(list(photos.either.files())) == COUNT + 1


def test_many_pages_make_one_answer(photos: Photos, made, monkeypatch):
    """With pages of 7, which change nothing for the one who asks."""
    for place in ("lister", "reader"):
        monkeypatch.setattr(f"dinosearch.client.{place}.PAGE", 7)
    monkeypatch.setattr("dinosearch.client.reader._VECTORS", 3)
    vector = photos.vectors[photos.id(8)]
    agree(photos.either.query(vector, k=30, rerank="fast"), photos.nearest(vector)[:30])
    agree(photos.either.query(photos.path(8).read_bytes(), k=100, rerank="fast"), photos.nearest(vector))
    assert list(photos.either.files()) == list(made[0].files())
    assert photos.either.vectors()[0].tolist() == sorted(photos.vectors)
    rows = np.stack(list(photos.vectors.values()))
    np.testing.assert_array_equal(photos.either.rank(rows, 3)[0], made[0].rank(rows, 3)[0])


def test_it_closes_with_its_block(photos: Photos):
    kind, home = type(photos.either), photos.either.home
    assert repr(photos.either) == f"{kind.__name__}({str(home)!r})"


def test_a_jpeg_of_another_size_finds_its_original(photos: Photos):
    buffer = io.BytesIO()
    with Image.open(photos.path(30)) as image:
        image.resize((400, 300)).save(buffer, "JPEG", quality=90)
    assert photos.either.query(buffer.getvalue(), k=1)[0].path == str(photos.path(30))
