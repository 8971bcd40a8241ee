"""The map, the duplicates and the work on a collection."""

from __future__ import annotations

import csv
import io
import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dinosearch import Collection
from tests.browser.actions import open_page, results, until
from tests.browser.serving import served
from tests.browser.test_access import violations

if TYPE_CHECKING:
    from playwright.sync_api import Page


def map_of(server: str, name: str = "photos.index") -> dict[int, tuple[float, float]]:
    with urllib.request.urlopen(f"{server}v1/collections/{name}/map", timeout=10) as answer:
        return {number: (x, y) for number, x, y in json.load(answer)["points"]}


def open_map(page: Page, server: str) -> None:
    open_page(page, server, "#/map")
    page.wait_for_selector(".sight li")


def test_the_map_holds_every_image_and_opens_what_is_clicked(page: Page, server: str, oracle: Collection) -> None:
    open_map(page, server)
    points = map_of(server)
    assert page.text_content("#sight-title") == f"In sight: {len(points)} photos"
    assert len(points) == oracle.info().images

    # A photo far from the others, so that the click can mean no other.
    def apart(number: int) -> float:
        x, y = points[number]
        return min((x - u) ** 2 + (y - v) ** 2 for other, (u, v) in points.items() if other != number)

    lonely = max(points, key=apart)
    frame = page.locator(".plane canvas").bounding_box()
    assert frame is not None
    x, y = points[lonely]
    left = frame["x"] + frame["width"] / 2 + (x - 0.5) * (frame["width"] - 72)
    top = frame["y"] + frame["height"] / 2 + (y - 0.5) * (frame["height"] - 72)
    page.mouse.click(left, top)
    page.wait_for_selector(".chosen .facts")
    assert f"id:{lonely}" in (page.text_content(".chosen") or "")
    page.get_by_role("link", name="Search with it").click()
    found = results(page)
    assert found[:30] == [hit.id for hit in oracle.query(lonely, k=30, unique=True)]


def test_the_map_is_zoomed_by_wheel_buttons_and_keys(page: Page, server: str) -> None:
    open_map(page, server)

    def in_sight(act: Callable[[], object]) -> int:
        before = page.text_content("#sight-title")
        act()
        until(page, "text => document.getElementById('sight-title').textContent !== text", before)
        return int((page.text_content("#sight-title") or "").split()[2])

    canvas = page.locator(".plane canvas")
    everything = len(map_of(server))
    canvas.hover()
    assert in_sight(lambda: page.mouse.wheel(0, -900)) < everything
    assert in_sight(page.get_by_role("button", name="Show all").click) == everything
    canvas.focus()
    few = in_sight(lambda: [page.keyboard.press("+") for _ in range(5)])
    assert few < everything
    until(page, "/in the middle/.test(document.getElementById('status').textContent)")
    page.keyboard.press("Enter")
    page.wait_for_selector(".chosen .facts")
    middle = page.text_content(".chosen h3")
    assert page.locator(".sight a").first.get_attribute("aria-label") == middle


def test_duplicates_are_marked_by_keys_and_exported(page: Page, server: str) -> None:
    open_page(page, server, "#/duplicates")
    page.wait_for_selector(".group")
    same = (
        page.locator(".copy", has_text="same content")
        .locator(".name")
        .evaluate_all("names => names.map((name) => name.firstChild.textContent)")
    )
    assert sorted(same) == ["castle_1.jpg", "copy_of_castle.jpg"]
    assert not page.get_by_role("button", name="Remove", exact=True).is_visible()

    copy = page.locator(".copy", has_text="copy_of_castle.jpg").locator("a.open")
    copy.press("r")
    assert "1 marked" in (page.text_content(".toolbar p") or "")
    page.reload()
    page.wait_for_selector(".copy.gone")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export list").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert [Path(line).name for line in lines] == ["copy_of_castle.jpg"]
    with page.expect_download() as download:
        page.get_by_role("button", name="Export table").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert len(rows) == page.locator(".copy").count() > 2
    assert [Path(row["path"]).name for row in rows if row["mark"] == "remove"] == ["copy_of_castle.jpg"]

    copy.press("k")
    assert "none marked" in (page.text_content(".toolbar p") or "")
    page.get_by_role("button", name="Mark all but the best").click()
    for group in page.locator(".group").all():
        assert group.locator(".copy:not(.gone)").count() == 1


@pytest.fixture(scope="module")
def writable(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server that may change its collection, a copy, and the folder of its photos."""
    folder = tmp_path_factory.mktemp("writable")
    shutil.copytree(home, folder / "photos.index")
    with served(folder / "server", str(folder / "photos.index"), "--writable") as address:
        yield address, home.parent / "samples"


def test_a_folder_is_indexed_again_and_the_page_follows(page: Page, writable: tuple[str, Path]) -> None:
    address, photos = writable
    new = photos / "other" / "new.jpg"
    shutil.copy(photos / "windmill/windmill_1.jpg", new)
    new.write_bytes(new.read_bytes() + b"\0")  # another content with the same pixels
    open_page(page, address, "#/collection")
    page.get_by_role("button", name=f"Index {photos} again").click()
    page.wait_for_selector(".job:has-text('1 added')")
    assert not violations(page)
    page.wait_for_selector("h1 + p:has-text('111 images')")
    assert page.locator(".job progress").count() == 0


def test_a_folder_that_may_not_be_indexed_is_refused_in_words(
    new_page: Callable[..., Page], writable: tuple[str, Path]
) -> None:
    page = new_page(expected=("403", "422"))
    open_page(page, writable[0], "#/collection")
    page.get_by_label("Another folder").fill("/etc")
    page.get_by_role("button", name="Index it").click()
    page.wait_for_selector("main .wrong:not(:empty)")


def test_a_group_that_is_none_is_said_so_and_taken_back(page: Page, writable: tuple[str, Path]) -> None:
    """By the button and by its key; it stays away after a reload, and comes back when all is forgotten."""
    address, _ = writable
    open_page(page, address, "#/duplicates")
    page.wait_for_selector(".group")
    titles = page.locator(".group h2")
    before = titles.count()
    group = page.locator(".group", has_text="Nearly the same").first
    names = group.locator(".name").evaluate_all("all => all.map((name) => name.firstChild.textContent)")
    assert page.locator(".group", has_text="The same content").get_by_role("button", name="Not duplicates").count() == 0

    group.locator("a.open").first.press("r")
    group.get_by_role("button", name="Not duplicates").click()
    page.wait_for_selector(".group.judged")
    assert "none marked" in (page.text_content(".toolbar p") or "")
    assert page.evaluate("document.activeElement.textContent") == "Undo"
    page.keyboard.press("Enter")
    page.wait_for_selector(".group.judged", state="detached")
    page.locator(".group", has_text=names[0]).locator("a.open").first.press("n")
    page.wait_for_selector(".said:has-text('said to be no duplicates')")

    page.reload()
    page.wait_for_selector(".group")
    assert titles.count() == before - 1
    assert page.locator(".groups", has_text=names[0]).count() == 0
    page.get_by_role("button", name="Forget it").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Forget it").press("Enter")
    until(page, "document.activeElement.textContent === 'Duplicates'")
    until(page, "before => document.querySelectorAll('.group').length === before", before)
    page.wait_for_selector(".said", state="hidden")


def test_marked_duplicates_leave_the_collection(page: Page, writable: tuple[str, Path]) -> None:
    address, photos = writable
    open_page(page, address, "#/duplicates")
    page.wait_for_selector(".group")
    page.locator(".copy", has_text="copy_of_castle.jpg").locator("a.open").press("r")
    page.get_by_role("button", name="Remove 1", exact=True).press("Enter")
    assert not violations(page)
    page.get_by_role("dialog").get_by_role("button", name="Remove").press("Enter")
    page.wait_for_selector("#toast:has-text('1 file removed')")
    assert page.evaluate("document.activeElement.textContent") == "Duplicates", "not lost with the button"
    until(page, "!document.querySelector('.groups').textContent.includes('copy_of_castle')")
    assert (photos / "other/copy_of_castle.jpg").exists()
