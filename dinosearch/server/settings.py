"""What a server is told when it starts: collections, address, who may ask, and its limits; all checked here."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from dinosearch.advice import run
from dinosearch.capacity import cores
from dinosearch.engines import parse_address
from dinosearch.engines.address import is_url
from dinosearch.errors import SettingError

LOOPBACK = ("127.0.0.1", "::1", "localhost")
WILDCARDS = ("0.0.0.0", "::", "")
SHORTEST_TOKEN = 16
"""Characters; 16 of a random alphabet of 64 are 96 bits."""
MiB = 2**20


@dataclass(frozen=True)
class Settings:
    """The settings of one server.

    Attributes:
        homes: name and folder of each collection.
        host: address to bind; beyond loopback only with a token.
        port: 0 takes a free one.
        token: what clients must show; None asks for nothing.
        hosts: names allowed in `Host` beside the address and the loopback names.
        cors: origins such as `https://photos.example` whose pages may ask.
        writable: whether indexing jobs and verdicts are accepted.
        roots: folders that jobs may index beside those that a collection knows.
        hide_paths: answer bare file names in place of paths.
        allow_urls: whether examples may be web addresses.
        max_upload: bytes of a request with images.
        max_json: bytes of a request with JSON.
        max_pixels: pixels of an uploaded image; None leaves it to the decoder.
        timeout: seconds until a question is given up.
        body_time: seconds for the body of a request to begin with; it gets more as it arrives.
        running: questions computed at once; None takes two a core.
        waiting: questions that may wait for those; None takes as many.
        batching: embed the images of concurrent questions together, where that is faster.
        batch_wait: seconds that a pass may wait for more images.
        cache_bytes: memory for pictures.
        disk_cache: folder for pictures; None keeps none on the disk.
        disk_cache_bytes: disk space for pictures.
        sessions: folder where the open sessions of browsers are kept; None keeps them in the memory of one process.
        workers: processes.
        device, dtype, runtime: where the model computes, as in `Collection.open`.
        log_level: `debug`, `info`, `warning` or `error`.
        secret: key of cursors, the same in all workers.
    """

    homes: tuple[tuple[str, str], ...] = ()
    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()
    cors: tuple[str, ...] = ()
    writable: bool = False
    roots: tuple[str, ...] = ()
    hide_paths: bool = False
    allow_urls: bool = False
    max_upload: int = 32 * MiB
    max_json: int = 16 * MiB
    max_pixels: int | None = None
    timeout: float = 30.0
    body_time: float = 10.0
    running: int | None = None
    waiting: int | None = None
    batching: bool = True
    batch_wait: float = 0.0
    cache_bytes: int = 64 * MiB
    disk_cache: str | None = None
    disk_cache_bytes: int = 512 * MiB
    sessions: str | None = None
    workers: int = 1
    device: str | None = None
    dtype: str | None = None
    runtime: str | None = None
    log_level: str = "info"
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def __post_init__(self) -> None:
        names = [name for name, _ in self.homes]
        if len(set(names)) < len(names):
            raise SettingError(
                f"two collections would be called {max(names, key=names.count)!r}; name them: ",
                run("serve", "NAME=HOME", "OTHER=HOME"),
            )
        for name in names:
            if not name or len(name) > 100 or any(c in "/\\?#%" or not c.isprintable() for c in name):
                raise SettingError(f"{name!r} is no name for an address; give one: ", run("serve", "NAME=HOME"))
        if self.token is None and not self.is_loopback:
            raise SettingError(
                f"{self.host} can be reached from other machines, so a token is needed; write one of at least "
                f"{SHORTEST_TOKEN} characters into a file and add: --token-file FILE"
            )
        if self.token is not None and (len(self.token) < SHORTEST_TOKEN or not self.token.isascii()):
            raise SettingError(f"the token must have at least {SHORTEST_TOKEN} ASCII characters; choose a longer one")
        for origin in self.cors:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
                raise SettingError(f"{origin!r} is no origin; give scheme, host and port, as: --cors https://host:8000")
        if self.max_upload < 1024 or self.timeout <= 0 or self.workers < 1:
            raise SettingError("limits must allow something; leave them out for the defaults")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the address."""
        if self.host in LOOPBACK:
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def running_limit(self) -> int:
        """Questions computed at once."""
        return self.running or 2 * cores()

    @property
    def waiting_limit(self) -> int:
        """Questions that may wait for those."""
        return self.running_limit if self.waiting is None else self.waiting


def named(homes: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Name and home of each `NAME=HOME` or `HOME`, which is called as its folder or the engine's collection is.

    A folder whose own name has a `=` is written with a name.
    """
    found = []
    for given in homes:
        name, sign, home = given.partition("=")
        if not sign or "/" in name or "\\" in name:
            name, home = "", given
        if is_url(home):
            found.append((name or parse_address(home).collection, home))
            continue
        path = Path(home).expanduser().absolute()
        found.append((name or path.name, str(path)))
    return tuple(found)
