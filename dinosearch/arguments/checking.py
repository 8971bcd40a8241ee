"""Look at the arguments of a function before it is called: at their kinds and bounds."""

from __future__ import annotations

import functools
import inspect
import math
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeVar

from dinosearch.arguments.bounds import BOUNDS, Bounds
from dinosearch.arguments.kinds import KINDS, OF_NUMBERS, Kind, NotOneError, is_alone
from dinosearch.errors import SettingError

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)


def checked(function: F) -> F:
    """The function, which first looks at its arguments.

    Raises:
        TypeError: an argument of another kind than its annotation says.
        SettingError: a number out of bounds, or nan.
    """
    code, wanted = function.__code__, _wanted(function)
    places = code.co_varnames[: code.co_argcount]
    rest = code.co_varnames[code.co_argcount + code.co_kwonlyargcount] if code.co_flags & inspect.CO_VARARGS else ""

    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        positions = [*places[: len(given)], *[rest] * (len(given) - len(places))]
        given = tuple(_taken(wanted.get(name), name, value) for name, value in zip(positions, given, strict=True))
        return function(*given, **{name: _taken(wanted.get(name), name, value) for name, value in named.items()})

    return call  # type: ignore[return-value]


def checked_verbs(kind: C) -> C:
    """The class, whose own public methods are `checked`."""
    for name, member in list(vars(kind).items()):
        if name.startswith("_"):
            continue
        if isinstance(member, (classmethod, staticmethod)):
            setattr(kind, name, type(member)(checked(member.__func__)))
        elif inspect.isfunction(member):
            setattr(kind, name, checked(member))
    return kind


def checked_fields(kind: C) -> C:
    """The dataclass, whose fields are `checked` when it is made."""
    kind.__init__ = checked(kind.__init__)  # type: ignore[misc]
    return kind


@dataclass(frozen=True)
class _Wanted:
    """What an argument may be; see `Kind` and `Bounds`."""

    kind: Kind
    optional: bool
    bounds: Bounds | None


def _wanted(function: Callable[..., Any]) -> dict[str, _Wanted]:
    """Of each argument whose annotation is known."""
    found = {}
    for name, text in function.__annotations__.items():
        told = text.removesuffix(" | None") if isinstance(text, str) else ""
        if told in KINDS:
            bounds = BOUNDS.get(f"{function.__name__}.{name}") or BOUNDS.get(name)
            found[name] = _Wanted(KINDS[told], told != text, bounds)
    return found


def _taken(wanted: _Wanted | None, name: str, value: Any) -> Any:
    if wanted is None or (value is None and wanted.optional):
        return value
    kind, bounds = wanted.kind, wanted.bounds
    about = f"{name} is {bounds.what}, " if bounds is not None and bounds.what else f"{name} is "
    try:
        taken = kind.taken(value)
    except (NotOneError, TypeError, ValueError):
        instead = f"; write: {name}=[{reprlib.repr(value)}]" if is_alone(kind, value) else ""
        raise TypeError(f"{about}{kind.what}, not {reprlib.repr(value)}{instead}") from None
    if isinstance(value, Real):
        if math.isnan(value):
            raise SettingError(f"{about}{kind.what}, not nan")
        if bounds is not None and not bounds.holds(value):
            raise SettingError(f"{about}{bounds}, not {value}")
    elif kind.taken in OF_NUMBERS and any(map(math.isnan, taken)):
        raise SettingError(f"{about}{kind.what}, of which none is nan")
    return taken
