"""The filter language of `--where`: parsed into a tree, compiled to SQL with bound parameters.

It opens no database; `docs/filters.md` describes the language to users. Each part is imported when it is first asked
for: most queries have no filter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.lazy import later

if TYPE_CHECKING:
    from dinosearch.store.filters.compile import compile_filter
    from dinosearch.store.filters.evaluate import matches
    from dinosearch.store.filters.fields import FIELDS, KINDS, Field
    from dinosearch.store.filters.parse import parse_filter
    from dinosearch.store.filters.syntax import Filter

__all__ = ["FIELDS", "KINDS", "Field", "Filter", "compile_filter", "matches", "parse_filter"]

__getattr__ = later(
    __name__,
    {
        "FIELDS": ".fields",
        "KINDS": ".fields",
        "Field": ".fields",
        "Filter": ".syntax",
        "compile_filter": ".compile",
        "matches": ".evaluate",
        "parse_filter": ".parse",
    },
)
