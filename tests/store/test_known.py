"""The compact table of known files against a plain dict."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dinosearch.store import KnownFile, KnownFiles
from dinosearch.store.paths import store_form
from tests.store.test_paths import texts

numbers = st.integers(-(2**63), 2**63 - 1)


@given(files=st.dictionaries(texts, st.tuples(numbers, numbers, numbers, numbers), max_size=12), other=texts)
def test_it_is_the_mapping_of_its_rows(files: dict[str, tuple[int, int, int, int]], other: str) -> None:
    known = KnownFiles((store_form(path), *numbers) for path, numbers in files.items())
    assert known == {path: KnownFile(*numbers) for path, numbers in files.items()}
    assert list(known) == list(files)
    assert (other in known, known.get(other) is not None) == (other in files, other in files)
    for path, (_, image_id, size, mtime_ns) in files.items():
        place = known.places[path]
        assert (known.image_ids[place], known.sizes[place], known.mtimes[place]) == (image_id, size, mtime_ns)
        assert known.is_same(path, size, mtime_ns)
        assert not known.is_same(path, size ^ 1, mtime_ns)
        assert not known.is_same(path, size, mtime_ns ^ 1)
    assert known.is_same(other, *files[other][2:]) if other in files else not known.is_same(other, 0, 0)


def test_more_rows_than_are_taken_over_at_a_time() -> None:
    known = KnownFiles((f"/{number}", number, 2 * number, 3 * number, 4 * number) for number in range(25_003))
    assert len(known) == 25_003
    for number in (0, 9_999, 10_000, 19_999, 20_000, 25_002):
        assert known[f"/{number}"] == KnownFile(number, 2 * number, 3 * number, 4 * number)
