"""What kind of thing an argument may be, by the text of its annotation; it looks at values and raises no sentence."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

_LARGEST = 2**63 - 1
_ONE = (str, bytes, os.PathLike)
"""What can be iterated over but is one thing."""


class NotOneError(Exception):
    """The value is not of the kind."""


@dataclass(frozen=True)
class Kind:
    """A kind of argument.

    Attributes:
        what: in words.
        taken: gives the value as verbs take it; raises NotOneError, or any error of Python's, for another kind.
    """

    what: str
    taken: Callable[[Any], Any]


def _require(fits: bool) -> None:
    if not fits:
        raise NotOneError


def _a(*types: type) -> Callable[[Any], Any]:
    def taken(value: Any) -> Any:
        _require(isinstance(value, types))
        return value

    return taken


def _with(*names: str) -> Callable[[Any], Any]:
    def taken(value: Any) -> Any:
        _require(all(hasattr(value, name) for name in names))
        return value

    return taken


def _either(*kinds: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def taken(value: Any) -> Any:
        for kind in kinds[:-1]:
            try:
                return kind(value)
            except NotOneError:
                continue
        return kinds[-1](value)

    return taken


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")  # numpy's has either name


def _whole(value: Any) -> Any:
    _require(not _is_truth(value))
    operator.index(value)
    return value


def _number(value: Any) -> Any:
    _require(isinstance(value, Real) and not _is_truth(value))
    return value


def _truth(value: Any) -> Any:
    _require(_is_truth(value))
    return value


def _callable(value: Any) -> Any:
    _require(callable(value))
    return value


def _several(each: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Of things of one kind, as a list, so that what can be read once can be looked at."""

    def taken(value: Any) -> Any:
        _require(not isinstance(value, (*_ONE, Mapping)))
        return [each(one) for one in value]

    return taken


def _small(value: Any) -> int:
    _require(-_LARGEST <= _whole(value) <= _LARGEST)
    return int(value)


def _ids(value: Any) -> Any:
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind in ("i", "u"):
        return value
    _require(not kind or not len(value))  # an empty array is one of floats
    return _several(_small)(value)


def _pair(value: Any) -> tuple[int, int]:
    first, second = _several(_small)(value)
    return first, second


def _rows(value: Any) -> Any:
    import numpy as np

    array = np.asarray(value)
    _require(array.ndim > 0 and array.dtype.kind in ("f", "i", "u"))
    return array


def _path(value: Any) -> Path:
    return Path(_PATH(value))


_PATH = _a(str, os.PathLike)
_PROGRESS = Kind("something to call with stage, done and total", _callable)
KINDS = {
    "int": Kind("a whole number", _whole),
    "float": Kind("a number", _number),
    "bool": Kind("True or False", _truth),
    "str": Kind("text", _a(str)),
    "Paths": Kind("a path", _PATH),
    "Path": Kind("a path", _path),
    "str | os.PathLike[str]": Kind("a path", _PATH),
    "int | Paths": Kind("an id or a path", _either(_PATH, _small)),
    "bool | Paths": Kind("True, False or a path", _either(_truth, _PATH)),
    "Paths | Delivery": Kind("a path, or a delivery of vectors", _either(_PATH, _with("arrivals"))),
    "str | Preprocessing": Kind("text such as squash-224", _either(_a(str), _with("size", "mode"))),
    "Embedder": Kind("an embedder, with a fingerprint", _with("fingerprint")),
    "Progress": _PROGRESS,
    "Callable[[str], None]": Kind("something to call with a sentence", _callable),
    "Callable[[], None]": Kind("something to call", _callable),
    "Callable[[Embedder], Embedder]": Kind("something to call with an embedder", _callable),
    "Sequence[str]": Kind("a list of texts", _several(_a(str))),
    "Sequence[Paths]": Kind("a list of paths", _several(_PATH)),
    "Sequence[float]": Kind("a list of numbers", _several(_number)),
    "Sequence[float] | np.ndarray": Kind("a list of numbers", _several(_number)),
    "Sequence[QueryImage]": Kind("a list of images", _several(lambda image: image)),
    "Sequence[int] | np.ndarray": Kind("a list of ids, which are whole numbers", _ids),
    "Iterable[int]": Kind("a list of ids, which are whole numbers", _ids),
    "Iterable[tuple[int, int]]": Kind("a list of pairs of ids", _several(_pair)),
    "np.ndarray": Kind("an array of numbers", _rows),
    "Collection": Kind("an open collection, as of Collection.open", _with("ids", "vectors")),
    "Dataset": Kind("a data set, as of load", _with("queries", "images")),
    "Box": Kind("left, top, right and bottom, such as (0.2, 0.1, 0.6, 0.8)", _with("__len__")),
}
"""By the text of the annotation, without `| None`. Images are looked at where they are decoded, and the sides of a box
where the image is known."""

OF_NUMBERS = {KINDS[text].taken for text in ("Sequence[float]", "Sequence[float] | np.ndarray")}
"""Those whose parts may not be nan."""


def is_alone(kind: Kind, value: Any) -> bool:
    """Whether one thing was given where a list of such is wanted."""
    if not isinstance(value, (*_ONE, int)) or not kind.what.startswith("a list"):
        return False
    try:
        kind.taken([value])
    except (NotOneError, TypeError, ValueError):
        return False
    return True
