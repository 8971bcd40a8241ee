"""The face of a collection on a server: where it is, and the verbs that change it, which run there as jobs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

from dinosearch.advice import run
from dinosearch.arguments import checked_verbs
from dinosearch.client import jobs
from dinosearch.client.answers import RESULTS
from dinosearch.client.asking import id_of, whole_path
from dinosearch.client.judge import ClientJudge
from dinosearch.client.migrator import ClientMigrator
from dinosearch.client.reader import ClientReader
from dinosearch.client.tagger import ClientTagger
from dinosearch.client.transport import Transport
from dinosearch.errors import CollectionNotFoundError, SettingError
from dinosearch.protocols import Progress
from dinosearch.records import Calibration, Generation, IndexSummary

if TYPE_CHECKING:
    from dinosearch.collection.reports import CompactReport, VerifyReport

Paths = str | os.PathLike[str]
Self = TypeVar("Self", bound="Client")
DEFAULT_URL = "http://127.0.0.1:8765"


@checked_verbs
class Client(ClientMigrator, ClientReader, ClientTagger, ClientJudge):
    """A collection on a server that `dinosearch serve` runs; it has the verbs of `Collection`.

    Paths of `index` and `remove` are those of the server's machine; images of queries are of this one. Verbs that
    change the collection need a server that was started with `--writable`. Several threads may ask at once.

    Args:
        url: of the server, or of one of its collections: `http://127.0.0.1:8765/photos`.
        collection: its name; None takes that of the URL, or the only one there is.
        token: what the server asks for; None takes DINOSEARCH_TOKEN, if it is set.
        timeout: seconds for the answer to one request.
        retries: how often a request is made again when the server is busy.

    Raises:
        ServerError: no server answers there, or not to this token.
        CollectionNotFoundError: it has no such collection.
        SettingError: the URL is none, or a name is needed because there are several collections.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        collection: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 4,
    ) -> None:
        server, named = _split(url)
        self._transport = Transport(server, token, timeout, retries)
        try:
            name = collection or named or self._only()
            self._path = f"/v1/collections/{quote(name, safe='')}"
            self._transport.get(self._path)
        except BaseException:
            self._transport.close()
            raise
        self._home = f"{server}/{quote(name, safe='')}"

    @classmethod
    def open(
        cls: type[Self],
        home: str = DEFAULT_URL,
        *,
        collection: str | None = None,
        token: str | None = None,
        timeout: float = 60.0,
        retries: int = 4,
    ) -> Self:
        """The collection at a URL; arguments and errors are those of the class."""
        return cls(home, collection, token, timeout=timeout, retries=retries)

    @classmethod
    def exists(cls, home: str = DEFAULT_URL, *, collection: str | None = None, token: str | None = None) -> bool:
        """Whether the server has that collection.

        Raises:
            ServerError: no server answers there, or not to this token.
        """
        try:
            cls(home, collection, token).close()
        except CollectionNotFoundError:
            return False
        return True

    @property
    def home(self) -> str:
        """URL of the collection."""
        return self._home

    def index(
        self,
        *paths: Paths,
        exclude: Sequence[str] = (),
        follow_symlinks: bool = False,
        retry_failed: bool = False,
        recall: float | None = None,
        index_type: str | None = None,
        workers: int | None = None,
        regions: bool | None = None,
        keep_patches: bool | None = None,
        text: bool | Paths | None = None,
        progress: Progress | None = None,
    ) -> IndexSummary:
        """As `Collection.index`; the paths are of the server's machine, inside of folders that it may index.

        Raises:
            SettingError: a folder as `text`: which files a server reads is said on its machine.
        """
        if not paths:
            raise ValueError("index needs at least one folder, archive or file")
        if not isinstance(text, (bool, type(None))):
            raise SettingError(
                "a server is told its files where it runs, with: ", run("index", "--text-files", "FOLDER")
            )
        found: IndexSummary = self._run(
            "index",
            progress,
            paths=[whole_path(path) for path in paths],
            exclude=list(exclude) or None,
            follow_symlinks=follow_symlinks or None,
            retry_failed=retry_failed or None,
            recall=recall,
            index_type=index_type,
            workers=workers,
            regions=regions,
            keep_patches=keep_patches,
            text=text,
        )
        return found

    def remove(self, *targets: Paths) -> int:
        """As `Collection.remove`; the paths are of the server's machine."""
        found: int = self._run("remove", None, targets=[_target(target) for target in targets])
        return found

    def verify(self, *, repair: bool = False, progress: Progress | None = None) -> VerifyReport:
        """As `Collection.verify`."""
        found: VerifyReport = self._run("verify", progress, repair=repair or None)
        return found

    def compact(self, *, progress: Progress | None = None) -> CompactReport:
        """As `Collection.compact`."""
        found: CompactReport = self._run("compact", progress)
        return found

    def refine(
        self,
        *,
        dimensions: int | None = None,
        power: float = 0.0,
        shrinkage: float = 1.0,
        augment: int = 0,
        recall: float | None = None,
        progress: Progress | None = None,
    ) -> Generation:
        """As `Collection.refine`."""
        asked = {"dimensions": dimensions, "power": power, "shrinkage": shrinkage, "augment": augment}
        found: Generation = self._run("refine", progress, **asked, recall=recall)
        return found

    def diffuse(self, *, edges: int = 50, truncation: int = 1000, progress: Progress | None = None) -> Generation:
        """As `Collection.diffuse`."""
        found: Generation = self._run("diffuse", progress, edges=edges, truncation=truncation)
        return found

    def unrefine(self) -> None:
        """As `Collection.unrefine`."""
        self._run("unrefine", None)

    def calibrate(self, *, sample: int = 200, progress: Progress | None = None) -> Calibration:
        """As `Collection.calibrate`."""
        found: Calibration = self._run("calibrate", progress, sample=sample)
        return found

    def _run(self, verb: str, progress: Progress | None, **arguments: Any) -> Any:
        return RESULTS[verb](jobs.run(self._transport, self._path, verb, arguments, progress))

    def _only(self) -> str:
        """The name of the only collection."""
        names = [str(one["name"]) for one in self._transport.get("/v1/collections")["collections"]]
        if len(names) != 1:
            raise SettingError(
                f"{self._transport.url} serves {len(names)} collections ({', '.join(names)}); name one in its URL, as: "
                f"{self._transport.url}/NAME"
            )
        return names[0]

    def close(self) -> None:
        """Close the connections; the server goes on."""
        self._transport.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._home!r})"


def _split(url: str) -> tuple[str, str | None]:
    """Address of the server, and name of the collection if the URL has one."""
    try:
        parts = urlsplit(url)
        names = [unquote(part) for part in parts.path.split("/") if part]
        _ = parts.port
    except ValueError:
        parts, names = urlsplit(""), []
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or len(names) > 1:
        raise SettingError(f"{url!r} is no address of a server; give one such as: {DEFAULT_URL}/NAME")
    return f"{parts.scheme}://{parts.netloc}", names[0] if names else None


def _target(target: Paths) -> str:
    number = id_of(target)
    return whole_path(target) if number is None else f"id:{number}"
