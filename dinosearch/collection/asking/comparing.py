"""Compare pictures patch by patch: the geometric check of a shortlist, and the explanation of one result.

Tokens are computed here and compared in `retrieval`; nothing of it is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dinosearch.collection.asking.means import MeanTokens
from dinosearch.collection.asking.pictures import QueryImage, picture
from dinosearch.collection.asking.tokens import TokenReader
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import ImageNotFoundError, ImageUnreadableError
from dinosearch.images import drawn_on, painted_over, prepare_pixels, resize, turned
from dinosearch.protocols import Embedder
from dinosearch.records import Explanation, Preprocessing
from dinosearch.retrieval import Match, Patches, describe, heat, shared_colours, verify_all
from dinosearch.retrieval.threads import one_thread
from dinosearch.retrieval.transform import Transform

SIDE = 448
"""Pixels that pictures are squashed to for an explanation."""
VIEWS = ((SIDE, -20.0), (SIDE, 20.0), (320, 0.0), (208, 0.0))
"""Side and turn in degrees of the other views of a query that look for a first transform; tokens bear neither turns nor
resizing well."""
ROUNDS = 3
"""Views after these: the query drawn onto the answer's canvas by the transform found so far. Corners within a patch
before, and after 1, 2 and 3, warps over other pictures: 44, 81, 88 and 100 % of 16 rendered scenes, 75, 94, 94 and 94 %
of 16 CID22 photos, which are not those of docs/benchmarks.md."""
RANKED_SIDE = 224
"""Pixels that pictures are squashed to for the check of a shortlist, which has one view of the query."""


class Comparer:
    """Compares pictures by the patch tokens of a collection's model.

    Args:
        opened: where images of the collection are looked up.
        embedder: the collection's model.

    Raises:
        SettingError: the embedder gives no patch tokens.
    """

    def __init__(self, opened: OpenedHome, embedder: Embedder) -> None:
        self._tokens: Any = getattr(embedder, "tokens", None)
        self._opened, self._embedder = opened, embedder
        self._reader = TokenReader(opened, embedder)
        self._means = MeanTokens(opened, embedder, self._maps_of)

    def matches(self, images: Sequence[QueryImage], ids: Sequence[int]) -> list[Match | None]:
        """How images of the collection match the query images; None for those that cannot be read."""
        views = [self._ranked(picture(image, self._opened, RANKED_SIDE)) for image in images]
        answers = self._patches_of(ids)
        with one_thread():
            matches = iter(verify_all(views, [answer for answer in answers if answer is not None]))
        return [None if answer is None else next(matches) for answer in answers]

    def explain(self, query: QueryImage, result: QueryImage) -> tuple[Explanation, Any, Any]:
        """Why they match, and both as Pillow images."""
        first, second = (picture(image, self._opened, SIDE) for image in (query, result))
        of_query, of_result = self._maps([first, second], SIDE)
        answer = self._described(of_result, *second.size)
        views = [self._described(of_query, *first.size), *(self._view(first, *view) for view in VIEWS)]
        match = _verified(views, answer)
        for _ in range(ROUNDS):
            if match.transform is not None:
                views.append(self._drawn(first, second.size, match.transform))
                match = _verified(views, answer)
        seen = views[match.view]
        pairs = match.pairs[match.inliers] if match.accepted else match.pairs[:0]
        outline = None
        if match.accepted and match.transform is not None:
            outline = (match.transform.apply(seen.outline) / answer.sides).astype(np.float32)
        vectors = [self._vector(image) for image in (first, second)]
        hidden = None if outline is None else float(vectors[0] @ self._vector(painted_over(second, outline)))
        with one_thread():
            warm = (heat(answer.descriptors, views[0].descriptors), heat(views[0].descriptors, answer.descriptors))
            colours = shared_colours(of_query, of_result)
        explanation = Explanation(
            score=float(vectors[0] @ vectors[1]),
            without=hidden,
            inliers=match.count,
            bound=int(np.ceil(match.bound)),
            pairs=np.hstack([seen.fractions[pairs[:, 0]], answer.fractions[pairs[:, 1]]]).astype(np.float32),
            outline=outline,
            box=match.box,
            heat=(warm[0].reshape(of_query.shape[:2]), warm[1].reshape(of_result.shape[:2])),
            colours=colours,
        )
        return explanation, first, second

    def _vector(self, image: Any) -> np.ndarray:
        pixels = prepare_pixels(image, self._embedder.preprocessing, self._embedder.patch_size).pixels
        vector: np.ndarray = self._embedder.embed([pixels])[0]
        return vector

    def _patches_of(self, ids: Sequence[int]) -> list[Patches | None]:
        """What images of the collection are ranked by, None for those that cannot be read; made as by `_ranked`."""
        if self._reader.kept:
            sizes = {record.id: (record.width, record.height) for record in self._opened.store.records(ids)}
            known, rows = self._reader.of_images(np.asarray(ids, np.int64))
            maps = iter(rows.reshape(len(rows), *self._reader.grid, rows.shape[-1]))
            return [describe(next(maps), *sizes[i]) if found else None for i, found in zip(ids, known, strict=True)]
        pictures = [self._picture_of(image_id, RANKED_SIDE) for image_id in ids]
        return [None if image is None else self._ranked(image) for image in pictures]

    def _ranked(self, image: Any) -> Patches:
        """What a picture is compared by in a shortlist."""
        if self._reader.kept:
            return describe(self._reader.map_of(image), image.width, image.height)
        return self._view(image, RANKED_SIDE, like=RANKED_SIDE)

    def _view(self, image: Any, side: int, turn: float = 0.0, like: int = SIDE) -> Patches:
        return self._described(self._maps([turned(image, turn)], side)[0], image.width, image.height, turn, like)

    def _described(self, tokens: np.ndarray, width: int, height: int, turn: float = 0.0, like: int = SIDE) -> Patches:
        """Patches of a token map, centred by the mean tokens of pictures of the side `like`."""
        return describe(tokens, width, height, mean=_resized(self._means.of(like), tokens.shape), turned=turn)

    def _drawn(self, image: Any, size: tuple[int, int], onto: Transform) -> Patches:
        """The query where a transform puts it on a canvas of the answer's size: its tokens come near the answer's."""
        pixels = drawn_on(image, size, onto.matrix, self._side(SIDE))
        canvas = self._described(self._tokens([pixels])[0].patches, *size)
        longer = max(image.size)
        return canvas.on((image.width / longer, image.height / longer), onto)

    def _side(self, side: int) -> int:
        """About `side` pixels, a multiple of the model's patch."""
        patch = self._embedder.patch_size
        return max(1, round(side / patch)) * patch

    def _maps(self, images: Sequence[Any], side: int) -> list[np.ndarray]:
        """Patch tokens (h, w, d) of the pictures squashed to about `side` pixels; 0 for what is not finite."""
        preprocessing = Preprocessing("squash", self._side(side))
        found = self._tokens([resize(image, preprocessing) for image in images])
        return [np.nan_to_num(tokens.patches, nan=0.0, posinf=0.0, neginf=0.0) for tokens in found]

    def prepare(self, pause: Callable[[], None]) -> None:
        """Make beforehand what the first comparison waits for, one image at a time with a pause before each."""
        if not self._reader.kept:
            self._means.prepare(RANKED_SIDE, pause)
        self._means.prepare(SIDE, pause)

    def _maps_of(self, ids: Sequence[int], side: int) -> list[np.ndarray]:
        pictures = [self._picture_of(image_id, side) for image_id in ids]
        return self._maps([image for image in pictures if image is not None], side)

    def _picture_of(self, image_id: int, hint: int) -> Any | None:
        try:
            return picture(f"id:{image_id}", self._opened, hint)
        except (ImageNotFoundError, ImageUnreadableError):
            return None


def _verified(views: Sequence[Patches], answer: Patches) -> Match:
    with one_thread():
        return verify_all(views, [answer])[0]


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
