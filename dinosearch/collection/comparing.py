"""Compare pictures patch by patch: the geometric check of a shortlist, and the explanation of one result.

Tokens are computed here and compared in `retrieval`; nothing of it is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dinosearch.collection.opened import OpenedHome
from dinosearch.collection.pictures import QueryImage, picture
from dinosearch.errors import ImageNotFoundError, ImageUnreadableError, SettingError
from dinosearch.images import painted_over, prepare_pixels, resize, turned
from dinosearch.protocols import Embedder
from dinosearch.records import Explanation, Preprocessing
from dinosearch.retrieval import Match, Patches, describe, heat, shared_colours, verify_all

SIDE = 448
"""Pixels that pictures are squashed to: at 224 the grid is too coarse for a geometry (retrieval.verification)."""
VIEWS = ((SIDE, 0.0), (SIDE, -20.0), (SIDE, 20.0), (320, 0.0), (624, 0.0))
"""Side and turn in degrees of the query's views; tokens bear neither turning nor resizing well."""
SAMPLE, LEAST = 32, 16
"""Images that the mean token of each place is taken from, and the fewest that make one."""


class Comparer:
    """Compares pictures by the patch tokens of a collection's model; keeps the mean token of each place.

    Args:
        opened: where images of the collection are looked up.
        embedder: the collection's model.

    Raises:
        SettingError: the embedder gives no patch tokens.
    """

    def __init__(self, opened: OpenedHome, embedder: Embedder) -> None:
        self._tokens: Any = getattr(embedder, "tokens", None)
        if self._tokens is None:
            raise SettingError(
                "this collection's embedder gives no patch tokens to compare pictures by; use --rerank fast, or an "
                "embedder with a method tokens()"
            )
        self._opened, self._embedder = opened, embedder
        self._mean = self._mean_tokens()

    def matches(self, images: Sequence[QueryImage], ids: Sequence[int]) -> list[Match | None]:
        """How images of the collection match the query images; None for those that cannot be read."""
        views = [patches for image in images for patches in self._views(picture(image, self._opened, SIDE))]
        pictures = [self._picture_of(image_id) for image_id in ids]
        readable = [found for found in pictures if found is not None]
        matches = iter(verify_all(views, self._patches(readable, SIDE)))
        return [None if found is None else next(matches) for found in pictures]

    def explain(self, query: QueryImage, result: QueryImage) -> tuple[Explanation, Any, Any]:
        """Why they match, and both as Pillow images."""
        first, second = (picture(image, self._opened, SIDE) for image in (query, result))
        views, (answer,) = self._views(first), self._patches([second], SIDE)
        match = verify_all(views, [answer])[0]
        seen, (of_query, of_result) = views[match.view], self._maps([first, second], SIDE)
        pairs = match.pairs[match.inliers] if match.accepted else match.pairs[:0]
        outline = None
        if match.accepted and match.transform is not None:
            outline = (match.transform.apply(seen.outline) / answer.sides).astype(np.float32)
        vectors = [self._vector(image) for image in (first, second)]
        hidden = None if outline is None else float(vectors[0] @ self._vector(painted_over(second, outline)))
        warm = (heat(answer.descriptors, views[0].descriptors), heat(views[0].descriptors, answer.descriptors))
        explanation = Explanation(
            score=float(vectors[0] @ vectors[1]),
            without=hidden,
            inliers=match.count,
            bound=int(np.ceil(match.bound)),
            pairs=np.hstack([seen.fractions[pairs[:, 0]], answer.fractions[pairs[:, 1]]]).astype(np.float32),
            outline=outline,
            box=match.box,
            heat=(warm[0].reshape(of_query.shape[:2]), warm[1].reshape(of_result.shape[:2])),
            colours=shared_colours(of_query, of_result),
        )
        return explanation, first, second

    def _vector(self, image: Any) -> np.ndarray:
        pixels = prepare_pixels(image, self._embedder.preprocessing, self._embedder.patch_size).pixels
        vector: np.ndarray = self._embedder.embed([pixels])[0]
        return vector

    def _views(self, image: Any) -> list[Patches]:
        return [self._patches([image], side, turn)[0] for side, turn in VIEWS]

    def _patches(self, images: Sequence[Any], side: int, turn: float = 0.0) -> list[Patches]:
        maps = self._maps([turned(image, turn) for image in images], side)
        return [
            describe(tokens, *image.size, mean=_resized(self._mean, tokens.shape), turned=turn)
            for image, tokens in zip(images, maps, strict=True)
        ]

    def _maps(self, images: Sequence[Any], side: int) -> list[np.ndarray]:
        """Patch tokens (h, w, d) of the pictures squashed to about `side` pixels."""
        patch = self._embedder.patch_size
        preprocessing = Preprocessing("squash", max(1, round(side / patch)) * patch)
        return [found.patches for found in self._tokens([resize(image, preprocessing, patch) for image in images])]

    def _mean_tokens(self) -> np.ndarray | None:
        """Mean token at each place over a sample of the collection; None where that is too small."""
        ids = self._opened.store.live_ids()
        chosen = (
            ids[np.unique(np.linspace(0, len(ids) - 1, SAMPLE).round().astype(int))] if len(ids) >= LEAST else ids[:0]
        )
        pictures = [found for image_id in chosen.tolist() if (found := self._picture_of(image_id)) is not None]
        if len(pictures) < LEAST:
            return None
        mean: np.ndarray = np.mean(self._maps(pictures, SIDE), axis=0)
        return mean

    def _picture_of(self, image_id: int) -> Any | None:
        try:
            return picture(f"id:{image_id}", self._opened, SIDE)
        except (ImageNotFoundError, ImageUnreadableError):
            return None


def _resized(mean: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
    """The mean map at another size of grid, bilinear."""
    if mean is None or mean.shape == shape:
        return mean
    for axis in (0, 1):
        places = np.clip((np.arange(shape[axis]) + 0.5) * mean.shape[axis] / shape[axis] - 0.5, 0, mean.shape[axis] - 1)
        low = np.floor(places).astype(int)
        high = np.minimum(low + 1, mean.shape[axis] - 1)
        share = (places - low).reshape([-1 if i == axis else 1 for i in range(3)])
        mean = np.take(mean, low, axis) * (1 - share) + np.take(mean, high, axis) * share
    return mean
