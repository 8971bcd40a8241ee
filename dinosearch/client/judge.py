"""The verbs of a collection on a server about what people say of results: whether they show the same thing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dinosearch.arguments import checked_verbs
from dinosearch.client.answers import calibration_of, verdict_of
from dinosearch.client.asking import id_of, parts_of
from dinosearch.client.lister import ClientLister
from dinosearch.errors import SettingError
from dinosearch.images import sha256_of
from dinosearch.records import Calibration, Verdict

if TYPE_CHECKING:
    from dinosearch.collection.asking.pictures import QueryImage

_LISTED, _FORGOTTEN = 200, 10_000  # results that one request names


@checked_verbs
class ClientJudge(ClientLister):
    """A collection on a server that is told whether results are right, where it is writable."""

    def confirm(self, query: QueryImage, *results: QueryImage) -> Calibration | None:
        """As `Collection.confirm`; query and results are images of the collection, as ids or `id:N`."""
        return self._judge(query, results, same=True)

    def reject(self, query: QueryImage, *results: QueryImage) -> Calibration | None:
        """As `Collection.reject`, with ids as in `confirm`."""
        return self._judge(query, results, same=False)

    def verdicts(self, query: QueryImage | None = None, results: Iterable[int] | None = None) -> list[Verdict]:
        """As `Collection.verdicts`; what is no id is read on this machine, and only its digest is sent."""
        asked = _query(query)

        def pages() -> Iterator[Any]:
            for part in parts_of(results, _LISTED):
                yield from self._pages(
                    lambda part=part, **of: self._transport.get(f"{self._path}/verdicts", **asked, results=part, **of)
                )

        found = [verdict_of(one) for page in pages() for one in page["verdicts"]]
        return sorted(found, key=lambda verdict: (verdict.query_sha256, verdict.image_id))

    def forget_verdicts(self, query: QueryImage | None = None, results: Iterable[int] | None = None) -> int:
        """As `Collection.forget_verdicts`, with a query as in `verdicts`."""
        asked, path = _query(query), f"{self._path}/verdicts/forget"
        wanted = parts_of(results, _FORGOTTEN)
        return sum(self._transport.post(path, {**asked, "results": part})["written"] for part in wanted)

    def _judge(self, query: QueryImage, results: Sequence[QueryImage], *, same: bool) -> Calibration | None:
        asked, *others = map(id_of, (query, *results))
        if asked is None or None in others:
            raise SettingError("a server takes verdicts on images of its collection; give their ids, such as id:12")
        verdicts = {"query": asked, "results": others, "same": same}
        return calibration_of(self._transport.post(f"{self._path}/verdicts", verdicts)["calibration"])


def _query(query: QueryImage | None) -> dict[str, Any]:
    """A query as requests name it."""
    if query is None:
        return {}
    number = id_of(query)
    return {"query_sha256": sha256_of(query)} if number is None else {"query": number}
