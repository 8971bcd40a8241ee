"""Which file of a group is proposed to be kept: by the user's rules in their order, then ever by the same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dinosearch.analysis.duplicates.scope import File
from dinosearch.errors import SettingError
from dinosearch.store.filters.glob import path_pattern, with_slashes

_PATH = "path:"
_RULES: dict[str, Callable[[File], Any]] = {
    "largest": lambda file: (-file["width"] * file["height"], -file["size"]),
    "oldest": lambda file: datetime.fromisoformat(file["modified"]),
    "newest": lambda file: -datetime.fromisoformat(file["modified"]).timestamp(),
}
_LAST: tuple[Callable[[File], Any], ...] = (_RULES["largest"], lambda file: file["path"])
"""Between files that the rules find alike: more pixels, then more bytes, then the path that comes first."""


@dataclass(frozen=True)
class Keep:
    """The rules.

    Attributes:
        rules: each `largest` (pixels, then bytes), `oldest` or `newest` (when the file was written), or `path:PATTERN`,
            which wants the files whose path matches a glob pattern; a later rule counts between files that the earlier
            ones find alike.
    """

    rules: tuple[str, ...] = ("largest",)

    def __post_init__(self) -> None:
        for rule in self.rules:
            self._key(rule)

    def first(self, files: Sequence[File]) -> File:
        """The file to keep.

        Args:
            files: one at least, with `path`, `width`, `height`, `size`, `modified` as `Collection.files` gives them.
        """
        keys = [*(self._key(rule) for rule in self.rules), *_LAST]
        return min(files, key=lambda file: tuple(key(file) for key in keys))

    @staticmethod
    def _key(rule: str) -> Callable[[File], Any]:
        """What is smaller for the file that the rule would keep.

        Raises:
            SettingError: no such rule, or a pattern that cannot be read.
        """
        if rule.startswith(_PATH) and len(rule) > len(_PATH):
            try:
                pattern = path_pattern(rule[len(_PATH) :])
            except ValueError as error:
                raise SettingError(
                    f"{rule} cannot be read: {error}; write it as --keep 'path:*/originals/**'"
                ) from None
            return lambda file: pattern.fullmatch(with_slashes(file["path"])) is None
        if rule not in _RULES:
            raise SettingError(f"{rule} is no rule to keep by; use {', '.join(_RULES)} or path:PATTERN")
        return _RULES[rule]
