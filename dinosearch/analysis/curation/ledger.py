"""The folder of a curation: its plan, and one file for each step that is finished.

    plan.json       the settings, and the state of everything that is read; another plan is refused
    STEP.npy        what a step found
    STEP.json       its SHA-256, what it was made from, and its counts; there once the file is whole
    STEP.parts/     of a step that is not finished: pieces of it, each whole
    manifest.jsonl, summary.json   see `manifest`

Every file is written beside its place, synced and renamed, so that a kill at any moment leaves a file or none.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.errors import SettingError
from dinosearch.home import Home, atomic_path, listed, sha256_file

SCHEMA = "dinosearch-curation-1"
PLAN, MANIFEST, SUMMARY = "plan.json", "manifest.jsonl", "summary.json"
_FAULTS = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError)
_WORDS = {"recipe": "setting", "pool": "pool", "against": "reference set", "seeds": "seed set"}


def is_curation(folder: str | Path) -> bool:
    """Whether `curate` has begun or finished something in a folder."""
    try:
        plan = json.loads((Path(folder) / PLAN).read_text(encoding="utf-8"))
        return str(plan["schema"]).startswith("dinosearch-curation-")
    except _FAULTS:
        return False


class Step:
    """One step of a curation.

    Args:
        folder: of the curation.
        name: of the step.
        inputs: JSON-ready; all that decides what it finds. A step of other inputs is another one and is done again.
    """

    def __init__(self, folder: Path, name: str, inputs: Mapping[str, Any]) -> None:
        self.name = name
        self.key = digest_of({"step": name, **inputs})
        self.file, self._note = folder / f"{name}.npy", folder / f"{name}.json"
        self._parts = folder / f"{name}.parts" / self.key[:16]

    def finished(self) -> dict[str, Any] | None:
        """The counts of the step; None where it is to be done."""
        try:
            note: dict[str, Any] = json.loads(self._note.read_text(encoding="utf-8"))
            if note["key"] != self.key or sha256_file(self.file) != note["sha256"]:
                return None
            return dict(note["counts"])
        except _FAULTS:
            return None

    @property
    def sha256(self) -> str:
        """Of the finished file: what later steps name it by."""
        return str(json.loads(self._note.read_text(encoding="utf-8"))["sha256"])

    def result(self) -> np.ndarray:
        """What the step found, mapped into memory."""
        found: np.ndarray = np.load(self.file, mmap_mode="r", allow_pickle=False)
        return found

    def part(self, number: int, make: Callable[[], np.ndarray]) -> np.ndarray:
        """A piece of the work: the stored one, or else what `make` gives, which is stored."""
        path = self._parts / f"{number:06}.npy"
        try:
            stored: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
            return stored
        except _FAULTS:
            pass
        made = make()
        self._parts.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.save(file, made, allow_pickle=False)
        return made

    @contextmanager
    def writing(self, shape: tuple[int, ...], dtype: np.dtype[Any], counts: dict[str, Any]) -> Iterator[np.ndarray]:
        """Give an array of zeros in a file to fill; the step is finished when the block ends.

        Args:
            shape: of the array.
            dtype: of the array.
            counts: JSON-ready, may be filled within the block; what `finished` answers from then on.
        """
        self._note.unlink(missing_ok=True)
        with atomic_path(self.file) as temporary:
            array: np.ndarray
            if np.prod(shape, dtype=np.int64):
                array = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
            else:  # an empty file cannot be mapped
                array = np.zeros(shape, dtype)
                with open(temporary, "wb") as file:
                    np.save(file, array, allow_pickle=False)
            yield array
            if isinstance(array, np.memmap):
                array.flush()
            del array
        note = {"step": self.name, "key": self.key, "sha256": sha256_file(self.file), "counts": counts}
        write_json(self._note, note)
        shutil.rmtree(self._parts.parent, ignore_errors=True)


class Ledger:
    """The folder; making the object touches nothing.

    Args:
        folder: of the curation, made when it is first written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._plan = folder / PLAN

    @contextmanager
    def writer(self) -> Iterator[None]:
        """Keep other runs out; what an interrupted one left half is deleted.

        Raises:
            HomeLockedError: another run works here.
            SettingError: the folder holds something else.
        """
        if self.folder.is_dir() and not self._plan.exists() and any(self._strange()):
            raise SettingError(f"{self.folder} holds other things; name a new folder: --out {self.folder}-2")
        self.folder.mkdir(parents=True, exist_ok=True)
        with Home(self.folder).writer():
            for left in listed(self.folder, "*.tmp") + listed(self.folder, "*.parts/*/*.tmp"):
                left.unlink(missing_ok=True)
            yield

    def agree(self, plan: Mapping[str, Any], *, restart: bool) -> None:
        """Hold a plan, or the parts of it that are known yet, against the one that the folder was made by.

        Raises:
            SettingError: they differ, and the run is not to start again.
        """
        made = self._read()
        if made is None or restart:
            return
        for section, value in plan.items():
            if (difference := _difference(section, made.get(section), value)) is not None:
                raise SettingError(
                    f"{self.folder} holds a curation with {difference}; start again there with --restart, or leave "
                    f"it as it is with: --out {self.folder}-2"
                )

    def take(self, plan: Mapping[str, Any], homes: Iterable[Path]) -> None:
        """Keep the plan; what was made by another one goes, steps as far as they would differ.

        Args:
            plan: whole.
            homes: those of embedded folders that it reads, if they lie here.
        """
        whole = {"schema": SCHEMA, **plan}
        if self._read() != whole:
            for name in (MANIFEST, SUMMARY):
                (self.folder / name).unlink(missing_ok=True)
            for home in set(listed(self.folder, "*.index")) - set(homes):
                shutil.rmtree(home)
            write_json(self._plan, whole)

    def step(self, name: str, **inputs: Any) -> Step:
        """A step of these inputs."""
        return Step(self.folder, name, inputs)

    def _read(self) -> dict[str, Any] | None:
        try:
            plan: dict[str, Any] = json.loads(self._plan.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            plan = {}
        if not isinstance(plan, dict) or plan.get("schema") != SCHEMA:
            raise SettingError(
                f"{self._plan} is none that this dinosearch can read; delete {self.folder}, or name another folder: "
                f"--out {self.folder}-2"
            )
        return plan

    def _strange(self) -> Iterator[Path]:
        """What lies in the folder that no run has put there before its plan."""
        own = (".index", ".lock", ".tmp")
        yield from (path for path in listed(self.folder) if path.suffix not in own and path.name != "writer.json")


def digest_of(value: Any) -> str:
    """SHA-256 of something JSON-ready, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write one indented JSON value, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _difference(section: str, made: Any, asked: Any) -> str | None:
    """In words, what the first difference of a section of the plan is; None where there is none."""
    if made == asked:
        return None
    if section == "recipe" and isinstance(made, dict):
        name = next(name for name in asked if made.get(name) != asked[name])
        return f"{name} {made.get(name)}, not {asked[name]}"
    if section in ("against", "seeds") and [one["name"] for one in made] != [one["name"] for one in asked]:
        return f"other {_WORDS[section]}s"
    return f"another state of its {_WORDS[section]}: images came, went or were changed since"
