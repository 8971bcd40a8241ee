"""What the stages of long work are called for people, and what each counts; `protocols.Progress` reports them."""

from __future__ import annotations

from typing import NamedTuple


class Stage(NamedTuple):
    """A stage in words.

    Attributes:
        doing: what is being done, such as `building the index`.
        unit: what is counted, in the plural; `bytes` are written as sizes.
    """

    doing: str
    unit: str


STAGES = {
    "queries": Stage("ranking", "queries"),
    "scan": Stage("looking for images", "files"),
    "index": Stage("indexing", "images"),
    "embed": Stage("embedding", "images"),
    "migrate": Stage("embedding anew", "images"),
    "upgrade": Stage("upgrading the home", "steps"),
    "fetch": Stage("fetching weights", "bytes"),
    "build": Stage("building the index", "vectors"),
    "measure": Stage("measuring recall", "steps"),
    "learn": Stage("learning what patches are like", "images"),
    "describe": Stage("describing parts of images", "images"),
    "calibrate": Stage("learning what scores mean", "images"),
    "refine": Stage("refining vectors", "vectors"),
    "neighbours": Stage("looking for neighbours", "images"),
    "diffuse": Stage("walking from each image", "images"),
    "verify": Stage("checking vectors", "vectors"),
    "checking vectors": Stage("checking vectors", "rows"),
    "repair": Stage("repairing", "images"),
    "compact": Stage("compacting", "vectors"),
    "duplicates": Stage("looking for duplicates", "images"),
    "compare": Stage("comparing pictures", "images"),
    "sheet": Stage("drawing", "groups"),
    "trash": Stage("moving to the trash", "files"),
    "export": Stage("exporting", "images"),
    "dense": Stage("looking at patches", "images"),
    "import": Stage("importing", "images"),
    "classify": Stage("classifying", "fits"),
    "label": Stage("labelling", "images"),
    "copies": Stage("looking for copies", "images"),
    "references": Stage("comparing with references", "references"),
    "retrieve": Stage("retrieving for seeds", "seeds"),
    "centres": Stage("learning clusters", "rounds"),
    "clusters": Stage("assigning to clusters", "images"),
    "cohesion": Stage("measuring clusters", "images"),
    "outliers": Stage("looking for outliers", "images"),
    "landmarks": Stage("arranging some images for the map", "rounds"),
    "map": Stage("placing the others on the map", "images"),
    "pictures": Stage("drawing", "images"),
    "seeded": Stage("assigning seeds", "seeds"),
    "manifest": Stage("writing the manifest", "images"),
    "materialise": Stage("putting files", "images"),
}


def stage_of(name: str) -> Stage:
    """The words of a stage; of one that is not listed, its name."""
    return STAGES.get(name) or Stage(name, "steps")
