"""Keys only: every stop is seen and has a name, and the focus is never lost, whatever is made anew under it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dinosearch import Collection
from tests.browser.actions import answered, open_page, results, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

# What has the focus: its tag, its name for those who listen, and whether it is seen.
FOCUS = """() => {
  const one = document.activeElement;
  if (one === document.body) return null;
  const box = one.getBoundingClientRect();
  const shown = [one, one.nextElementSibling].filter(Boolean).map((node) => getComputedStyle(node));
  return {
    tag: one.localName,
    name: (one.getAttribute("aria-label") ?? (one.closest("label") ?? one).textContent).trim(),
    ringed: shown.some((style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2),
    inside: box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight,
  };
}"""
VIEWS = {
    "start": ("", ".sample .tile"),
    "results": ("#/search?ids=1,50*2,-7&where=width+%3E+10", ".results[aria-busy=false] .tile"),
    "comparison": ("#/search?ids=1&show=2", "#compare .facts"),
    "map": ("#/map", ".sight li"),
    "duplicates": ("#/duplicates", ".group"),
    "collection": ("#/collection", ".folders li"),
}


@pytest.fixture
def number(oracle: Collection) -> dict[str, int]:
    """Ids by file name."""
    return {Path(file["path"]).name: file["id"] for file in oracle.files()}


@pytest.mark.parametrize("view", VIEWS)
def test_each_stop_is_seen_and_named_and_the_last_leads_out(page: Page, server: str, view: str) -> None:
    address, ready = VIEWS[view]
    open_page(page, server, address)
    page.wait_for_selector(ready)
    stops = []
    for _ in range(120):
        page.keyboard.press("Tab")
        now = page.evaluate(FOCUS)
        if now is None and stops:
            break  # behind the last; the browser's own buttons would come
        assert now and now["name"] and now["ringed"] and now["inside"], now
        stops.append(now["name"])
    if view == "comparison":
        assert "Skip to the content" not in stops, "what lies below a dialog is out of reach"
    elif view == "start":
        assert stops[0] == "Skip to the content"


def press(page: Page, role: str, name: str, key: str, exact: bool = True) -> Callable[[], None]:
    return lambda: page.get_by_role(role, name=name, exact=exact).first.press(key)  # type: ignore[arg-type]


def focused(page: Page) -> str:
    """The name of what has the focus."""
    now = page.evaluate(FOCUS)
    return now["name"] if now else "nothing"


def test_who_changes_the_question_by_keys_stays_where_they_are(page: Page, server: str, number: dict[str, int]) -> None:
    """The panel is made anew with each answer; a slider or a choice would be left after one step."""
    first, second = number["windmill_1.jpg"], number["church_1.jpg"]
    open_page(page, server, f"#/search?ids={first},{second}")
    results(page)
    for role, name, key in [
        ("radio", "Balanced", "ArrowRight"),
        ("checkbox", "Exact: compare with every photo", "Space"),
        ("slider", "Weight of church_1.jpg", "ArrowRight"),
    ]:
        answered(page, press(page, role, name, key))
        assert focused(page) == ("Thorough" if role == "radio" else name)
    answered(page, lambda: page.keyboard.press("ArrowRight"))
    assert page.url.endswith(f"ids={first},{second}*2&preset=thorough&exact=1")


def test_the_focus_goes_on_where_its_place_has_gone(page: Page, server: str, number: dict[str, int]) -> None:
    first, second = number["windmill_1.jpg"], number["church_1.jpg"]

    def at(view: str, ready: str) -> None:
        page.goto("about:blank")
        open_page(page, server, view)
        page.wait_for_selector(ready)

    tiles = ".results[aria-busy=false] .tile"
    at(f"#/search?ids={first},{second}", tiles)
    answered(page, press(page, "button", "Take out church_1.jpg", "Enter"))
    assert focused(page).startswith("Best 30 results")
    for key in ("Escape", "Delete"):
        press(page, "button", "Draw a box", "Enter")()
        assert focused(page).startswith("Part that is searched")
        page.keyboard.press(key)
        assert focused(page) == "Draw a box"
    until(page, "document.getElementById('status').textContent === 'The box is removed.'")

    at("#/map", ".sight li")
    page.locator(".plane canvas").press("Enter")
    page.wait_for_selector(".chosen .facts")
    assert focused(page) == "Search with it"
    page.keyboard.press("Escape")
    assert focused(page).startswith("Map of") and not page.locator(".chosen").is_visible()

    at("", ".recent a")
    press(page, "button", "Clear recent searches", "Enter")()
    assert focused(page) == "Find the photos of the same thing"

    at("#/duplicates", ".group")
    press(page, "button", "Mark all but the best", "Enter")()
    press(page, "button", "Clear marks", "Enter")()
    assert focused(page) == "Mark all but the best"


def test_more_results_by_keys_go_on_at_the_first_new_one(page: Page, server: str) -> None:
    # Nothing comes into sight by itself, so that the button is all there is.
    page.add_init_script("window.IntersectionObserver = class { observe() {} };")
    open_page(page, server, "#/search?ids=1")
    assert len(results(page)) == 30
    more = page.get_by_role("button", name="Show more")
    with page.expect_response(lambda response: "/search" in response.url):
        more.press("Enter")
    until(page, "document.activeElement.getAttribute('aria-label')?.includes('result 31,')")


def test_a_result_that_is_not_listed_gives_the_focus_back_to_the_answer(page: Page, server: str) -> None:
    open_page(page, server, "#/search?ids=1&where=id+%3D+2&show=9")
    page.wait_for_selector("#compare .facts")
    page.keyboard.press("Escape")
    until(page, "document.activeElement.textContent === '1 result'")
