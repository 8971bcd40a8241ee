"""What is shown of an answer: the comparison, history and addresses, themes, a narrow screen, keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dinosearch import Collection
from tests.browser.actions import answered, give, hears, open_page, results
from tests.browser.conftest import SAMPLES

if TYPE_CHECKING:
    from playwright.sync_api import Page

WINDMILL = SAMPLES / "windmill/windmill_1.jpg"


@pytest.fixture
def number(oracle: Collection) -> dict[str, int]:
    """Ids by file name."""
    return {Path(file["path"]).name: file["id"] for file in oracle.files()}


def explained(page: Page) -> None:
    page.wait_for_selector("#compare[open] .headline")


def test_a_comparison_shows_the_lines_of_the_explanation(
    page: Page, server: str, oracle: Collection, number: dict[str, int]
) -> None:
    first, second = number["windmill_1.jpg"], number["windmill_2.jpg"]
    expected = oracle.explain(first, second)
    open_page(page, server, f"#/search?ids={first}")
    results(page)
    page.locator(f".tile[data-id='{second}'] a").click()
    explained(page)
    assert page.locator(".layer line").count() == min(60, len(expected.pairs)) > 10
    assert page.locator(".layer polygon.accent").count() == 2
    assert str(expected.inliers) in (page.text_content(".verdict") or "")

    # Each line ends on its places: the first of the query, from the top, as fractions of the left picture.
    ends = page.evaluate(
        """() => {
          const stage = document.querySelector(".stage").getBoundingClientRect();
          const boxes = [...document.querySelectorAll(".held img")].map((image) => image.getBoundingClientRect());
          const places = (x, y, box) =>
            [(x + stage.left - box.left) / box.width, (y + stage.top - box.top) / box.height];
          return [...document.querySelectorAll(".layer line")].map((line) => {
            const [x1, y1, x2, y2] = ["x1", "y1", "x2", "y2"].map((name) => Number(line.getAttribute(name)));
            return [...places(x1, y1, boxes[0]), ...places(x2, y2, boxes[1])];
          });
        }"""
    )
    known = expected.pairs.tolist()
    for end in ends:
        assert any(pair == pytest.approx(end, abs=0.004) for pair in known)

    for mode in ("Heat", "Patches"):
        page.get_by_role("radio", name=mode).check(force=True)
        colours = page.evaluate(
            """() => [...document.querySelectorAll(".held canvas")].map((canvas) => {
              const size = [canvas.width, canvas.height];
              const copy = new OffscreenCanvas(...size).getContext("2d", {willReadFrequently: true});
              copy.drawImage(canvas, 0, 0);
              const {data} = copy.getImageData(0, 0, ...size);
              return [canvas.hidden, canvas.width, canvas.height, new Set(data).size];
            })"""
        )
        for (hidden, width, height, several), grid in zip(colours, expected.heat, strict=True):
            assert not hidden and several > 20
            assert (height, width) == grid.shape


def test_the_comparison_is_walked_through_by_keys(page: Page, server: str, number: dict[str, int]) -> None:
    open_page(page, server, f"#/search?ids={number['windmill_1.jpg']}")
    first, second, *_ = results(page)
    tile = page.locator(f".tile[data-id='{first}'] a")
    tile.press("Enter")
    explained(page)
    assert page.url.endswith(f"show={first}")
    page.keyboard.press("ArrowRight")
    page.wait_for_url(f"**show={second}")
    explained(page)
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(f"**show={first}")
    page.keyboard.press("Escape")
    page.wait_for_selector("#compare", state="hidden")
    assert "show" not in page.url
    assert tile.evaluate("link => link === document.activeElement")


def test_an_uploaded_picture_is_compared_too(page: Page, server: str, oracle: Collection) -> None:
    open_page(page, server)
    found = answered(page, lambda: give(page, "new", WINDMILL))
    page.locator(".tile a").nth(1).click()
    explained(page)
    expected = oracle.explain(WINDMILL.read_bytes(), found[1])
    assert page.locator(".layer line").count() == min(60, len(expected.pairs)) > 0


def test_more_like_this_and_not_this(page: Page, server: str, oracle: Collection, number: dict[str, int]) -> None:
    windmill = number["windmill_1.jpg"]
    open_page(page, server, f"#/search?ids={windmill}")
    found = results(page)
    page.locator(".tile a").nth(4).click()
    explained(page)
    changed = answered(page, lambda: page.get_by_role("button", name="Not this").click())
    assert page.url.endswith(f"ids={windmill},-{found[4]}")
    expected = oracle.query(windmill, negative=[found[4]], k=30, unique=True)
    assert changed[:30] == [hit.id for hit in expected]
    assert not page.locator("#compare").is_visible()

    page.locator(".tile a").nth(0).click()
    explained(page)
    answered(page, lambda: page.get_by_role("button", name="More like this").click())
    assert page.url.endswith(f"#/search?ids={changed[0]}")


def test_files_with_the_same_content_are_named(page: Page, server: str, number: dict[str, int]) -> None:
    castle = number["castle_1.jpg"]
    open_page(page, server, f"#/search?ids={number['castle_2.jpg']}&show={castle}")
    page.wait_for_selector(".copies li")
    assert "copy_of_castle.jpg" in (page.text_content(".details") or "")


def test_back_and_forward_bring_searches_back(page: Page, server: str) -> None:
    open_page(page, server)
    first = answered(page, lambda: give(page, "new", WINDMILL))
    second = answered(page, lambda: page.get_by_role("radio", name="Fast").check(force=True))
    third = answered(page, lambda: give(page, "new", SAMPLES / "temple/temple_1.jpg"))
    assert len({tuple(first), tuple(second), tuple(third)}) == 3
    assert answered(page, page.go_back)[:30] == second[:30]
    assert answered(page, page.go_back)[:30] == first[:30]
    page.go_back()
    page.wait_for_selector(".hero")
    assert answered(page, page.go_forward)[:30] == first[:30]
    assert page.get_by_role("radio", name="Balanced").is_checked()
    # A reload brings the uploaded picture back from this browser.
    assert answered(page, page.reload)[:30] == first[:30]


def test_an_address_can_be_shared(new_page: Callable[..., Page], server: str, number: dict[str, int]) -> None:
    page = new_page()
    view = f"#/search?ids={number['windmill_1.jpg']},{number['church_1.jpg']}*2,-{number['palace_1.jpg']}"
    view += "&where=width+%3E+100&preset=fast"
    open_page(page, server, view)
    found = results(page)
    elsewhere = new_page()
    elsewhere.goto(page.url)
    assert results(elsewhere)[:30] == found[:30]
    assert elsewhere.locator(".chip").count() == 3
    assert elsewhere.get_by_label("Width from").input_value() == ""
    assert elsewhere.get_by_label("As text").input_value() == "width > 100"


def test_a_shared_address_with_an_upload_says_what_is_missing(new_page: Callable[..., Page], server: str) -> None:
    page = new_page()
    open_page(page, server)
    found = answered(page, lambda: give(page, "new", WINDMILL))
    elsewhere = new_page()
    elsewhere.goto(page.url)
    elsewhere.wait_for_selector(".asked .notice:visible")
    assert "not here" in (elsewhere.text_content(".asked .notice") or "")
    assert answered(elsewhere, lambda: give(elsewhere, "new", WINDMILL))[:30] == found[:30]


def test_recent_searches_are_offered(page: Page, server: str) -> None:
    open_page(page, server)
    found = answered(page, lambda: give(page, "new", WINDMILL))
    page.get_by_role("link", name="dinosearch, start again").click()
    link = page.locator(".recent a")
    link.wait_for()
    assert answered(page, link.click)[:30] == found[:30]


def test_the_theme_follows_the_system_and_the_button(new_page: Callable[..., Page], server: str) -> None:
    page = new_page(color_scheme="dark")
    open_page(page, server)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Use the light theme").click()
    light = page.evaluate(ground)
    assert (dark, light) == ("rgb(25, 24, 22)", "rgb(250, 249, 246)")
    page.reload()
    page.wait_for_selector("main h1")
    assert page.evaluate(ground) == light
    page.get_by_role("button", name="Use the dark theme").click()
    assert page.evaluate(ground) == dark


def test_nothing_scrolls_sideways(new_page: Callable[..., Page], server: str, number: dict[str, int]) -> None:
    page = new_page(has_touch=True)
    views = ["", f"#/search?ids={number['windmill_1.jpg']},{number['temple_1.jpg']}", "#/map", "#/duplicates"]
    views += ["#/collection", f"#/search?ids={number['windmill_1.jpg']}&show={number['windmill_2.jpg']}"]
    for view in views:
        page.goto("about:blank")
        open_page(page, server, view)
        page.wait_for_load_state("networkidle")
        for width in (360, 820, 1920):
            page.set_viewport_size({"width": width, "height": 740})
            page.wait_for_timeout(100)
            wide = page.evaluate(
                """() => [document.documentElement.scrollWidth, ...[...document.querySelectorAll("dialog[open] .body")]
                          .map((body) => innerWidth + body.scrollWidth - body.clientWidth)]"""
            )
            assert max(wide) <= width, view


def test_rows_of_the_grid_fill_the_width(page: Page, server: str, number: dict[str, int]) -> None:
    open_page(page, server, f"#/search?ids={number['windmill_1.jpg']}")
    results(page)
    rows = page.evaluate(
        """() => {
          const list = document.querySelector(".results .grid").getBoundingClientRect();
          const rows = new Map();
          for (const tile of document.querySelectorAll(".results .tile")) {
            const [box, picture] = [tile.getBoundingClientRect(), tile.querySelector(".pic").getBoundingClientRect()];
            const row = rows.get(box.top) ?? rows.set(box.top, []).get(box.top);
            row.push([box.right - list.right, picture.height, picture.width / picture.height]);
          }
          return [...rows.values()];
        }"""
    )
    assert len(rows) > 2
    for row in rows[:-1]:
        assert row[-1][0] == pytest.approx(0, abs=1)
        assert len({round(height) for _, height, _ in row}) == 1
    for row in rows:
        for _, _, ratio in row:
            assert min(abs(ratio - 0.75), abs(ratio - 4 / 3)) < 0.01  # the shapes of the samples, uncut


def test_a_search_needs_no_mouse(page: Page, server: str, oracle: Collection, number: dict[str, int]) -> None:
    open_page(page, server)
    page.wait_for_selector(".sample .tile")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.sample .open')"):
            break
    page.keyboard.press("ArrowRight")
    name = page.evaluate("document.activeElement.getAttribute('aria-label')")
    found = answered(page, lambda: page.keyboard.press("Enter"))
    assert found[:30] == [hit.id for hit in oracle.query(number[name], k=30, unique=True)]
    assert page.evaluate("document.activeElement.id") == "results-title"
    hears(page, "results")
