"""Tell a web address from the path of a file; it fetches nothing."""

from __future__ import annotations


def is_url(text: str) -> bool:
    """Whether the text names an http or https address."""
    return text.lower().startswith(("http://", "https://"))
