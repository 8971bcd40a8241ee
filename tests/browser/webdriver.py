"""A window of a browser that obeys the W3C's WebDriver commands, over HTTP or over Firefox' own socket (Marionette).

https://www.w3.org/TR/webdriver2/ and https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

Send = Callable[..., Any]
PATIENCE = 60
"""Seconds until something is given up."""

# Name in Marionette: method and end of the address over HTTP.
COMMANDS = {
    "Navigate": ("POST", "/url"),
    "Back": ("POST", "/back"),
    "Forward": ("POST", "/forward"),
    "Refresh": ("POST", "/refresh"),
    "ExecuteAsyncScript": ("POST", "/execute/async"),
    "FindElement": ("POST", "/element"),
    "ElementClick": ("POST", "/element/{id}/click"),
    "ElementSendKeys": ("POST", "/element/{id}/value"),
    "PerformActions": ("POST", "/actions"),
    "SetWindowRect": ("POST", "/window/rect"),
    "DeleteSession": ("DELETE", ""),
}
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Shift": "\ue008", "Escape": "\ue00c", "ArrowRight": "\ue014"}


class CommandError(Exception):
    """The browser refused a command, with its reason."""


class HungError(Exception):
    """The browser gives no answer any more: it has stopped, or goes in circles."""


@contextlib.contextmanager
def over_http(address: str, capabilities: dict[str, Any]) -> Iterator[Send]:
    """A session of a driver that listens at an address."""
    with httpx.Client(base_url=address, timeout=PATIENCE, trust_env=False) as client:

        def ask(method: str, path: str, given: dict[str, Any]) -> Any:
            try:
                answer = client.request(method, path, **({"json": given} if method == "POST" else {}))
            except httpx.TimeoutException:
                raise HungError(f"{method} {path} was not answered in {PATIENCE:g} seconds") from None
            value = answer.json()["value"]
            if answer.is_error:
                raise CommandError(f"{value['error']}: {value['message']}")
            return value

        session = ask("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]

        def send(command: str, **given: Any) -> Any:
            method, path = COMMANDS[command]
            return ask(method, f"/session/{session}{path.format(**given)}", given)

        yield send
        with contextlib.suppress(Exception):
            send("DeleteSession")


@contextlib.contextmanager
def over_marionette(port: int) -> Iterator[Send]:
    """A session of a Firefox that listens at a port and ends with it; bare commands are those of WebDriver."""
    line = socket.create_connection(("127.0.0.1", port), PATIENCE)
    reader = line.makefile("rb")

    def receive() -> Any:
        length = b""
        while not length.endswith(b":"):
            sign = reader.read(1)
            if not sign:
                raise CommandError("Firefox has gone")
            length += sign
        return json.loads(reader.read(int(length[:-1])))

    def send(command: str, **given: Any) -> Any:
        message = json.dumps([0, 1, command if ":" in command else f"WebDriver:{command}", given]).encode()
        line.sendall(b"%d:%b" % (len(message), message))
        _, _, error, result = receive()
        if error:
            raise CommandError(f"{error['error']}: {error['message']}")
        return result["value"] if isinstance(result, dict) and set(result) == {"value"} else result

    with line, reader:
        receive()  # who it is
        send("NewSession")
        yield send
        with contextlib.suppress(Exception):
            send("Marionette:Quit", flags=["eForceQuit"])


class Window:
    """What a person does in a window, and what they see."""

    def __init__(self, send: Send) -> None:
        self.send = send

    def run(self, script: str, *arguments: Any) -> Any:
        """What an expression, or a function of the arguments, gives in the page; a promise is waited for."""
        body = (
            "const given = [...arguments]; const done = given.pop();"
            f"const asked = ({script});"
            "Promise.resolve(typeof asked === 'function' ? asked(...given) : asked)"
            ".then((value) => done([value]), (problem) => done([null, String(problem)]))"
        )
        value, *problem = self.send("ExecuteAsyncScript", script=body, args=list(arguments)) or (None, "page left")
        if problem:
            raise CommandError(problem[0])
        return value

    def until(self, script: str, *arguments: Any) -> Any:
        """Wait until it gives something true, whatever it says while a page is left for another."""
        end = time.monotonic() + PATIENCE
        value, problem = None, ""
        while not value:
            assert time.monotonic() < end, f"{script} {arguments} {problem}"
            time.sleep(0.02)
            try:
                value = self.run(script, *arguments)
            except CommandError as error:
                problem = str(error)
        return value

    def click(self, selector: str) -> None:
        self.send("ElementClick", id=self._find(selector))

    def fill(self, selector: str, text: str) -> None:
        """Type into a field, or give a file chooser the path of a file."""
        self.send("ElementSendKeys", id=self._find(selector), text=text)

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        signs = [KEYS.get(key, key) for key in keys]
        steps = [{"type": kind, "value": sign} for sign in signs for kind in ("keyDown", "keyUp")]
        self.send("PerformActions", actions=[{"type": "key", "id": "keys", "actions": steps}])

    def drag(self, *places: tuple[float, float]) -> None:
        """Press the mouse at the first place of the window, go over the others, let go at the last."""
        first, *others = [
            {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 30, "origin": "viewport"}
            for x, y in places
        ]
        steps = [first, {"type": "pointerDown", "button": 0}, *others, {"type": "pointerUp", "button": 0}]
        self.send("PerformActions", actions=[{"type": "pointer", "id": "mouse", "actions": steps}])

    def wheel(self, x: float, y: float, by: int) -> None:
        step = {"type": "scroll", "x": round(x), "y": round(y), "deltaX": 0, "deltaY": by, "duration": 0}
        self.send("PerformActions", actions=[{"type": "wheel", "id": "wheel", "actions": [step]}])

    def _find(self, selector: str) -> str:
        self.until("(what) => document.querySelector(what) !== null", selector)
        return str(next(iter(self.send("FindElement", using="css selector", value=selector).values())))
