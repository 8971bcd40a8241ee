"""Maps: neighbourhoods are kept, pictures cover no others, and the same collection gives the same map."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.manifold import trustworthiness

from dinosearch.analysis import Projection, project
from dinosearch.analysis.layout import draw_map
from dinosearch.analysis.layout.arranging import grid_for, parted, snapped, spread
from tests.analysis.vector_home import vector_home


def groups(count: int, each: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(count, 1, 24)) + 0.3 * rng.normal(size=(count, each, 24))
    rows = rows.reshape(-1, 24)
    unit: np.ndarray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_neighbourhoods_are_kept_better_than_by_principal_components(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = groups(12, 20)
    collection = vector_home(tmp_path / "home", vectors)
    found = project(collection)
    assert found.method == "t-SNE"
    kept = trustworthiness(vectors, found.xy, n_neighbors=10, metric="cosine")
    centred = vectors - vectors.mean(axis=0)
    plane = np.linalg.svd(centred, full_matrices=False)[0][:, :2]
    assert kept > 0.95
    flat = trustworthiness(vectors, plane, n_neighbors=10, metric="cosine")
    assert 1 - kept < (1 - flat) / 2
    grid = grid_for(len(vectors), 10**6, 1.5)
    laid = trustworthiness(vectors, snapped(found.xy, grid)[1], n_neighbors=10, metric="cosine")
    assert laid > 0.9, "the cells of the grid keep them too"
    part = project(collection, where="id > 100")
    np.testing.assert_array_equal(part.ids, np.arange(101, 241))
    np.testing.assert_array_equal(project(collection, where="id > 100").xy, part.xy)


def test_no_two_images_in_one_cell() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 2, 7, 300):
        xy = np.round(rng.normal(0.5, 0.1, (count, 2)), 1)  # many on one spot
        grid = grid_for(count, 10**6, 1.43)
        places, cells = snapped(xy, grid)
        np.testing.assert_array_equal(places, np.arange(count))
        assert len({tuple(cell) for cell in cells.tolist()}) == count
        assert (cells >= 0).all() and (cells < grid).all()


def test_of_many_images_each_cell_shows_the_one_nearest_to_its_middle() -> None:
    rng = np.random.default_rng(0)
    xy, grid = rng.random((5000, 2)), (20, 14)
    places, cells = snapped(xy, grid)
    at = (xy - xy.min(axis=0)) / np.ptp(xy, axis=0) * (np.array(grid) - 1)
    assert len(places) == 280
    for place, cell in zip(places.tolist(), cells, strict=True):
        away = np.linalg.norm(at - cell, axis=1)
        assert away[place] == pytest.approx(away.min())


def test_spread_images_are_far_from_each_other() -> None:
    rng = np.random.default_rng(0)
    xy = np.concatenate([rng.normal(0.5, 0.01, (500, 2)), rng.random((20, 2))])
    found = spread(xy, 20)
    assert len(set(found.tolist())) == 20
    distance = np.linalg.norm(xy[found][:, None] - xy[found][None], axis=2) + 9 * np.eye(20)
    assert distance.min() > 0.05, "one of the crowd, not twenty"
    assert sorted(spread(np.full((6, 2), 0.5), 9)) == list(range(6))


def test_parted_images_do_not_cover_each_other_and_keep_their_neighbours() -> None:
    rng = np.random.default_rng(0)
    xy = np.concatenate([rng.normal(centre, 0.01, (30, 2)) for centre in (0.1, 0.5, 0.9)]).astype(np.float32)
    found = parted(xy, 1.6)
    assert found.min() == 0 and found.max() == 1
    at = found * (1.6, 1)
    distance = np.linalg.norm(at[:, None] - at[None], axis=2) + 9 * np.eye(90)
    assert distance.min() > 0.4 * np.sqrt(1.6 / 90)
    group = np.repeat(np.arange(3), 30)
    assert (group[distance.argmin(axis=1)] == group).mean() > 0.95
    assert np.isfinite(parted(np.full((5, 2), 0.5), 1.6)).all()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_pictures_with_what_cannot_be_read(tmp_path: Path, count: int) -> None:
    (tmp_path / "<").mkdir()
    Image.new("RGB", (90, 60), (200, 30, 30)).save(tmp_path / "</script>.png")
    paths = {1: str(tmp_path / "</script>.png"), 2: str(tmp_path / "gone.png")}  # 3 has left
    found = Projection(np.arange(1, count + 1), np.linspace(0, 1, 2 * count).reshape(-1, 2).astype(np.float32), "PCA")
    draw_map(found, paths, tmp_path / "map.png", "t")
    with Image.open(tmp_path / "map.png") as image:
        red = (np.abs(np.asarray(image.convert("RGB")).astype(int) - (200, 30, 30)).max(axis=2) < 4).sum()
    assert (red > 1000) == (count > 0)
    draw_map(found, paths, tmp_path / "map.html", "<b>t</b>")
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert "<b>t" not in page and page.count("</script>") == 2
    assert not re.search(r'(?:src|href)="(?!data:)', page), "nothing outside the file"
    assert page.count("data:image/jpeg") == (count > 0)
    with pytest.raises(ValueError, match=r"\.png or \.html"):
        draw_map(found, paths, tmp_path / "map.gif", "t")
