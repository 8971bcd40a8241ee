"""Put a plan together: what a collection of a size needs at each place, to be made, and in money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dinosearch.advice import run
from dinosearch.embedding.checkpoints import Checkpoint, find_checkpoint
from dinosearch.engines.milvus_indexes import wanted_index
from dinosearch.errors import SettingError
from dinosearch.sizing.assumptions import ASSUMPTIONS, recall_time
from dinosearch.sizing.local import givens, local
from dinosearch.sizing.milvus import KINDS, milvus
from dinosearch.sizing.models import gigaflop
from dinosearch.sizing.pgvector import pgvector
from dinosearch.sizing.place import Place
from dinosearch.sizing.sheet import Assumption, Line, Sheet
from dinosearch.sizing.work import COSTS, EMBEDDING, FORMS, GPU_RATE, running

SIDE = 224
_SHARES = {"usable", "gpu_share", "core_share", "diskann_share"}
_WHOLE = {"replicas", "gpus"}
_MAY_BE_NONE = {
    *("image_bytes", "megapixels", "path_bytes", "process", "milvus_fields", "diskann_share", "gpu_measured"),
    *("gpu_hour", "machine_hour", "storage_gb_month", "thousand_requests", "transfer_gb"),
}


@dataclass(frozen=True)
class Plan:
    """What was planned.

    Attributes:
        images: how many.
        model: name of the checkpoint.
        dimension: numbers of a vector.
        recall: recall@10 asked for.
        forms: bytes a vector in each form.
        places: local, Milvus, pgvector; of Milvus's indexes the one that would be built.
        others: Milvus with indexes that have to be asked for.
        embedding: what embedding takes.
        costs: what it costs.
        assumptions: the numbers that some step rests on.
    """

    images: int
    model: str
    dimension: int
    recall: float
    forms: tuple[Line, ...]
    places: tuple[Place, ...]
    others: tuple[Place, ...]
    embedding: tuple[Line, ...]
    costs: tuple[Line, ...]
    assumptions: tuple[Assumption, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with the same content."""
        return {
            "images": self.images,
            "model": self.model,
            "dimension": self.dimension,
            "recall": self.recall,
            **{name: [line.to_dict() for line in getattr(self, name)] for name in ("forms", "embedding", "costs")},
            "places": [place.to_dict() for place in self.places],
            "others": [place.to_dict() for place in self.others],
            "assumptions": [vars(assumption) for assumption in self.assumptions],
        }


def plan(images: int, model: str, recall: float = 0.98, given: Mapping[str, float] | None = None) -> Plan:
    """Plan a collection.

    Args:
        images: how many, from 1e3 to 1e11.
        model: a checkpoint of the table.
        recall: recall@10 that searches shall reach, over 0 and at most 1.
        given: numbers in place of assumptions, by key.

    Raises:
        UnknownCheckpointError: no such model.
        SettingError: no such assumption, or a number that cannot be.
    """
    checkpoint = find_checkpoint(model)
    sheet = Sheet(_taken(images, checkpoint, recall, given or {}))
    forms = sheet.add(FORMS)
    found = [milvus(sheet, kind) for kind in KINDS]
    index = wanted_index(images, checkpoint.dimension, recall, lite=False, options={}).type
    best = next(place for place in found if place.index == index)
    places = (local(sheet), best, pgvector(sheet))
    embedding = sheet.add([GPU_RATE[sheet["gpu_measured"] > 0], *EMBEDDING])
    costs = sheet.add([*COSTS, *(running(p.name, p.machines, p.objects) for p in places if p.fits)])
    return Plan(
        images,
        checkpoint.name,
        checkpoint.dimension,
        recall,
        tuple(forms),
        places,
        tuple(place for place in found if place is not best),
        tuple(embedding),
        tuple(costs),
        tuple(assumption for key, assumption in sheet.assumptions.items() if key in sheet.used),
    )


def _taken(images: int, checkpoint: Checkpoint, recall: float, given: Mapping[str, float]) -> dict[str, Assumption]:
    """Every assumption by key, with what was given in its place."""
    taken = dict(ASSUMPTIONS)
    for key, value in given.items():
        if key not in taken:
            raise SettingError(
                f"there is no assumption {key!r}; all of them are listed by: ", run("plan", "--images", "1e9")
            )
        least = 0.0 if key in _MAY_BE_NONE else 1e-12
        whole = key not in _WHOLE or value == int(value)
        if not whole or not least <= value <= (1.0 if key in _SHARES else 1e30):
            raise SettingError(f"{key} cannot be {value:g}; see its default with: ", run("plan", "--images", "1e9"))
        was = taken[key]
        taken[key] = Assumption(key, value, was.unit, was.what, "given", was.flag)
    facts = (
        Assumption("images", images, "", "images", "given"),
        Assumption("dimension", checkpoint.dimension, "", "numbers of a vector", f"published: {checkpoint.name}"),
        Assumption(
            "gigaflop", gigaflop(checkpoint, SIDE), "GFLOP", f"forward pass at {SIDE} pixels", "computed from its shape"
        ),
        Assumption("recall", recall, "", "recall@10 asked for", "given"),
        Assumption(
            "recall_time",
            recall_time(recall),
            "",
            "time of a search against that at recall 0.98",
            "measured by scripts/bench_search.py, 1e6 vectors; in proportion between",
        ),
        *givens(images, checkpoint.dimension),
    )
    return taken | {fact.key: fact for fact in facts}
