"""The connection to a Milvus server or a milvus-lite file: made when first used, its errors turned into sentences."""

from __future__ import annotations

import logging
import re
import threading
from typing import Any

from dinosearch.advice import run
from dinosearch.engines.address import Address
from dinosearch.engines.milvus_filters import Condition
from dinosearch.errors import DamagedHomeError, DinosearchError, HomeLockedError, SettingError

CONSISTENCY = {"strong": "Strong", "bounded": "Bounded", "eventually": "Eventually"}
"""What a search waits for: all that was written by anybody (0.2 s on Milvus 2.3.5, whose clock ticks five times a
second), or not (3 ms there)."""
OPTIONS = ("secure", "consistency", "timeout", "index", "nlist")
BINDS = (2, 5)
"""The first version whose expressions take bound values (`filter_params`); milvus-lite 3.2 has none."""
_VERSION = re.compile(r"(\d+)\.(\d+)[\d.]*")
_UNREACHABLE = ("unavailable", "connecting to server", "connection refused", "connect failed", "closed channel")
_REFUSED = ("auth check failure", "unauthenticated", "permission deny", "privilege")
_GONE = ("not found", "does not exist", "can't find")
"""What Milvus 2.3, later ones and milvus-lite say of a collection that is not there."""
_opened: dict[str, int] = {}
_guard = threading.Lock()


class MilvusConnection:
    """Calls of pymilvus's client; threads may share one.

    Args:
        address: of the server or the file.

    Raises:
        SettingError: pymilvus or milvus-lite is not installed, or an option is none.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.lite = address.file is not None
        unknown = sorted(set(address.options) - set(OPTIONS))
        if unknown:
            raise SettingError(f"{address.shown} has no option {unknown[0]}; the options are {', '.join(OPTIONS)}")
        self.consistency = CONSISTENCY.get(address.options.get("consistency", "strong").lower(), "")
        if not self.consistency:
            raise SettingError(f"consistency is one of {', '.join(CONSISTENCY)}; the option of {address.shown} is none")
        self.timeout = self._number("timeout", 60.0)
        if address.file is not None and not address.file.endswith(".db"):
            raise SettingError(f"the name of a milvus-lite file ends in .db; call it milvus://{address.file}.db")
        _require(self.lite)
        self._client: Any = None
        self._version: tuple[int, int] | None = None
        self._lock = threading.RLock()

    def call(self, name: str, *arguments: Any, timeout: float | None = None, **named: Any) -> Any:
        """One call of `MilvusClient`.

        Raises:
            DinosearchError: no answer, or a refusal, as a sentence without the password.
        """
        limit = self.timeout if timeout is None else timeout
        try:
            return getattr(self.client(), name)(*arguments, timeout=limit, **named)
        except Exception as error:
            raise self._told(error) from None

    def read(self, name: str, collection: str, condition: Condition, **named: Any) -> Any:
        """A `query` or `search` of what fulfils the condition."""
        if condition.text and self.binds():
            named["filter_params"] = condition.values
        return self.call(name, collection, filter=condition.text if self.binds() else condition.written(), **named)

    def binds(self) -> bool:
        """Whether expressions take bound values here."""
        return not self.lite and self.server_version() >= BINDS

    def server_version(self) -> tuple[int, int]:
        """Major and minor version, asked once."""
        if self._version is None:
            found = _VERSION.search(str(self.call("get_server_version")))
            self._version = (int(found[1]), int(found[2])) if found else (0, 0)
        return self._version

    def name_and_version(self) -> str:
        """Such as `Milvus 2.3.5` or `milvus-lite 3.2.2`."""
        found = _VERSION.search(str(self.call("get_server_version")))
        return f"{'milvus-lite' if self.lite else 'Milvus'} {found[0] if found else 'of unknown version'}"

    def client(self) -> Any:
        """Pymilvus's client."""
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def close(self) -> None:
        """Let go of the connection, and of a file's lock where nothing else here uses it; twice is harmless."""
        with self._lock:
            client, self._client = self._client, None
        if client is None:
            return
        client.close()
        if self.lite:
            _release(str(self.address.file))

    def _connect(self) -> Any:
        from pymilvus import MilvusClient

        # Whatever goes wrong is raised and told in one sentence; pymilvus logs it with its traceback as well.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL + 1)
        address = self.address
        try:
            if address.file is not None:
                for name in ("milvus_lite", "grpc"):  # the server inside tells of calls that it does not know
                    logging.getLogger(name).setLevel(logging.CRITICAL + 1)
                client = MilvusClient(address.file, timeout=self.timeout)
                with _guard:
                    _opened[address.file] = _opened.get(address.file, 0) + 1
                return client
            secure = address.options.get("secure", "false").lower() in ("1", "true", "yes")
            return MilvusClient(
                f"{'https' if secure else 'http'}://{_bracketed(address.host or 'localhost')}:{address.port or 19530}",
                user=address.user or "",
                password=address.password or "",
                db_name=address.database or "",
                timeout=self.timeout,
            )
        except Exception as error:
            raise self._told(error) from None

    def _number(self, option: str, usual: float) -> float:
        try:
            value = float(self.address.options.get(option, usual))
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            raise SettingError(f"{option} is a number above 0; the option of {self.address.shown} is none")
        return value

    def _told(self, error: Exception) -> Exception:
        """The sentence for what a call raised; bugs of ours stay what they are."""
        import grpc
        from pymilvus.exceptions import MilvusException

        if isinstance(error, DinosearchError):
            return error
        if not isinstance(error, MilvusException | grpc.RpcError | OSError):
            return error
        said, shown = str(getattr(error, "message", "") or error), self.address.shown
        said = " ".join(said.split())
        if self.address.password:
            said = said.replace(self.address.password, "***")
        low = said.lower()
        if self.lite and "open local milvus failed" in low:
            return HomeLockedError(
                f"{shown} cannot be opened: another process has it open, or it is no file of milvus-lite; close that "
                "process, or let several share a Milvus server: milvus://HOST:19530/NAME"
            )
        if any(word in low for word in _REFUSED):
            return DinosearchError(
                f"{shown} does not accept the user name and password; give them: milvus://USER:PASSWORD@HOST:PORT/NAME"
            )
        if any(word in low for word in _UNREACHABLE):
            return DinosearchError(
                f"{shown} does not answer; look whether the Milvus server runs and the address is right, then try again"
            )
        if "collection" in low and any(word in low for word in _GONE):
            return DamagedHomeError(
                f"{shown} lacks a collection of Milvus that the metadata names; make it and its vectors again with: ",
                run("verify", "--repair"),
            )
        if "not loaded" in low:
            return DinosearchError(
                f"{shown} has not loaded its vectors, as for half a minute after it was started, or while its index is "
                "built anew; try again in a minute"
            )
        if "deadline" in low or "timeout" in low or "timed out" in low:
            return DinosearchError(
                f"{shown} did not answer within {self.timeout:g} s; try again, or allow more by the option ?timeout=600"
            )
        return DinosearchError(f"{shown} refuses: {said[:300]}; look into the log of Milvus")


def _require(lite: bool) -> None:
    import importlib.util

    if importlib.util.find_spec("pymilvus") is None:
        raise SettingError("pymilvus is not installed, which speaks with Milvus; run: pip install 'dinosearch[milvus]'")
    if lite and importlib.util.find_spec("milvus_lite") is None:
        raise SettingError(
            "milvus-lite is not installed, which holds .db files; run: pip install --no-deps milvus-lite && "
            "pip install pyarrow"
        )


def _release(file: str) -> None:
    """Give a file's lock back where no other connection of this process uses it."""
    with _guard:
        _opened[file] -= 1
        if _opened[file]:
            return
        del _opened[file]
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(file)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
