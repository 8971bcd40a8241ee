"""Asking with pictures: dropped, pasted, picked, several, against, a part of one; the library knows the answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dinosearch import Collection
from tests.browser.actions import answered, give, hears, open_page, results
from tests.browser.conftest import SAMPLES

if TYPE_CHECKING:
    from playwright.sync_api import Page

WINDMILL, TEMPLE = SAMPLES / "windmill/windmill_1.jpg", SAMPLES / "temple/temple_2.jpg"
PAGE = 30


@pytest.fixture
def number(oracle: Collection) -> dict[str, int]:
    """Ids by file name."""
    return {Path(file["path"]).name: file["id"] for file in oracle.files()}


def numbers(oracle: Collection, where: str) -> set[int]:
    return {file["id"] for file in oracle.files(where)}


def ids(hits: list) -> list[int]:
    return [hit.id for hit in hits]


@pytest.mark.parametrize("how", ["new", "paste"])
def test_a_dropped_or_pasted_picture_finds_its_neighbours(
    page: Page, server: str, oracle: Collection, how: str
) -> None:
    open_page(page, server)
    found = answered(page, lambda: give(page, how, WINDMILL))
    assert found[:PAGE] == ids(oracle.query(WINDMILL.read_bytes(), k=PAGE, unique=True))
    hears(page, f"{len(found)} results, more below")
    assert page.locator(".query img").get_attribute("alt") == "Query: windmill_1.jpg"


def test_picked_pictures_are_searched_together(page: Page, server: str, oracle: Collection) -> None:
    open_page(page, server)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a photo").click()
    found = answered(page, lambda: chooser.value.set_files([WINDMILL, TEMPLE]))
    expected = oracle.query(WINDMILL.read_bytes(), TEMPLE.read_bytes(), k=PAGE, unique=True)
    assert found[:PAGE] == ids(expected)
    assert page.locator(".chip").count() == 2


def test_a_camera_can_be_used(page: Page, server: str) -> None:
    open_page(page, server)
    camera = page.locator("input[type=file][capture=environment]")
    assert camera.count() == 1
    found = answered(page, lambda: camera.set_input_files(WINDMILL))
    assert found


def test_what_is_no_picture_is_refused_in_words(page: Page, server: str) -> None:
    open_page(page, server)
    page.evaluate(
        """() => {
          const transfer = new DataTransfer();
          transfer.items.add(new File(["x"], "notes.txt", {type: "text/plain"}));
          document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
        }"""
    )
    assert "no picture" in (page.text_content("#toast") or "")


def test_weights_and_counter_examples(page: Page, server: str, oracle: Collection, number: dict[str, int]) -> None:
    first, second, against = (number[name] for name in ("windmill_1.jpg", "church_1.jpg", "pagoda_1.jpg"))
    open_page(page, server, f"#/search?ids={first}")
    results(page)
    found = answered(page, lambda: page.locator(f".tile[data-id='{second}'] a").press("+"))
    assert found[:PAGE] == ids(oracle.query(first, second, k=PAGE, unique=True))

    slider = page.get_by_label("Weight of church_1.jpg")
    found = answered(page, lambda: slider.press("End"))
    assert found[:PAGE] == ids(oracle.query(first, second, weights=[1, 4], k=PAGE, unique=True))

    found = answered(page, lambda: page.locator(f".tile[data-id='{against}'] a").press("-"))
    expected = oracle.query(first, second, weights=[1, 4], negative=[against], k=PAGE, unique=True)
    assert found[:PAGE] == ids(expected)
    assert page.url.endswith(f"#/search?ids={first},{second}*4,-{against}")

    found = answered(page, lambda: page.get_by_role("button", name="Take out pagoda_1.jpg").click())
    assert found[:PAGE] == ids(oracle.query(first, second, weights=[1, 4], k=PAGE, unique=True))


def test_a_box_is_drawn_with_the_mouse(page: Page, server: str, oracle: Collection) -> None:
    open_page(page, server)
    answered(page, lambda: give(page, "new", WINDMILL))
    frame = page.locator(".boxed").bounding_box()
    assert frame is not None

    def draw() -> None:
        page.mouse.move(frame["x"] + 0.3 * frame["width"], frame["y"] + 0.2 * frame["height"])
        page.mouse.down()
        page.mouse.move(frame["x"] + 0.5 * frame["width"], frame["y"] + 0.5 * frame["height"])
        page.mouse.move(frame["x"] + 0.8 * frame["width"], frame["y"] + 0.7 * frame["height"])
        page.mouse.up()

    found = answered(page, draw)
    box = tuple(float(side) for side in page.url.rpartition("box=")[2].split(","))
    assert box == pytest.approx((0.3, 0.2, 0.8, 0.7), abs=0.02)
    assert found[:PAGE] == ids(oracle.query(WINDMILL.read_bytes(), box=box, k=PAGE, unique=True))

    found = answered(page, lambda: page.get_by_role("button", name="Whole picture").click())
    assert "box" not in page.url
    assert found[:PAGE] == ids(oracle.query(WINDMILL.read_bytes(), k=PAGE, unique=True))


def test_a_box_is_moved_and_sized_by_keys(page: Page, server: str, oracle: Collection, number: dict[str, int]) -> None:
    windmill = number["windmill_1.jpg"]
    open_page(page, server, f"#/search?ids={windmill}")
    results(page)
    page.get_by_role("button", name="Draw a box").press("Enter")
    for key in ["ArrowLeft"] * 3 + ["ArrowUp"] * 2 + ["Shift+ArrowRight"] * 5 + ["Shift+ArrowUp"]:
        page.keyboard.press(key)
    found = answered(page, lambda: page.keyboard.press("Enter"))
    assert page.url.endswith("box=0.19,0.21,0.79,0.69")
    assert found[:PAGE] == ids(oracle.query(windmill, box=(0.19, 0.21, 0.79, 0.69), k=PAGE, unique=True))


def test_a_box_is_moved_with_a_finger(new_page, server: str, number: dict[str, int]) -> None:
    page = new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    open_page(page, server, f"#/search?ids={number['windmill_1.jpg']}")
    results(page)
    page.get_by_role("button", name="Draw a box").tap()
    box = page.locator(".marked").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    client = page.context.new_cdp_session(page)

    def drag() -> None:
        for kind, points in [
            ("touchStart", [{"x": x, "y": y}]),
            ("touchMove", [{"x": x + 10, "y": y + 5}]),
            ("touchMove", [{"x": x + 20, "y": y + 10}]),
            ("touchEnd", []),
        ]:
            client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    answered(page, drag)
    left, top, right, bottom = (float(side) for side in page.url.rpartition("box=")[2].split(","))
    assert left > 0.25 and top > 0.25 and right - left == pytest.approx(0.5, abs=0.01)
    assert bottom - top == pytest.approx(0.5, abs=0.01)


def test_pages_follow_each_other_to_the_end(
    page: Page, server: str, oracle: Collection, number: dict[str, int]
) -> None:
    windmill = number["windmill_1.jpg"]
    open_page(page, server, f"#/search?ids={windmill}")
    everything = ids(oracle.query(windmill, k=1000, unique=True))
    results(page)
    while page.locator(".foot").is_visible():
        with page.expect_response(lambda response: "/search" in response.url):
            page.mouse.wheel(0, 20_000)
        page.wait_for_selector(".results[aria-busy=false]")
    assert sorted(results(page)) == sorted(everything)
    assert page.text_content("#results-title") == f"{len(everything)} results"


def test_filters_by_folder_date_and_text(page: Page, server: str, oracle: Collection, number: dict[str, int]) -> None:
    windmill = number["windmill_1.jpg"]
    open_page(page, server, f"#/search?ids={windmill}")
    results(page)
    folder = page.get_by_label("Folder")
    option = folder.locator("option", has_text="pagoda").get_attribute("value")
    found = answered(page, lambda: folder.select_option(option))
    where = page.get_by_label("As text").input_value()
    assert found == ids(oracle.query(windmill, k=PAGE, unique=True, where='folder ~ "**/pagoda"'))
    assert "pagoda" in where

    found = answered(page, lambda: page.get_by_label("Taken from").fill("2020-01-01"))
    expected = oracle.query(windmill, k=PAGE, unique=True, where='folder ~ "**/pagoda" and taken >= 2020-01-01')
    assert found == ids(expected)

    text = page.get_by_label("As text")
    text.fill('camera ~ "*canon*"')
    found = answered(page, lambda: text.press("Enter"))
    assert found == ids(oracle.query(windmill, k=PAGE, unique=True, where='camera ~ "*canon*"'))
    assert folder.input_value() == ""


@pytest.mark.parametrize(
    "where",
    [
        "width > 100",
        'width >= 300 and camera ~ "*canon*"',
        "taken >= 2020 and taken <= 2021-06 and size >= 15kB",
        "taken >= 2020 or width >= 300 and height > 1",
        "(taken >= 2020 or width >= 300) and taken <= 2022-01-31",
        "not width >= 300 and taken >= 2021",
        'width >= 300 and width >= 310 and path ~ "**/castle/**"',
        'camera = "a "" and b" or name ~ "castle*"',
        'path ~ "**/samples/[ac]*/**" and (width >= 1 and taken >= 2019-05-05)',
        "taken is known AND WIDTH >= 300",
    ],
)
def test_the_controls_keep_what_a_filter_means(page: Page, server: str, oracle: Collection, where: str) -> None:
    open_page(page, server)
    change = """async ([where, to]) => {
      const {read, write} = await import("/where.js");
      return write({...read(where), to});
    }"""
    same = page.evaluate(change, [where, page.evaluate("async (w) => (await import('/where.js')).read(w).to", where)])
    assert numbers(oracle, same) == numbers(oracle, where)
    until = page.evaluate(change, [where, "2020-12-31"])
    if "taken <=" not in where:
        assert numbers(oracle, until) == numbers(oracle, f"({where}) and taken <= 2020-12-31")


def test_a_wrong_filter_is_explained_beside_it(new_page, server: str, number: dict[str, int]) -> None:
    page = new_page(expected=("422",))
    open_page(page, server, f"#/search?ids={number['windmill_1.jpg']}")
    results(page)
    text = page.get_by_label("As text")
    text.fill("width >")
    text.press("Enter")
    page.wait_for_selector("#where-wrong:not(:empty)")
    assert text.get_attribute("aria-invalid") == "true"
    found = answered(page, lambda: page.get_by_role("button", name="Clear", exact=True).click())
    assert found
    assert page.text_content("#where-wrong") == ""

    page.goto("about:blank")
    open_page(page, server, f"#/search?ids={number['windmill_1.jpg']}&where=width+%3E")
    page.wait_for_load_state("networkidle")  # the filter's own choices have come too
    assert page.text_content("#where-wrong")


def test_presets_and_exact_search(page: Page, server: str, oracle: Collection, number: dict[str, int]) -> None:
    windmill = number["windmill_1.jpg"]
    open_page(page, server, f"#/search?ids={windmill}")
    results(page)
    found = answered(page, lambda: page.get_by_role("radio", name="Fast").check(force=True))
    assert found[:PAGE] == ids(oracle.query(windmill, k=PAGE, unique=True, rerank="fast"))
    answered(page, lambda: page.get_by_label("Exact").check())
    assert page.url.endswith("preset=fast&exact=1")
