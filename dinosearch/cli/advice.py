"""Sentences of all layers as the command line shows them: their commands name the collection that was asked.

The layers below name verbs and arguments (`dinosearch.advice`) and most do not know where the collection lives that the
user means; this one does.
"""

from __future__ import annotations

import os

import click

from dinosearch.advice import Command, Named, Sentence

SETTINGS = "dinosearch.settings"
"""Where the context of a command keeps what --home and --metadata say."""


def told(*parts: str | Command) -> str:
    """The text, with --home, and --metadata, in every command that names no collection itself.

    The collection is that of the command that runs; the default one needs no naming.
    """
    sentence = Sentence(*parts)
    named = _named() if sentence.lacks else None
    return sentence if named is None else sentence.about(named)


def _named() -> Named | None:
    context = click.get_current_context(silent=True)
    settings = context.meta.get(SETTINGS) if context else None
    if settings is None:
        return None
    is_default = (settings.home, settings.metadata) == ("index", None)
    if is_default and not os.environ.get("DINOSEARCH_HOME"):
        return None
    from dinosearch.collection.places.place import place_of
    from dinosearch.errors import SettingError

    try:
        return place_of(settings.home, settings.metadata).named
    except SettingError:  # an address that names nothing, which is what the message is about
        return None
