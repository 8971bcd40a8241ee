"""Facets of many rows against a count of every file, one by one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.collection.keeping import transfer
from dinosearch.collection.keeping.transfer import write_vectors
from dinosearch.server.wire import facets
from dinosearch.store import facets as store_facets
from tests.conftest import FakeEmbedder
from tests.server.conftest import HERE, NAME, Serve

ROWS, FOLDERS = 1_500, 90


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Files in folders, archives and folders with odd names, of several cameras, some without a date."""
    folder, rng = tmp_path_factory.mktemp("facets"), np.random.default_rng(1)
    odd = ["/caf\udce9", "/a b/[c]", "/", "/C:\\photos", "/x/y.tar::", "/x/y.tar::inside/"]
    places = [f"/photos/{number % 7}/{number}" for number in range(FOLDERS)] + odd
    paths = []
    for number in range(ROWS):
        place = places[int(len(places) * rng.random() ** 2)]
        mark = "" if place.endswith(("/", "::")) else "\\" if "\\" in place else "/"
        paths.append(f"{place}{mark}{number}.jpg")
    as_json = transfer._to_json

    def varied(record: Any) -> dict[str, Any]:
        row, number = as_json(record), record.id
        row.update(
            width=100 + number % 97,
            height=50 + number % 89,
            size=1_000 + 7 * number,
            format="JPG PNG".split()[number % 2],
        )
        row["taken"] = None if number % 5 == 0 else f"20{number % 20:02}-03-{1 + number % 27:02}T10:11:12"
        row["camera"] = None if number % 3 == 0 else f"Camera {number % 11}"
        return row

    embedder = FakeEmbedder()
    rows = rng.normal(size=(ROWS, embedder.fingerprint.dimension)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "_to_json", varied)
        write_vectors(folder / "export", embedder.fingerprint, paths, rows)
    with Collection.open(folder / "home", create=True, embedder=embedder) as collection:
        collection.import_(folder / "export")
        ids = collection.ids()
        collection.tag(ids[::4], [f"label {number % 3}" for number in range(len(ids[::4]))], given=False)
        collection.remove(f"id:{ids[0]}")
        yield collection


def folder_of(path: str) -> str:
    archive, inside, _ = path.rpartition("::")
    if inside:
        return archive
    return path[: max(path.rfind("/"), path.rfind("\\"))] or "/"


def counted(values: list[Any]) -> dict[Any, int]:
    return dict(Counter(value for value in values if value is not None))


def test_facets_count_every_file(serve: Serve, many: Collection) -> None:
    rows = list(many.files())
    assert len(rows) == ROWS - 1
    found = serve({NAME: many}).get(f"{HERE}/facets").json()
    expected = {
        ("folders", "path"): [folder_of(row["path"]) for row in rows],
        ("formats", "format"): [row["format"] for row in rows],
        ("cameras", "camera"): [row["camera"] for row in rows],
        ("labels", "label"): [row.get("label") for row in rows],
    }
    for (kind, name), values in expected.items():
        assert {one[name]: one["files"] for one in found[kind]} == counted(values), kind
        assert len(found[kind]) > 1
    taken = [row["taken"] for row in rows if row["taken"]]
    assert found["taken"] == {"first": min(taken), "last": max(taken)}
    for name in ("width", "height", "size"):
        values = [row[name] for row in rows]
        assert found[name] == {"min": min(values), "max": max(values)}


def test_of_too_many_those_with_most_files_are_named(
    serve: Serve, many: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets, "MOST", 20)
    monkeypatch.setattr(facets, "_known", {})
    counts = Counter(folder_of(row["path"]) for row in many.files())
    found = serve({NAME: many}).get(f"{HERE}/facets").json()["folders"]
    assert len(found) == 20
    assert sorted(one["files"] for one in found) == sorted(count for _, count in counts.most_common(20))
    assert all(counts[one["path"]] == one["files"] for one in found)


def test_another_state_is_counted_anew(serve: Serve, many: Collection, tmp_path: Path) -> None:
    client = serve({NAME: many})
    before = client.get(f"{HERE}/facets").json()
    number = int(many.ids()[5])
    path = next(many.files(f"id = {number}"))["path"]
    many.remove(f"id:{number}")
    after = client.get(f"{HERE}/facets").json()
    ends = [{one["path"]: one["files"] for one in facets_["folders"]} for facets_ in (before, after)]
    assert ends[0][folder_of(path)] - ends[1].get(folder_of(path), 0) == 1


def test_after_a_label_only_labels_are_counted(serve: Serve, many: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever counts all the files again is found out; what labels are then is what the files say."""
    client, other = serve({NAME: many}), many.ids()[1]
    before = client.get(f"{HERE}/facets").json()
    counted_anew: list[int] = []
    whole = store_facets.read_facets

    def counting(connection: Any) -> Any:
        counted_anew.append(1)
        return whole(connection)

    monkeypatch.setattr(store_facets, "read_facets", counting)
    many.tag([other], ["only one"], given=True)
    many.say_not_duplicates([(int(other), int(many.ids()[2]))])
    after = client.get(f"{HERE}/facets").json()
    assert counted_anew == [] and {**after, "labels": before["labels"]} == before
    expected = counted([row.get("label") for row in many.files()])
    assert {one["label"]: one["files"] for one in after["labels"]} == expected == many.facets().labels
    many.facets().folders.clear()
    assert {one["path"]: one["files"] for one in after["folders"]} == many.facets().folders
    many.remove(f"id:{many.ids()[7]}")
    left = client.get(f"{HERE}/facets").json()
    assert counted_anew == [1] and sum(one["files"] for one in left["formats"]) == len(list(many.files()))
