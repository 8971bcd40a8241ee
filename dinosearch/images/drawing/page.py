"""What surrounds the content of every page that is one HTML file: head, style and heading; it needs no script."""

from __future__ import annotations

import html

from dinosearch.images.drawing.thumbnails import printable


def page(title: str, style: str, body: str) -> bytes:
    """A page in UTF-8.

    Args:
        title: plain text, for the window and the heading.
        style: a style sheet.
        body: HTML below the heading.
    """
    heading = html.escape(printable(title))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{heading}</title>
<style>{style}</style>
</head>
<body>
<h1>{heading}</h1>
{body}
</body>
</html>
""".encode()
