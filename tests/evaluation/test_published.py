"""Published figures stand beside ours for the very setting they were measured in, and for no other."""

from __future__ import annotations

import pytest

from dinosearch.embedding import CHECKPOINTS
from dinosearch.evaluation import DATASETS
from dinosearch.evaluation.published import IMAGES, TABLE, find
from dinosearch.records import Preprocessing

SETTING = {"model": "dinov2_vitl14", "preprocessing": "squash-224", "pooling": "cls", "query_crop": "none"}


def test_the_same_setting_has_the_papers_and_the_reproductions_figures() -> None:
    found = {(one.setup, one.value) for one in find("roxford5k", 4993, SETTING)}
    assert found == {("medium", 75.1), ("hard", 54.0), ("easy", 88.46), ("medium", 75.37), ("hard", 54.75)} | {
        ("medium", 74.91),
        ("hard", 54.14),
    }
    assert all(one.source and one.note for one in find("roxford5k", 4993, SETTING))


@pytest.mark.parametrize(
    "change",
    [
        {"query_crop": "bbx"},
        {"query_crop": "as in the file"},
        {"pooling": "mean"},
        {"preprocessing": "crop-224"},
        {"model": "mini"},
        {"model": None},
    ],
)
def test_another_setting_has_none(change: dict[str, str | None]) -> None:
    assert find("roxford5k", 4993, {**SETTING, **change}) == ()


def test_a_part_of_the_data_set_or_distractors_have_none() -> None:
    assert find("roxford5k", 4992, SETTING) == find("roxford5k", 4993 + 1_001_001, SETTING) == ()
    assert find("folder", 4993, SETTING) == ()


def test_the_table_names_what_there_is() -> None:
    for row in TABLE:
        assert row.dataset in DATASETS
        assert row.model in CHECKPOINTS
        assert str(Preprocessing.parse(row.preprocessing)) == row.preprocessing
        assert IMAGES[row.dataset] == DATASETS[row.dataset].size[0]
        assert all(0 < value < 100 for _, _, value in row.values)
