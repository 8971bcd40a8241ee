"""Make docs/page.png: the page of `dinosearch serve` over the sample images, in a headless Chromium, 1440 wide."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from dinosearch import Collection

ROOT = Path(__file__).resolve().parents[1]
ASKED = "windmill/windmill_1.jpg"
WIDTH, HEIGHT = 1440, 900


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "page.png")
    parser.add_argument("--chromium", default="/usr/bin/chromium", metavar="FILE", help="the browser's program")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--view", help="what stands behind the address, such as #/map; else a search")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "sample_images"
        with Collection.open(home, create=True, model="mini") as photos:
            photos.index(str(ROOT / "sample_images"))
            number = next(file["id"] for file in photos.files() if file["path"].endswith(ASKED))
        show(home, given.view or f"#/search?ids={number}", given)
    with Image.open(given.output) as picture:  # 256 colours look the same and take a third of the bytes
        picture.convert("RGB").quantize(256).save(given.output, optimize=True)


def show(home: Path, view: str, given: argparse.Namespace) -> None:
    from playwright.sync_api import sync_playwright

    command = [
        sys.executable,
        "-m",
        "dinosearch",
        "serve",
        "--port",
        "0",
        "--log-level",
        "error",
        str(home),
    ]
    environment = {**os.environ, "XDG_CACHE_HOME": str(home.parent)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=given.chromium, args=["--no-sandbox", "--disable-gpu"]
                )
                scheme = "dark" if given.dark else "light"
                page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
                page.goto(address + view)
                page.wait_for_load_state("networkidle")
                page.reload()  # the first question loads the model
                page.wait_for_load_state("networkidle")
                page.screenshot(path=given.output)
                browser.close()
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
