"""The contract of `contract.py` for what is kept of parts of images: vectors of windows, and patch tokens.

Answers are compared with brute force over windows that are pooled here from the pictures, and with those of a folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection
from dinosearch.collection.asking.regions import RegionSearch
from dinosearch.collection.asking.tokens import TokenReader
from dinosearch.embedding.tokens import ImageTokens
from dinosearch.errors import SettingError
from dinosearch.images import resize
from dinosearch.records import Hit, Preprocessing
from dinosearch.retrieval.boxes import refine_box
from dinosearch.retrieval.windows import WINDOWS, pool_windows
from tests.conftest import FakeEmbedder, write_photo
from tests.engines.contract import Where

EACH = len(WINDOWS)
PHOTOS = 20


class TokenEmbedder(FakeEmbedder):
    """With tokens: mean and spread of colour in each patch, turned and bent, 24 numbers.

    Attributes:
        described: how many images went through `tokens`.
    """

    described = 0

    def tokens(self, pixels: Sequence[np.ndarray]) -> list[ImageTokens]:
        self.described += len(pixels)
        turned = np.random.default_rng(7).standard_normal((6, 24))
        found = []
        for image in pixels:
            rows, columns = image.shape[0] // 14, image.shape[1] // 14
            cells = image.reshape(rows, 14, columns, 14, 3).astype(np.float32)
            seen = np.concatenate([cells.mean(axis=(1, 3)), cells.std(axis=(1, 3))], axis=2)
            patches = np.tanh((seen / 64 - 2) @ turned).astype(np.float32)
            found.append(ImageTokens(patches[0, 0], np.empty((0, 24), np.float32), patches))
        return found


@pytest.fixture
def embedder() -> TokenEmbedder:
    return TokenEmbedder()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed in range(PHOTOS):
        write_photo(tmp_path / "photos" / f"{seed:02}.png", seed)
    return tmp_path / "photos"


def holds_windows(where: Where) -> bool:
    return not where.kind.startswith("milvus")


def rows_of(collection: Collection) -> dict[str, int]:
    return {derived.kind: derived.rows for derived in collection.info().derived}


def part_of(path: Path) -> Image.Image:
    """The lower right quarter and a little more."""
    with Image.open(path) as image:
        return image.convert("RGB").crop((28, 20, 64, 48))


def windows_of(collection: Collection, embedder: TokenEmbedder, path: Path) -> np.ndarray:
    """(84, d) the windows of a picture, made anew."""
    basis = collection._opened.basis("regions")
    with Image.open(path) as image:
        pixels = resize(image.convert("RGB"), Preprocessing("squash", 448), 14)
    return basis.apply(pool_windows(embedder.tokens([pixels])[0].patches, basis.centre))


def assert_brute_force(hits: list[Hit], collection: Collection, embedder: TokenEmbedder, part: Image.Image) -> None:
    """Scores rank by rank, each of its own image, and boxes are those of brute force over fresh windows."""
    query = RegionSearch(collection._opened, embedder)._query(part)
    cosines = {hit.id: (windows_of(collection, embedder, Path(hit.path)) @ query.T).max(axis=1) for hit in hits}
    assert np.allclose([hit.score for hit in hits], [cosines[hit.id].max() for hit in hits], atol=3e-3)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    boxes = refine_box(np.stack([cosines[hit.id] for hit in hits]))
    assert np.allclose([hit.box for hit in hits], boxes, atol=0.02)


def test_windows_answer_as_brute_force_and_as_in_a_folder(
    where: Where, tmp_path: Path, photos: Path, embedder: TokenEmbedder
) -> None:
    if not holds_windows(where):
        with where.open(create=True, embedder=embedder) as collection:
            for verb in (lambda: collection.index(photos, regions=True), lambda: collection.query(1, regions=True)):
                with pytest.raises(SettingError, match="can keep no regions, which only a folder can hold so far"):
                    verb()
        return
    part = part_of(photos / "04.png")
    with (
        where.open(create=True, embedder=embedder) as collection,
        Collection.open(tmp_path / "folder", create=True, embedder=embedder) as folder,
    ):
        for one in (collection, folder):
            one.index(photos, regions=True)
        assert rows_of(collection) == {"regions": PHOTOS * EACH} and collection.verify().problems == ()
        for exact in (False, True):
            hits = collection.query(part, regions=True, k=PHOTOS + 5, exact=exact)
            assert len({hit.id for hit in hits}) == PHOTOS, "each once, all of them"
            assert hits[0].path == str(photos / "04.png")
            assert_brute_force(hits, collection, embedder, part)
            there = folder.query(part, regions=True, k=PHOTOS, exact=exact)
            assert np.allclose([hit.score for hit in hits], [hit.score for hit in there], atol=3e-3)
            near = {hit.path: hit.box for hit in there}
            assert np.allclose([hit.box for hit in hits], [near[hit.path] for hit in hits], atol=0.02)
            some = collection.query(part, regions=True, k=9, exact=exact, where="name ~ '0[2-6].png' or id = 19")
            assert [hit.id for hit in some] == [
                hit.id for hit in hits if hit.path[-6:-4] in "02 03 04 05 06 18".split()
            ]
            assert collection.query(part, regions=True, where="width > 64", exact=exact) == []
        whole = collection.query(photos / "04.png", box=(0.45, 0.4, 1.0, 1.0))
        assert whole[0].box is not None and str(photos / "04.png") not in [hit.path for hit in whole]


def test_windows_follow_the_images(where: Where, photos: Path, embedder: TokenEmbedder) -> None:
    """Added, removed, brought back and dropped; what a crash leaves is named and mended."""
    if not holds_windows(where):
        pytest.skip("refused, see above")
    late, kept = photos / "late.png", {"regions": True, "keep_patches": True}
    with where.open(create=True, embedder=embedder) as collection:
        collection.index(photos, **kept)
        write_photo(late, 99)
        before = embedder.described
        assert collection.index(photos).added == 1
        assert embedder.described == before + 2, "one pass for windows, one for patches"
        assert rows_of(collection) == {"regions": 21 * EACH, "patches": 21}
        info = collection.info()
        assert info.bytes > sum(derived.bytes for derived in info.derived) > 21 * (EACH + 256) * 24
        assert collection.query(part_of(late), regions=True, k=1)[0].path == str(late)
        late.unlink()
        assert collection.index(photos).removed == 1
        assert str(late) not in [hit.path for hit in collection.query(part_of(photos / "03.png"), regions=True, k=30)]
        collection.compact()
        assert rows_of(collection) == {"regions": PHOTOS * EACH, "patches": PHOTOS}
        assert collection.verify().problems == ()

        opened = collection._opened
        if not where.is_local:
            windows, tokens = opened.search("regions"), opened.search("patches")
            stray = windows.vectors(np.arange(5 * EACH, 6 * EACH))
            windows.upsert(np.arange(900 * EACH, 901 * EACH), stray)
            tokens.upsert(np.array([900]), tokens.vectors(np.array([5])))
            windows.delete(np.arange(3 * EACH, 4 * EACH))
            tokens.delete(np.array([4]))
            assert len(collection.query(part_of(photos / "03.png"), regions=True, k=30)) == PHOTOS - 1
            told = {problem.path: problem.reason for problem in collection.verify().problems}
            assert told.keys() == {"regions", "patches"} and all("of no known image" in text for text in told.values())
            assert collection.verify(repair=True).ok and collection.verify().problems == ()
            assert rows_of(collection) == {"regions": (PHOTOS - 1) * EACH, "patches": PHOTOS - 1}
            collection.index(photos)
            assert rows_of(collection) == {"regions": PHOTOS * EACH, "patches": PHOTOS}

        collection.index(photos, regions=False)
        assert rows_of(collection) == {"patches": PHOTOS}
        with pytest.raises(SettingError, match="dinosearch index FOLDER --regions"):
            collection.query(late, regions=True)
        held = opened.place.bytes({g.number for g in opened.store.generations().values() if g.kind == "patches"})
        assert held > PHOTOS * 256
        collection.index(photos, keep_patches=False)
        assert rows_of(collection) == {}


def test_kept_tokens_are_those_of_the_pictures(where: Where, photos: Path, embedder: TokenEmbedder) -> None:
    with where.open(create=True, embedder=embedder) as collection:
        collection.index(photos, keep_patches=True)
        assert rows_of(collection) == {"patches": PHOTOS}
        reader = TokenReader(collection._opened, embedder)
        ids, before = np.array([1, 7, 20, 2000]), embedder.described
        known, kept = reader.of_images(ids)
        assert embedder.described == before and known.tolist() == [True, True, True, False]
        for image_id, patches in zip(ids.tolist(), kept, strict=False):
            cosines = (reader.of_query([f"id:{image_id}"]) * patches).sum(axis=1)
            assert len(cosines) == 256 and np.median(cosines) > 0.999 and cosines.min() > 0.98
        hits = collection.query(photos / "03.png", k=5, rerank="maxsim", include_self=True)
        assert hits[0].path == str(photos / "03.png") and embedder.described == before + 3 + 1
    with where.open(embedder=embedder) as collection:
        opened = collection._opened
        if where.is_local:
            return
        basis, number = (
            opened.place.basis(opened.generation_of("patches").number),
            opened.generation_of("patches").number,
        )
        held = opened.store.packed(number, [5])[5]
        with opened.store.transaction() as tx:
            tx.put_packed(number, {5: held[:-1]})
        assert [problem.path for problem in collection.verify().problems] == ["patches"]
        assert collection.verify(repair=True).ok and collection.verify().problems == ()
        number = opened.generation_of("patches").number
        with opened.store.transaction() as tx:
            tx.put_packed(number, {0: basis[:-1] + bytes([basis[-1] ^ 1])})
    with where.open(embedder=embedder) as collection:
        assert [problem.path for problem in collection.verify().problems] == ["patches"]
        assert collection.verify(repair=True).ok and collection.verify().problems == ()
        assert rows_of(collection) == {"patches": PHOTOS}


def test_another_model_gets_windows_and_tokens_of_its_own(where: Where, photos: Path, embedder: TokenEmbedder) -> None:
    kept = {"regions": holds_windows(where), "keep_patches": True}
    with where.open(create=True, embedder=embedder) as collection:
        collection.index(photos, **kept)
        rows, before = rows_of(collection), collection._opened.basis("patches").centre
        other = TokenEmbedder("other")
        assert collection.migrate(embedder=other).outcome == "answering"
        assert other.described and rows_of(collection) == rows and collection.verify().problems == ()
        assert not np.shares_memory(collection._opened.basis("patches").centre, before)
        if holds_windows(where):
            hits = collection.query(part_of(photos / "04.png"), regions=True, k=3)
            assert_brute_force(hits, collection, embedder, part_of(photos / "04.png"))
        (photos / "03.png").unlink()
        collection.index(photos)
        collection.compact()
        assert collection.verify().problems == ()
        assert collection.migrate_back(embedder=embedder).outcome == "answering"
        each = {kind: number * (PHOTOS - 1) // PHOTOS for kind, number in rows.items()}
        assert rows_of(collection) == each and collection.verify().problems == ()
        collection.forget_kept()
        assert rows_of(collection) == each and collection.verify().problems == ()
