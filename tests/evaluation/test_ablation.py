"""Axes of an ablation that decide the vectors: their values, their homes, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dinosearch.errors import SettingError
from dinosearch.evaluation.ablation import Plan, home_name, plans
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
        ("size", "224px", "size '224px' is not a number of pixels"),
        ("preprocessing", "stretch-224", "stretch-224"),
        ("recall", "most", "recall 'most' is not a share"),
        ("recall", "98", "recall '98' is not a share"),
        ("recall", "0", "recall '0' is not a share"),
        ("rerank", "better", "better"),
        ("refine", "more", "more"),
        ("query-crop", "yes", "query-crop 'yes' is neither none nor bbx"),
        ("index", "quick", "quick"),
        ("depth", "10", "there is no axis 'depth' to vary; known are model, preprocessing"),
    ],
)
def test_values_that_there_are_not_are_refused(axis: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingError, match=sentence):
        list(plans({}, Options(), [(axis, [value])]))


def test_an_axis_without_values_is_refused() -> None:
    with pytest.raises(SettingError, match="axis size has no values; write --ablate size=VALUE,VALUE"):
        list(plans({}, Options(), [("size", [])]))


def test_every_axis_sets_what_it_is_called_by() -> None:
    def only(axis: str, value: str) -> Plan:
        [plan] = plans({"model": "mini", "preprocessing": "crop-224"}, Options(), [(axis, [value])])
        return plan

    assert only("model", "dinov2-vits14").model["model"] == "dinov2-vits14"
    assert only("size", "448").model["preprocessing"] == "crop-448"
    assert only("preprocessing", "squash-336").model["preprocessing"] == "squash-336"
    assert only("recall", "0.9").options == replace(Options(), recall=0.9)
    assert only("query-crop", "bbx").options == replace(Options(), query_crop=True)
    assert only("query-crop", "none").options == replace(Options(), query_crop=False)
    assert only("index", "exact").options == replace(Options(), exact=True)
    assert only("rerank", "geometry").options == replace(Options(), rerank="geometry")
    assert only("rerank", "geometry").label == "rerank geometry"
