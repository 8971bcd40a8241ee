"""Formulas as text: worked out, and shown with the numbers put in, so that what is shown is what was computed.

It knows no quantities. Allowed are numbers, names, + - * / //, parentheses, and the functions of `FUNCTIONS`.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from functools import lru_cache

FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "ceil": math.ceil,
    "log2": math.log2,
    "max": max,
    "min": min,
    "sqrt": math.sqrt,
}
_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
}


def work_out(text: str, values: Mapping[str, float]) -> float:
    """The value of a formula.

    Args:
        text: such as `images * (4 * dimension + 12)`.
        values: number by name.

    Raises:
        KeyError: a name without a value.
        ValueError: something that no formula may hold.
    """
    return _value(_parsed(text), values)


def names(text: str) -> list[str]:
    """The names of a formula, each once, in the order of their appearance; functions are none of them."""
    walked = (node for node in ast.walk(_parsed(text)) if isinstance(node, ast.Name) and node.id not in FUNCTIONS)
    return list(dict.fromkeys(node.id for node in sorted(walked, key=lambda node: node.col_offset)))


def with_numbers(text: str, shown: Mapping[str, str]) -> str:
    """The formula with what `shown` says for each of its names."""
    nodes = [node for node in ast.walk(_parsed(text)) if isinstance(node, ast.Name) and node.id not in FUNCTIONS]
    for node in sorted(nodes, key=lambda node: -node.col_offset):  # from the right, so that places stay
        text = text[: node.col_offset] + shown[node.id] + text[node.end_col_offset :]
    return text


@lru_cache(maxsize=512)
def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _value(node: ast.expr, values: Mapping[str, float]) -> float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(node.value)  # type: ignore[arg-type]  # the line above has made sure
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, values), _value(node.right, values))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
        return float(FUNCTIONS[node.func.id](*(_value(argument, values) for argument in node.args)))
    raise ValueError(f"{ast.unparse(node)} may not stand in a formula")
