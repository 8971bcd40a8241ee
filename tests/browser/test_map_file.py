"""The page that `dinosearch map` writes, opened as a file in a real browser: moved, zoomed, clicked and searched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.analysis import project
from dinosearch.analysis.layout import draw_map, first_paths

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def drawn(oracle: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("map") / "map.html"
    draw_map(project(oracle), first_paths(oracle), output, "photos")
    return output


@pytest.fixture
def page(browser: Browser, drawn: Path) -> Iterator[Page]:
    faults: list[str] = []
    context = browser.new_context(viewport={"width": 1200, "height": 800}, has_touch=True)
    found = context.new_page()
    found.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    found.on("pageerror", lambda error: faults.append(str(error)))
    found.on("request", lambda asked: faults.append(asked.url) if asked.url.startswith("http") else None)
    found.goto(drawn.as_uri())
    found.wait_for_selector("main > canvas[data-view]")
    yield found
    context.close()
    assert not faults, "\n".join(faults)


def view(page: Page) -> tuple[float, float, float]:
    x, y, zoom = map(float, (page.get_attribute("main > canvas", "data-view") or "").split())
    return x, y, zoom


def shown(page: Page) -> np.ndarray:
    """Whether each pixel of a coarse copy of the map is painted."""
    page.wait_for_timeout(150)
    return np.array(
        page.evaluate(
            """() => {
              const map = document.querySelector("main > canvas");
              const small = new OffscreenCanvas(60, 40).getContext("2d");
              small.drawImage(map, 0, 0, 60, 40);
              return [...small.getImageData(0, 0, 60, 40).data].filter((_, i) => i % 4 === 3);
            }"""
        )
    )


def test_wheel_keys_and_drag_move_what_is_shown(page: Page) -> None:
    whole = shown(page)
    assert whole.any() and view(page) == (0.5, 0.5, 1)
    page.mouse.move(600, 400)
    page.mouse.wheel(0, -500)
    _, _, near = view(page)
    assert near > 1.5 and (shown(page) != whole).any()
    before = view(page)
    page.mouse.down()
    page.mouse.move(500, 400, steps=4)
    page.mouse.up()
    assert view(page)[0] > before[0] and view(page)[2] == near
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("+")
    assert view(page)[2] == pytest.approx(near * 1.4, rel=1e-3)
    page.keyboard.press("0")
    assert view(page) == (0.5, 0.5, 1)
    np.testing.assert_array_equal(shown(page), whole)
    page.get_by_label("closer").click()
    assert view(page)[2] == pytest.approx(1.4)


def test_the_place_under_the_pointer_stays_there(page: Page) -> None:
    page.mouse.move(300, 300)
    page.mouse.wheel(0, -400)
    x, y, zoom = view(page)
    page.mouse.wheel(0, 400)
    back = view(page)
    assert zoom > 1.5 and x < 0.5 and y < 0.5
    assert back == pytest.approx((0.5, 0.5, 1), abs=2e-3)


def test_a_click_shows_the_image_and_its_path(page: Page, oracle: Collection) -> None:
    paths = first_paths(oracle)
    number, name = next((number, path) for number, path in paths.items() if "castle_3" in path)
    page.fill("input", "castle_3")
    assert page.text_content("output") == "1 found"
    lone = shown(page).reshape(40, 60)
    y, x = (int(places.mean()) for places in np.nonzero(lone > 60))
    frame = page.locator("main > canvas").bounding_box()
    assert frame is not None
    page.mouse.click(frame["x"] + (x + 0.5) * frame["width"] / 60, frame["y"] + (y + 0.5) * frame["height"] / 40)
    page.wait_for_selector("aside:not([hidden])")
    assert page.text_content("aside strong") == "castle_3.jpg"
    assert page.text_content("aside span") == f"id:{number}  {name}"
    assert page.get_attribute("aside a", "href") == Path(name).as_uri()
    page.get_by_label("close", exact=True).click()
    assert page.locator("aside").is_hidden()


def test_two_fingers_zoom(page: Page) -> None:
    fingers: Callable[..., None] = page.context.new_cdp_session(page).send
    for kind, apart in (("touchStart", 40), ("touchMove", 80), ("touchMove", 120), ("touchEnd", None)):
        points = [] if apart is None else [{"x": 600 - apart, "y": 400, "id": 0}, {"x": 600 + apart, "y": 400, "id": 1}]
        fingers("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert view(page)[2] == pytest.approx(3, rel=0.1)


def test_two_fingers_on_a_trackpad_zoom_in_safari(page: Page) -> None:
    """By events that only Safari sends; the page must not be enlarged with the map."""
    kept = page.evaluate(
        """() => [["gesturestart", 1], ["gesturechange", 1.5], ["gesturechange", 2]].map(([kind, scale]) => {
          const event = new Event(kind, {cancelable: true});
          Object.assign(event, {scale, clientX: 600, clientY: 400});
          document.querySelector("main > canvas").dispatchEvent(event);
          return event.defaultPrevented;
        })"""
    )
    assert all(kept) and view(page)[2] == pytest.approx(2)
