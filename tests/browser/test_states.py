"""Collections and servers as they may be: empty, with odd names and lost files, gone for a while, slow."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from PIL import Image

from dinosearch import Collection
from tests.browser.actions import hears, open_page, results, until
from tests.browser.conftest import SAMPLES
from tests.browser.serving import served
from tests.browser.test_access import violations

if TYPE_CHECKING:
    from playwright.sync_api import Page

AWAY = "The server does not answer; is it still running?"
LONG = f"{'very long ' * 25}.jpg"[-255:]
ODD = [
    LONG,
    "صورة من البحر.jpg",
    "中文.jpg",
    "👩‍👧 e\u0301\u0323.jpg",
    "two\nlines.jpg",
    "<b>bold<i>.jpg",
    "\u202egpj.exe.jpg",
    b"latin\xe9.jpg",
    "/".join([*(f"folder{depth}" for depth in range(30)), "deep.jpg"]),
]
EXTREME = {"dot.png": (1, 1), "wide.png": (20_000, 10), "high.png": (10, 20_000)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Homes without images, with one, and with odd ones, of which one has lost its file and one another content."""
    folder = tmp_path_factory.mktemp("states")
    photos = folder / "odd"
    for name, sample in zip(ODD, sorted(SAMPLES.glob("*/*_1.jpg")), strict=False):
        path = os.fsencode(photos) + b"/" + os.fsencode(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(sample.read_bytes())
    for name, size in EXTREME.items():
        Image.effect_noise(size, 40).save(photos / name)
    for name, sample in (("gone", "castle_2"), ("changed", "castle_3"), ("copy of it", "temple_2")):
        (photos / f"{name}.jpg").write_bytes((SAMPLES / sample.split("_")[0] / f"{sample}.jpg").read_bytes())
    (photos / "copy\nof it.jpg").write_bytes((photos / "copy of it.jpg").read_bytes())
    (photos / os.fsdecode(b"copy \xe9.jpg")).write_bytes((photos / "copy of it.jpg").read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DINOSEARCH_DECODE", "inline")
        for name, what in (("none", ()), ("one", (photos / "changed.jpg",)), ("names", (photos,))):
            with Collection.open(folder / name, create=True, model="mini") as collection:
                collection.index(*what, workers=1) if what else None
    (photos / "gone.jpg").unlink()
    (photos / "changed.jpg").write_bytes((SAMPLES / "windmill/windmill_1.jpg").read_bytes())
    return folder


@pytest.fixture(scope="module")
def states(folder: Path) -> Iterator[str]:
    with served(folder / "server", *(str(folder / name) for name in ("none", "one", "names"))) as address:
        yield address


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """One that asks for pictures of lost files."""
    return new_page(expected=("404",))


@pytest.fixture(scope="module")
def ids(states: str) -> dict[str, int]:
    files = httpx.get(f"{states}v1/collections/names/files?limit=100").json()["files"]
    return {Path(file["path"]).name: file["id"] for file in files}


def test_an_empty_collection_says_what_it_needs(page: Page, states: str) -> None:
    for view, words in [
        ("search", "holds no photos yet. Where the server runs, fill it with dinosearch index"),
        ("map", "The collection holds no photos yet."),
        ("duplicates", "No two photos are that alike."),
        ("collection", "No folder was indexed yet."),
    ]:
        page.goto("about:blank")
        open_page(page, states, f"#/{view}?c=none")
        until(page, "words => document.querySelector('main').textContent.includes(words)", words)
        assert view == "collection" or not violations(page)  # a full one is looked at elsewhere
    assert page.get_by_role("progressbar").count() == 0


def test_a_single_photo(page: Page, states: str) -> None:
    open_page(page, states, "#/search?c=one&ids=1")
    page.wait_for_selector(".results .empty:has-text('holds no other photo')")
    page.goto("about:blank")
    open_page(page, states, "#/map?c=one")
    page.wait_for_selector(".sight li")
    frame = page.locator(".plane canvas").bounding_box()
    assert frame is not None
    page.mouse.click(frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2)
    page.wait_for_selector(".chosen .facts")


def test_odd_names_stay_in_their_places(new_page: Callable[..., Page], states: str, ids: dict[str, int]) -> None:
    page = new_page(expected=("404",), viewport={"width": 320, "height": 640})
    named = {re.sub(r"\s", " ", name): number for name, number in ids.items()}
    for view in ("#/search?c=names", f"#/search?c=names&ids={ids[LONG]},{ids['wide.png']},-{ids['high.png']}"):
        page.goto("about:blank")
        open_page(page, states, view)
        page.wait_for_selector(".grid .tile")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for link in page.locator(".grid a.open").all():
            name = re.sub(r"\s", " ", link.get_attribute("aria-label") or "").partition(", result")[0]
            assert name in named
    for name in (LONG, "deep.jpg", "two\nlines.jpg", "high.png"):
        page.goto("about:blank")
        open_page(page, states, f"#/search?c=names&ids={ids['wide.png']}&show={ids[name]}")
        page.wait_for_selector("#compare .facts")
        assert page.text_content("#compare-title") == name
        assert page.evaluate(
            "[...document.querySelectorAll('#compare .body')].every((b) => b.scrollWidth <= innerWidth)"
        )
        assert page.locator("b b, .name i").count() == 0, "a name is text, whatever stands in it"


def test_a_lost_picture_says_so_and_can_be_searched(page: Page, states: str, ids: dict[str, int]) -> None:
    said = "what => getComputedStyle(document.querySelector(what), '::before').content.includes('cannot be read')"
    open_page(page, states, f"#/search?c=names&ids={ids['gone.jpg']}&show={ids['changed.jpg']}")
    page.wait_for_selector("#compare .facts")
    until(page, said, ".boxed")
    until(page, said, ".stage figure:nth-child(2) .held")
    page.wait_for_selector("#compare .wrong:has-text('cannot be compared: the file of this image is gone.')")
    page.keyboard.press("Escape")
    assert len(results(page)) > 8
    until(page, said, f".tile[data-id='{ids['changed.jpg']}'] .pic")


def test_no_name_in_the_list_to_remove_becomes_another(page: Page, states: str, folder: Path) -> None:
    """A name with a line break would be two; bytes that are no UTF-8 come out as they are on the disk."""
    open_page(page, states, "#/duplicates?c=names")
    page.wait_for_selector(".group")
    for copy in page.locator(".copy", has_text="copy").all():
        copy.locator("a.open").press("r")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export list").click()
    lines = Path(download.value.path()).read_bytes().splitlines()
    assert sorted(lines) == sorted(
        os.fsencode(folder / "odd") + name for name in (b"/copy of it.jpg", b"/copy \xe9.jpg")
    )
    assert "Left out of the list: 1 file" in (page.text_content("#toast") or "")


def test_what_is_not_there_is_said_so(page: Page, states: str) -> None:
    open_page(page, states, "#/search?c=one&ids=77")
    page.wait_for_selector(".results .empty:has-text('no image id:77')")
    assert page.text_content(".chip .name") == "id:77 is not here"
    page.goto("about:blank")
    open_page(page, states, "#/search?c=names&ids=1&show=99")
    page.wait_for_selector("#compare .details .wrong:has-text('There is no image id:99')")
    assert page.text_content("#compare-title") == "Image 99"
    page.goto("about:blank")
    open_page(page, states, "#/search?c=nobody")
    page.wait_for_selector("#toast:has-text('There is no collection nobody here.')")


def refused(page: Page, what: str | re.Pattern[str]) -> Callable[[], None]:
    """Let requests fail as if nobody listened, until the answer is called."""
    away = [True]
    page.route(what, lambda route: route.abort("connectionrefused") if away else route.fallback())
    return away.clear


@pytest.mark.parametrize("view", ["search?ids=1&c=names", "map?c=names", "duplicates?c=names"])
def test_a_server_that_was_away_is_asked_again(new_page: Callable[..., Page], states: str, view: str) -> None:
    """As the page finds it: requests fail until the server is back."""
    page = new_page(expected=("ERR_CONNECTION_REFUSED", "404"))
    open_page(page, states, "#/search?c=names")
    back = refused(page, "**/v1/**")
    page.evaluate("to => { location.hash = to; }", f"#/{view}")
    page.wait_for_selector(f"main :text('{AWAY}')")
    assert not violations(page)
    again = page.get_by_role("button", name="Try again")
    again.press("Enter")
    page.wait_for_selector(f"main :text('{AWAY}')")
    back()
    again.press("Enter")
    page.wait_for_selector(".results .tile, .sight li, .group")
    assert not again.is_visible()


def test_a_view_that_cannot_be_loaded_says_so(new_page: Callable[..., Page], states: str) -> None:
    page = new_page(expected=("ERR_CONNECTION_REFUSED", "404"))
    open_page(page, states, "#/search?c=names")
    back = refused(page, re.compile(r"/(map\.js|v1/)"))
    page.get_by_role("link", name="Map").click()
    page.wait_for_selector(f"main :text('{AWAY}')")
    again = page.get_by_role("button", name="Try again")
    again.click()
    page.wait_for_selector(f"#toast:has-text('{AWAY}')")
    back()
    again.click()
    page.wait_for_selector(".sight li")
    assert page.url.endswith("#/map?c=names")


def test_a_slow_answer_is_seen_and_heard_and_gives_way_to_the_next_question(page: Page, states: str) -> None:
    open_page(page, states, "#/search?c=names&ids=1")
    results(page)
    page.evaluate(
        """() => {
          const ask = window.fetch;
          window.asked = [];
          window.fetch = (address, options = {}) => new Promise((resolve, reject) => {
            if (!address.endsWith("/search")) return resolve(ask(address, options));
            window.asked.push(JSON.parse(options.body).rerank);
            const late = setTimeout(() => resolve(ask(address, options)), window.asked.length > 1 ? 0 : 60_000);
            options.signal.addEventListener("abort", () => {
              clearTimeout(late);
              window.asked.push("given up");
              reject(new DOMException("given up", "AbortError"));
            });
          });
        }"""
    )
    page.get_by_role("radio", name="Fast").check(force=True)
    page.get_by_role("progressbar", name="Searching").wait_for()
    hears(page, "Searching")
    page.get_by_role("radio", name="Thorough").check(force=True)
    until(page, "window.asked.length === 3")
    results(page)
    assert page.evaluate("window.asked") == ["fast", "given up", "thorough"]
    assert not page.get_by_role("progressbar", name="Searching").is_visible()


SAID_BY_COLOUR = """() => {
  const colours = (node, pseudo) => getComputedStyle(node, pseudo).backgroundColor;
  const choice = (state) => document.querySelector(`.segments input${state} + span`);
  const nav = document.querySelector("nav [aria-current]");
  const bar = document.querySelector(".bar");
  return [
    [colours(choice(":checked")), colours(choice(":not(:checked)"))],
    [colours(nav, "::after"), colours(document.body)],
    [colours(bar.firstChild), colours(bar)],
  ];
}"""


def test_forced_colours_leave_no_choice_unseen(new_page: Callable[..., Page], states: str) -> None:
    """Windows' contrast themes take backgrounds away, which say what is chosen."""
    page = new_page(expected=("404",), forced_colors="active")
    open_page(page, states, "#/search?c=names&ids=1")
    results(page)
    for one, other in page.evaluate(SAID_BY_COLOUR):
        assert one != other
    assert not violations(page)


def test_more_than_the_server_takes_is_said_in_words(
    new_page: Callable[..., Page], states: str, tmp_path: Path
) -> None:
    page = new_page(expected=("404", "413", "422"))
    open_page(page, states, "#/search?c=names")
    sizes: list[tuple[str, Any, str]] = [
        ("huge.jpg", 34_000_000, "That is more than this server takes."),
        ("letter.jpg", 20, "The image cannot be read: not an image."),
    ]
    for name, size, words in sizes:
        (tmp_path / name).write_bytes(b"x" * size)
        page.locator("#pick + input").set_input_files(tmp_path / name)
        page.wait_for_selector(f".results .empty:has-text('{words}')")
        hears(page, words)
        page.get_by_role("link", name="dinosearch, start again").click()
