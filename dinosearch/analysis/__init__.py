"""What else the vectors of a collection are good for: maps of it, groups of copies; each streams over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.lazy import later

if TYPE_CHECKING:
    from dinosearch.analysis.duplicates import Group, find
    from dinosearch.analysis.projection import Projection, project

__all__ = ["Group", "Projection", "find", "project"]

__getattr__ = later(
    __name__,
    {"Group": ".duplicates", "find": ".duplicates", "Projection": ".projection", "project": ".projection"},
)
