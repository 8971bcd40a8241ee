"""WebKit of the machine (WebKitGTK's MiniBrowser) on a screen that nobody sees, and what went wrong in its page."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.browser.machine import NoBrowserError, install
from tests.browser.programs import ending, waited
from tests.browser.webdriver import Send, Window, over_http

_BROWSERS = "/usr/li*/*/webkit2gtk-4.?/MiniBrowser"
# Small tools above the page, so that the window may be as narrow as a phone.
_STYLE = "* { min-width: 0; min-height: 0; padding: 0; margin: 0; border: 0; font-size: 1px }"
# The driver has no eye on the console, so the page itself is listened to; what it says before is in `spoken`.
_LISTEN = """() => {
  const faults = globalThis.dinosearchFaults = [];
  addEventListener("error", (event) => faults.push(`error: ${event.message ?? event.target}`));
  addEventListener("unhandledrejection", (event) => faults.push(`rejected: ${event.reason}`));
  document.addEventListener("securitypolicyviolation",
    (event) => faults.push(`against ${event.violatedDirective}: ${event.blockedURI}`));
  for (const level of ["error", "warn"]) {
    const say = console[level];
    console[level] = (...words) => { faults.push(`${level}: ${words.join(" ")}`); say(...words); };
  }
}"""


class WebKit(Window):
    """One window; `asked` has what the page wanted of other machines."""

    def __init__(self, send: Send, asked: list[str]) -> None:
        super().__init__(send)
        self.asked = asked
        # Width and height come at once, so that the height is known when the width has changed.
        width, height = 1201, 801
        send("SetWindowRect", width=width, height=height)
        self.until("(width) => innerWidth === width", width)
        self._tools = height - self.run("innerHeight")

    def go(self, address: str) -> None:
        self.send("Navigate", url=address)
        self.run(_LISTEN)

    def size(self, width: int, height: int) -> None:
        self.send("SetWindowRect", width=width, height=height + self._tools)
        self.until("(width, height) => innerWidth === width && innerHeight === height", width, height)

    def faults(self) -> list[str]:
        """What was wrong in this page since the last time."""
        asked = [self.asked.pop() for _ in self.asked[:]]
        return asked + list(self.run("globalThis.dinosearchFaults?.splice(0) ?? []"))


def programs() -> tuple[str, str]:
    """Paths of the driver and the browser.

    Raises:
        NoBrowserError: there is none, and it cannot be installed here.
    """
    wrong = "" if _found() else install("webkit2gtk-driver", "xvfb")
    found = _found()
    if not found:
        raise NoBrowserError(f"no WebKit here; {wrong}")
    return found


def _found() -> tuple[str, str] | None:
    driver, browsers = shutil.which("WebKitWebDriver"), sorted(glob.glob(_BROWSERS))
    return (driver, browsers[-1]) if driver and browsers and shutil.which("Xvfb") else None


@contextlib.contextmanager
def webkit(folder: Path) -> Iterator[WebKit]:
    """A window with a profile of its own in a folder, which must not be there."""
    driver, browser = programs()
    with _screen(folder) as environment, _elsewhere() as (proxy, asked), socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        with ending(subprocess.Popen([driver, "-p", str(port)], env=environment, stdout=-3, stderr=-3)) as process:
            waited(process, lambda: _answers(port))
            options = ["--automation", f"--proxy=http://127.0.0.1:{proxy}", "--ignore-host=127.0.0.1"]
            wanted = {"webkitgtk:browserOptions": {"binary": browser, "args": options}}
            with over_http(f"http://127.0.0.1:{port}", wanted) as send:
                yield WebKit(send, asked)


def spoken(folder: Path, addresses: list[str], last: str) -> list[str]:
    """Errors and warnings on the console while addresses are loaded, each in a tab, until `last` is said there."""
    _, browser = programs()
    command = [browser, "--enable-write-console-messages-to-stdout=true", *addresses]
    with _screen(folder) as environment, (folder / "said").open("wb") as file:
        with ending(subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)) as process:
            waited(process, lambda: last if last in (folder / "said").read_text(errors="replace") else "")
    lines = (folder / "said").read_text(errors="replace").splitlines()
    return [line for line in lines if "CONSOLE" in line and ("ERROR" in line or "WARN" in line)]


@contextlib.contextmanager
def _screen(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of programs that draw where nobody looks, and keep what they keep in a folder."""
    (folder / "gtk-3.0").mkdir(parents=True)
    (folder / "gtk-3.0" / "gtk.css").write_text(_STYLE)
    places = dict.fromkeys((f"XDG_{kind}_HOME" for kind in ("CONFIG", "CACHE", "DATA", "STATE")), str(folder))
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "2000x1400x24", "-nolisten", "tcp"]
    with ending(subprocess.Popen(command, pass_fds=[writing], stdout=-3, stderr=-3)), os.fdopen(reading) as lines:
        os.close(writing)
        yield {**os.environ, **places, "DISPLAY": f":{lines.readline().strip()}", "NO_AT_BRIDGE": "1"}


@contextlib.contextmanager
def _elsewhere() -> Iterator[tuple[int, list[str]]]:
    """A proxy for all other machines, which refuses and remembers: its port, and what was asked."""
    asked: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        with contextlib.suppress(OSError):
            while True:
                with listener.accept()[0] as caller:
                    asked.append(f"asked {caller.recv(500).partition(b' HTTP')[0].decode('latin-1')}")
                    caller.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    threading.Thread(target=listen, daemon=True).start()
    with listener:
        yield listener.getsockname()[1], asked


def _answers(port: int) -> str:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return ""
    return "yes"
