"""Choose images for training as LVD-142M was chosen: without copies, away from the test sets, near to what one has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.lazy import later

if TYPE_CHECKING:
    from dinosearch.analysis.curation.ledger import is_curation
    from dinosearch.analysis.curation.manifest import CurationSummary, kept, rows
    from dinosearch.analysis.curation.putting import Materialised, materialise
    from dinosearch.analysis.curation.recipe import CurationRecipe
    from dinosearch.analysis.curation.run import curate

__all__ = ["Materialised", "CurationRecipe", "CurationSummary", "curate", "is_curation", "kept", "materialise", "rows"]

__getattr__ = later(
    __name__,
    {
        "Materialised": ".putting",
        "CurationRecipe": ".recipe",
        "CurationSummary": ".manifest",
        "curate": ".run",
        "is_curation": ".ledger",
        "kept": ".manifest",
        "materialise": ".putting",
        "rows": ".manifest",
    },
)
