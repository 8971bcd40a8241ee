"""Common subjects and their parts where they are known, saliency without attention, and masks of pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dinosearch.analysis.dense import DenseImage, find_subject
from dinosearch.analysis.dense.grids import centres, enlarged
from dinosearch.analysis.dense.saliency import find_saliency
from tests.analysis.dense.planted import directions, disc, planted

LOOK = directions(12)
GRIDS = [(16, 20, 7, 6), (20, 16, 12, 8), (18, 18, 8, 9), (14, 14, 6, 6)]
SKY, GROUND, STRANGER, HEAD, BODY, FEET = range(6)


def scenes(*, attention: bool = True) -> tuple[list[DenseImage], list[np.ndarray]]:
    """A thing of three parts somewhere before sky and ground; in two images a stranger, as salient as the thing."""
    images, truths = [], []
    for number, (rows, columns, y, x) in enumerate(GRIDS):
        level = np.arange(rows)[:, None]
        things = np.broadcast_to(np.where(level > rows * 0.6, GROUND, SKY), (rows, columns)).copy()
        mask = disc(rows, columns, (y, x), 4)
        part = np.broadcast_to(np.select([level < y - 1, level > y + 1], [HEAD, FEET], BODY), (rows, columns))
        things[mask] = part[mask]
        if number < 2:
            things[rows - 3 :, columns - 3 :] = STRANGER
        salient = ((things >= STRANGER) * 1.0) if attention else None
        images.append(planted(things, LOOK, salient=salient, seed=number))
        truths.append(np.where(mask, part, 0))
    return images, truths


@pytest.mark.parametrize("attention", [True, False])
def test_the_common_thing_is_found_and_strangers_are_not(attention: bool) -> None:
    images, truths = scenes(attention=attention)
    subject = find_subject(images)
    assert subject.found
    for image, truth in zip(images, truths, strict=True):
        segments = subject.of(image)
        assert (segments.labels == (truth > 0)).all()
        assert segments.shares == pytest.approx([(truth == 0).mean(), (truth > 0).mean()])


def test_a_stranger_counts_when_fewer_votes_are_asked_for() -> None:
    images, truths = scenes()
    with_strangers = find_subject(images, votes=0.5).of(images[0])
    assert (with_strangers.labels[-3:, -3:] == 1).all()
    assert with_strangers.labels.sum() == (truths[0] > 0).sum() + 9
    assert (find_subject(images, votes=1.0).of(images[0]).labels == (truths[0] > 0)).all()


def test_parts_are_the_same_in_all_images() -> None:
    images, truths = scenes()
    subject = find_subject(images, parts=3)
    seen = {}
    for image, truth in zip(images, truths, strict=True):
        labels = subject.of(image).labels
        assert ((labels > 0) == (truth > 0)).all()
        for part in (HEAD, BODY, FEET):
            (number,) = np.unique(labels[truth == part])
            assert seen.setdefault(part, number) == number
    assert sorted(seen.values()) == [1, 2, 3]
    assert subject.centres.shape == (3, LOOK.shape[1])


def test_votes_are_counted_by_image() -> None:
    images, _ = scenes()
    subject = find_subject(images)
    of_things = {thing: int(subject.clusters.labels(LOOK[[thing]])[0]) for thing in range(6)}
    votes = {thing: int(subject.votes[cluster]) for thing, cluster in of_things.items()}
    assert votes == {SKY: 0, GROUND: 0, STRANGER: 2, HEAD: 4, BODY: 4, FEET: 4}


def test_nothing_in_common_is_said() -> None:
    images, _ = scenes()
    dull = [replace(image, attention=np.zeros_like(image.attention)) for image in images]
    subject = find_subject(dull, parts=4)
    assert not subject.found and subject.parts is None
    assert not subject.of(images[0]).labels.any()


def test_the_same_seed_finds_the_same() -> None:
    images, _ = scenes(attention=False)
    one, again = (find_subject(images, parts=4, seed=3) for _ in range(2))
    assert (one.centres == again.centres).all()


def test_attention_becomes_saliency_from_the_least_to_the_largest() -> None:
    attention = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    image = replace(planted(np.zeros((4, 5), int), LOOK), attention=attention)
    found = find_saliency([image])(image)
    mean = attention.mean(axis=0)
    np.testing.assert_allclose(found, (mean - mean.min()) / (mean.max() - mean.min()), atol=1e-6)
    assert find_saliency([image], heads=(1, 2))(image).max() == 1


def test_without_attention_what_is_unlike_the_edges_is_salient() -> None:
    images, truths = scenes(attention=False)
    saliency = find_saliency(images)
    for image, truth in zip(images, truths, strict=True):
        found = saliency(image)
        assert found.max() == 1 and found.min() >= 0
        assert found[truth > 0].min() > 0.5
        inside = np.zeros(truth.shape, bool)
        inside[1:-1, 1:-1] = True
        assert found[(truth == 0) & ~inside].max() < 0.1, "also the stranger, which reaches the edge"


@pytest.mark.parametrize(("count", "share"), [(5, 0.2), (9, 0.2), (1, 1.0)])
def test_centres_of_patches_that_overlap_reach_both_ends(count: int, share: float) -> None:
    found = centres(count, share)
    stride = (1 - share) / max(count - 1, 1)
    np.testing.assert_allclose(found, share / 2 + stride * np.arange(count))


@pytest.mark.parametrize("strip", [1, 1 << 22])
def test_numbers_of_patches_are_enlarged_bilinearly(monkeypatch: pytest.MonkeyPatch, strip: int) -> None:
    monkeypatch.setattr("dinosearch.analysis.dense.grids._STRIP", strip)
    grid = np.random.default_rng(0).random((4, 6, 2))
    patch = (0.4, 1 / 6)
    found = np.concatenate(list(enlarged(grid, patch, 31, 23)))
    x, y = ((np.arange(count) + 0.5) / count for count in (31, 23))
    for channel in (0, 1):
        across = np.array([np.interp(x, centres(6, patch[1]), row) for row in grid[..., channel]])
        wanted = np.array([np.interp(y, centres(4, patch[0]), column) for column in across.T]).T
        np.testing.assert_allclose(found[..., channel], wanted, atol=1e-6)


def test_masks_of_pixels_agree_with_the_patches_under_their_centres() -> None:
    images, _ = scenes()
    subject = find_subject(images, parts=3)
    for image in images:
        segments = subject.of(image)
        mask = segments.mask(image.width * 3, image.height * 3)
        assert mask.dtype == np.uint8 and mask.shape == (image.height * 3, image.width * 3)
        assert (mask[15::30, 15::30] == segments.labels).mean() > 0.97
