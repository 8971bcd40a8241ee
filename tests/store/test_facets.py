"""Facets of both dialects against a count of the records."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone

from dinosearch.records import ImageInfo, Label
from dinosearch.store import MetadataStore
from tests.store.conftest import put


def test_facets_are_those_of_the_records(store: MetadataStore) -> None:
    infos = [
        ImageInfo(100 + number, 90 - number, ("JPEG", "PNG")[number % 2], taken, camera)
        for number, (taken, camera) in enumerate(
            [(datetime(2020, 5, 17, 10, 11, 12), "A"), (None, None), (datetime(2019, 1, 1), "B \udce9"), (None, "A")]
            * 3
        )
    ]
    places = ["/a", "/a/b", "/caf\udce9", "/x.tar::in"]
    ids = [
        put(store, f"{places[number % 4]}/{number}.jpg", str(number // 2), infos[number // 2], size=50 + number)
        for number in range(24)
    ]
    now = datetime.now(timezone.utc)
    store.put_labels(Label(number, f"label {number % 3} \udce9", 1.0, True, now) for number in sorted(set(ids))[::2])
    records = list(store.iter_records())
    found = store.facets()
    expected = [record.path.rpartition("::")[0] or record.path.rpartition("/")[0] for record in records]
    assert found.folders == Counter(expected)
    for name, kind in (("formats", "format"), ("cameras", "camera"), ("labels", "label")):
        counts = Counter(getattr(record, kind) for record in records)
        del counts[None]
        assert getattr(found, name) == counts and len(counts) > 1
    for name in ("taken", "width", "height", "size"):
        values = [value for record in records if (value := getattr(record, name)) is not None]
        span = getattr(found, name)
        assert (span.first, span.last) == (min(values), max(values))


def test_nothing_has_no_facets(store: MetadataStore) -> None:
    found = store.facets()
    assert (found.folders, found.formats, found.cameras, found.labels) == ({}, {}, {}, {})
    assert (found.taken.first, found.size.last) == (None, None)
