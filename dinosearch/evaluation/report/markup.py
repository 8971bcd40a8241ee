"""Text for HTML: what comes from outside (names, paths, settings) passes through here before it enters the page."""

from __future__ import annotations

import html

from dinosearch.images.drawing.thumbnails import printable


def escape(text: str) -> str:
    """The text for element content and quoted attributes, without control characters and undecodable bytes."""
    return html.escape(printable(text))
