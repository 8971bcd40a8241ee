"""Fetch the image behind a web address for a client, where the server was told that it may.

The name is looked up here, once for each address, and what is connected to is exactly what was checked: a second
look-up could be answered differently (DNS rebinding). Redirects are new addresses and checked anew. Nothing of this
machine goes along: no cookies, no proxies and no passwords from its environment.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache

import httpx

from dinosearch.errors import ImageUnreadableError
from dinosearch.server.guards.addresses import PORTS, Target, is_public, target

MAX_BYTES = 32 << 20
TIMEOUT = 15.0
REDIRECTS = 3
_TRIED = 3  # addresses of one name
_AT_ONCE = 8  # fetches, whose bodies are all in memory; the others wait within their time
_HEADERS = {"User-Agent": "dinosearch", "Accept": "image/*", "Accept-Encoding": "identity", "Connection": "close"}
_MOVED = frozenset({301, 302, 303, 307, 308})
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, by the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Fetcher:
    """Fetches images from public servers.

    Args:
        max_bytes: largest body that is taken.
        timeout: seconds for the whole fetch: look-ups, redirects and all.
        resolve: gives the addresses of a name.
        allowed: says whether an address may be connected to.
        ports: that may be connected to, by scheme.
        trust: whose certificates count; None is for those that browsers trust.
    """

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        timeout: float = TIMEOUT,
        resolve: Resolve = look_up,
        allowed: Callable[[str], bool] = is_public,
        ports: Mapping[str, frozenset[int]] = PORTS,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._max_bytes, self._timeout = max_bytes, timeout
        self._resolve, self._allowed, self._ports, self._trust = resolve, allowed, ports, trust
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def fetch(self, url: str) -> bytes:
        """The bytes behind an address.

        Raises:
            ImageUnreadableError: it may not be fetched, nobody answers in time, or the answer is no body of that size.
                The reasons tell nothing of what is inside of this network: a name without address, one with a private
                address and one of both kinds give the same.
        """
        try:
            return await asyncio.wait_for(self._follow(url), self._timeout)
        except asyncio.TimeoutError:
            reason = f"no complete answer within {self._timeout:g} s"
        except ValueError as error:
            reason = f"not fetched, because {error}"
        raise ImageUnreadableError(url, reason)

    async def _follow(self, url: str) -> bytes:
        async with self._places:
            for _ in range(REDIRECTS + 1):
                wanted = target(url, self._ports)
                found = await self._get(wanted, await self._addresses(wanted))
                if isinstance(found, bytes):
                    return found
                url = found
        raise ValueError(f"it leads through more than {REDIRECTS} redirects")

    async def _addresses(self, wanted: Target) -> Sequence[str]:
        """All addresses of the name; one that may not be connected to spoils them all."""
        found: Sequence[str] = [wanted.literal] if wanted.literal else []
        if not found:
            try:
                found = await self._resolve(wanted.host, wanted.port)
            except (OSError, UnicodeError):
                found = []
        if not found or not all(map(self._allowed, found)):
            raise ValueError("its name leads to no public address")
        return list(dict.fromkeys(found))[:_TRIED]

    async def _get(self, wanted: Target, addresses: Sequence[str]) -> bytes | str:
        """The body; or where else it is."""
        headers = {**_HEADERS, "Host": wanted.url.netloc.decode("ascii")}
        async with httpx.AsyncClient(
            verify=self._trust or _usual_trust(), trust_env=False, follow_redirects=False, timeout=self._timeout
        ) as client:
            for address in addresses:
                request = client.build_request(
                    "GET",
                    wanted.url.copy_with(host=address),
                    headers=headers,
                    extensions={"sni_hostname": wanted.host},
                )
                try:
                    answer = await client.send(request, stream=True)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    continue
                except httpx.HTTPError:
                    break
                try:
                    return await self._body(answer, wanted.url)
                except httpx.HTTPError:
                    break
                finally:
                    await answer.aclose()
        raise ValueError("its server does not answer as it should")

    async def _body(self, answer: httpx.Response, url: httpx.URL) -> bytes | str:
        if answer.status_code in _MOVED and "Location" in answer.headers:
            try:
                return str(url.join(answer.headers["Location"]))
            except (httpx.InvalidURL, ValueError):
                raise ValueError("it is redirected to no web address") from None
        if answer.status_code != 200:
            raise ValueError(f"its server answered {answer.status_code}")
        body = bytearray()
        async for chunk in answer.aiter_raw():  # as it comes: nothing is unpacked
            body += chunk
            if len(body) > self._max_bytes:
                raise ValueError(f"it is larger than {self._max_bytes >> 20} MiB")
        return bytes(body)


@lru_cache(maxsize=1)
def _usual_trust() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
