"""What people do on the page, and what they see, in the words of the tests."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

GIVE = """([kind, files]) => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
    transfer.items.add(new File([bytes], name, {type: "image/jpeg"}));
  }
  if (kind === "paste") {
    const pasted = {clipboardData: transfer, bubbles: true, cancelable: true};
    document.body.dispatchEvent(new ClipboardEvent("paste", pasted));
    return;
  }
  for (const step of ["dragenter", "dragover"])
    document.body.dispatchEvent(new DragEvent(step, {dataTransfer: transfer, bubbles: true, cancelable: true}));
  const zone = document.querySelector(`[data-zone=${kind}]`);
  zone.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


def give(page: Page, how: str, *files: Path) -> None:
    """Let files come by `paste`, or by a drop on the zone `new` or `add`."""
    data = [[file.name, base64.b64encode(file.read_bytes()).decode()] for file in files]
    page.evaluate(GIVE, [how, data])


def open_page(page: Page, address: str, view: str = "") -> None:
    """Open a view and wait until it is there."""
    page.goto(address + view)
    page.wait_for_selector("main h1")


def until(page: Page, expression: str, argument: object = None) -> None:
    """Wait until an expression is true; Playwright's own waiting needs `eval`, which the page forbids."""
    end = time.monotonic() + 120
    while not page.evaluate(expression, argument):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)


def hears(page: Page, words: str) -> None:
    """Wait until those who do not see the page change are told so, which is a little later than the change."""
    until(page, "(words) => document.getElementById('status').textContent.includes(words)", words)


def results(page: Page) -> list[int]:
    """Ids of the results in their order, once the answer is there."""
    page.wait_for_selector(".results[aria-busy=false] .grid .tile")
    return [int(number) for number in page.eval_on_selector_all(".results .tile", "all => all.map(t => t.dataset.id)")]


def answered(page: Page, act: object) -> list[int]:
    """Results after an action that asks anew; `act` is called."""
    with page.expect_response(lambda response: "/search" in response.url and response.request.method == "POST"):
        act()  # type: ignore[operator]
    return results(page)
