"""The routes that search: by examples, by uploads, by vectors."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from dinosearch.server.catalogue import Served
from dinosearch.server.context import Asked, Context, Shared
from dinosearch.server.wire.answers import Answer, Ranking, VectorsAnswer
from dinosearch.server.wire.bodies import body_of, checked, json_body, upload, upload_of
from dinosearch.server.wire.cursors import digest
from dinosearch.server.wire.problems import invalid
from dinosearch.server.wire.questions import Pictures, arguments_of, pictures_of
from dinosearch.server.wire.replies import json_reply, problems
from dinosearch.server.wire.schemas import DEEPEST, MOST_EXAMPLES, Question, RankQuestion, VectorsQuestion
from dinosearch.timing import watched

routes = APIRouter(prefix="/v1/collections/{name}", tags=["search"])
WITH_BODY = problems(400, 404, 409, 415)


@routes.post(
    "/search",
    operation_id="search",
    summary="Search by examples",
    response_model=Answer,
    responses=WITH_BODY,
    openapi_extra=body_of(Question),
)
async def search(
    context: Shared, served: Asked, question: Annotated[Question, Depends(json_body(Question))]
) -> Response:
    """Find the images most like the examples: ids, vectors or web addresses."""
    return await _answer(context, served, question, (), ())


@routes.post(
    "/search/upload",
    operation_id="search_upload",
    summary="Search by uploaded images",
    response_model=Answer,
    responses=WITH_BODY,
    openapi_extra=upload_of({"image": (0, MOST_EXAMPLES), "negative": (0, MOST_EXAMPLES)}, {"question": Question}, ()),
)
async def search_upload(context: Shared, served: Asked, request: Request) -> Response:
    """Find the images most like the uploaded ones; `question` has the conditions and may mix in other examples."""
    parts = await upload(request, files=("image", "negative"), fields=("question",))
    if len(parts["question"]) > 1:
        raise invalid("it is there more than once", "question")
    for name in ("image", "negative"):
        if len(parts[name]) > MOST_EXAMPLES:
            raise invalid(f"at most {MOST_EXAMPLES} files can be asked with", name)
    question = await checked(Question, parts["question"][0]) if parts["question"] else Question()
    return await _answer(context, served, question, parts["image"], parts["negative"])


@routes.post(
    "/search/vectors",
    operation_id="search_vectors",
    summary="Search by vectors",
    response_model=VectorsAnswer,
    responses=WITH_BODY,
    openapi_extra=body_of(VectorsQuestion),
)
async def search_vectors(
    context: Shared, served: Asked, question: Annotated[VectorsQuestion, Depends(json_body(VectorsQuestion))]
) -> Response:
    """Find the images nearest to each vector."""
    where = context.shown.where(question.where)

    def ask() -> Response:
        state = served.state()
        answers = served.collection.search_vectors(
            rows(question.vectors),
            question.k,
            where=where,
            threshold=question.threshold,
            exact=question.exact,
            unique=question.unique,
            rerank=question.rerank,
        )
        return json_reply({"answers": [[context.shown.hit(hit) for hit in hits] for hits in answers], "state": state})

    return await context.work.run(ask)


@routes.post(
    "/rank",
    operation_id="rank",
    summary="Rank ids by vectors",
    response_model=Ranking,
    responses=WITH_BODY,
    openapi_extra=body_of(RankQuestion),
)
async def rank(
    context: Shared, served: Asked, question: Annotated[RankQuestion, Depends(json_body(RankQuestion))]
) -> Response:
    """Rank images by their similarity to each vector, as numbers only."""
    where = context.shown.where(question.where)

    def ask() -> Response:
        ids, scores = served.collection.rank(
            rows(question.vectors),
            question.k,
            ids=None if question.ids is None else np.array(question.ids, np.int64),
            where=where,
            exact=question.exact,
            rerank=question.rerank,
        )
        finite = [[value if value > -2 else None for value in row] for row in scores.tolist()]
        return json_reply({"ids": ids.tolist(), "scores": finite})

    return await context.work.run(ask)


def rows(vectors: list[list[float]]) -> np.ndarray:
    """(n, d) float32; refuses lists of different lengths."""
    if len({len(vector) for vector in vectors}) > 1:
        raise invalid("they have different lengths", "vectors")
    return np.array(vectors, np.float32)


async def _answer(
    context: Context, served: Served, question: Question, images: tuple[bytes, ...] | list[bytes], against: Any
) -> Response:
    """One page of the answer to a question with its uploaded files."""
    begin = time.perf_counter()
    likes = await pictures_of(question.examples, images, context)
    unlike = await pictures_of(question.negatives, against, context, "negatives")
    if not likes.images:
        raise invalid("a question needs at least one example or uploaded image", "examples")
    bound = _bound(served, question, likes, unlike)
    offset = int(context.cursors.read(bound, question.cursor)) if question.cursor else 0
    wanted, arguments = min(offset + question.k, DEEPEST), arguments_of(question, context)
    took: dict[str, float] = defaultdict(float)

    def watch(stage: str, seconds: float) -> None:
        took[stage] += seconds

    def ask() -> Response:
        state = served.state()
        with watched(watch):
            hits = served.collection.query(
                *likes.images,
                k=wanted,
                negative=unlike.images,
                weights=likes.weights,
                negative_weights=unlike.weights if unlike.images else None,
                **arguments,
            )
        more = len(hits) == wanted < DEEPEST
        times = {**took, "total": time.perf_counter() - begin}
        return json_reply(
            {
                "hits": [context.shown.hit(hit) for hit in hits[offset:]],
                "next": context.cursors.make(bound, wanted) if more else None,
                "state": state,
                "took": {stage: round(1000 * seconds, 3) for stage, seconds in times.items()},
            }
        )

    return await context.work.run(ask)


def _bound(served: Served, question: Question, likes: Pictures, unlike: Pictures) -> bytes:
    """What the pages of one answer have in common."""
    asked = question.model_dump(exclude={"cursor", "k", "examples", "negatives"})
    weights = [likes.weights, unlike.weights]
    return digest(served.name, asked, weights, likes.content, unlike.content)
