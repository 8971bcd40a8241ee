"""A server over the sample images and a real browser; a page that asks another machine or reports an error fails."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dinosearch import Collection
from tests.browser.chromium import ARGUMENTS, executable
from tests.browser.machine import NoBrowserError
from tests.browser.serving import served
from tests.browser.webdriver import HungError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

SAMPLES = Path(__file__).parents[2] / "sample_images"

# Everything here lives as long as the tests of this folder: Playwright runs an event loop in this thread, beside which
# the tests of other folders could not run theirs.


@pytest.hookimpl(hookwrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """A browser that stops once is the browser's business, and said; one that stops again may be the page's."""
    outcome: Any = yield
    if outcome.excinfo is not None and isinstance(outcome.excinfo[1], HungError):
        windows = pyfuncitem.funcargs["windows"]
        windows.end()
        windows.hung += 1
        if windows.hung == 1:
            outcome.force_exception(pytest.skip.Exception(f"the browser hangs: {outcome.excinfo[1]}"))


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    sync_api = pytest.importorskip("playwright.sync_api")
    try:
        program = executable()
    except NoBrowserError as reason:
        pytest.skip(str(reason))
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample images, and of one a copy of another name."""
    folder = tmp_path_factory.mktemp("photos")
    shutil.copytree(SAMPLES, folder / "samples", ignore=shutil.ignore_patterns("*.md"))
    shutil.copy(folder / "samples/castle/castle_1.jpg", folder / "samples/other/copy_of_castle.jpg")
    with Collection.open(folder / "photos.index", create=True, model="mini") as collection:
        collection.index(str(folder / "samples"))
    return folder / "photos.index"


@pytest.fixture(scope="package")
def server(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that changes nothing."""
    with served(tmp_path_factory.mktemp("server"), str(home)) as address:
        yield address


@pytest.fixture(scope="package")
def oracle(home: Path) -> Iterator[Collection]:
    """The same collection without a server."""
    with Collection.open(home) as collection:
        yield collection


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Makes pages, each in a profile of its own; afterwards none may have asked elsewhere or reported an error."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def make(*, expected: tuple[str, ...] = (), **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)

        def guard(route: Any) -> None:
            if route.request.url.startswith(("http://127.0.0.1:", "blob:", "data:")):
                route.continue_()
            else:
                faults.append(f"asked {route.request.url}")
                route.abort()

        def heard(message: Any) -> None:
            # 503: the machine that runs the tests is slow, pictures are asked for again.
            if message.type in ("error", "warning") and not any(text in message.text for text in (*expected, "503")):
                faults.append(f"console: {message.text}")

        context.route("**/*", guard)
        context.on("console", heard)
        context.on("weberror", lambda error: faults.append(f"exception: {error.error}"))
        page = context.new_page()
        page.set_default_timeout(120_000)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not faults, "\n".join(faults)


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    return new_page()
