"""A collection that was taught: parts of photos in their frames, how sure results are, verdicts, and work given up."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from PIL import Image

from dinosearch import Collection
from tests.browser.actions import answered, give, hears, open_page, results, until
from tests.browser.conftest import SAMPLES
from tests.browser.serving import served
from tests.browser.test_access import violations
from tests.conftest import write_photo

if TYPE_CHECKING:
    from playwright.sync_api import Page

WINDMILL, ASKED = "windmill_1.jpg", "0,0,1,1"
GIVEN, VOTED = ["aqueduct_1.jpg", "aqueduct_2.jpg"], WINDMILL
PANORAMA, PART = "panorama.jpg", (0.62, 0.1, 0.9, 0.95)


@dataclass(frozen=True)
class Taught:
    """A writable server, the folder of its homes, and the ids of their photos by name."""

    address: str
    folder: Path
    ids: dict[str, dict[str, int]]

    def ask(self, verb: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + verb, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def search(self, name: str, **question: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(f"v1/collections/{name}/search", {"unique": True, "k": 30, **question})[
            "hits"
        ]
        return found


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taught]:
    """Two collections: `home`, calibrated, and `parts`, with regions and a panorama that has a windmill in it."""
    folder = tmp_path_factory.mktemp("taught")
    samples = sorted(SAMPLES.glob("*/*_[123].jpg"))
    photos, parts = folder / "photos", folder / "pictures"
    for into, count in ((photos, 21), (parts, 16)):
        into.mkdir()
        for path in samples[:count]:
            (into / path.name).write_bytes(path.read_bytes())
        (into / WINDMILL).write_bytes((SAMPLES / "windmill" / WINDMILL).read_bytes())
    size = (1600, 400)  # much wider than a tile
    panorama = Image.new("RGB", size, (120, 140, 160))
    left, top, right, bottom = (round(side * length) for side, length in zip(PART, size * 2, strict=True))
    panorama.paste(Image.open(photos / WINDMILL).resize((right - left, bottom - top)), (left, top))
    panorama.save(parts / PANORAMA, quality=92)
    ids = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DINOSEARCH_DECODE", "inline")
        for name, content in (("home", photos), ("parts", parts)):
            with Collection.open(folder / name, create=True, model="mini") as collection:
                collection.index(content, regions=name == "parts")
                if name == "home":
                    collection.calibrate(sample=20)
                ids[name] = {Path(file["path"]).name: file["id"] for file in collection.files()}
                if name == "home":
                    collection.tag([ids[name][one] for one in GIVEN], ['it\'s a "tower"'] * len(GIVEN), given=True)
                    collection.tag([ids[name][VOTED]], ["mill"], [0.834], given=False)
    homes = [str(folder / name) for name in ids]
    with served(folder / "server", *homes, "--writable", "--root", str(folder / "more")) as address:
        yield Taught(address, folder, ids)


FRAMES = """() => [...document.querySelectorAll(".results .tile")].map((tile) => {
  const [pic, frame, image] = [".pic", ".frame", "img"].map((kind) => tile.querySelector(kind).getBoundingClientRect());
  const shown = tile.querySelector("img");
  const inside = (x, y) => [(x - image.left) / image.width, (y - image.top) / image.height];
  return {
    id: Number(tile.dataset.id),
    box: [...inside(frame.left, frame.top), ...inside(frame.right, frame.bottom)],
    shape: image.width / image.height,
    natural: shown.naturalWidth / shown.naturalHeight,
    seen: frame.right > pic.left && frame.left < pic.right && frame.bottom > pic.top && frame.top < pic.bottom,
    covered: image.left <= pic.left + 1 && image.right >= pic.right - 1
      && image.top <= pic.top + 1 && image.bottom >= pic.bottom - 1,
  };
})"""


def test_parts_are_framed_where_they_were_found(page: Page, taught: Taught) -> None:
    ids = taught.ids["parts"]
    open_page(page, taught.address, f"#/search?c=parts&ids={ids[WINDMILL]}&box={ASKED}")
    results(page)
    until(page, "[...document.querySelectorAll('.results img')].every((image) => image.naturalWidth)")
    expected = {
        hit["id"]: hit["box"] for hit in taught.search("parts", examples=[{"id": ids[WINDMILL]}], box=[0, 0, 1, 1])
    }
    found = {tile["id"]: tile for tile in page.evaluate(FRAMES)}
    assert set(found) == set(expected)
    for number, box in expected.items():
        # The border of the frame, two pixels, lies inside of it.
        assert found[number]["box"] == pytest.approx(box, abs=0.012), number
        assert found[number]["covered"] and found[number]["seen"]
    wide = ids[PANORAMA]
    assert found[wide]["shape"] == pytest.approx(found[wide]["natural"], rel=0.01), "not squeezed"
    left, _, right, _ = expected[wide]
    assert PART[0] - 0.2 < left < right < PART[2] + 0.05, "a part of it, so that a frame elsewhere would be seen"

    page.locator(f".tile[data-id='{wide}'] a").click()
    page.wait_for_selector("#compare .held .frame")
    page.wait_for_selector("#compare .facts")
    in_comparison = page.evaluate(
        """() => {
          const held = document.querySelectorAll(".held")[1].getBoundingClientRect();
          const frame = document.querySelector("#compare .frame").getBoundingClientRect();
          return [(frame.left - held.left) / held.width, (frame.top - held.top) / held.height,
                  (frame.right - held.left) / held.width, (frame.bottom - held.top) / held.height];
        }"""
    )
    assert in_comparison == pytest.approx(expected[wide], abs=0.012)


def in_words(share: float) -> str:
    number = "< 1" if share < 0.01 else "> 99" if share > 0.99 else str(int(share * 100 + 0.5))
    return f"{number} % sure".replace(" ", "\u00a0")  # on one line


def aloud(share: float) -> str:
    return in_words(share).replace("\u00a0", " ").replace("> ", "more than ").replace("< ", "less than ")


def test_results_say_how_sure_they_are(page: Page, taught: Taught) -> None:
    photo = SAMPLES / "windmill" / WINDMILL

    def asked(**more: Any) -> list[dict[str, Any]]:
        question = {"question": json.dumps({"unique": True, "k": 30, **more})}
        address = f"{taught.address}v1/collections/home/search/upload"
        answer = httpx.post(address, files={"image": photo.read_bytes()}, data=question, timeout=60)
        found: list[dict[str, Any]] = answer.json()["hits"]
        return found

    hits = asked()
    estimates = {hit["id"]: hit["confidence"] for hit in hits}
    assert max(estimates.values()) > 0.9 and min(estimates.values()) < 0.01, "of both kinds, or this test says little"
    open_page(page, taught.address, "#/search?c=home")
    found = answered(page, lambda: give(page, "new", photo))
    shown = page.locator(".results .sure").all_text_contents()
    assert shown == [in_words(estimates[number]) for number in found]
    likely = sum(share >= 0.5 for share in estimates.values())
    assert (page.text_content(".results .heading p") or "").startswith(f"{likely} likely the same · ")
    assert page.locator(".results .sure.likely").count() == likely
    hears(page, f"{likely} likely the same")
    # Who does not see it is told the same, without signs that are not read out.
    first, last = (page.locator(".results a.open").nth(place).get_attribute("aria-label") or "" for place in (0, -1))
    assert first.endswith(aloud(estimates[found[0]]))
    assert last.endswith(aloud(estimates[found[-1]]))
    assert "share of results with such a score" in (page.locator(".sure").first.get_attribute("title") or "")

    found = answered(page, lambda: page.get_by_label("Answer").select_option("0.8"))
    assert found == [hit["id"] for hit in asked(precision=0.8)]
    assert 0 < len(found) < len(hits)


def test_what_people_say_is_kept_and_the_estimates_follow(page: Page, taught: Taught) -> None:
    windmill = taught.ids["home"][WINDMILL]
    question = {"examples": [{"id": windmill}]}
    before = {hit["id"]: hit["confidence"] for hit in taught.search("home", **question)}
    judged = taught.search("home", **question)[0]["id"]  # the best one is a windmill, and somebody says that it is not
    open_page(page, taught.address, f"#/search?c=home&ids={windmill}")
    results(page)
    page.locator(f".tile[data-id='{judged}'] a").click()
    wrong = page.get_by_role("button", name="It is not")
    right = page.get_by_role("button", name="It is the same")
    assert wrong.get_attribute("aria-pressed") == right.get_attribute("aria-pressed") == "false"
    wrong.click()
    page.wait_for_selector("#toast:has-text('not the same thing')")
    assert (wrong.get_attribute("aria-pressed"), right.get_attribute("aria-pressed")) == ("true", "false")
    after = {hit["id"]: hit["confidence"] for hit in taught.search("home", **question)}
    assert after[judged] < before[judged]

    def shows(estimates: dict[int, float]) -> None:
        """The page has the estimates of the server by and by, in the comparison and behind it."""
        until(
            page,
            "words => document.querySelector('#compare header p').textContent.endsWith(words)",
            in_words(estimates[judged]),
        )
        tiles = page.locator(".results .tile").all()
        assert [tile.locator(".sure").text_content() for tile in tiles] == [
            in_words(estimates[int(tile.get_attribute("data-id") or 0)]) for tile in tiles
        ]

    shows(after)
    right.click()  # it was a mistake
    page.wait_for_selector("#toast:has-text('Noted: the same thing')")
    again = {hit["id"]: hit["confidence"] for hit in taught.search("home", **question)}
    assert again[judged] > after[judged]
    shows(again)
    page.keyboard.press("Escape")
    page.wait_for_selector("#compare", state="hidden")
    assert page.evaluate("Number(document.activeElement.closest('.tile').dataset.id)") == judged
    page.wait_for_function("!location.hash.includes('show')")  # it has gone back, which a reload would disturb
    page.reload()  # what was said is in the collection, not in the page
    results(page)
    page.locator(f".tile[data-id='{judged}'] a").press("Enter")
    pressed = page.get_by_role("button", name="It is the same", pressed=True)
    pressed.wait_for()
    pressed.press("Enter")  # and is taken back by the button that says it
    page.wait_for_selector("#toast:has-text('Taken back')")
    assert right.get_attribute("aria-pressed") == wrong.get_attribute("aria-pressed") == "false"
    assert page.evaluate("document.activeElement.textContent") == "It is the same", "the focus stays"
    assert {hit["id"]: hit["confidence"] for hit in taught.search("home", **question)} == before
    shows(before)
    assert taught.ask("v1/collections/home/verdicts")["total"] == 0


def test_a_word_is_on_the_example_that_is_compared(page: Page, taught: Taught) -> None:
    first, second = taught.ids["home"][WINDMILL], taught.ids["home"]["aqueduct_3.jpg"]
    open_page(page, taught.address, f"#/search?c=home&ids={first},{second}")
    judged = results(page)[0]
    page.locator(f".tile[data-id='{judged}'] a").click()
    page.get_by_role("radio", name="aqueduct_3.jpg").check()
    page.get_by_role("button", name="It is the same").click()
    page.wait_for_selector("#toast:has-text('Noted')")
    (said,) = taught.ask("v1/collections/home/verdicts")["verdicts"]
    assert (said["query"], said["id"], said["same"]) == (second, judged, True)
    page.get_by_role("radio", name=WINDMILL).check()
    page.get_by_role("button", name="It is the same", pressed=False).wait_for()
    page.get_by_role("radio", name="aqueduct_3.jpg").check()
    page.get_by_role("button", name="It is the same", pressed=True).wait_for()
    assert taught.ask("v1/collections/home/verdicts/forget", {})["written"] == 1


def test_all_that_was_said_is_listed_and_taken_back(page: Page, taught: Taught) -> None:
    ids = taught.ids["home"]
    query, names = ids[WINDMILL], sorted(name for name in ids if name != WINDMILL)[:12]
    for same, some in ((False, names[:11]), (True, names[11:])):
        taught.ask(
            "v1/collections/home/verdicts", {"query": query, "results": [ids[one] for one in some], "same": same}
        )
    open_page(page, taught.address, "#/collection?c=home")
    section = page.get_by_role("region", name="Said of results")
    rows = section.get_by_role("listitem")
    rows.first.wait_for()
    assert (section.text_content() or "").count("12 verdicts") == 1
    assert rows.count() == 10 and (rows.first.text_content() or "").startswith("The same thing"), "the newest first"
    section.get_by_role("button", name="Show more").click()
    until(page, "document.querySelectorAll('.said-list li').length === 12")
    until(page, "[...document.querySelectorAll('.said-list img')].every((image) => image.naturalWidth)")
    assert not violations(page)
    first = section.get_by_role("button", name=f"Take back: The same thing: {WINDMILL} and {names[11]}")
    first.press("Enter")
    first.wait_for(state="detached")
    hears(page, "Taken back")
    until(page, "document.querySelector('.said-list').previousSibling.textContent.startsWith('11 verdicts')")
    assert page.evaluate("document.activeElement.closest('li') === document.querySelector('.said-list li')")
    assert {one["same"] for one in taught.ask("v1/collections/home/verdicts")["verdicts"]} == {False}
    rows.first.get_by_role("link").click()
    page.get_by_role("button", name="It is not", pressed=True).wait_for()
    taught.ask("v1/collections/home/verdicts/forget", {})
    page.goto("about:blank")
    open_page(page, taught.address, "#/collection?c=home")
    page.get_by_role("heading", name="Folders").wait_for()
    page.get_by_role("heading", name="Indexing").wait_for()
    assert not section.is_visible(), "nothing was said"


def test_verdicts_are_for_who_may_write(page: Page, server: str) -> None:
    open_page(page, server, "#/search?ids=1&show=2")
    page.get_by_role("button", name="Not this").wait_for()
    assert page.get_by_role("button", name="It is the same").count() == 0


def test_labels_filter_and_are_shown(page: Page, taught: Taught) -> None:
    ids = taught.ids["home"]
    open_page(page, taught.address, f"#/search?c=home&ids={ids['aqueduct_3.jpg']}")
    results(page)
    labels = page.get_by_label("Label")
    assert labels.locator("option").all_text_contents() == ["All labels", 'it\'s a "tower" (2)', "mill (1)"]
    found = answered(page, lambda: labels.select_option(label='it\'s a "tower" (2)'))
    assert sorted(found) == sorted(ids[one] for one in GIVEN)
    assert page.get_by_label("As text").input_value() == 'label = "it\'s a ""tower"""'
    page.locator(".tile a").first.click()
    page.wait_for_selector("#compare .facts")
    assert 'Labelit\'s a "tower"' in (page.text_content("#compare .facts") or "")

    page.goto("about:blank")
    view = f"#/search?c=home&ids={ids['aqueduct_3.jpg']}&where=label+%3D+%22mill%22&show={ids[VOTED]}"
    open_page(page, taught.address, view)
    assert results(page) == [ids[VOTED]], "a shared address"
    assert (page.text_content(".tile .name") or "").startswith("mill · ")
    page.wait_for_selector("#compare .facts")
    assert "Labelmill, 83 % of the votes" in (page.text_content("#compare .facts") or "")
    assert labels.input_value() == "mill"


def test_a_job_is_given_up_and_what_it_did_is_kept(new_page: Callable[..., Page], taught: Taught) -> None:
    page = new_page()
    more = taught.folder / "more"
    for number in range(200):
        write_photo(more / f"{number:03}.png", seed=9_000 + number)
    before = taught.ask("v1/collections/home")["images"]
    open_page(page, taught.address, "#/collection?c=home")
    page.get_by_label("Another folder").fill(str(more))
    page.get_by_role("button", name="Index it").click()
    job = page.locator(".job").first
    said = job.get_by_text(" of 200")
    said.wait_for()
    assert re.match(r"(Looking for images: |Indexing: [\d,]+ of 200 images( · |$))", said.text_content() or "")
    job.get_by_role("button", name="Cancel").press("Enter")
    assert page.evaluate("document.activeElement.textContent") == f"index {more}", "not lost with the button"
    job.get_by_text("Cancelled; what was done until then is kept.").wait_for()
    hears(page, "Cancelled")
    assert job.get_by_role("button").count() == job.locator("progress").count() == 0
    assert "bad" not in (job.get_attribute("class") or "").split(), "that is no failure"
    newest = taught.ask("v1/jobs")["jobs"][0]
    assert newest["status"] == "cancelled"
    images = taught.ask("v1/collections/home")["images"]
    assert before <= images < before + 200
    until(page, "count => document.querySelector('h1 + p').textContent.startsWith(`${count} images`)", images)

    page.reload()
    assert page.locator(".job").first.text_content() == f"index {more}Cancelled; what was done until then is kept."
