"""The page in Firefox and in WebKit, which Safari is made of: the main ways through it, with the library's answers."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from dinosearch import Collection
from tests.browser.actions import GIVE
from tests.browser.conftest import SAMPLES
from tests.browser.firefox import Firefox, firefox
from tests.browser.machine import NoBrowserError
from tests.browser.serving import served
from tests.browser.test_access import VIEWS
from tests.browser.webkit import WebKit, spoken, webkit

WINDMILL = SAMPLES / "windmill/windmill_1.jpg"
PAGE = Path(__file__).parents[2] / "dinosearch/server/page"
TILES = "[...document.querySelectorAll('.results[aria-busy=false] .tile')]"
Other = Firefox | WebKit
Begin = Callable[[Path], contextlib.AbstractContextManager[Other]]


class Windows:
    """One window for all tests, and another one once that gives no answer any more.

    WebKitGTK 2.50.6 was seen to go in circles while it loaded a page anew, in JavaScriptCore's loading of modules; once
    in some ten runs of all tests, and never by itself.
    """

    def __init__(self, begin: Begin, folder: Path) -> None:
        self._begin, self._folder, self._open = begin, folder, contextlib.ExitStack()
        self.now: Other | None = None
        self.hung = 0

    def window(self) -> Other:
        if self.now is None:
            try:
                self.now = self._open.enter_context(self._begin(self._folder / f"profile{self.hung}"))
            except NoBrowserError as reason:
                pytest.skip(str(reason))
        return self.now

    def end(self) -> None:
        self._open.close()
        self.now = None


@pytest.fixture(scope="module", params=[firefox, webkit])
def windows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Windows]:
    found = Windows(request.param, tmp_path_factory.mktemp("browser"))
    yield found
    found.end()


@pytest.fixture
def window(windows: Windows) -> Other:
    return windows.window()


@pytest.fixture(autouse=True)
def no_fault(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing is asked elsewhere, nothing is refused by the page's own policy, no error and no warning."""
    yield
    if "windows" in request.fixturenames:
        now = request.getfixturevalue("windows").now
        assert now is None or now.faults() == []


@pytest.fixture(scope="module")
def number(oracle: Collection) -> dict[str, int]:
    """Ids by file name."""
    return {Path(file["path"]).name: file["id"] for file in oracle.files()}


@pytest.fixture(scope="module")
def windmills(oracle: Collection, number: dict[str, int]) -> tuple[int, int, int]:
    """Two photos of one windmill, and in how many places they agree."""
    first, second = number["windmill_1.jpg"], number["windmill_2.jpg"]
    return first, second, len(oracle.explain(first, second).pairs)


@pytest.fixture(scope="module")
def guarded(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a server that wants a token, and the token."""
    folder, token = tmp_path_factory.mktemp("guarded"), "a-token-of-many-letters"
    (folder / "token").write_text(token)
    with served(folder / "server", str(home), "--token-file", str(folder / "token")) as address:
        yield address, token


def opened(window: Other, address: str) -> None:
    """A page of its own, as wide as a laptop's."""
    window.go("about:blank")
    window.size(1280, 800)
    window.go(address)
    window.until("document.querySelector('main h1') !== null")


def results(window: Other) -> list[int]:
    """The first ids of the answer, once it is there."""
    window.until(f"{TILES}.length > 0")
    return [int(found) for found in window.run(f"{TILES}.slice(0, 30).map((tile) => tile.dataset.id)")]


def answered(window: Other, part: str) -> list[int]:
    """The results of a state, whose address has a part."""
    window.until("(part) => decodeURIComponent(location.hash).includes(part)", part)
    return results(window)


def expected(oracle: Collection, *examples: int | bytes, **conditions: object) -> list[int]:
    return [hit.id for hit in oracle.query(*examples, k=30, unique=True, **conditions)]


def frame(window: Other, selector: str) -> tuple[float, float, float, float]:
    """Left, top, width and height in the window."""
    sides = "(what) => { const {x, y, width, height} = document.querySelector(what).getBoundingClientRect();"
    x, y, width, height = window.run(sides + "return [x, y, width, height]; }", selector)
    return x, y, width, height


def test_an_upload_is_searched_and_found_again_after_a_reload(window: Other, server: str, oracle: Collection) -> None:
    opened(window, server)
    window.fill("input[type=file][multiple]", str(WINDMILL))
    found = answered(window, "up=")
    assert found == expected(oracle, WINDMILL.read_bytes())
    assert window.faults() == []
    window.go(window.run("location.href"))
    window.send("Refresh")
    assert results(window) == found


def test_an_upload_that_is_not_shown_is_searched(
    window: Other, server: str, oracle: Collection, tmp_path: Path
) -> None:
    with Image.open(WINDMILL) as photo:
        photo.save(tmp_path / "photo.tiff")
    opened(window, server)
    window.fill("input[type=file][multiple]", str(tmp_path / "photo.tiff"))
    assert answered(window, "up=") == expected(oracle, (tmp_path / "photo.tiff").read_bytes())
    window.until("getComputedStyle(document.querySelector('.boxed'), '::before').content.includes('cannot show it')")


def test_a_dropped_picture_is_searched(window: Other, server: str, oracle: Collection) -> None:
    opened(window, server)
    window.run(GIVE, ["new", [[WINDMILL.name, base64.b64encode(WINDMILL.read_bytes()).decode()]]])
    assert answered(window, "up=") == expected(oracle, WINDMILL.read_bytes())


def test_a_box_is_drawn(window: Other, server: str, oracle: Collection, number: dict[str, int]) -> None:
    windmill = number["windmill_1.jpg"]
    opened(window, f"{server}#/search?ids={windmill}")
    results(window)
    left, top, width, height = frame(window, ".boxed")
    window.drag(*[(left + x * width, top + y * height) for x, y in ((0.3, 0.2), (0.5, 0.5), (0.8, 0.7))])
    found = answered(window, "box=")
    box = tuple(float(side) for side in window.run("location.hash").partition("box=")[2].split(","))
    assert box == pytest.approx((0.3, 0.2, 0.8, 0.7), abs=0.02)
    assert found == expected(oracle, windmill, box=box)


def test_a_result_is_compared(window: Other, server: str, windmills: tuple[int, int, int]) -> None:
    first, second, pairs = windmills
    opened(window, f"{server}#/search?ids={first}")
    ids = results(window)
    window.click(f".tile[data-id='{second}'] a")
    window.until("document.querySelector('#compare[open] .headline') !== null")
    assert window.run("document.querySelectorAll('.layer line').length") == min(60, pairs) > 10
    # The pictures are seen at once, beneath the header and within the dialog.
    top, height = frame(window, "#compare")[1::2]
    for picture in (".held", ".stage"):
        below, high = frame(window, picture)[1::2]
        assert top + 40 < below and below + high <= top + height and high > 200
    window.press("Escape")
    window.until("!document.querySelector('#compare').open && !location.hash.includes('show')")
    assert window.run("document.activeElement.closest('.tile').dataset.id") == str(second)
    assert results(window) == ids


def test_an_arrow_that_is_held_is_followed(window: Other, server: str) -> None:
    """Safari takes no more than 100 new addresses in ten seconds, and Firefox 200."""
    opened(window, f"{server}#/search?ids=1")
    first, second, *_ = results(window)
    window.click(f".tile[data-id='{first}'] a")
    window.until("document.querySelector('#compare[open] .headline') !== null")
    held = """async (times) => {
      for (let step = 0; step < times; step += 1) {
        const key = step % 2 ? "ArrowLeft" : "ArrowRight";
        document.getElementById("compare").dispatchEvent(new KeyboardEvent("keydown", {key, repeat: true}));
        await new Promise((done) => setTimeout(done));
      }
    }"""
    window.run(held, 231)
    window.until("(id) => document.querySelector('.details dl').textContent.includes(`id:${id}`)", second)
    window.press("Escape")
    window.until("!document.querySelector('#compare').open")
    assert window.run("document.activeElement.closest('.tile').dataset.id") == str(second)


def test_a_filter_and_the_way_back(window: Other, server: str, oracle: Collection, number: dict[str, int]) -> None:
    windmill = number["windmill_1.jpg"]
    opened(window, f"{server}#/search?ids={windmill}")
    everything = results(window)
    window.until("document.querySelector('.filters select').options.length > 3")
    choose = """(name) => {
      const select = document.querySelector(".filters select");
      select.value = [...select.options].find((option) => option.textContent.includes(name)).value;
      select.dispatchEvent(new Event("change", {bubbles: true}));
    }"""
    window.click("#filters-title")  # the way back of Safari passes over pages that nobody has touched
    window.run(choose, "pagoda")
    assert answered(window, "pagoda") == expected(oracle, windmill, where='folder ~ "**/pagoda"')
    assert window.run("document.getElementById('where').spellcheck") is False, "or an iPhone bends quotes"
    window.send("Back")
    window.until("!location.hash.includes('pagoda')")
    window.until(f"{TILES}.length > 10")
    assert results(window) == everything
    window.send("Forward")
    assert answered(window, "pagoda") == expected(oracle, windmill, where='folder ~ "**/pagoda"')


def test_the_map_by_wheel_keys_and_trackpad(window: Other, server: str) -> None:
    opened(window, f"{server}#/map")
    window.until("document.querySelector('.sight li') !== null")
    seen = "Number(document.getElementById('sight-title').textContent.split(' ')[2])"
    everything = window.run(seen)
    left, top, width, height = frame(window, ".plane canvas")
    window.wheel(left + width / 2, top + height / 2, -600)
    window.until(f"{seen} < {everything}")
    window.run("document.querySelector('.plane canvas').focus()")
    window.press("0")
    window.until(f"{seen} === {everything}")
    # Safari's own events for two fingers on a trackpad, which only it sends.
    pinch = """(scale) => {
      for (const kind of ["gesturestart", "gesturechange"]) {
        const event = new Event(kind, {cancelable: true});
        Object.assign(event, {scale, clientX: 400, clientY: 400});
        document.querySelector(".plane canvas").dispatchEvent(event);
      }
    }"""
    window.run(pinch, 4)
    window.until(f"{seen} < {everything} / 2")
    window.press("Enter")
    window.until("document.querySelector('.chosen .facts') !== null")
    assert window.run("[location.hash, document.activeElement.textContent]") == ["#/map", "Search with it"]


def test_dark_and_narrow(window: Other, server: str) -> None:
    window.go("about:blank")
    window.size(390, 844)
    window.go(server)
    lately = [{"hash": f"#/search?c=photos.index&ids={number}", "words": "an image"} for number in range(1, 9)]
    window.run("(searches) => localStorage.setItem('dinosearch.recent', JSON.stringify(searches))", lately)
    for address, ready in VIEWS.values():
        window.go(server)
        window.until("document.querySelectorAll('.recent li').length > 7 && !document.querySelector('.sample').hidden")
        window.run("(address) => { location.hash = address; }", address)
        window.until("(ready) => document.querySelector(ready) !== null", ready)
        boxes = "[document.documentElement, ...document.querySelectorAll('dialog[open] .body')]"
        wide = f"{boxes}.map((one) => one.scrollWidth - one.clientWidth).filter((more) => more > 0)"
        assert window.run(wide) == [], address
    ground = "getComputedStyle(document.body).backgroundColor"
    window.click("#theme")
    dark = window.run(ground)
    window.click("#theme")
    assert {dark, window.run(ground)} == {"rgb(25, 24, 22)", "rgb(250, 249, 246)"}


def test_a_token_opens_what_was_asked_for(window: Other, guarded: tuple[str, str]) -> None:
    address, token = guarded
    window.go(f"{address}#/search?ids=1")
    window.fill("#token", f"not {token}")
    window.press("Enter")
    window.until("document.querySelector('[role=alert]') !== null")
    window.fill("#token", token)
    window.press("Enter")
    assert answered(window, "ids=1")
    window.go("about:blank")


def test_the_console_of_webkit_says_nothing(server: str, tmp_path: Path) -> None:
    """From the first line of each view on; a page that complains shows that it would be heard."""
    page = tmp_path / "complains.html"
    page.write_text("<script>console.error('heard'); setTimeout(() => console.log('the end'), 4000)</script>")
    try:
        said = spoken(
            tmp_path / "profile", [*[server + address for address, _ in VIEWS.values()], page.as_uri()], "the end"
        )
    except NoBrowserError as reason:
        pytest.skip(str(reason))
    assert len(said) == 1 and "heard" in said[0]


TOO_NEW = {
    "light-dark(": "Safari 17.5, Firefox 120",
    ":has(": "Firefox 121",
    "@scope": "Safari 17.4, Firefox 146",
    "popover": "Safari 17, Firefox 125",
    "withResolvers": "Safari 17.4, Firefox 121",
    "groupBy": "Safari 17.4, Firefox 119",
    "AbortSignal.any": "Safari 17.4, Firefox 124",
    "startViewTransition": "Safari 18, Firefox 144",
    "randomUUID": "a secure address",
}
"""What the page must do without, with the first browsers that know it."""


@pytest.mark.parametrize("file", sorted(PAGE.glob("*.*s")), ids=lambda file: file.name)
def test_the_page_asks_for_nothing_too_new(file: Path) -> None:
    text = re.sub(r"/\*.*?\*/|^\s*//.*?$", "", file.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert not [f"{word} ({since})" for word, since in TOO_NEW.items() if word in text]
