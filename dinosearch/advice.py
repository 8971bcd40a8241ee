"""Sentences that say what to run next: the commands in them are data, so that whoever shows one can complete it.

A layer names the verb and its arguments, and the collection only where it knows which. The command line adds the one
that was asked; a server, whose users cannot run commands there, leaves commands out.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from string import Formatter

_OF_NONE = {"benchmark", "classify", "doctor", "embed", "models", "plan", "serve"}
"""Verbs that are about no collection, or name theirs as arguments."""


@dataclass(frozen=True)
class Named:
    """What names a collection, without password.

    Attributes:
        home: folder or URL.
        metadata: URL of the metadata, where an engine has them elsewhere.
    """

    home: str
    metadata: str | None = None


@dataclass(frozen=True)
class Command:
    """A command of dinosearch; its text can be pasted into a shell.

    Attributes:
        verb: such as `verify`.
        arguments: what stands behind it, as the program gets it; capitals stand for what the user knows.
        of: the collection; None where whoever shows the command knows it.
    """

    verb: str
    arguments: tuple[str, ...] = ()
    of: Named | None = None

    @property
    def lacks(self) -> bool:
        """Whether it is about a collection that it does not name."""
        return self.of is None and self.verb not in _OF_NONE

    def __str__(self) -> str:
        named: list[str] = []
        if self.of is not None:
            named += ["--home", self.of.home]
            named += ["--metadata", self.of.metadata] if self.of.metadata is not None else []
        return shlex.join(["dinosearch", self.verb, *self.arguments, *named])


def run(verb: str, *arguments: str, of: Named | None = None) -> Command:
    """The command, as a part of a sentence."""
    return Command(verb, arguments, of)


class Sentence(str):
    """Text whose commands are known; equal to the plain text, and plain wherever it is joined to other text.

    Args:
        parts: text, commands, other sentences.
    """

    parts: tuple[str | Command, ...]

    def __new__(cls, *parts: str | Command) -> Sentence:
        flat = tuple(inner for part in parts for inner in (part.parts if isinstance(part, Sentence) else (part,)))
        made = super().__new__(cls, "".join(map(str, flat)))
        made.parts = flat
        return made

    def __getnewargs__(self) -> tuple[str | Command, ...]:  # type: ignore[override]
        return self.parts

    @property
    def lacks(self) -> bool:
        """Whether one of its commands is about a collection that it does not name."""
        return any(isinstance(part, Command) and part.lacks for part in self.parts)

    def about(self, collection: Named) -> Sentence:
        """The same sentence, in which such commands are about this collection."""
        return self._of(lambda command: collection if command.lacks else command.of)

    def anonymous(self) -> Sentence:
        """The same sentence, in which no command names a collection, and so none tells where it lies."""
        return self._of(lambda command: None)

    def _of(self, collection: Callable[[Command], Named | None]) -> Sentence:
        return Sentence(
            *(replace(part, of=collection(part)) if isinstance(part, Command) else part for part in self.parts)
        )


def filled(template: str, **values: object) -> Sentence:
    """A template of `str.format` with its values, of which commands and sentences stay what they are."""
    parts: list[str | Command] = []
    for text, name, form, _ in Formatter().parse(template):
        parts.append(text)
        if name is not None:
            value = values[name]
            parts.append(value if isinstance(value, (str, Command)) else format(value, form or ""))
    return Sentence(*parts)
