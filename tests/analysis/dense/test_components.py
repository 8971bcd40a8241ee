"""Principal components and colours: against NumPy's and scikit-learn's, and on grids with a known foreground."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA

from dinosearch.analysis.dense import DenseImage, colour, sampling
from dinosearch.analysis.dense.components import find_foreground, principal_basis
from dinosearch.analysis.dense.sampling import sample
from tests.analysis.dense.planted import directions, disc, planted

LOOK = directions(5)


@pytest.mark.parametrize("shape", [(200, 12), (9, 40), (40, 40)])
def test_components_are_those_of_numpy_and_scikit_learn(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(1).normal(size=shape) * np.linspace(3, 0.1, shape[1]) + 5
    basis = principal_basis(rows.astype(np.float32), 3)
    axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2][:3]
    np.testing.assert_allclose(np.abs((basis.axes * axes).sum(axis=1)), 1, atol=1e-5)
    theirs = PCA(3, svd_solver="full").fit_transform(rows)
    np.testing.assert_allclose(np.abs(basis.of(rows)), np.abs(theirs), atol=1e-3)
    np.testing.assert_allclose(basis.axes @ basis.axes.T, np.eye(3), atol=1e-9)


def test_what_has_no_spread_has_no_components() -> None:
    assert not principal_basis(np.ones((7, 5), np.float32), 3).axes.any()
    line = np.outer(np.arange(6.0), np.ones(4)).astype(np.float32)
    assert np.abs(principal_basis(line, 3).axes).sum(axis=1).round(6).tolist() == [2, 0, 0]


def group() -> tuple[list[DenseImage], list[np.ndarray]]:
    """Three images of different sizes, the thing elsewhere in each; its upper and its lower half look differently."""
    images, masks = [], []
    for number, (rows, columns, y, x) in enumerate([(16, 20, 7, 6), (20, 16, 12, 9), (18, 18, 8, 8)]):
        mask = disc(rows, columns, (y, x), 5)
        upper = np.arange(rows)[:, None] <= y
        things = np.where(mask, np.where(upper, 1, 2), 0)
        images.append(planted(things, LOOK + 1.5 * (np.arange(5) > 0)[:, None] * LOOK[4], seed=number))
        masks.append(mask)
    return images, masks


@pytest.mark.parametrize("sign", [1, -1])
def test_the_foreground_is_found_whatever_the_sign(sign: int) -> None:
    images, masks = group()
    images = [replace(image, descriptors=sign * image.descriptors) for image in images]
    for one, mask in zip(colour(images), masks, strict=True):
        assert (one.foreground == mask).all()
    for one, mask in zip(colour(images, flip=True), masks, strict=True):
        assert (one.foreground == ~mask).all()
    assert all(one.foreground.all() for one in colour(images, whole=True))


def test_a_large_thing_in_the_middle_is_the_foreground_and_a_small_one_where_edges_say_nothing() -> None:
    things = np.ones((16, 16), int)
    things[0] = things[-1] = things[:, 0] = things[:, -1] = 0
    (one,) = colour([planted(things, LOOK)])
    assert (one.foreground == (things == 1)).all(), "77 % of the area, but away from the edges"
    thin = np.zeros((2, 20), int)
    thin[:, :6] = 1
    (one,) = colour([planted(thin, LOOK)])
    assert (one.foreground == (thin == 1)).all(), "every patch lies at an edge: the smaller side it is"


def test_equal_patches_have_equal_colours_in_all_images() -> None:
    images, masks = group()
    found = colour(images)
    halves = []
    for image, one, mask in zip(images, found, masks, strict=True):
        upper = image.descriptors @ LOOK[1] > 0.5
        halves.append((one.colours[mask & upper].astype(float).mean(axis=0), one.colours[mask & ~upper].mean(axis=0)))
    uppers, lowers = (np.array(half) for half in zip(*halves, strict=True))
    assert np.ptp(uppers, axis=0).max() < 25 and np.ptp(lowers, axis=0).max() < 25
    assert np.abs(uppers.mean(axis=0) - lowers.mean(axis=0)).max() > 150
    # One component spans the whole range over the group, whatever a single image has of it.
    joined = np.concatenate([one.colours[mask] for one, mask in zip(found, masks, strict=True)])
    assert joined.min(axis=0).tolist() == [0, 0, 0] and joined.max(axis=0).tolist() == [255, 255, 255]


def test_an_image_that_is_moved_is_coloured_alike() -> None:
    images, _ = group()
    moved = replace(images[0], descriptors=np.roll(images[0].descriptors, (2, 3), axis=(0, 1)))
    one, other = colour([images[0], moved])
    assert (np.roll(one.colours, (2, 3), axis=(0, 1)) == other.colours).all()


def test_pixels_lie_where_their_patches_do() -> None:
    images, masks = group()
    one = colour(images)[0]
    colours, shown = one.pixels(images[0].width, images[0].height)
    assert colours.shape == (160, 200, 3)
    assert (shown[5::10, 5::10] == masks[0]).mean() > 0.99
    assert np.abs(colours[5::10, 5::10].astype(int) - one.colours).max() <= 60


def test_images_that_are_all_one_colour_are_drawn_grey() -> None:
    flat = planted(np.zeros((4, 4), int), LOOK, noise=0)
    (one,) = colour([flat])
    assert not one.foreground.any()
    assert np.isfinite(one.components).all() and (one.colours == 128).all()


def test_few_patches_of_a_large_group_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    images, masks = group()
    monkeypatch.setattr("dinosearch.analysis.dense.components.PATCHES", 90)
    assert len(sample(images, 90).rows) == 90
    for one, mask in zip(colour(images), masks, strict=True):
        assert (one.foreground == mask).mean() > 0.97
    monkeypatch.setattr(sampling, "_NUMBERS", 48 * 60)
    assert len(sample(images, 90).rows) == 60, "long descriptors are sampled more thinly"


def test_a_sample_is_of_every_image_and_says_which_patches_it_took() -> None:
    images, _ = group()
    taken = sample(images, 60, seed=3)
    for number, image in enumerate(images):
        mine = taken.image == number
        assert mine.sum() == 20
        assert (taken.rows[mine] == image.rows[taken.place[mine]]).all()
        assert (taken.border[mine] == image.border[taken.place[mine]]).all()
    again = sample(images, 60, seed=3)
    assert (again.rows == taken.rows).all()
    assert (sample(images, 60, seed=4).place != taken.place).any()


def test_the_foreground_of_other_images_can_be_asked_for() -> None:
    images, masks = group()
    learned = find_foreground(images[:2])
    assert ((learned.of(images[2]) > 0) == masks[2]).all()
