"""The main path: a collection is opened, indexed, queried and kept in order; its verbs are the command line's verbs."""

from dinosearch.collection.collection import Collection
from dinosearch.collection.reports import (
    CollectionInfo,
    CompactReport,
    MigrationEstimate,
    MigrationReport,
    ModelInfo,
    RootInfo,
    VerifyReport,
)

__all__ = [
    "Collection",
    "CollectionInfo",
    "CompactReport",
    "MigrationEstimate",
    "MigrationReport",
    "ModelInfo",
    "RootInfo",
    "VerifyReport",
]
