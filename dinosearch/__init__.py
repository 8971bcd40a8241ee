"""dinosearch: find the photos of the same thing, with DINOv2 vectors and a Faiss index.

Importing this package loads neither torch nor faiss nor sqlalchemy; `Collection` is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.errors import DinosearchError
from dinosearch.lazy import later as _later
from dinosearch.records import Hit, IndexSummary

if TYPE_CHECKING:
    from dinosearch.collection import Collection

__version__ = "0.1.0"
__all__ = ["Collection", "DinosearchError", "Hit", "IndexSummary", "__version__"]

__getattr__ = _later(__name__, {"Collection": ".collection"})
