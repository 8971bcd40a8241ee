"""Duplicates: copies that are found beside perceptual hashes and imagededup, and the self-join of a million vectors.

    python scripts/bench_duplicates.py --photos ../shared/data/photos [--part copies,pdq,join] [--write]

- `copies`: pairs of files that are copies, as each system says, against what the generator knows (`bench/copies.py`):
  recall by what was done, and how many pairs of different photos are called copies, series of one scene among them.
- `pdq`: the same for PDQ's own test pictures, one photo in many forms.
- `join`: same-instance groups of clustered vectors (`bench/vectors.py`, `mixture`) that are imported into a home.

Peers: pip install imagehash imagededup (in an environment of their own); one that is not installed is left out with a
reason. Only `mini` could be run where this was developed: what the vectors let through with DINOv2 is better.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.copies import KINDS, make
from bench.engine_homes import exported
from bench.report import machine, table, write_section
from bench.vectors import SOURCES
from dinosearch import Collection
from dinosearch.analysis.duplicates import find_duplicates

PARTS = ("copies", "pdq", "join")
Pairs = set[frozenset[str]]
PHASH, DEDUP = 8, 10
"""Bits that differ at most: what is usual with 64-bit hashes, and imagededup's own default."""


def ours(folder: Path, checked: bool, home: Path) -> Pairs:
    """Pairs inside the groups; without the look at the pictures by the cosine alone."""
    with Collection.open(home, create=True, model="mini") as collection:
        collection.index(folder)
        asked: dict[str, Any] = {"tiers": ["exact", "near-copy"], "link": "single"}
        if not checked:
            asked = {"tiers": ["exact", "same-instance"], "thresholds": {"same-instance": 0.95}}
        groups = find_duplicates(collection, **asked).groups
    # A tier shows what the one before would keep: what shares a file belongs together.
    whole: list[set[str]] = []
    for group in groups:
        paths = {member.path for member in group.members}
        touched = [other for other in whole if other & paths]
        whole = [other for other in whole if not other & paths] + [paths.union(*touched)]
    return {frozenset(pair) for paths in whole for pair in itertools.combinations(sorted(paths), 2)}


def hashed(folder: Path) -> Pairs:
    """Pairs whose pHash of imagehash differs in `PHASH` bits at most."""
    import imagehash
    from PIL import Image

    hashes = {}
    for path in files(folder):
        with Image.open(path) as image:
            hashes[path] = imagehash.phash(image.convert("RGB"))
    return {frozenset(pair) for pair in itertools.combinations(hashes, 2) if hashes[pair[0]] - hashes[pair[1]] <= PHASH}


def deduped(method: str) -> Callable[[Path], Pairs]:
    """Pairs that imagededup calls duplicates with its own thresholds."""

    def run(folder: Path) -> Pairs:
        from imagededup import methods

        finder, found = getattr(methods, method)(verbose=False), {}
        for path in files(folder):
            found[path] = finder.encode_image(image_file=path)
        asked = {"min_similarity_threshold": 0.9} if method == "CNN" else {"max_distance_threshold": DEDUP}
        answer = finder.find_duplicates(encoding_map=found, **asked)
        return {frozenset((path, other)) for path, others in answer.items() for other in others}

    return run


def files(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".png", ".webp"))


def same(pair: frozenset[str]) -> bool:
    """Whether two files of the generated folder are copies: of one number, outside of the scenes."""
    one, other = (Path(path) for path in pair)
    return "scenes" not in (one.parent.name, other.parent.name) and one.name == other.name


def systems(temporary: Path) -> dict[str, Callable[[Path], Pairs]]:
    """What finds pairs of copies in a folder, by name."""
    return {
        "dinosearch near-copy": lambda folder: ours(folder, True, temporary / "home"),
        "dinosearch, cosine 0.95 alone": lambda folder: ours(folder, False, temporary / "home"),
        f"imagehash pHash, {PHASH} bits": hashed,
        "imagededup PHash": deduped("PHash"),
        "imagededup CNN": deduped("CNN"),
    }


def copies(options: argparse.Namespace) -> str:
    """The table of what each system finds."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = make(options.photos, Path(options.cache or temporary) / "copies", options.originals)
        rows, notes = [], []
        for name, find in systems(Path(temporary)).items():
            began = time.monotonic()
            try:
                found = find(folder)
            except (ImportError, OSError) as error:  # OSError: weights that cannot be fetched
                notes.append(f"{name}: left out: {error}")
                continue
            right = {pair for pair in found if same(pair)}
            asked = {
                kind: [
                    frozenset((str(folder / "original" / f"{n:03}.jpg"), str(folder / kind / f"{n:03}.jpg")))
                    for n in range(options.originals)
                ]
                for kind in KINDS
            }
            recalls = [f"{sum(pair in found for pair in pairs) / len(pairs):.2f}" for pairs in asked.values()]
            every = sum(pair in found for pairs in asked.values() for pair in pairs)
            total = sum(map(len, asked.values()))
            wrong = len(found) - len(right)
            scenes = sum(all("/scenes/" in path for path in pair) for pair in found)
            cells = [f"{every / total:.3f}", f"{len(right) / max(1, len(found)):.3f}", str(wrong), str(scenes)]
            rows.append([name, *cells, f"{time.monotonic() - began:.0f}", *recalls])
            print(rows[-1], flush=True)
        count = len(files(folder))
    head = ["system", "recall", "precision", "wrong pairs", "of them in series", "s", *KINDS]
    text = (
        f"`scripts/bench_duplicates.py --part copies --originals {options.originals}`, model `mini`: {count} files, "
        f"{options.originals} photos of Kodak and CID22 with {len(KINDS)} copies each, half as many without any, and "
        f"series of one scene. Recall is of the pairs of an original and its copy, by what was done; precision is of "
        f"all pairs.\n"
        f"{machine('imagehash', 'imagededup')}.\n\n{table(head, rows)}"
    )
    return text + "".join(f"\n\n- {note}" for note in notes)


BRIDGE = ("bridge-mods", "dih", "modes")
"""Folders of PDQ's test data that hold changed copies of one photo, `aaa-orig.jpg`."""


def pdq(options: argparse.Namespace) -> str:
    """What each system finds among PDQ's test pictures: one photo in many forms, and some others."""
    folder = (options.photos / "pdq_copies" / "pdq" / "data").resolve()
    paths = [path for path in files(folder) if Path(path).parent.name != "misc-images"]
    bridges = {path for path in paths if Path(path).parent.name in BRIDGE}
    original = next(path for path in bridges if path.endswith("aaa-orig.jpg"))
    rows, notes = [], []
    with tempfile.TemporaryDirectory() as temporary:
        for name, find in systems(Path(temporary)).items():
            try:
                found = {pair for pair in find(folder) if pair <= {*paths}}
            except (ImportError, OSError) as error:  # OSError: weights that cannot be fetched
                notes.append(f"{name}: left out: {error}")
                continue
            missed = sorted(Path(path).name for path in bridges - {original} if {original, path} not in found)
            wrong = sum(len(pair & bridges) < 2 for pair in found)
            rows.append([name, f"{1 - len(missed) / (len(bridges) - 1):.3f}", str(wrong), ", ".join(missed) or "none"])
            print(rows[-1], flush=True)
    head = ["system", "recall", "wrong pairs", "missed"]
    told = f"PDQ's own test pictures: {len(bridges) - 1} forms of one photo among {len(paths)} files."
    text = f"{told}\n\n{table(head, rows)}"
    return text + "".join(f"\n\n- {note}" for note in notes)


def join(options: argparse.Namespace) -> str:
    """The self-join, timed."""
    rows = []
    for size in map(int, options.sizes.split(",")):
        with tempfile.TemporaryDirectory() as temporary:
            home = options.home or _imported(size, Path(options.cache or temporary))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            with Collection.open(home, read_only=True) as collection:
                began = time.monotonic()
                found = find_duplicates(
                    collection, tiers=["same-instance"], thresholds={"same-instance": options.threshold}
                )
                seconds = time.monotonic() - began
            members = sum(len(group.members) for group in found.groups)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            memory = f"{peak / 1024:,.0f}" + (" (of the import)" if peak == before else "")
            rows.append([f"{size:,}", f"{seconds:.1f}", f"{size / seconds:,.0f}", memory, len(found.groups), members])
            print(rows[-1], flush=True)
    head = ["vectors", "s", "vectors/s", "peak MiB", "groups", "images in them"]
    return (
        f"`scripts/bench_duplicates.py --part join --threshold {options.threshold}`: clustered vectors of 384 numbers, "
        f"16 neighbours each and more where all are near, groups by complete link. {machine('faiss-gpu')}.\n\n"
        f"{table(head, rows)}"
    )


def _imported(size: int, cache: Path) -> Path:
    """A home with so many vectors, made where it is not yet there."""
    source = SOURCES["mixture"](size)
    home = cache / f"home-{source.key}"
    if not home.exists():
        with Collection.open(home, create=True) as collection:
            collection.import_(exported(source, cache))
    return home


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/photos"))
    parser.add_argument("--part", default=",".join(PARTS))
    parser.add_argument("--originals", type=int, default=40)
    parser.add_argument("--sizes", default="100000,1000000")
    parser.add_argument("--home", type=Path, help="a home that holds the vectors of the one size already")
    parser.add_argument("--threshold", type=float, default=0.8)
    parser.add_argument("--cache", help="folder for what is made, and for the results")
    parser.add_argument("--write", action="store_true", help="put the results into docs/benchmarks.md")
    options = parser.parse_args()
    kept = Path(options.cache or ".") / "duplicates.json"
    texts = json.loads(kept.read_text(encoding="utf-8")) if options.cache and kept.is_file() else {}
    for part in options.part.split(","):
        texts[part] = {"copies": copies, "pdq": pdq, "join": join}[part](options)
        print(f"\n{texts[part]}\n", flush=True)
        if options.cache:
            kept.write_text(json.dumps(texts), encoding="utf-8")
    if options.write:
        write_section("bench_duplicates", "\n\n".join(texts[part] for part in PARTS if part in texts))


if __name__ == "__main__":
    main()
