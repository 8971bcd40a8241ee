"""The contract of verbs that compare pictures patch by patch, with the bundled model on the sample images."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection
from dinosearch.client import Client
from dinosearch.errors import ImageNotFoundError, ImageUnreadableError, SettingError
from tests.serving import served

SAMPLES = Path(__file__).resolve().parents[2] / "sample_images"
LANDMARKS = sorted(folder.name for folder in SAMPLES.iterdir() if folder.is_dir())[:3]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Iterator[tuple[Collection, str]]:
    home = tmp_path_factory.mktemp("samples") / "index"
    with Collection.open(home, create=True, model="mini") as collection:
        collection.index(*(SAMPLES / name for name in LANDMARKS), regions=True, workers=1)
        with served({"samples": collection}) as url:
            yield collection, url


@pytest.fixture(params=["embedded", "remote"])
def samples(request, made) -> Iterator[Collection | Client]:
    collection, url = made
    if request.param == "embedded":
        yield collection
    else:
        with Client(url) as client:
            yield client


def photo(view: int) -> Path:
    return sorted((SAMPLES / LANDMARKS[0]).glob("*.jpg"))[view]


def id_of(collection: Collection, path: Path) -> int:
    return next(file["id"] for file in collection.files() if file["path"] == str(path))


def test_an_explanation_is_the_same_to_the_last_number(samples: Collection | Client, made):
    """By upload and by id, against what the library says; the oracle of the library has tests of its own."""
    first, second = id_of(made[0], photo(0)), id_of(made[0], photo(1))
    for query in (photo(0), photo(0).read_bytes(), first, f"id:{first}"):
        found, wanted = samples.explain(query, f"id:{second}"), made[0].explain(photo(0), second)
        for name in (field.name for field in fields(wanted)):
            mine, theirs = getattr(found, name), getattr(wanted, name)
            pairs = zip(mine, theirs, strict=True) if isinstance(mine, tuple) else [(mine, theirs)]
            for one, other in pairs:
                np.testing.assert_array_equal(one, other, err_msg=name)
        assert found.matched == wanted.matched


def test_it_is_drawn(samples: Collection | Client, made):
    second = id_of(made[0], photo(1))
    explanation, data = samples.draw_explanation(photo(0).read_bytes(), second)
    with Image.open(io.BytesIO(data)) as drawn:
        assert drawn.format == "PNG" and min(drawn.size) > 200
    assert explanation.score == pytest.approx(made[0].explain(photo(0), second).score, abs=1e-6)


def test_a_box_is_searched_in_regions(samples: Collection | Client, made):
    """A part of a picture finds the pictures it is a part of, each hit with its box."""
    asked = {"box": (0.2, 0.2, 0.8, 0.8), "k": 6}
    hits, wanted = samples.query(photo(0).read_bytes(), **asked), made[0].query(photo(0).read_bytes(), **asked)
    assert hits == wanted
    assert Path(hits[0].path).parent.name == LANDMARKS[0]
    assert all(hit.box is not None for hit in hits)
    whole = samples.query(photo(0), box=(0.2, 0.2, 0.8, 0.8), regions=False, k=6)
    assert all(hit.box is None for hit in whole) and str(photo(0)) not in [hit.path for hit in whole]


@pytest.mark.parametrize("rerank", ["thorough", "geometry", "balanced"])
def test_stages_that_compare_pictures(samples: Collection | Client, made, rerank: str):
    hits = samples.query(photo(2).read_bytes(), k=8, rerank=rerank)
    assert hits == made[0].query(photo(2).read_bytes(), k=8, rerank=rerank)
    assert hits[0].path == str(photo(2))


def test_what_cannot_be_compared(samples: Collection | Client, made):
    with pytest.raises(ImageNotFoundError):
        samples.explain(photo(0), "id:999999")
    with pytest.raises(ImageUnreadableError):
        samples.explain(b"no image", 1)
    with pytest.raises(SettingError):
        samples.query(made[0].vectors([1])[1][0], rerank="geometry")
    if isinstance(samples, Client):
        with pytest.raises(SettingError, match="id"):
            samples.explain(photo(0), photo(1))
