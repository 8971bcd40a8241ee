"""Duplicates in a collection: found in tiers, checked by their pictures, grouped, and moved to the trash when told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.lazy import later

if TYPE_CHECKING:
    from dinosearch.analysis.duplicates.finding import find_duplicates
    from dinosearch.analysis.duplicates.group import TIERS, DuplicateGroup, Found, Member
    from dinosearch.analysis.duplicates.keeping import Keep
    from dinosearch.analysis.duplicates.overview import Group, find, is_judged
    from dinosearch.analysis.duplicates.scope import Scope
    from dinosearch.analysis.duplicates.trashing import Trashed, trash

__all__ = [
    "TIERS",
    "DuplicateGroup",
    "Found",
    "Group",
    "Keep",
    "Member",
    "Scope",
    "Trashed",
    "find",
    "find_duplicates",
    "is_judged",
    "trash",
]

__getattr__ = later(
    __name__,
    {
        **dict.fromkeys(("TIERS", "DuplicateGroup", "Found", "Member"), ".group"),
        **dict.fromkeys(("Group", "find", "is_judged"), ".overview"),
        **dict.fromkeys(("Trashed", "trash"), ".trashing"),
        "Keep": ".keeping",
        "Scope": ".scope",
        "find_duplicates": ".finding",
    },
)
