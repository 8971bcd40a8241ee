"""Fingers instead of a mouse: taps, drags and pinches on a phone, as Chromium makes them from raw touches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from dinosearch import Collection
from tests.browser.actions import open_page, results, until
from tests.browser.test_overviews import map_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SMALLEST = 24
"""Pixels of what is tapped (WCAG 2.2, 2.5.8)."""
Place = tuple[float, float]


class Fingers:
    """Two fingers on a page, told to the browser below the page's own events."""

    def __init__(self, page: Page) -> None:
        self._client = page.context.new_cdp_session(page)

    def move(self, *paths: tuple[Place, Place], steps: int = 8) -> None:
        """Put a finger at the beginning of each path, move all to their ends, lift them."""
        for step in range(steps + 1):
            share = step / steps
            points = [
                {"x": a[0] + share * (b[0] - a[0]), "y": a[1] + share * (b[1] - a[1]), "id": number}
                for number, (a, b) in enumerate(paths)
            ]
            self._send("touchMove" if step else "touchStart", points)
        self._send("touchEnd", [])

    def _send(self, kind: str, points: list[dict[str, float]]) -> None:
        self._client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def pinch(self, x: float, y: float, scale: float) -> None:
        """A pinch as Chromium makes it, with which a page is enlarged."""
        self._client.send("Input.synthesizePinchGesture", {"x": x, "y": y, "scaleFactor": scale})


@pytest.fixture
def phone(new_page: Callable[..., Page]) -> Page:
    return new_page(**PHONE)


def middle(page: Page, what: str) -> Place:
    box = page.locator(what).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def in_sight(page: Page) -> int:
    return int((page.text_content("#sight-title") or "").split()[2])


def test_the_map_is_pinched_dragged_and_tapped(phone: Page, server: str) -> None:
    open_page(phone, server, "#/map")
    phone.wait_for_selector(".sight li")
    points, fingers = map_of(server), Fingers(phone)
    frame = phone.locator(".plane canvas").bounding_box()
    assert frame is not None and in_sight(phone) == len(points)
    width, height = frame["width"], frame["height"]

    def spot(number: int, zoom: float, left: float, top: float) -> Place:
        """Where a photo lies, once the plane is zoomed about its middle and moved."""
        x, y = points[number]
        across, down = ((length - 72) * zoom for length in (width, height))
        return (
            frame["x"] + width / 2 + (x - 0.5) * across + left,
            frame["y"] + height / 2 + (y - 0.5) * down + top,
        )

    x, y = frame["x"] + width / 2, frame["y"] + height / 2
    before = phone.text_content("#sight-title")
    fingers.move(((x - 40, y), (x - 120, y)), ((x + 40, y), (x + 120, y)))
    until(phone, "text => document.getElementById('sight-title').textContent !== text", before)
    assert 0 < in_sight(phone) < len(points)
    assert phone.evaluate("visualViewport.scale") == 1, "the map is zoomed, and not the page"

    def hidden(number: int, zoom: float, left: float, top: float) -> bool:
        u, v = spot(number, zoom, left, top)
        return not (frame["x"] <= u <= frame["x"] + width and frame["y"] <= v <= frame["y"] + height)

    # Three times as far apart is three times as near, about the middle of the fingers, which stays where it is.
    assert in_sight(phone) == pytest.approx(sum(not hidden(number, 3, 0, 0) for number in points), abs=2)

    before = phone.text_content("#sight-title")
    fingers.move(((x, y), (x + 90, y + 60)))
    until(phone, "text => document.getElementById('sight-title').textContent !== text", before)
    assert in_sight(phone) == pytest.approx(sum(not hidden(number, 3, 90, 60) for number in points), abs=2)

    # A photo that has no other near it, so that the tap can mean no other.
    seen = [number for number in points if not hidden(number, 3, 90, 60)]

    def apart(number: int) -> float:
        u, v = spot(number, 3, 90, 60)
        others = (spot(other, 3, 90, 60) for other in points if other != number)
        return min((u - a) ** 2 + (v - b) ** 2 for a, b in others)

    lonely = max(seen, key=apart)
    phone.touchscreen.tap(*spot(lonely, 3, 90, 60))
    phone.wait_for_selector(".chosen h3")
    assert (phone.get_by_role("link", name="Search with it").get_attribute("href") or "").endswith(f"ids={lonely}")

    phone.get_by_role("button", name="Close").tap()
    fingers.move(((x - 150, y), (x - 10, y)), ((x + 150, y), (x + 10, y)))
    until(phone, "count => document.getElementById('sight-title').textContent.includes(`: ${count} `)", len(points))


def test_the_comparison_is_opened_by_a_tap_and_enlarged_by_a_pinch(phone: Page, server: str) -> None:
    open_page(phone, server, "#/search?ids=1")
    first = results(phone)[0]
    phone.locator(".tile a").first.tap()
    phone.wait_for_selector("#compare[open] .headline")
    assert phone.url.endswith(f"show={first}")
    lines = phone.locator(".layer line").count()
    x, y = middle(phone, ".stage")
    Fingers(phone).pinch(x, y, 2.5)
    until(phone, "visualViewport.scale > 1.8")
    # What is enlarged is what lies under the fingers, and the lines are enlarged with the pictures.
    seen = phone.evaluate(
        """() => {
          const {offsetLeft, offsetTop, width, height} = visualViewport;
          const stage = document.querySelector(".stage").getBoundingClientRect();
          const layer = document.querySelector(".layer").getBoundingClientRect();
          return {
            inside: offsetTop < stage.bottom && offsetTop + height > stage.top,
            together: Math.abs(layer.left - stage.left) < 2 && Math.abs(layer.width - stage.width) < 4,
            width,
          };
        }"""
    )
    assert seen["inside"] and seen["together"] and seen["width"] < 390 / 1.8
    assert phone.locator(".layer line").count() == lines
    Fingers(phone).pinch(100, 300, 0.2)
    until(phone, "visualViewport.scale < 1.05")
    phone.get_by_role("button", name="Close").tap()
    phone.wait_for_selector("#compare", state="hidden")
    assert phone.locator(".tile").count()


def test_a_finger_scrolls_over_pictures_and_draws_no_box(phone: Page, server: str) -> None:
    open_page(phone, server, "#/search?ids=1")
    results(phone)
    x, y = middle(phone, ".boxed")
    Fingers(phone).move(((x, y), (x, y - 150)), steps=12)
    until(phone, "scrollY > 50")
    assert not phone.locator(".marked").is_visible()
    assert "box" not in phone.url


@pytest.mark.parametrize("view", ["", "#/search?ids=1,50*2,-7", "#/search?ids=1&show=2", "#/map", "#/duplicates"])
def test_what_is_tapped_is_large_enough(phone: Page, server: str, oracle: Collection, view: str) -> None:
    open_page(phone, server, view)
    phone.wait_for_load_state("networkidle")
    small = phone.evaluate(
        """(least) => [...document.querySelectorAll("a[href], button, select, input, summary")]
          .filter((one) => one.checkVisibility({visibilityProperty: true}) && !one.closest(".unseen, .skip"))
          .map((one) => [one.closest("label") ?? one, one])
          .map(([place, one]) => [place.getBoundingClientRect(), one.outerHTML.slice(0, 120)])
          .filter(([box]) => box.width > 1 && box.height > 1)
          .filter(([box]) => Math.min(box.width, box.height) < least)
          .map(([box, text]) => `${Math.round(box.width)} x ${Math.round(box.height)}: ${text}`)""",
        SMALLEST,
    )
    assert not small
