"""The verbs of a collection on a server that ask it; signatures and answers are those of `Collection`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dinosearch.arguments import checked_verbs
from dinosearch.client.answers import ranking_of
from dinosearch.client.asking import Examples, content_of, finite, id_of, is_vector, path_of
from dinosearch.client.lister import PAGE, ClientLister
from dinosearch.errors import SettingError
from dinosearch.records import Explanation, Hit
from dinosearch.records.wire import explanation_from_dict, hit_from_dict

if TYPE_CHECKING:
    from dinosearch.collection.asking.pictures import QueryImage
    from dinosearch.collection.asking.question import Box

_VECTORS = 256  # in one question
_IMAGES, _BYTES = 16, 8 << 20  # to embed in one request; a single larger image goes alone


@checked_verbs
class ClientReader(ClientLister):
    """A collection on a server as its readers see it; queries may run in many threads at once."""

    def query(
        self,
        *images: QueryImage,
        k: int = 10,
        negative: Sequence[QueryImage] = (),
        weights: Sequence[float] | None = None,
        negative_weights: Sequence[float] | None = None,
        where: str | None = None,
        threshold: float | None = None,
        exact: bool = False,
        include_self: bool = False,
        unique: bool = False,
        rerank: str | None = None,
        precision: float | None = None,
        box: Box | None = None,
        regions: bool | None = None,
    ) -> list[Hit]:
        """As `Collection.query`; files and web addresses are read here and uploaded."""
        if not images:
            raise ValueError("a query needs at least one image")
        from dinosearch.collection.asking.question import four_sides

        likes, unlike = Examples(images, weights), Examples(negative, negative_weights, "negative")
        question = {
            "examples": likes.entries,
            "negatives": unlike.entries,
            "box": None if box is None else four_sides(box),
            "where": where,
            "threshold": None if threshold is None else float(threshold),
            "precision": None if precision is None else float(precision),
            "exact": exact,
            "include_self": include_self,
            "unique": unique,
            "rerank": rerank,
            "regions": regions,
        }
        # The server does not know what an uploaded file is called here: its own hit is left out after the answer.
        own = set() if include_self else {path_of(image) for image in (*images, *negative)} - {None}
        found = self._hits(question, [*likes.files, *unlike.files], k + len(own))
        kept = [hit for hit in found if hit.path not in own][:k]
        return [replace(hit, rank=rank) for rank, hit in enumerate(kept, start=1)]

    def _hits(self, question: dict[str, Any], files: list[tuple[str, bytes]], wanted: int) -> list[Hit]:
        """So many hits, page by page."""
        hits: list[Hit] = []
        cursor: str | None = None
        while True:
            page = {**question, "k": min(wanted - len(hits), PAGE), "cursor": cursor}
            path = f"{self._path}/search"
            answer = (
                self._transport.upload(f"{path}/upload", files, {"question": page})
                if files
                else self._transport.post(path, page)
            )
            hits += map(hit_from_dict, answer["hits"])
            cursor = answer["next"]
            if cursor is None or len(hits) >= wanted:
                return hits

    def explain(self, query: QueryImage, result: QueryImage) -> Explanation:
        """As `Collection.explain`; the result is an image of the collection, as its id or `id:N`."""
        data, files = self._compared(query, result)
        path = f"{self._path}/explain"
        answer = self._transport.upload(f"{path}/upload", files, data) if files else self._transport.post(path, data)
        return explanation_from_dict(answer)

    def draw_explanation(self, query: QueryImage, result: QueryImage) -> tuple[Explanation, bytes]:
        """As `Collection.draw_explanation`, with the result as in `explain`."""
        data, files = self._compared(query, result)
        path = f"{self._path}/explain/upload" if files else f"{self._path}/explain"
        return self.explain(query, result), self._transport.drawn(path, "image/png", data, files)

    def _compared(self, query: QueryImage, result: QueryImage) -> tuple[dict[str, Any], list[tuple[str, bytes]]]:
        number = id_of(result)
        if number is None:
            raise SettingError("a server explains images of its collection; give the result's id, such as id:12")
        asked = Examples([query])
        if asked.files:
            return {"result": number}, asked.files
        return {"query": asked.entries[0], "result": {"id": number}}, []

    def embed(self, *images: QueryImage) -> np.ndarray:
        """As `Collection.embed`."""
        if not images:
            return self._no_vectors()
        numbers = [id_of(image) for image in images]
        stored = [number for number in numbers if number is not None]
        known = iter(self.vectors(stored)[1] if stored else ())
        others = [i for i, number in zip(images, numbers, strict=True) if number is None and not is_vector(i)]
        made = iter(self._embedded(others))
        return np.stack(
            [
                next(known) if number is not None else _unit(image) if is_vector(image) else next(made)
                for image, number in zip(images, numbers, strict=True)
            ]
        )

    def _embedded(self, images: Sequence[QueryImage]) -> list[np.ndarray]:
        rows: list[np.ndarray] = []
        waiting: list[tuple[str, bytes]] = []

        def send() -> None:
            if waiting:
                answer = self._transport.upload(f"{self._path}/embed", waiting, {})
                rows.extend(np.array(answer["vectors"], np.float32))
                waiting.clear()

        for image in images:
            content = content_of(image)
            if len(waiting) == _IMAGES or sum(len(one) for _, one in waiting) + len(content) > _BYTES:
                send()
            waiting.append(("image", content))
        send()
        return rows

    def search_vectors(
        self,
        vectors: np.ndarray,
        k: int = 10,
        *,
        where: str | None = None,
        threshold: float | None = None,
        exact: bool = False,
        unique: bool = False,
        rerank: str = "fast",
    ) -> list[list[Hit]]:
        """As `Collection.search_vectors`, for k up to 1000."""
        asked = {"k": k, "where": where, "threshold": None if threshold is None else float(threshold), "exact": exact}
        answers: list[list[Hit]] = []
        for part in _parts(vectors):
            question = {**asked, "unique": unique, "rerank": rerank, "vectors": part}
            found = self._transport.post(f"{self._path}/search/vectors", question)["answers"]
            answers += [[hit_from_dict(hit) for hit in hits] for hits in found]
        return answers

    def query_text(
        self,
        *texts: str,
        k: int = 10,
        where: str | None = None,
        threshold: float | None = None,
        exact: bool = False,
        unique: bool = False,
    ) -> list[Hit]:
        """As `Collection.query_text`, for k up to 1000 and up to 16 texts."""
        asked = {"k": k, "where": where, "threshold": None if threshold is None else float(threshold), "exact": exact}
        question = {**asked, "texts": list(texts), "unique": unique}
        return list(map(hit_from_dict, self._transport.post(f"{self._path}/search/text", question)["answers"][0]))

    def rank(
        self,
        vectors: np.ndarray,
        k: int = 10,
        *,
        ids: Sequence[int] | np.ndarray | None = None,
        where: str | None = None,
        exact: bool = False,
        rerank: str = "fast",
        images: Sequence[QueryImage] = (),
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `Collection.rank`, for k up to 1000 and up to 100,000 ids, and without `images`."""
        if images:
            raise SettingError("a server ranks by vectors alone; for stages that compare pictures ask with: query")
        only = None if ids is None else np.asarray(ids, np.int64).reshape(-1).tolist()
        asked = {"k": k, "ids": only, "where": where, "exact": exact, "rerank": rerank}
        parts = [
            ranking_of(self._transport.post(f"{self._path}/rank", {**asked, "vectors": part}))
            for part in _parts(vectors)
        ]
        return np.concatenate([found for found, _ in parts]), np.concatenate([scores for _, scores in parts])


def _parts(vectors: np.ndarray) -> Iterator[list[list[float]]]:
    rows = np.atleast_2d(finite(vectors))
    for low in range(0, max(len(rows), 1), _VECTORS):
        yield rows[low : low + _VECTORS].tolist()


def _unit(vector: np.ndarray) -> np.ndarray:
    found = finite(vector)
    length = float(np.linalg.norm(found))
    if length < 1e-12:
        raise ValueError("a query vector is zero or not finite, so it has no direction")
    unit: np.ndarray = found / np.float32(length)
    return unit
