"""Who can use the page: readers of all kinds (axe-core), those with a token, and those who do not like to wait."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.browser.actions import open_page, results, until
from tests.browser.serving import served

if TYPE_CHECKING:
    from playwright.sync_api import Page

VIEWS = {
    "start": ("", ".sample .tile"),
    "results": ("#/search?ids=1", ".results[aria-busy=false] .tile"),
    "several": ("#/search?ids=1,50*2,-7&where=width+%3E+10", ".results[aria-busy=false] .tile"),
    "box": ("#/search?ids=1&box=0.2,0.2,0.8,0.8", ".results[aria-busy=false] .tile"),
    "comparison": ("#/search?ids=1&show=2", "#compare .headline"),
    "map": ("#/map", ".sight li"),
    "duplicates": ("#/duplicates", ".group"),
    "collection": ("#/collection", ".folders li"),
    "keys": ("", ".sample .tile"),
}
WIDTHS = {"light": 1280, "dark": 390}


def violations(page: Page) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    # The rules go in as a script of the test; the page itself allows none but its own.
    found = axe.run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]} {node['any'][:1]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious(new_page: Callable[..., Page], server: str, view: str) -> None:
    page = new_page(reduced_motion="reduce")
    address, ready = VIEWS[view]
    open_page(page, server, address)
    page.wait_for_selector(ready)
    if view == "keys":
        page.get_by_role("button", name="Keyboard shortcuts").click()
    for scheme, width in WIDTHS.items():
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 844})
        if view == "several" and page.locator(".refine summary").is_visible():
            page.locator(".refine summary").click()
        assert not violations(page), scheme


def test_a_token_opens_the_page_and_its_collections(new_page: Callable[..., Page], home: Path, tmp_path: Path) -> None:
    token = "a-token-of-many-letters"
    (tmp_path / "token").write_text(token)
    page = new_page(expected=("401",))
    homes = [f"photos={home}", f"again={home}"]
    with served(tmp_path / "server", *homes, "--token-file", str(tmp_path / "token")) as address:
        page.goto(f"{address}#/search?ids=1")
        field = page.get_by_label("Token")
        assert not violations(page)
        field.fill("another-token-of-many-letters")
        field.press("Enter")
        page.wait_for_selector("[role=alert]")
        assert page.locator("nav").count() == 0
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Open").click()
        assert results(page)  # what the address asked for, though the server never saw it
        assert token not in str(page.context.cookies())
        page.goto(address)
        page.wait_for_selector(".sample .tile")
        page.get_by_label("Collection to search").select_option("again")
        page.wait_for_selector(".hero")
        assert "c=again" in page.url
        assert "photos of again" in (page.text_content(".lead") or "")
        cookie = {"Cookie": "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())}
        assert httpx.get(f"{address}v1/collections", headers=cookie).status_code == 200
        page.get_by_role("link", name="Collection").click()
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("Token").wait_for()
        assert httpx.get(f"{address}v1/collections", headers=cookie).status_code == 401, "also for a copy of the cookie"
        page.goto("about:blank")  # the server ends before the browser


def test_the_page_is_usable_soon(
    new_page: Callable[..., Page], server: str, record_property: Callable[[str, object], None]
) -> None:
    page = new_page()
    page.goto(server)
    page.get_by_role("button", name="Choose a photo").wait_for()
    usable = page.evaluate("performance.now()")
    until(page, "[...document.querySelectorAll('.sample img')].some((image) => image.naturalWidth)")
    inviting = page.evaluate("performance.now()")
    files = page.evaluate("performance.getEntriesByType('resource').map((one) => [one.name, one.transferSize])")
    sizes = [size for name, size in files if "/v1/" not in name]
    record_property("milliseconds until a search can begin", round(usable))
    record_property("milliseconds until photos invite to one", round(inviting))
    record_property("bytes of the page", sum(sizes))
    assert sum(sizes) < 250_000
