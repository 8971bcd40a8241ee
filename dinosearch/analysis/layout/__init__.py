"""How a collection lies: its clusters, what stands apart from all, a flat map, and what lies between likes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.lazy import later

if TYPE_CHECKING:
    from dinosearch.analysis.layout.clusters import Cluster, Clustering, cluster
    from dinosearch.analysis.layout.map_picture import draw_map
    from dinosearch.analysis.layout.mosaics import clusters_mosaic, outliers_mosaic, recommended_mosaic
    from dinosearch.analysis.layout.paths import first_paths
    from dinosearch.analysis.layout.projection import Projection, project
    from dinosearch.analysis.layout.recommending import STRATEGIES, recommend
    from dinosearch.analysis.layout.unlikeness import Outliers, outliers

__all__ = [
    "STRATEGIES",
    "Cluster",
    "Clustering",
    "Outliers",
    "Projection",
    "cluster",
    "clusters_mosaic",
    "draw_map",
    "first_paths",
    "outliers",
    "outliers_mosaic",
    "project",
    "recommend",
    "recommended_mosaic",
]

__getattr__ = later(
    __name__,
    {
        **dict.fromkeys(("Cluster", "Clustering", "cluster"), ".clusters"),
        "draw_map": ".map_picture",
        **dict.fromkeys(("clusters_mosaic", "outliers_mosaic", "recommended_mosaic"), ".mosaics"),
        **dict.fromkeys(("Outliers", "outliers"), ".unlikeness"),
        "first_paths": ".paths",
        **dict.fromkeys(("Projection", "project"), ".projection"),
        **dict.fromkeys(("STRATEGIES", "recommend"), ".recommending"),
    },
)
