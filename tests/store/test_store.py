"""What the store answers after what was put in: files, images, failures, generations, settings."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dinosearch.records import FoundFile, Generation, ImageInfo, IndexInfo, Problem
from dinosearch.store import KnownFile, MetadataStore, parse_filter
from tests.store.conftest import FINGERPRINT, INFO, digest, put
from tests.store.test_paths import texts

INDEX = IndexInfo("IVF4,Flat", 100, 80, 4, {10: 2, 100: 3}, 0.98, {10: 0.991, 100: 0.985}, 64)


def test_a_file_comes_back_as_it_was_put(store: MetadataStore) -> None:
    before = datetime.now(timezone.utc)
    info = ImageInfo(6000, 4000, "HEIF", datetime(2019, 2, 28, 23, 59, 58, 123456), "Canon EOS 80D")
    image_id = put(store, "/p/a.heic", "a", info, size=123, mtime_ns=1_600_000_000_123_456_789)
    record = store.by_path("/p/a.heic")
    assert record is not None
    assert (record.id, record.path, record.sha256) == (image_id, "/p/a.heic", digest("a"))
    assert (record.width, record.height, record.format, record.size) == (6000, 4000, "HEIF", 123)
    assert (record.taken, record.camera) == (info.taken, info.camera)
    assert record.modified == datetime(2020, 9, 13, 12, 26, 40, 123456, tzinfo=timezone.utc)
    assert before <= record.added <= datetime.now(timezone.utc)
    assert store.by_id(image_id) == record
    assert store.by_path("/p/b.heic") is None
    assert store.by_id(image_id + 1) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(paths=st.sets(texts.filter(bool), min_size=1, max_size=8))
def test_odd_paths_survive(store: MetadataStore, paths: set[str]) -> None:
    for path in paths:
        put(store, path, path)
    found = store.known()
    assert paths <= found.keys()
    for path in paths:
        record = store.by_path(path)
        assert record is not None and record.path == path
        assert store.known_paths([path, path + "x"]) == {path: found[path]}
        assert store.known(path)[path] == found[path]
    with store.transaction() as tx:
        tx.remove_locations(paths)
    assert not paths & store.known().keys()


def test_facts_of_stored_and_of_new_images(store: MetadataStore) -> None:
    infos = [ImageInfo(side, 1, "PNG", datetime(2020, 1, side), f"camera {side}") for side in (1, 2, 3)]
    first, second = (put(store, f"/p/{info.width}", str(info.width), info) for info in infos[:2])
    with store.transaction() as tx:
        third = tx.add_image(digest("3"), infos[2])
        facts = tx.facts([third, first, second])
        assert [fact.id for fact in facts] == [third, first, second]
        assert [fact.info for fact in facts] == [infos[2], *infos[:2]]
    record = store.by_id(first)
    assert record is not None and record.added == facts[1].added < facts[0].added


def test_unicode_normal_forms_are_two_files(store: MetadataStore) -> None:
    put(store, "/p/\u00e9.jpg", "a")
    put(store, "/p/e\u0301.jpg", "b")
    assert len(store.known()) == 2


def test_under_a_folder(store: MetadataStore) -> None:
    paths = [
        "/a/b",
        "/a/b/c",
        "/a/b/d/e",
        "/a/bc",
        "/a/b.tar",
        "/a/b.tar::m/n",
        "/a/b%/x",
        "/a/bX/x",
        "/a/b_/x",
        "/A/b/c",
        "/a/b\udcff/z",
    ]
    for path in paths:
        put(store, path, path)
    expected = {
        "/a/b": ["/a/b", "/a/b/c", "/a/b/d/e"],
        "/a/b/": ["/a/b/c", "/a/b/d/e"],
        "/a/b.tar": ["/a/b.tar", "/a/b.tar::m/n"],
        "/a/b%": ["/a/b%/x"],
        "/a/b_": ["/a/b_/x"],
        "/a/b\udcff": ["/a/b\udcff/z"],
        "/a/*": [],
        "/": paths,
    }
    for folder, inside in expected.items():
        assert sorted(store.known(folder)) == sorted(inside), folder
        assert store.count_under(folder) == len(inside)
    with store.transaction() as tx:
        for path in paths:
            tx.put_failure(Problem(path, "no"))
    assert sorted(store.known_failures("/a/b")) == expected["/a/b"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    paths=st.sets(st.text("ab/:\U0010ffff\ud7ff\ue000\udc80", min_size=1, max_size=6), max_size=12),
    folder=st.text("ab/:\U0010ffff\ud7ff", min_size=1, max_size=3),
)
def test_under_any_folder_equals_the_plain_rule(store: MetadataStore, paths: set[str], folder: str) -> None:
    with store.transaction() as tx:
        tx.remove_locations(list(store.known()))
        image_id = tx.add_image(
            digest(f"{sorted(store.live_ids())}{sorted(paths)!r}{folder!r}{id(tx)}{datetime.now()}"), INFO
        )
        for path in paths:
            tx.put_location(FoundFile(path, 1, 1), image_id)
    inside = folder if folder.endswith("/") else folder + "/"
    expected = {path for path in paths if path == folder or path.startswith((inside, folder + "::"))}
    assert set(store.known(folder)) == expected


def test_known_holds_what_a_run_needs(store: MetadataStore) -> None:
    image_id = put(store, "/p/a", "a", size=5, mtime_ns=-7)
    (entry,) = store.known().values()
    assert entry == KnownFile(1, image_id, 5, -7)
    put(store, "/p/a", "b", size=6, mtime_ns=2**70)
    assert store.known()["/p/a"][:3] == (1, image_id + 1, 6)


def test_images_live_as_long_as_they_have_a_file(store: MetadataStore) -> None:
    first = put(store, "/p/a", "same", size=11)
    assert put(store, "/p/b", "same", size=11) == first
    assert [record.path for record in store.records([first])] == ["/p/a", "/p/b"]
    with store.transaction() as tx:
        tx.remove_locations(["/p/a", "/p/unknown"])
    assert store.live_ids().tolist() == [first]
    with store.transaction() as tx:
        tx.remove_locations(["/p/b"])
    assert (store.live_ids().tolist(), store.removed_ids().tolist(), store.removed_sizes()) == ([], [first], {11})
    assert store.records([first]) == []
    assert put(store, "/q/c", "same", size=11) == first  # revived, not stored again
    assert (store.live_ids().tolist(), store.removed_ids().tolist(), store.removed_sizes()) == ([first], [], set())
    second = put(store, "/q/c", "other")
    assert (store.live_ids().tolist(), store.removed_ids().tolist()) == ([second], [first])


def test_later_calls_in_a_transaction_win(store: MetadataStore) -> None:
    with store.transaction() as tx:
        a, b = tx.add_image(digest("a"), INFO), tx.add_image(digest("b"), INFO)
        tx.put_location(FoundFile("/x", 1, 1), a)
        tx.remove_locations(["/x"])
        tx.put_location(FoundFile("/x", 2, 2), b)
        tx.put_location(FoundFile("/y", 1, 1), b)
        tx.remove_locations(["/y"])
        tx.put_failure(Problem("/x", "broken"))
        tx.put_failure(Problem("/z", "broken"))
        tx.put_location(FoundFile("/z", 3, 3), b)
    assert {path: entry.image_id for path, entry in store.known().items()} == {"/x": b, "/z": b}
    assert (store.live_ids().tolist(), store.removed_ids().tolist()) == ([b], [a])
    assert list(store.failures()) == [Problem("/x", "broken")]


def test_ids_are_never_reused(store: MetadataStore) -> None:
    ids = [put(store, "/p/a", str(i)) for i in range(3)]
    with store.transaction() as tx:
        tx.remove_locations(["/p/a"])
    store.forget_removed()
    assert store.ids_by_sha256([digest(str(i)) for i in range(3)]) == {}
    assert put(store, "/p/a", "0") > max(ids)


def test_forget_removed_keeps_what_has_a_file(store: MetadataStore) -> None:
    gone, other, live = (put(store, f"/p/{name}", name) for name in "abc")
    with store.transaction() as tx:
        tx.remove_locations(["/p/a", "/p/b"])
        tx.forget_removed([gone, live, 99])
    assert store.removed_ids().tolist() == [other]
    assert store.live_ids().tolist() == [live]


def test_images_that_wait_for_a_vector_are_not_answered_but_kept(store: MetadataStore) -> None:
    first, second, gone = (put(store, f"/p/{name}", name) for name in "abc")

    def seen() -> tuple[list[int], ...]:
        asked = store.live_ids(), store.waiting_ids(), store.placed_ids(), store.removed_ids()
        return tuple(ids.tolist() for ids in asked)

    with store.transaction() as tx:
        tx.remove_locations(["/p/c"])
        tx.let_wait([first], True)
    for _ in "before", "after":
        assert seen() == ([second], [first], [first, second], [first, gone])
        counts = store.counts()
        assert (counts["images"], counts["waiting"], counts["removed"]) == (1, 1, 1)
        store.forget_removed([first])  # it has a file
    with store.transaction() as tx:
        tx.let_wait([first], False)
    assert seen() == ([first, second], [], [first, second], [gone])


def test_failures(store: MetadataStore) -> None:
    with store.transaction() as tx:
        tx.put_failure(Problem("/p/b\udcfe", "not an image: b\udcfe"), 10, 20)
        tx.put_failure(Problem("/p/a", "truncated JPEG"), 1, 2)
    assert store.known_failures() == {"/p/a": (1, 2, "truncated JPEG"), "/p/b\udcfe": (10, 20, "not an image: b\udcfe")}
    put(store, "/p/a", "a")
    with store.transaction() as tx:
        tx.clear_failures(["/p/b\udcfe", "/p/never"])
    assert list(store.failures()) == []


def test_many_ids_and_paths_at_once(store: MetadataStore) -> None:
    count = 2500  # more than one IN list
    with store.transaction() as tx:
        for i in range(count):
            tx.put_location(FoundFile(f"/p/{i:05d}", i, i), tx.add_image(digest(str(i)), INFO))
    order = list(range(count, 0, -1))
    assert [record.id for record in store.records(order)] == order
    assert len(store.known_paths(f"/p/{i:05d}" for i in range(count))) == count
    assert store.ids_by_sha256([digest(str(i)) for i in range(count)]) == {digest(str(i)): i + 1 for i in range(count)}
    assert store.select(parse_filter("size >= 100 and size < 2300")).tolist() == list(range(101, 2301))
    assert [record.id for record in store.iter_records(parse_filter("id <= 3"))] == [1, 2, 3]
    with store.transaction() as tx:
        tx.remove_locations([f"/p/{i:05d}" for i in range(count)])
    assert store.counts() == {"images": 0, "locations": 0, "failures": 0, "removed": count, "waiting": 0, "roots": 0}


def test_records_filters_files_not_images(store: MetadataStore) -> None:
    image_id = put(store, "/p/a.jpg", "same")
    put(store, "/q/b.jpg", "same")
    where = parse_filter("folder = /q")
    assert [record.path for record in store.records([image_id], where)] == ["/q/b.jpg"]
    assert store.select(where).tolist() == [image_id]
    assert store.select(parse_filter("not folder = /q")).tolist() == [image_id]


def test_generations(store: MetadataStore) -> None:
    assert store.generation() is None
    assert store.create_generation(FINGERPRINT) == Generation(1, FINGERPRINT, 0)
    second = store.create_generation(FINGERPRINT)
    assert (second.number, store.generation()) == (2, Generation(1, FINGERPRINT, 0))
    with store.transaction() as tx:
        tx.commit_rows(1, 256)
    store.set_index(1, INDEX, "cd" * 32)
    assert store.generation() == Generation(1, FINGERPRINT, 256, "cd" * 32, INDEX)
    store.set_index(1, None, None)
    assert store.generation() == Generation(1, FINGERPRINT, 256)
    new = Generation(7, FINGERPRINT, 3, "ef" * 32, INDEX)
    gone = put(store, "/p/a", "a")
    with store.transaction() as tx:
        tx.remove_locations(["/p/a"])
    store.switch_generation(new, forget_removed=True)
    assert store.generation() == new
    assert gone not in store.removed_ids()
    assert store.create_generation(FINGERPRINT).number == 8
    with pytest.raises(ValueError, match="no generation 3"), store.transaction() as tx:
        tx.commit_rows(3, 1)


def test_settings_and_roots(store: MetadataStore) -> None:
    assert store.setting("weights") is None
    store.set_setting("weights", "/w/a\udc80.pth")
    store.set_setting("weights", ["/w/b.pth", 2])
    assert store.setting("weights") == ["/w/b.pth", 2]
    with store.transaction() as tx:
        tx.add_root("/b\udc80", {"exclude": ["*.gif", "\udc80"]})
        tx.add_root("/a")
        tx.add_root("/c")
        tx.add_root("/c", {"follow_symlinks": True})
        tx.remove_roots(["/a"])
    assert store.roots() == {"/b\udc80": {"exclude": ["*.gif", "\udc80"]}, "/c": {"follow_symlinks": True}}


def test_changes_counts_writes_only(store: MetadataStore) -> None:
    before = store.changes()
    with store.transaction():
        pass
    with pytest.raises(RuntimeError), store.transaction() as tx:
        tx.add_root("/a")
        raise RuntimeError
    assert store.changes() == before
    assert store.roots() == {}
    put(store, "/p/a", "a")
    store.set_setting("a", 1)
    assert store.changes() == before + 2


def test_threads_read_while_one_writes(store: MetadataStore) -> None:
    done = threading.Event()

    def read() -> int:
        seen = 0
        while not done.is_set():
            # Both files of a transaction are there, or neither.
            known = store.known()
            assert len(known) % 2 == 0
            assert len(known) >= seen
            seen = len(known)
            assert len(list(store.iter_records())) % 2 == 0
        return seen

    with ThreadPoolExecutor(12) as pool:
        readers = [pool.submit(read) for _ in range(12)]
        try:
            for i in range(40):
                with store.transaction() as tx:
                    for name in "ab":
                        tx.put_location(FoundFile(f"/{i}{name}", 1, 1), tx.add_image(digest(f"{i}{name}"), INFO))
        finally:
            done.set()
        assert all(reader.result(60) <= 80 for reader in readers)
    assert len(store.known()) == 80


def test_check_and_vacuum(store: MetadataStore, file: Path) -> None:
    for i in range(300):
        with store.transaction() as tx:
            tx.put_failure(Problem(f"/{i}" + "x" * 1000, "y" * 1000))
    with store.transaction() as tx:
        tx.clear_failures(list(store.known_failures()))
    assert store.check() == []
    store.vacuum()
    if file.exists():  # else a server's, whose files stay as large as they were
        assert file.stat().st_size < 150_000
    assert store.check() == []


def test_times_far_away(store: MetadataStore) -> None:
    put(store, "/old", "a", mtime_ns=-(2**62))
    put(store, "/new", "b", mtime_ns=2**80)
    old, new = store.by_path("/old"), store.by_path("/new")
    assert old is not None and new is not None
    assert old.modified == datetime(1970, 1, 1, tzinfo=timezone.utc) - timedelta(microseconds=2**62 // 1000 + 1)
    assert new.modified.year == 2262
    assert store.select(parse_filter("modified < 2300 and modified > 2200")).tolist() == [2]
