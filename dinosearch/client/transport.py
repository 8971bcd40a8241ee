"""Requests to one server: token, limits of time, waiting for a busy server; every failure becomes an exception."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from dinosearch import __version__
from dinosearch.advice import run
from dinosearch.client.failures import is_busy, raise_failure
from dinosearch.errors import ServerError, SettingError

TOKEN = "DINOSEARCH_TOKEN"
Files = Sequence[tuple[str, bytes]]
"""Name of the part and content."""
_LONGEST_WAIT = 10.0  # seconds that one Retry-After may ask for
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Transport:
    """A connection to a server.

    Args:
        url: of the server, such as `http://127.0.0.1:8765`.
        token: what the server asks for; None takes DINOSEARCH_TOKEN, if it is set.
        timeout: seconds for the answer to one request.
        retries: how often a request is made again when the server is busy (503).
    """

    def __init__(self, url: str, token: str | None, timeout: float, retries: int) -> None:
        self.url = url
        token = os.environ.get(TOKEN) if token is None else token
        if token and not (token.isascii() and token.isprintable()):
            raise SettingError(f"a token has printable ASCII characters only; look at token= or {TOKEN}")
        headers = {"User-Agent": f"dinosearch/{__version__}", **({"Authorization": f"Bearer {token}"} if token else {})}
        # A proxy of the environment is for other machines, and never shown what is asked on this one.
        server = httpx.URL(url)
        self._http = httpx.Client(
            base_url=url,
            headers=headers,
            timeout=timeout,
            trust_env=server.host not in _LOOPBACK,
            verify=server.scheme == "https",  # reading all certificates takes longer than a question
        )
        self._timeout, self._retries = timeout, retries

    def get(self, path: str, **params: Any) -> Any:
        """The JSON at a path; parameters that are None are left out."""
        return self._json("GET", path, params={name: value for name, value in params.items() if value is not None})

    def post(self, path: str, data: Any) -> Any:
        """The JSON that answers to JSON."""
        return self._json("POST", path, json=data)

    def upload(self, path: str, files: Files, fields: Mapping[str, Any]) -> Any:
        """The JSON that answers to files and fields, which are sent as JSON."""
        return self._json("POST", path, **_form(files, fields))

    def delete(self, path: str) -> Any:
        """The JSON that answers to a deletion."""
        return self._json("DELETE", path)

    def content(self, path: str, **params: Any) -> bytes:
        """The bytes at a path."""
        return self._send("GET", path, params=params).content

    def drawn(self, path: str, accept: str, data: Any, files: Files) -> bytes:
        """The answer of another type to JSON, or to files with the same as fields."""
        sent = _form(files, data) if files else {"json": data}
        return self._send("POST", path, headers={"Accept": accept}, **sent).content

    @contextmanager
    def lines(self, path: str) -> Iterator[Iterator[str]]:
        """The lines of a stream of events, as they come; only a silence of a minute ends it."""
        with self._failing(), self._http.stream("GET", path, timeout=httpx.Timeout(self._timeout, read=60)) as answer:
            if answer.status_code != 200:
                answer.read()
                raise_failure(answer, self.url)
            yield answer.iter_lines()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _json(self, method: str, path: str, **named: Any) -> Any:
        try:
            return self._send(method, path, **named).json()
        except json.JSONDecodeError:
            raise ServerError(f"{self.url} answers no JSON, so it is no dinosearch server; check the address") from None

    def _send(self, method: str, path: str, **named: Any) -> httpx.Response:
        for attempt in range(self._retries + 1):
            with self._failing():
                answer = self._http.request(method, path, **named)
            if not is_busy(answer) or attempt == self._retries:
                break
            time.sleep(_pause(answer, attempt))
        if not answer.is_success:
            raise_failure(answer, self.url)
        return answer

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Say in one sentence what went wrong with the connection."""
        try:
            yield
        except httpx.ConnectError:
            raise ServerError(f"no server answers at {self.url}; start one with: ", run("serve")) from None
        except httpx.TimeoutException:
            raise ServerError(
                f"{self.url} gave no answer within {self._timeout:g} s; wait longer with: timeout={2 * self._timeout:g}"
            ) from None
        except httpx.HTTPError as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ServerError(f"the connection to {self.url} broke ({reason}); ask again") from None


def _form(files: Files, fields: Mapping[str, Any]) -> dict[str, Any]:
    # A field is a file without a name, so that a request without files is multipart too.
    parts: list[tuple[str, tuple[str | None, bytes | str, str]]] = [
        (name, ("image", content, "application/octet-stream")) for name, content in files
    ]
    parts += [(name, (None, json.dumps(value), "application/json")) for name, value in fields.items()]
    return {"files": parts}


def _pause(answer: httpx.Response, attempt: int) -> float:
    """Seconds until the server is asked again: what it says, else ever more."""
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked) if asked.isdecimal() else 0.25 * 2**attempt, _LONGEST_WAIT)
