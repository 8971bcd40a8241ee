"""Corresponding places: against brute force, and where they are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dinosearch.analysis.dense import match
from dinosearch.analysis.dense.grids import unit
from dinosearch.analysis.dense.matches import best_buddies
from tests.analysis.dense.planted import directions, disc, planted

LOOK = directions(40)


def buddies_by_loops(first: np.ndarray, second: np.ndarray) -> list[tuple[int, int]]:
    cosines = first @ second.T
    found = []
    for i in range(len(first)):
        j = max(range(len(second)), key=lambda j: (cosines[i, j], -j))
        if max(range(len(first)), key=lambda k: (cosines[k, j], -k)) == i:
            found.append((i, j))
    return found


@pytest.mark.parametrize("block", [1, 130, 1 << 24])
def test_best_buddies_are_those_of_brute_force(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr("dinosearch.analysis.dense.matches._BLOCK", block)
    random = np.random.default_rng(0)
    first, second = (unit(random.integers(-2, 3, (count, 4)).astype(np.float32)) for count in (60, 45))
    # Whole numbers, so that many cosines are equal to the last bit; of those the first counts.
    first, second = np.rint(first * 4).astype(np.float32), np.rint(second * 4).astype(np.float32)
    pairs, cosines = best_buddies(first, second)
    assert [tuple(pair) for pair in pairs.tolist()] == buddies_by_loops(first, second)
    assert (cosines == (first[pairs[:, 0]] * second[pairs[:, 1]]).sum(axis=1)).all()


def test_a_permutation_is_found_again() -> None:
    """Every place of the one image lies somewhere else in the other."""
    random = np.random.default_rng(1)
    things = random.permutation(36).reshape(6, 6)
    first = planted(things, LOOK, salient=np.ones((6, 6)), seed=1)
    swapped = random.permutation(36)
    rows = first.rows[swapped] + random.normal(0, 0.01, first.rows.shape).astype(np.float32)
    # All but a corner is equally salient: with one value everywhere nothing would be.
    salient = np.ones((1, 6, 6), np.float32)
    salient[0, 0, 0] = 0
    one = replace(first, attention=salient)
    other = replace(first, descriptors=rows.reshape(6, 6, -1), attention=salient)
    pairs = match(one, other, 100)
    assert len(pairs) == len({pair.first for pair in pairs}) == 36 - 1 - (swapped[0] != 0)
    for pair in pairs:
        place = int(pair.second[1] // 10) * 6 + int(pair.second[0] // 10)
        source = int(pair.first[1] // 10) * 6 + int(pair.first[0] // 10)
        assert swapped[place] == source
        assert pair.cosine > 0.9


def test_a_thing_that_moved_is_matched_part_by_part_and_the_background_is_not() -> None:
    """Four parts in another place of a smaller grid; the background looks alike in both and is not salient."""
    masks = disc(16, 16, (7, 7), 5), disc(12, 14, (6, 8), 5)
    images = []
    for seed, (mask, (y, x)) in enumerate(zip(masks, ((7, 7), (6, 8)), strict=True)):
        rows, columns = mask.shape
        part = 1 + 2 * (np.arange(rows)[:, None] > y) + (np.arange(columns)[None] > x)
        images.append(planted(np.where(mask, part, 0), LOOK, salient=mask.astype(float), seed=seed))
    pairs = match(images[0], images[1], 4)
    assert len(pairs) == 4
    sides = set()
    for pair in pairs:
        below = (pair.first[1] > 75, pair.second[1] > 65)
        right = (pair.first[0] > 75, pair.second[0] > 85)
        assert below[0] == below[1] and right[0] == right[1]
        assert masks[0][int(pair.first[1] // 10), int(pair.first[0] // 10)]
        sides.add((below[0], right[0]))
    assert len(sides) == 4, "k-means spreads the pairs over the four parts"
    again = match(images[0], images[1], 4)
    assert again == pairs


def test_of_each_cluster_the_most_salient_pair_is_kept_and_the_first_is_the_best() -> None:
    things = np.repeat(np.arange(1, 5)[:, None], 8, axis=1)
    salient = np.linspace(0.1, 1, 32).reshape(4, 8)
    one = planted(things, LOOK, salient=salient, seed=1, noise=0.05)
    pairs = match(one, one, 4)
    # Each row is one thing; its salient end is on the right.
    assert [pair.first for pair in pairs] == [(75, 35), (75, 25), (75, 15), (75, 5)]
    assert [pair.second for pair in pairs] == [pair.first for pair in pairs]
    assert pairs[0].saliency == 1


def test_nothing_salient_gives_no_pairs() -> None:
    blank = planted(np.zeros((4, 4), int), LOOK, salient=np.ones((4, 4)))
    assert match(blank, blank) == []
    one = planted(np.arange(16).reshape(4, 4), LOOK, salient=np.eye(4))
    assert match(one, one, threshold=1.0) == []
    assert len(match(one, one, threshold=0.9)) == 4


def test_only_the_named_heads_count() -> None:
    salient = np.zeros((2, 3, 3), np.float32)
    salient[0, 0, 0], salient[1, 2, 2] = 1, 1
    one = replace(planted(np.arange(9).reshape(3, 3), LOOK), attention=salient)
    assert [pair.first for pair in match(one, one, heads=(0,))] == [(5, 5)]
    assert [pair.first for pair in match(one, one, heads=(1,))] == [(25, 25)]
    assert len(match(one, one)) == 2
