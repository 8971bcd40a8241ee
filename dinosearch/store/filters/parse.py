"""Parse the text of a filter into its tree.

    or    = and { "or" and }
    and   = not { "and" not }
    not   = "not" not | "(" or ")" | test
    test  = FIELD operator VALUE | FIELD "~" PATTERN | FIELD ["not"] "in" "(" VALUE { "," VALUE } ")"
          | FIELD "is" ["not"] ( "missing" | "known" )

It looks nothing up and runs nothing.
"""

from __future__ import annotations

import difflib
import re
from typing import NamedTuple, NoReturn, get_args

from dinosearch.errors import FilterError
from dinosearch.store.filters.fields import FIELDS, KINDS, Field
from dinosearch.store.filters.glob import path_pattern, text_pattern
from dinosearch.store.filters.syntax import (
    Among,
    And,
    Comparison,
    Expression,
    Filter,
    Glob,
    Missing,
    Not,
    Operator,
    Or,
    Value,
)
from dinosearch.store.filters.values import read_value

# Far more than people write, far less than what SQLite (expression depth 1000) and Python (stack) bear.
MAX_LENGTH = 10_000
MAX_DEPTH = 50
MAX_VALUES = 250

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
         |(?P<sign><=|>=|!=|[=<>~(),])
         |(?P<word>[^\s=<>~!(),'"]+)
         |(?P<end>$))""",
    re.VERBOSE,
)
_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "missing", "known"})


class _Token(NamedTuple):
    kind: str  # text, sign, word, keyword, end
    text: str
    at: int


def parse_filter(text: str) -> Filter:
    """Parse a filter such as `taken >= 2020 and not (camera is missing or size < 100kB)`.

    Raises:
        FilterError: it is no filter; the message marks the place and says what is wanted there.
    """
    if not isinstance(text, str):
        raise TypeError(f"a filter is text, not {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise FilterError(
            f"the filter cannot be read at character {MAX_LENGTH + 1}: it has {len(text)} characters, at most "
            f"{MAX_LENGTH} are allowed; shorten it"
        )
    return Filter(text, _Parser(text).parse())


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._next = 0
        self._depth = 0
        self._values = 0

    def parse(self) -> Expression:
        expression = self._or()
        if self._peek().kind != "end":
            self._fail(self._peek(), "the filter could end here, but goes on", "join two tests by and, or")
        return expression

    def _or(self) -> Expression:
        parts = [self._and()]
        while self._take("keyword", "or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self) -> Expression:
        parts = [self._not()]
        while self._take("keyword", "and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _not(self) -> Expression:
        token = self._peek()
        negated = self._take("keyword", "not")
        if not negated and not self._take("sign", "("):
            return self._test()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(token, f"more than {MAX_DEPTH} levels of parentheses and not", "write it flatter")
        if negated:
            expression: Expression = Not(self._not())
        else:
            expression = self._or()
            self._expect(")", "close the parenthesis")
        self._depth -= 1
        return expression

    def _test(self) -> Expression:
        field = self._field()
        token = self._advance()
        if token.kind == "keyword" and token.text == "is":
            return self._missing(field)
        if token.kind == "keyword" and token.text == "not":
            token = self._advance()
            if token.text == "in" and token.kind == "keyword":
                return Not(self._among(field, token))
        elif token.kind == "keyword" and token.text == "in":
            return self._among(field, token)
        elif token.kind == "sign" and token.text == "~":
            return self._glob(field, token)
        elif token.kind == "sign" and token.text in get_args(Operator):
            self._allow(field, token)
            operator: Operator = token.text  # type: ignore[assignment]
            return Comparison(field.name, operator, self._value(field))
        self._fail(token, f"{field.name} needs an operator here", f"one of {_operators(field)}, is missing, is known")

    def _field(self) -> Field:
        token = self._advance()
        if token.kind == "word" and token.text.lower() in FIELDS:
            return FIELDS[token.text.lower()]
        near = difflib.get_close_matches(token.text.lower(), FIELDS, n=1)
        hint = f"did you mean {near[0]}?" if token.kind == "word" and near else f"the fields are {', '.join(FIELDS)}"
        self._fail(token, "a field is wanted here", hint)

    def _missing(self, field: Field) -> Expression:
        negated = self._take("keyword", "not")
        token = self._advance()
        if token.kind != "keyword" or token.text not in ("missing", "known"):
            self._fail(token, "missing or known is wanted here", f"write {field.name} is missing")
        return Not(Missing(field.name)) if negated == (token.text == "missing") else Missing(field.name)

    def _among(self, field: Field, token: _Token) -> Among:
        self._allow(field, token)
        self._expect("(", f"write {field.name} in (A, B)")
        values = [self._value(field)]
        while self._take("sign", ","):
            values.append(self._value(field))
        self._expect(")", "separate values by commas and close the parenthesis")
        return Among(field.name, tuple(values))

    def _glob(self, field: Field, token: _Token) -> Glob:
        self._allow(field, token)
        word = self._word(field)
        try:
            (path_pattern if field.kind == "path" else text_pattern)(word.text)
        except ValueError as error:
            self._fail(word, str(error))
        return Glob(field.name, word.text)

    def _value(self, field: Field) -> Value:
        word = self._word(field)
        try:
            return read_value(field.kind, word.text)
        except ValueError as error:
            self._fail(word, str(error))

    def _word(self, field: Field) -> _Token:
        token = self._advance()
        self._values += 1
        if self._values > MAX_VALUES:
            self._fail(token, f"more than {MAX_VALUES} values", "write a shorter filter")
        if token.kind not in ("text", "word"):
            quotes = f'; put it in quotes if you mean the word: "{token.text}"' if token.kind == "keyword" else ""
            self._fail(token, "a value is wanted here", KINDS[field.kind][1] + quotes)
        return token

    def _allow(self, field: Field, token: _Token) -> None:
        if token.text not in KINDS[field.kind][0]:
            self._fail(token, f"{field.name} cannot be compared by {token.text}", f"use one of {_operators(field)}")

    def _expect(self, sign: str, hint: str) -> None:
        token = self._peek()
        if not self._take("sign", sign):
            self._fail(token, f"a {sign} is wanted here", hint)

    def _take(self, kind: str, text: str) -> bool:
        token = self._peek()
        found = token.kind == kind and token.text == text
        self._next += found
        return found

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _advance(self) -> _Token:
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token

    def _split(self) -> list[_Token]:
        tokens: list[_Token] = []
        at = 0
        while not tokens or tokens[-1].kind != "end":
            found = _TOKEN.match(self._text, at)
            if found is None:
                while self._text[at].isspace():
                    at += 1
                token = _Token("sign", self._text[at], at)
                quote = token.text in "'\""
                self._fail(
                    token, "this quote is never closed" if quote else f"{token.text} has no meaning alone", _SIGN_HINT
                )
            kind = found.lastgroup or "end"
            text, at = found[kind], found.end()
            tokens.append(self._token(kind, text, found.start(kind)))
        return tokens

    def _token(self, kind: str, text: str, at: int) -> _Token:
        if kind == "text":
            return _Token(kind, text[1:-1].replace(text[0] * 2, text[0]), at)
        if kind == "word" and text.lower() in _KEYWORDS:
            return _Token("keyword", text.lower(), at)
        return _Token(kind, text, at)

    def _fail(self, token: _Token, what: str, hint: str = "") -> NoReturn:
        shown = self._text.replace("\n", " ").replace("\t", " ")
        place = "at its end" if token.kind == "end" else f"at character {token.at + 1}"
        raise FilterError(
            f"the filter cannot be read {place}: {what}{hint and '; ' + hint}\n  {shown}\n  {' ' * token.at}^"
        )


_SIGN_HINT = "operators are = != < <= > >= ~; inside quotes, write a quote twice"


def _operators(field: Field) -> str:
    return " ".join(KINDS[field.kind][0])
