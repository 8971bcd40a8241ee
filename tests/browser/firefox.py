"""Firefox of the machine, without a screen, and everything that it had to say against the page."""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.browser.machine import NoBrowserError, install
from tests.browser.programs import ending, waited
from tests.browser.webdriver import Window, over_marionette

_NAMES = ("firefox-esr", "firefox")
_PREFERENCES = {
    "marionette.port": 0,  # a free one
    # What the browser itself asks of its makers leads nowhere.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    # A mouse, which there is not without a screen.
    "ui.primaryPointerCapabilities": 6,
    "ui.allPointerCapabilities": 6,
}
# With the rights of the browser: what the page asks of other machines, errors and warnings.
_FAULTS = """
globalThis.dinosearchFaults ??= (() => {
  const faults = [];
  Services.obs.addObserver({observe(asked) {
    const {loadInfo, URI} = asked.QueryInterface(Ci.nsIHttpChannel);
    if (loadInfo.triggeringPrincipal.isContentPrincipal && URI.host !== "127.0.0.1") faults.push(`asked ${URI.spec}`);
  }}, "http-on-modify-request");
  Services.console.registerListener({observe(said) {
    if (said instanceof Ci.nsIScriptError && said.sourceName.startsWith("http")) faults.push(said.toString());
  }});
  Cc["@mozilla.org/consoleAPI-storage;1"].getService(Ci.nsIConsoleAPIStorage).addLogEventListener((said) => {
    if (["error", "warn"].includes(said.level) && said.filename.startsWith("http"))
      faults.push(`${said.level}: ${said.arguments.join(" ")}`);
  }, Services.scriptSecurityManager.getSystemPrincipal());
  return faults;
})();
return dinosearchFaults.splice(0);
"""
_SIZE = """
const {style} = gBrowser.selectedBrowser;
for (const side of ["minWidth", "maxWidth"]) style[side] = `${arguments[0]}px`;
for (const side of ["minHeight", "maxHeight"]) style[side] = `${arguments[1]}px`;
"""


class Firefox(Window):
    """One window, whose page may be narrower than it."""

    def go(self, address: str) -> None:
        self.send("Navigate", url=address)

    def size(self, width: int, height: int) -> None:
        self._chrome(_SIZE, width, height)
        self.until("(width, height) => innerWidth === width && innerHeight === height", width, height)

    def faults(self) -> list[str]:
        """What was wrong since the last time."""
        return list(self._chrome(_FAULTS))

    def _chrome(self, script: str, *arguments: Any) -> Any:
        self.send("Marionette:SetContext", value="chrome")
        try:
            return self.send("WebDriver:ExecuteScript", script=script, args=list(arguments))
        finally:
            self.send("Marionette:SetContext", value="content")


@functools.lru_cache
def executable() -> str:
    """The program's path.

    Raises:
        NoBrowserError: there is none, and it cannot be installed here.
    """
    wrong = "" if _found() else install("firefox-esr")
    found = _found()
    if not found:
        raise NoBrowserError(f"no Firefox here; {wrong}")
    return found


def _found() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)


@contextlib.contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """A window with a profile of its own in a folder, which must not be there."""
    program = executable()
    folder.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in _PREFERENCES.items()]
    (folder / "user.js").write_text("\n".join(lines))
    options = ["--headless", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", str(folder)]
    with ending(subprocess.Popen([program, *options], stdout=-3, stderr=-3)) as process:
        port = waited(process, lambda: _text(folder / "MarionetteActivePort"))
        with over_marionette(int(port)) as send:
            found = Firefox(send)
            found.faults()  # it listens from here on
            yield found
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)


def _text(file: Path) -> str:
    return file.read_text().strip() if file.exists() else ""
