"""The filter language of `--where`: parsed into a tree, compiled to SQL with bound parameters.

It opens no database; `docs/filters.md` describes the language to users. Each part is imported when it is first asked
for: most queries have no filter.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dinosearch.store.filters.compile import compile_filter
    from dinosearch.store.filters.evaluate import matches
    from dinosearch.store.filters.fields import FIELDS, KINDS, Field
    from dinosearch.store.filters.parse import parse_filter
    from dinosearch.store.filters.syntax import Filter

__all__ = ["FIELDS", "KINDS", "Field", "Filter", "compile_filter", "matches", "parse_filter"]

_LATER = {
    "FIELDS": ".fields",
    "KINDS": ".fields",
    "Field": ".fields",
    "Filter": ".syntax",
    "compile_filter": ".compile",
    "matches": ".evaluate",
    "parse_filter": ".parse",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
