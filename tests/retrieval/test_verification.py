"""Acceptance of matches: known warps of smooth token fields, unrelated fields, degenerate maps, the bundled model."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch.embedding import open_embedder
from dinosearch.images.resizing import MEAN_COLOUR, resize
from dinosearch.records import Preprocessing
from dinosearch.retrieval.patches import Patches, describe
from dinosearch.retrieval.verification import CHANCE, WEIGHT, Match, chance_level, fuse, verify, verify_all
from tests.retrieval.token_fields import Field, similarity_matrix, view

SAMPLES = Path(__file__).parents[2] / "sample_images"


def random_warp(rng: np.random.Generator) -> np.ndarray:
    """A turn of at most 30 degrees, a scale of 0.6 to 1.6, a small shift."""
    scale = math.exp(rng.uniform(math.log(0.6), math.log(1.6)))
    return similarity_matrix(rng.uniform(-30, 30), scale, tuple(rng.uniform(-0.05, 0.05, 2)))


def worst_corner(match: Match, query: Patches, answer: Patches, matrix: np.ndarray) -> float:
    """Distance in patches of the answer between where the query's corners are and where they are said to be."""
    if match.transform is None:
        return math.inf
    truth = query.outline @ matrix[:, :2].T + matrix[:, 2]
    return float(np.linalg.norm(match.transform.apply(query.outline) - truth, axis=1).max() / answer.extent)


def test_warps_are_recovered_within_a_patch_in_nine_of_ten_cases() -> None:
    rng = np.random.default_rng(0)
    errors, accepted = [], []
    for seed in range(60):
        field, matrix = Field(seed), random_warp(rng)
        query, answer = view(field, seed=2 * seed), view(field, matrix, seed=2 * seed + 1)
        match = verify([query], answer)
        errors.append(worst_corner(match, query, answer, matrix))
        accepted.append(match.accepted)
    assert np.mean(np.array(errors) <= 1) >= 0.9
    assert np.mean(accepted) >= 0.9


def test_a_shift_by_a_part_of_a_patch_is_told() -> None:
    """0.4 patches: between the centres, to which pairs of patches alone round."""
    for seed in range(5):
        field, matrix = Field(seed, wavelength=0.3), similarity_matrix(0, 1.0, (0.4 / 16, -0.3 / 16))
        query, answer = view(field, noise=0), view(field, matrix, noise=0)
        assert worst_corner(verify([query], answer), query, answer, matrix) < 0.15
        rounded = [replace(image, neighbours=np.full_like(image.neighbours, -1)) for image in (query, answer)]
        assert worst_corner(verify([rounded[0]], rounded[1]), query, answer, matrix) > 0.25


def test_unrelated_fields_stay_under_the_bound_in_99_of_100_cases() -> None:
    views = [view(Field(seed), seed=seed, grid=14) for seed in range(25)]
    matches = [match for i, query in enumerate(views) for match in verify_all([query], views[i + 1 :])]
    assert len(matches) == 300
    assert np.mean([match.accepted for match in matches]) <= CHANCE
    assert max(match.count for match in matches) >= 3  # they do agree a little: the bound is what keeps them out


def test_identical_images_give_identity_and_the_whole_box() -> None:
    for grid, aspect in ((8, 1.0), (14, 0.75), (20, 0.4), (30, 1.5)):
        patches = view(Field(1), grid=grid, aspect=aspect)
        match = verify([patches], patches)
        assert match.accepted and match.transform is not None and match.box is not None
        np.testing.assert_allclose(match.transform.matrix, np.eye(2, 3), atol=1e-6)
        np.testing.assert_allclose(match.box, (0, 0, 1, 1), atol=1e-6)
        assert match.inliers.all() and len(match.pairs) == grid * grid


def test_box_is_the_query_on_the_answer_clipped() -> None:
    """The query shows the middle of the answer at twice the size, and something beyond its left edge."""
    field = Field(2)
    answer = view(field, grid=24)
    inside = view(field, np.array([[2.0, 0, -0.5], [0, 2.0, -0.5]]), grid=24, seed=1)
    np.testing.assert_allclose(verify([inside], answer).box, (0.25, 0.25, 0.75, 0.75), atol=0.04)
    shifted = view(field, np.array([[1.0, 0, 0.4], [0, 1.0, 0.0]]), grid=24, seed=1)
    np.testing.assert_allclose(verify([shifted], answer).box, (0.0, 0.0, 0.6, 1.0), atol=0.04)


def test_box_of_an_unaccepted_match_is_none() -> None:
    match = verify([view(Field(1))], view(Field(2)))
    assert not match.accepted and match.box is None


def test_the_best_view_counts() -> None:
    """Tokens that a turn changes: the plain view fails, the turned one matches."""
    other, field = view(Field(9)), Field(3)
    answer = view(field, similarity_matrix(20, 1.1))
    match = verify([other, view(field, seed=5)], answer)
    assert match.accepted and match.view == 1
    assert verify([view(field, seed=5), other], answer).view == 0
    assert not verify([other], answer).accepted


def test_a_shortlist_gives_what_single_pairs_give() -> None:
    query = [view(Field(1)), view(Field(1), similarity_matrix(15, 1.0), seed=8)]
    answers = [view(Field(seed), grid=grid, seed=seed) for seed, grid in ((1, 12), (2, 16), (1, 9))]
    together = verify_all(query, answers)
    for answer, match in zip(answers, together, strict=True):
        alone = verify(query, answer)
        assert (alone.count, alone.view, alone.bound, alone.box) == (match.count, match.view, match.bound, match.box)
        assert alone.pairs.tolist() == match.pairs.tolist() and alone.inliers.tolist() == match.inliers.tolist()
    assert [match.accepted for match in together] == [True, False, True]
    assert verify_all(query, []) == []


def empty() -> Patches:
    return Patches(np.empty((0, 64), np.float32), np.empty((0, 2)), (1.0, 1.0), 0.1, np.empty((0, 4), np.int64))


def constant() -> Patches:
    return describe(np.ones((8, 8, 64)), 100, 100)


@pytest.mark.parametrize("answer", [empty(), constant(), view(Field(1), grid=1)], ids=["none", "constant", "one"])
def test_degenerate_maps_are_not_accepted(answer: Patches) -> None:
    for a, b in ((view(Field(1)), answer), (answer, view(Field(1))), (answer, answer)):
        match = verify([a], b)
        assert not match.accepted and match.box is None and match.transform is None and match.count == 0
        assert fuse(0.5, match) == 0.5


def test_matches_on_one_line_are_not_accepted() -> None:
    """Two pictures that share a horizon, one row of patches, and nothing else."""
    patches = view(Field(1), grid=24)
    horizon = (patches.points[:, 1] * 24).astype(int) == 12
    line = replace(patches, descriptors=np.where(horizon[:, None], patches.descriptors, 0))
    match = verify([line], line, least=0.5)
    assert match.inliers.sum() == len(match.pairs) == 24
    assert match.count == 0 and not match.accepted


def test_chance_level_against_simulated_pairs_out_of_place() -> None:
    """Random points in place of matches: more cells than the level agree in one of a hundred images at most."""
    rng = np.random.default_rng(0)
    exceeded = []
    for _ in range(200):
        places = np.stack(np.meshgrid(np.arange(16), np.arange(16)), axis=-1).reshape(-1, 2)[:, ::-1]
        codes = np.eye(256, dtype=np.float32)
        a, b = view(Field(0)), view(Field(0))
        chosen, wanted = rng.permutation(256)[:60], rng.permutation(256)[:60]
        query = replace(a, descriptors=codes[chosen], points=a.points[chosen], neighbours=np.full((60, 4), -1))
        answer = replace(b, descriptors=codes[chosen], points=b.points[wanted], neighbours=np.full((60, 4), -1))
        match = verify([query], answer)
        cells = len({tuple(cell) for cell in (places[chosen] // 2).tolist()})
        exceeded.append(match.count >= chance_level(60, cells, 256))
    assert np.mean(exceeded) <= CHANCE


def test_chance_level_by_hand() -> None:
    """Ten pairs in ten cells of 314 patches: p = 0.01; 45 transforms, 8 others."""
    tails = [sum(math.comb(8, j) * 0.01**j * 0.99 ** (8 - j) for j in range(k, 9)) for k in range(9)]
    by_hand = 2 + next(k for k in range(9) if 45 * tails[k] <= 0.01)
    assert chance_level(10, 10, 314) == by_hand == 5
    assert chance_level(10, 10, 314, views=1000) > by_hand
    assert chance_level(2, 2, 314) > 2 and chance_level(0, 0, 314) > 0


def test_fused_scores() -> None:
    good = verify([view(Field(1))], view(Field(1), seed=1))
    bad = verify([view(Field(1))], view(Field(2)))
    assert fuse(0.3, None) == 0.3 and fuse(0.3, bad) == 0.3
    assert fuse(0.3, good) == pytest.approx(0.3 + WEIGHT * math.log(2 + good.count - good.bound))
    assert fuse(0.3, replace(good, count=good.count + 5)) > fuse(0.3, good) > 0.3


def warped(image: Image.Image, matrix: np.ndarray) -> Image.Image:
    """The picture under a (2, 3) map in units of its longer side, on a canvas of its own size."""
    longer = max(image.size)
    pixels = np.column_stack([matrix[:, :2], matrix[:, 2] * longer])
    scale = float(np.sqrt(np.linalg.det(pixels[:, :2])))
    # Pillow's transform does not filter: what shrinks is shrunk first.
    small = image.resize((round(image.width * min(1, scale)), round(image.height * min(1, scale))))
    back = np.linalg.inv(np.vstack([pixels, [0, 0, 1]]))[:2]
    back = np.diag([small.width / image.width, small.height / image.height]) @ back
    return small.transform(
        image.size, Image.Transform.AFFINE, tuple(back.ravel()), Image.Resampling.BICUBIC, fillcolor=MEAN_COLOUR
    )


@pytest.mark.slow
def test_tokens_of_the_bundled_model() -> None:
    """Views of the query at 448 pixels, tokens centred by their mean at each place, rendered scenes of 16 classes."""
    preprocessing = Preprocessing("squash", 448)
    embedder = open_embedder("mini", preprocessing=preprocessing, device="cpu")
    pictures = [Image.open(sorted(folder.glob("*.jpg"))[0]).convert("RGB") for folder in sorted(SAMPLES.glob("*/"))]
    rng = np.random.default_rng(0)
    matrices = [random_warp(rng) for _ in pictures]

    def tokens(images: list[Image.Image], size: int = 448) -> np.ndarray:
        return np.stack(
            [t.patches for t in embedder.tokens([resize(i, Preprocessing("squash", size)) for i in images])]
        )

    def patches(maps: np.ndarray, mean: np.ndarray, turned: float = 0.0) -> list[Patches]:
        return [describe(m, *p.size, mean=mean, turned=turned) for m, p in zip(maps, pictures, strict=True)]

    plain = tokens(pictures)
    mean = plain.mean(axis=0)
    views = [patches(plain, mean)]
    for turned in (-20.0, 20.0):
        views.append(
            patches(
                tokens([p.rotate(-turned, Image.Resampling.BICUBIC, fillcolor=MEAN_COLOUR) for p in pictures]),
                mean,
                turned,
            )
        )
    for size in (320, 624):
        resized = tokens(pictures, size)
        views.append(patches(resized, resized.mean(axis=0)))
    answers = patches(tokens([warped(p, m) for p, m in zip(pictures, matrices, strict=True)]), mean)
    queries = list(zip(*views, strict=True))
    found = [verify(query, answer) for query, answer in zip(queries, answers, strict=True)]
    errors = [worst_corner(f, q[0], a, m) for f, q, a, m in zip(found, queries, answers, matrices, strict=True)]
    # A first transform only; a view drawn by it makes it exact (tests/collection/test_comparing.py).
    assert np.mean(np.array(errors) <= 1) >= 0.6
    assert np.mean(np.array(errors) <= 2) >= 0.85
    assert np.mean([match.accepted for match in found]) >= 0.9
    others = [match for i, query in enumerate(queries) for match in verify_all(query, answers[i + 1 :])]
    assert np.mean([match.accepted for match in others]) <= CHANCE
