"""What an index run holds for each file, and what it leaves unloaded when nothing has changed."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from dinosearch import Collection
from dinosearch.collection.indexing import plan
from dinosearch.collection.indexing.plan import make_plan
from dinosearch.records import FoundFile, ImageInfo
from dinosearch.store import MetadataStore
from tests.conftest import FakeEmbedder

FILES = 20_000
BYTES_A_FILE = 700
"""A hundred thousand files may cost 100 MB; a third is left for other Pythons."""


def file(number: int) -> FoundFile:
    return FoundFile(f"/pictures/2019/{number // 500:04d}/IMG_{number:07d}.jpg", 10_000 + number, 10**18 + number)


@pytest.mark.parametrize("known", [True, False])
def test_a_plan_holds_little_for_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    def walk(root: str, **options: object) -> Iterator[FoundFile]:
        return map(file, range(FILES))

    monkeypatch.setattr(plan, "scan", walk)
    with MetadataStore.open(tmp_path / "metadata.sqlite", create=True) as store:
        if known:
            with store.transaction() as tx:
                for number in range(FILES):
                    tx.put_location(file(number), tx.add_image(f"{number:064x}", ImageInfo(4, 3, "JPEG")))
        store.known("/nowhere")  # what is loaded once
        tracemalloc.start()
        try:
            made = make_plan(store, [str(tmp_path)])
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (made.unchanged, len(made.to_read)) == ((FILES, 0) if known else (0, FILES))
    assert most < FILES * BYTES_A_FILE


RERUN = """
import sys
from dinosearch import Collection
with Collection.open(sys.argv[1]) as collection:
    assert collection.index(sys.argv[2]).unchanged == 12
print(*[name for name in ("torch", "faiss", "openvino", "onnxruntime") if name in sys.modules])
"""


def test_an_unchanged_folder_loads_neither_model_nor_index(tmp_path: Path, photo_folder: Path) -> None:
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as collection:
        collection.index(photo_folder)
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", RERUN, str(tmp_path / "home"), str(photo_folder)],
        cwd=root, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
