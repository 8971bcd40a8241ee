"""The index that autofaiss chooses by itself, with its own limits of memory and time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.peers.face import Feed
from bench.peers.faiss_indexes import FaissPeer
from bench.report import memory


class AutofaissChoice(FaissPeer):
    """autofaiss with its defaults: 10 ms a query, and up to 16 GB or 60 % of the machine.

    The knob is the one that its choice has: efSearch of a graph, nprobe of lists.
    """

    name = "autofaiss"
    needs = ("autofaiss",)
    settings = (4, 8, 16, 32, 64, 128, 256, 512)

    def prepare(self) -> None:
        super().prepare()
        import autofaiss

        self.autofaiss: Any = autofaiss

    def build(self, feed: Feed, folder: Path) -> dict[str, object]:
        index, infos = self.autofaiss.build_index(
            feed.array(),
            save_on_disk=False,  # with NumPy 2 its own report cannot be written: float32 is no JSON
            metric_type="ip",
            max_index_memory_usage=f"{min(16, int(memory() * 0.6))}G",
            current_memory_available=f"{int(memory() * 0.9)}G",
            verbose=30,
        )
        self.faiss.write_index(index, str(folder / "index"))
        return {"type": str(infos["index_key"]), "own setting": str(infos["index_param"])}

    def use(self, setting: float) -> None:
        name = "efSearch" if "HNSW" in type(self.faiss.downcast_index(self.index)).__name__ else "nprobe"
        self.faiss.ParameterSpace().set_index_parameter(self.index, name, int(setting))
