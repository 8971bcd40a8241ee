"""What else the vectors of a collection are good for: maps, clusters, copies, recommendations; each streams over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.lazy import later

if TYPE_CHECKING:
    from dinosearch.analysis.curation import CurationRecipe, CurationSummary, curate
    from dinosearch.analysis.dense import DenseGroup, DenseImage, DenseReader
    from dinosearch.analysis.duplicates import Group, find
    from dinosearch.analysis.layout import Projection, cluster, outliers, project, recommend

__all__ = [
    "CurationRecipe",
    "CurationSummary",
    "DenseGroup",
    "DenseImage",
    "DenseReader",
    "Group",
    "Projection",
    "cluster",
    "curate",
    "find",
    "outliers",
    "project",
    "recommend",
]

__getattr__ = later(
    __name__,
    {
        "Group": ".duplicates",
        "find": ".duplicates",
        **dict.fromkeys(("Projection", "cluster", "outliers", "project", "recommend"), ".layout"),
        "CurationRecipe": ".curation",
        **dict.fromkeys(("DenseGroup", "DenseImage", "DenseReader"), ".dense"),
        "CurationSummary": ".curation",
        "curate": ".curation",
    },
)
