"""Axes of an ablation that decide the vectors: their values, their homes, and what is refused."""

from __future__ import annotations

import pytest

from dinosearch.errors import SettingError
from dinosearch.evaluation.ablation import home_name, plans
from dinosearch.evaluation.measuring import Options


def test_pooling_and_scales_can_be_varied_together() -> None:
    axes = [("pooling", ["cls", "gem3+cls@1"]), ("scales", ["1", "superglobal"])]
    found = list(plans({"model": "mini"}, Options(), axes))
    assert [(plan.model["pooling"], plan.model["scales"]) for plan in found] == [
        ("cls", "1"), ("cls", "superglobal"), ("gem+cls", "1"), ("gem+cls", "superglobal"),
    ]  # fmt: skip
    assert [plan.label for plan in found] == [
        "pooling cls, scales 1", "pooling cls, scales superglobal",
        "pooling gem3+cls@1, scales 1", "pooling gem3+cls@1, scales superglobal",
    ]  # fmt: skip
    assert len({home_name(plan.model) for plan in found}) == 4


def test_homes_of_one_scale_keep_the_name_they_had() -> None:
    name = "mini-squash-224-cls+gem"
    for scales in ({}, {"scales": None}, {"scales": "1"}):
        assert home_name({"model": "mini", "pooling": "cls+gem", **scales}) == name
    assert home_name({"model": "mini", "pooling": "cls+gem", "scales": "gem"}) == f"{name}-scales-gem"


@pytest.mark.parametrize(
    ("axis", "value", "sentence"),
    [
        ("scales", "2", "scales '2' is not one of 1, gem, superglobal"),
        ("pooling", "best", r"pooling 'best' is not one of cls, mean, gem \(p = 3\), gemP"),
        ("pooling", "cls+cls", "names a part twice"),
    ],
)
def test_values_that_there_are_not_are_refused(axis: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingError, match=sentence):
        list(plans({}, Options(), [(axis, [value])]))
