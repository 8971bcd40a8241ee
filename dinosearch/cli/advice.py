"""Commands inside messages, completed by the options that name the collection: as printed they shall work when pasted.

The layers below name a verb and do not know where the collection lives that the user means; this one does.
"""

from __future__ import annotations

import os
import re

import click

SETTINGS = "dinosearch.settings"
"""Where the context of a command keeps what --home and --metadata say."""
_VERBS = (
    "index|query|explain|calibrate|confirm|reject|refine|remove|info|verify|compact|migrate|export|import|"
    "label|curate|duplicates|clusters|outliers|map|recommend"
)
_COMMAND = re.compile(
    r"(?:(?<=: )|(?<=\? )|(?<=`)|(?<=\bor )|(?<=\bwith )|(?<=\brun ))"
    rf"dinosearch (?:{_VERBS})\b(?![\w.-])"
    # What needs no look at its value; the options go in front of the rest, where they stand as well.
    r"(?: (?:--(?:repair|back|diffuse|json)|-|[A-Z]+(?:\.\.\.)?)(?![\w-]))*"
    r"(?!(?:(?!dinosearch )[^;,`\n])*--home)"
)


def completed(text: str) -> str:
    """The text with --home, and --metadata, in every command that names no collection itself.

    The collection is that of the command that runs; the default one needs no naming.
    """
    named = _named() if "dinosearch " in text else ""
    return _COMMAND.sub(lambda found: f"{found[0]} {named}", text) if named else text


def _named() -> str:
    context = click.get_current_context(silent=True)
    settings = context.meta.get(SETTINGS) if context else None
    if settings is None:
        return ""
    is_default = (settings.home, settings.metadata) == ("index", None)
    if is_default and not os.environ.get("DINOSEARCH_HOME"):
        return ""
    from dinosearch.collection.places.place import place_of
    from dinosearch.errors import SettingError

    try:
        return place_of(settings.home, settings.metadata).named
    except SettingError:  # an address that names nothing, which is what the message is about
        return ""
