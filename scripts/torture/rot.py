"""Damage one stored file in one way; see whether it is noticed, whether it can be mended, and what it made wrong."""

from __future__ import annotations

import json
import os
import random
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dinosearch import Collection
from dinosearch.errors import DinosearchError
from torture.rot_home import Answer, Detailed, RotHome, answers, copied, rows, stored

DEADLINE = 120  # seconds for all steps of one trial
_TOLERANCE = 2e-6
_KINDS = (*["bit"] * 4, *["byte"] * 4, *["zeros", "swap", "cut"] * 2, "grow", "empty", "gone")


def damage(content: bytes, rng: random.Random) -> tuple[str, bytes | None]:
    """Another content and how it came about; None for a file that is gone."""
    kind = rng.choice(
        (*4 * ("bit",), *4 * ("byte",), "zeros", "zeros", "swap", "swap", "cut", "cut", "grow", "empty", "gone")
    )
    if kind == "gone":
        return kind, None
    if kind == "empty" or not content:
        return "empty", b""
    data, place = bytearray(content), rng.randrange(len(content))
    while not data[place] and rng.random() < 0.9:  # half of a small database is room that is not used
        place = rng.randrange(len(content))
    if kind == "bit":
        data[place] ^= 1 << rng.randrange(8)
    elif kind == "byte":
        data[place] = rng.choice([value for value in range(256) if value != data[place]])
    elif kind == "zeros":
        end = min(len(data), place + rng.choice((16, 512, 4096)))
        data[place:end] = bytes(end - place)
    elif kind == "swap":
        size = min(rng.choice((512, 4096)), len(data) // 2)
        first, second = (size * rng.randrange(max(1, len(data) // max(1, size))) for _ in range(2))
        one, two = bytes(data[first : first + size]), bytes(data[second : second + size])
        data[first : first + len(two)], data[second : second + len(one)] = two, one
    elif kind == "cut":
        del data[place:]
    elif kind == "grow":
        data += rng.randbytes(rng.choice((1, 4096)))
    return f"{kind} at {place}", bytes(data)


class Rot:
    """Trials on copies of one home.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = RotHome(folder / "truth")
        self._older = False

    def trial(self, number: int, rng: random.Random) -> tuple[str, str | None]:
        """Damage something in run `number`; returns the outcome, and what is bad about it, if anything."""
        kinds: dict[str, list[tuple[Path, Path]]] = {}
        for target in self._home.targets():
            kinds.setdefault(_kind(target[1]), []).append(target)
        # The database counts more: it holds the most kinds of things.
        name = rng.choice([*kinds, "metadata.sqlite", "metadata.sqlite", "metadata.sqlite", "vectors"])
        source, path = rng.choice(kinds[name])
        content = path.read_bytes()
        how, changed = damage(content, rng)
        while changed == content:
            how, changed = damage(content, rng)
        home = copied(source, self._folder / "home")
        (home / path.name).unlink()
        if changed is not None:
            (home / path.name).write_bytes(changed)
        told, ended = self._in_child(home)
        what = f"{how} of {path.name}"
        if ended:
            return f"{name}: died", f"{what}: {ended} in step {told[-1] if told else 'open'}"
        return self._judged(name, what, source, home, path.name, dict(told))

    def _judged(
        self, name: str, what: str, source: Path, home: Path, file: str, told: dict[str, object]
    ) -> tuple[str, str | None]:
        truth = self._home.truth[source]
        self._older = file.endswith("-wal")
        wrong = _wrong(truth, told["answers"], older=self._older)
        if wrong:
            return f"{name}: wrong answer", f"{what}: {wrong}"
        refused = any(isinstance(answer, str) for answer in told["answers"].values())  # type: ignore[attr-defined]
        found = told["verify"]
        if found or refused:
            return self._mended(name, what, truth, told, refused, bool(found))
        if told["answers"] != json.loads(json.dumps(_plain(truth))):
            return f"{name}: unnoticed", f"{what}: answers are incomplete and verify finds nothing"
        same = told["rows"] == self._home.rows[source]
        if file.startswith("vectors-"):
            same = told["stored"] == "same"
        if file == "metadata.sqlite-changes":
            same = True  # it says less than it could, which is what it says after a crash too
        if file == "writer.json":
            same = True  # a note for a sentence; the lock is the operating system's
        if same and not file.startswith(("index-", "basis-", "diffusion-")):
            return f"{name}: no effect, the bytes are not used", None
        return f"{name}: unnoticed", f"{what}: verify finds nothing"

    def _mended(
        self, name: str, what: str, truth: object, told: dict[str, object], refused: bool, found: bool
    ) -> tuple[str, str | None]:
        seen = "noticed by queries and verify" if refused and found else "refused" if refused else "noticed by verify"
        if refused and not found:
            return f"{name}: refused", f"{what}: queries refuse, verify finds nothing: {told['answers']}"
        lost, again = told["lost"], told["again"]
        if isinstance(lost, str):  # repair said why it cannot
            return f"{name}: {seen}; cannot be restored, and says so", None
        if again:
            return f"{name}: not mended", f"{what}: after repair ({lost}) verify says {again}"
        # Without its refined vectors, or with others, a home gives other scores; it has said so.
        otherwise = (
            "learned anew",
            "these vectors is damaged, so",
            "of the vectors is damaged",
            "of the vectors cannot",
        )
        changed = any(words in sentence for sentence in lost for words in otherwise)  # type: ignore[attr-defined]
        wrong = None if changed else _wrong(truth, told["after"], older=self._older or bool(lost))
        if lost and not wrong:
            return f"{name}: {seen}; mended, what is lost is named", None
        if wrong or _plain(truth).keys() != told["after"].keys():  # type: ignore[attr-defined]
            return f"{name}: mended wrongly", f"{what}: {wrong}"
        refusals = [answer for answer in told["after"].values() if isinstance(answer, str)]  # type: ignore[attr-defined]
        if any("there is no image id" not in sentence for sentence in refusals):  # images taken in anew have new ids
            return f"{name}: mended partly", f"{what}: after repair {told['after']}"
        return f"{name}: {seen}; mended", None

    def _in_child(self, home: Path) -> tuple[list[tuple[str, object]], str]:
        """What each step gave, and how the child ended if it did not end well."""
        file = self._folder / "told"
        file.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            code = 1
            with suppress(BaseException):
                signal.alarm(DEADLINE)
                code = self._steps(home, file)
            os._exit(code)
        _, status = os.waitpid(child, 0)
        told = []
        if file.exists():
            told = [tuple(json.loads(line)) for line in file.read_text().splitlines()]
        if os.WIFSIGNALED(status):
            return told, f"signal {signal.Signals(os.WTERMSIG(status)).name}"
        if os.WEXITSTATUS(status):
            return told, f"traceback {told.pop()[1] if told and told[-1][0] == 'traceback' else ''}"
        return told, ""

    def _steps(self, home: Path, file: Path) -> int:
        with open(file, "w", buffering=1) as lines:

            def tell(step: str, value: object) -> None:
                lines.write(json.dumps([step, value]) + "\n")

            try:
                tell("answers", _plain(answers(home)))
                tell("verify", _sentence(lambda: _verify(home, repair=False)[0]))
                tell("rows", rows(copied(home, self._folder / "rows")))
                tell("stored", self._compare(home))
                tell("lost", _sentence(lambda: _verify(home, repair=True)[1]))
                tell("again", _sentence(lambda: _verify(home, repair=False)[0]))
                tell("after", _plain(answers(home)))
            except Exception:
                tell("traceback", traceback.format_exc()[-1500:])
                return 1
        return 0

    def _compare(self, home: Path) -> str:
        try:
            for path in self._home.closed.glob("vectors-*"):
                if stored(home, path.name) != stored(self._home.closed, path.name):
                    return path.name
        except Exception as error:
            return repr(error)
        return "same"


def _kind(path: Path) -> str:
    return path.name if path.name.startswith("metadata") else path.name.split("-")[0]


def _verify(home: Path, *, repair: bool) -> tuple[list[str], list[str]]:
    with Collection.open(home, embedder=Detailed()) as collection:
        report = collection.verify(repair=repair)
    return [f"{p.path}: {p.reason}" for p in report.problems], [f"{p.path}: {p.reason}" for p in report.lost]


def _sentence(step: Callable[[], list[str]]) -> object:
    try:
        return step()
    except DinosearchError as error:
        told = str(error)
        assert "\n" not in told, told
        return told


def _plain(found: object) -> dict[str, object]:
    assert isinstance(found, dict)
    return {
        key: value if isinstance(value, str) else [[hit.path, hit.score, hit.confidence] for hit in value]
        for key, value in found.items()
    }


def _wrong(truth: object, found: object, *, older: bool) -> str | None:
    """The first answer that is neither right nor refused; one that lacks a damaged image is right as far as it goes.

    With `older`, an answer may also be that of before the last changes.
    """
    assert isinstance(truth, dict) and isinstance(found, dict)
    for key, hits in found.items():
        if isinstance(hits, str):
            continue
        right: dict[str, Answer] = {hit.path: hit for hit in truth[key] if isinstance(hit, Answer)}
        for path, score, confidence in hits:
            if path not in right:
                if not older and key.endswith("fast"):
                    return f"query {key} answers {path}"
                continue
            wanted = right[path]
            # A walk or a shortlist without a damaged image gives the others other scores: only cosines must be equal.
            if key.endswith("fast") and abs(score - wanted.score) > _TOLERANCE:
                return f"query {key} gives {path} the score {score}, not {wanted.score}"
            # Without its calibration an answer claims less.
            if key.endswith("fast") and not older and confidence not in (None, wanted.confidence):
                return f"query {key} gives {path} the confidence {confidence}, not {wanted.confidence}"
    return None
