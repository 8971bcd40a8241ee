"""Filters by chance: whole ones with their meaning, wrong ones, mutated strings; and the records they are asked of.

All of it is written after docs/filters.md; what a filter means is said by `meaning`, which shares no code with
dinosearch.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from torture.meaning import Test, compared, globbed, span, timed, value_of

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "HEIF", "AVIF")
WORDS = (
    *"a B 2020 IMG_0001 caf\u00e9 cafe\u0301 it's % _ a*b [x] \udcff \U0010ffff \u65e5\u672c or -- ; \u202e".split(),
    *("and", "1=1", "a\\b", 'say "x"', "x y", "new\nline"),
)
CAMERAS = (
    *(None, None, "", "Canon EOS 80D", "CANON eos 80d", "NIKON/Z 9", "a*b", 'it\'s "x"', "or", "\u0130stanbul"),
    "x" * 300,
)
DATES = (
    *"2020 2019 2020-02 2020-02-29 2020-12-31 2020-02-29T12:30 9999 0001 2019-12-31T23:59:59 1969-07".split(),
    "2020-02-29 12:30:15",
)
SIZES = ("0", "999", "1000", "1kB", "1KiB", "2MB", "1.5MiB", "1TiB", "1000.5", "999TB", "0.0001kB")
NUMBERS = (
    "0",
    "1",
    "-1",
    "3",
    "1000",
    "4000.0",
    "0.333",
    "0.003",
    "1.5",
    "12",
    "999999999999999",
    "0.3333333333333333",
)
TEXT, TIMES = ("path", "name", "folder"), ("taken", "modified", "added")
ORDERED = ("=", "!=", "<", "<=", ">", ">=")
WORDED = (*TEXT, "camera", "label")
NUMBERED = ("size", "width", "height", "megapixels", "aspect", "confidence", "id")
FIELDS = (*WORDED, "format", *NUMBERED, *TIMES)
INJECTIONS = """x'; DROP TABLE images; --
' OR '1'='1
id = 1; DELETE FROM images
id = 1) UNION SELECT sha256 FROM images --
path = 'x' OR 1=1
1=1
id in (SELECT id FROM images)
path ~ '*' --
name = x\0y
randomblob(100000000)
id = 1 /* */
path like '%'
load_extension('x')
id = :id
id = ?
id = {0}
%s%n
${HOME}
`id`
width = 1e400
width = nan
width = inf
width = 0x10
size = 1_000
taken = now
id = \u0661""".split("\n")
WRONG = """
WHOLE and
not WHOLE WHOLE
(WHOLE
WHOLE)
WHOLE and name > a
width ~ 1*
WHOLE or width = 1000000000000000
taken = 2021-02-29 or WHOLE
WHOLE and taken = 2020-13
taken = 2020-01-01T10:00Z
colour = red and WHOLE
WHOLE and path ~ '[a'
path ~ '[z-a]' and WHOLE
path ~ '/a/[!/q]b'
format = doc
WHOLE and camera is
size = 5 parrots
name in ()
width = 1 and name = 'never closed""".split("\n")


def records(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """Images as the lines of an export, whose values are often those that filters name."""
    moments = [span(date)[0] for date in DATES if "1" < date < "3"] + [datetime(1970, 1, 1)]
    found: dict[str, dict[str, Any]] = {}
    for _ in range(count):
        folders = [rng.choice(WORDS) for _ in range(rng.randrange(4))]
        last = rng.choice(WORDS) + rng.choice(["", ".jpg", ".tar::", ".tar::d/"]) + rng.choice(WORDS)
        path = "/".join(["", *folders, last])
        nudge = timedelta(microseconds=rng.choice([0, 0, -1, 1]))
        moment, taken = rng.choice(moments) + nudge, rng.choice([None, *moments, datetime(9999, 12, 31, 23, 59)])
        found[path] = {
            "path": path,
            "sha256": f"{rng.getrandbits(256):064x}",
            "width": rng.choice([1, 2, 3, 1000, 4000]),
            "height": rng.choice([1, 3, 1000, 3000]),
            "format": rng.choice(FORMATS),
            "size": rng.choice([0, 999, 1000, 1024, 1001, 2_000_000, 2**40, 999 * 10**12]),
            "modified": moment.replace(tzinfo=timezone.utc).isoformat(),
            "added": moment.replace(tzinfo=timezone.utc).isoformat(),
            "taken": taken.isoformat() if taken else None,
            "camera": rng.choice(CAMERAS),
        }
        label = rng.choice(CAMERAS)
        if label:
            said = (label, rng.choice([0, 0.003, 1 / 3, 0.333, 0.5, 1]), rng.random() < 0.5)
            found[path] |= dict(zip(("label", "label_confidence", "label_given"), said, strict=True))
    return list(found.values())


class Writer:
    """Writes filters by chance.

    Args:
        rng: chance.
        files: the records, from which values and patterns are taken.
    """

    def __init__(self, rng: random.Random, files: list[dict[str, Any]]) -> None:
        self._rng, self._files = rng, files

    def filter(self, depth: int = 4) -> tuple[str, Test]:
        """A filter and its meaning."""
        kind = self._rng.choice(["test", "test", "and", "or", "not", "group"]) if depth else "test"
        if kind == "test":
            return self._test()
        text, first = self._part(depth, kind)
        if kind == "not":
            return f"{self._case('not')} {text}", lambda record: not first(record)
        if kind == "group":
            return f"({self._space()}{text})", first
        more = [self._part(depth, kind) for _ in range(self._rng.randrange(1, 3))]
        tests = [first, *(test for _, test in more)]
        joined = f" {self._case(kind)} ".join([text, *(text for text, _ in more)])
        every = all if kind == "and" else any
        return joined, lambda record: every(test(record) for test in tests)

    def wrong(self) -> str:
        """A filter that docs/filters.md rules out."""
        whole = self.filter(2)[0]
        long = (
            f"{'(' * 51}{whole}{')' * 51}",
            f"{'not ' * 51}{whole}",
            f"id in ({', '.join(['1'] * 251)})",
            f"path ~ '{'a' * 1001}'",
            f"name = {'x' * 10_001}",
        )
        return self._rng.choice([*WRONG, *long]).replace("WHOLE", whole)

    def mutated(self) -> str:
        """A filter with random edits, or something that never was one."""
        rng = self._rng
        text = self.filter(3)[0]
        kind = rng.randrange(8)
        if kind == 0:
            return rng.choice(INJECTIONS)
        if kind == 1:
            return f"{text} {rng.choice(['and', 'or', ''])} {rng.choice(INJECTIONS)}"
        if kind == 2:
            return f"name = '{rng.choice(INJECTIONS)}'"
        if kind == 3 and rng.random() < 0.2:
            return rng.choice(["(", "not ", "'", "[", "a", "id=1 or ", "\\", "*", "\u65e5", " "]) * rng.choice(
                [3000, 10**6]
            )
        characters = list(text)
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(characters) + 1)
            edit = rng.randrange(4)
            if edit == 0 and at < len(characters):
                del characters[at : at + rng.randrange(1, 5)]
            elif edit == 1:
                characters.insert(at, rng.choice("()'\"=<>~!,;-*?[]/:\\\0\n\t\x1b\u202e\udcff0aZ \u00a0\U0001f600"))
            elif edit == 2:
                characters[at:at] = rng.choices(characters, k=rng.randrange(1, 20)) if characters else []
            else:
                characters[at : at + 1] = chr(rng.randrange(0x110000))
        return "".join(characters)

    def _part(self, depth: int, joined_by: str) -> tuple[str, Test]:
        """A part of a larger filter, in parentheses where it would bind less closely."""
        text, test = self.filter(depth - 1)
        loose = joined_by in ("and", "not") and text[:1] != "("
        return (f"({text})", test) if loose or joined_by == "or" and self._rng.random() < 0.5 else (f"({text})", test)

    def _test(self) -> tuple[str, Test]:
        rng, field = self._rng, self._rng.choice(FIELDS)
        name = self._case(field)
        kind = rng.randrange(10)
        if kind == 0:
            word = rng.choice(["missing", "known"])
            missing = word == "missing"
            return f"{name} {self._case('is')} {self._case(word)}", lambda r: (value_of(field, r) is None) == missing
        if field in WORDED and kind < 5:
            pattern = self._pattern(field)
            return f"{name}{self._space()}~{self._space()}{self._quoted(pattern)}", globbed(field, pattern)
        if kind < 7:
            made = [self._value(field) for _ in range(rng.randrange(1, 5))]
            tests = [test("=") for _, test in made]
            values = f"{self._space()},".join(f"{self._space()}{text}" for text, _ in made)
            if rng.random() < 0.5:
                return f"{name} {self._case('in')} ({values})", lambda r: any(test(r) for test in tests)
            return f"{name} not {self._case('in')} ({values})", lambda r: not any(test(r) for test in tests)
        sign = rng.choice(ORDERED[:2] if field in (*WORDED, "format") else ORDERED)
        text, test = self._value(field)
        return f"{name}{self._space()}{sign}{self._space()}{text}", test(sign)

    def _value(self, field: str) -> tuple[str, Callable[[str], Test]]:
        """A value as it is written, and what comparing with it means."""
        rng = self._rng
        if field in TIMES:
            date = rng.choice(DATES)
            start, end = span(date) if date != "9999" else (datetime(9999, 1, 1), datetime.max)
            zone = rng.choice(["", "Z", "+02:00", "-01:30"]) if field != "taken" and ":" in date else ""
            if zone not in ("", "Z"):
                shift = timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[4:]))
                start, end = start - shift, end - shift
            return self._quoted(date + zone), lambda sign: timed(field, sign, start, end)
        if field == "format":
            chosen = rng.choice([*FORMATS, "HEIC"])
            text = rng.choice([chosen, chosen.lower(), chosen.title()])
            return self._quoted(text), lambda sign: compared(field, sign, "HEIF" if chosen == "HEIC" else chosen)
        if field == "size":
            text = rng.choice(SIZES)
            return self._quoted(text), lambda sign: compared(field, sign, _bytes(text))
        if field in WORDED:
            actual = value_of(field, rng.choice(self._files)) if rng.random() < 0.8 else rng.choice(WORDS)
            wanted = actual or ""
            return self._quoted(wanted), lambda sign: compared(field, sign, wanted)
        text = str(rng.choice(self._files)[field]) if field in ("width", "height") else rng.choice(NUMBERS)
        return self._quoted(text), lambda sign: compared(field, sign, float(text) if "." in text else int(text))

    def _pattern(self, field: str) -> str:
        """Often what a value is, with parts of it replaced by wildcards."""
        rng = self._rng
        value = value_of(field, rng.choice(self._files)) or ""
        made, cut = "", rng.randrange(6)
        for character in value:
            draw = rng.random()
            if character == "/" and draw < 0.2 and field not in ("camera", "label"):
                made += "/**/"
            elif draw < 0.1 and character not in "/:":
                made += rng.choice(
                    ["*", "?", f"[{character}]" if character not in "!]^" else "?", "[a-z0-9A-Z]", "[!q]"]
                )
            else:
                made += f"[{character}]" if character in "*?[" else character
        made = made.replace("//", "/")
        if cut == 0 and "/" in made[1:]:
            made = made[made.index("/", 1) + 1 :]
        elif cut == 1:
            made = rng.choice(["*", "**", "*.tar::**", "/**", "*a*", "2020/*", "/", "*.jpg", "**/a*", "/**/*.jpg"])
        elif cut == 2 and "/" in made:
            made = made[: made.rindex("/") + 1] + rng.choice(["*", "**", ""])
        return made

    def _quoted(self, text: str) -> str:
        plain = text and not set(text) & set(" \t\n\r\x0b\x0c=<>~!(),'\"") and text.isprintable() and text.isascii()
        if (
            plain
            and text.lower() not in ("and", "or", "not", "in", "is", "missing", "known")
            and self._rng.random() < 0.6
        ):
            return text
        quote = self._rng.choice("'\"")
        return quote + text.replace(quote, quote * 2) + quote

    def _case(self, word: str) -> str:
        return self._rng.choice([word, word, word.upper(), word.title()])

    def _space(self) -> str:
        return self._rng.choice(["", " ", " ", "  ", "\n\t"])


def _bytes(text: str) -> int | float:
    units = {"kB": 10**3, "MB": 10**6, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "TiB": 2**40}
    unit = next((unit for unit in units if text.endswith(unit)), "")
    number = text.removesuffix(unit)
    return (float(number) if "." in number else int(number)) * units.get(unit, 1)
