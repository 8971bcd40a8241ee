"""Open a model's runtime before anybody asks for it, in a program that has much else to load (`dinosearch.ahead`).

Importing a library keeps Python's one lock, reading a graph does not: so libraries come first and at once, and while
others are imported the graph is read.
"""

from __future__ import annotations

from contextlib import suppress

from dinosearch import ahead
from dinosearch.embedding.runtimes.choose import MODEL, Early, Wanted, candidates
from dinosearch.embedding.runtimes.graphs import GraphUnavailableError, graph_at, graph_folder
from dinosearch.embedding.runtimes.libraries import LIBRARIES
from dinosearch.embedding.runtimes.programs import RUNTIMES
from dinosearch.errors import SettingError
from dinosearch.records import Fingerprint


def open_early(
    fingerprint: Fingerprint, runtime: str | None = None, device: str | None = None, dtype: str | None = None
) -> None:
    """Begin to open what will probably be asked for; nothing is begun where torch is to compute.

    Args:
        fingerprint: what the model's vectors are marked with.
        runtime: as the user said, as for `dinosearch.Collection.open`.
        device: the same.
        dtype: the same.
    """
    with suppress(SettingError, ImportError, OSError):  # whoever asks is told
        wanted = Wanted.of(runtime, device, dtype, None)
        if fingerprint.scales == "1" and not wanted.by_torch:
            name, numbers = next(candidates(wanted))
            LIBRARIES[name]()
            ahead.begin(MODEL, lambda: _opened(fingerprint, name, numbers))


def _opened(fingerprint: Fingerprint, name: str, numbers: str) -> Early | None:
    graph = graph_at(graph_folder(fingerprint.checkpoint, fingerprint.weights_sha256, fingerprint.pooling))
    with suppress(ImportError, OSError, RuntimeError, GraphUnavailableError):
        return (graph, name, numbers, RUNTIMES[name][0](graph, numbers, False)) if graph else None
    return None
