"""The whole recipe of a curation, written out naively from its description: full matrices, loops, no shared code.

Vectors and files are read through the collections' public verbs; cosines are float64 sums rounded to float32, which is
what a tie is decided by.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dinosearch import Collection
from dinosearch.analysis import CurationRecipe

MASK = 2**64 - 1
Line = dict[str, Any]


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first.astype(np.float64) @ second.astype(np.float64).T).astype(np.float32)


def splitmix(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def chance(number: int, seed: int, purpose: int) -> int:
    return splitmix(number ^ splitmix(seed * 16 + purpose))


def union(count: int, links: list[tuple[int, int]]) -> list[int]:
    """The smallest member of each member's set."""
    label = list(range(count))
    for one, other in links:
        low, high = sorted((label[one], label[other]))
        label = [low if old == high else old for old in label]
    return label


def kmeans(vectors: np.ndarray, start: np.ndarray, rounds: int) -> np.ndarray:
    """Lloyd's rounds on the sphere, in float64."""
    centres = start.astype(np.float64)
    for _ in range(rounds):
        products = vectors.astype(np.float64) @ centres.T
        chosen, moved = products.argmax(axis=1), np.zeros_like(centres)
        for row, number in enumerate(chosen):
            moved[number] += vectors[row]
        lost = list(np.argsort(products.max(axis=1), kind="stable"))
        for number in range(len(centres)):
            if number not in chosen:
                moved[number] = vectors[lost.pop(0)]
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        if np.abs(moved - centres).max() < 1e-9:
            break
        centres = moved
    return centres


def expected(
    pool: Collection, recipe: CurationRecipe, against: list[Collection], seeds: list[Collection], rounds: int = 20
) -> list[Line]:
    """The lines of the manifest."""
    ids, vectors = pool.vectors()
    number_of = ids.tolist()
    files: dict[int, list[dict[str, Any]]] = {}
    for file in pool.files():
        files.setdefault(file["id"], []).append(file)
    count = len(number_of)
    near = cosines(vectors, vectors)

    links, best = [], [(-math.inf, 0)] * count
    for one in range(count):
        others = sorted((other for other in range(count) if other != one), key=lambda o: (-near[one, o], o))
        for other in others[: recipe.neighbours]:
            if near[one, other] >= min(recipe.threshold or 0, 1 - 1e-6):
                links.append((one, other))
                for a, b in ((one, other), (other, one)):
                    best[a] = max(best[a], (float(near[one, other]), -b))
    label = union(count, links)
    keeper = []
    for place in range(count):
        members = [other for other in range(count) if label[other] == label[place]]
        keeper.append(min(members, key=lambda member: (rule(files[number_of[member]], recipe.keep), member)))

    touched = _touched(near, vectors, against, recipe, label)
    left = [place for place in range(count) if keeper[place] == place and place not in touched]
    retrieved = _retrieved(vectors, left, seeds, recipe) if seeds and recipe.method != "cluster" else {}
    drawn = _drawn(vectors, number_of, left, seeds, recipe, rounds) if seeds and recipe.method != "sample" else {}

    reached = [place for place in left if not seeds or place in retrieved or place in drawn]

    def order(place: int) -> tuple[Any, ...]:
        if place in retrieved:
            return 0, retrieved[place]["rank"], -retrieved[place]["cosine"], 0, place
        return 1, drawn[place]["place"] if place in drawn else 0, 0, chance(number_of[place], recipe.seed, 2), place

    within = set(sorted(reached, key=order)[: recipe.cap or count])
    lines = []
    for place, number in enumerate(number_of):
        if place in touched:
            reason, about = "reference", dict(touched[place])
            via = about.pop("member")
            if via != place:
                about["via"] = number_of[via]
        elif keeper[place] != place:
            cosine = float(near[place, keeper[place]])
            reason, about = "duplicate", {"of": number_of[keeper[place]], "cosine": cosine}
            if cosine < (recipe.threshold or 0):
                about |= {"via": number_of[-best[place][1]], "via_cosine": best[place][0]}
        elif not seeds:
            reason, about = "only", {"copies": label.count(label[place])}
        elif place in retrieved:
            reason, about = "retrieved", retrieved[place]
        elif place in drawn:
            reason, about = "sampled", drawn[place]
        else:
            reason, about = "not reached", {}
        if place in reached and place not in within:
            reason, about = "over cap", {"else": reason, **about}
        first = files[number][0]
        kept = reason in ("only", "retrieved", "sampled")
        lines.append(
            {"id": number, "path": first["path"], "sha256": first["sha256"], "kept": kept, "reason": reason, **about}
        )
    return lines


def rule(files: list[dict[str, Any]], names: tuple[str, ...]) -> Any:
    """What the image that stays has the least of."""
    of = {"oldest": "modified", "path:*": ""}
    return min(
        (
            *(file[of[name]] if of.get(name) else 0 for name in names if name != "largest"),
            -file["width"] * file["height"],
            -file["size"],
            file["path"],
        )
        for file in files
    )


def _touched(
    near: np.ndarray, vectors: np.ndarray, against: list[Collection], recipe: CurationRecipe, label: list[int]
) -> dict[int, Line]:
    own: dict[int, tuple[float, int, int, str]] = {}
    for number, references in enumerate(against):
        ids, theirs = references.vectors()
        paths = {file["id"]: file["path"] for file in reversed(list(references.files()))}
        for place, row in enumerate(cosines(vectors, theirs)):
            for cosine, reference in zip(row.tolist(), ids.tolist(), strict=True):
                if cosine >= min(recipe.against_threshold or 0, 1 - 1e-6):
                    entry = (-cosine, number, reference, paths[reference])
                    own[place] = min(own.get(place, entry), entry)
    touched = {}
    for place in range(len(label)):
        members = [other for other in own if label[other] == label[place]]
        if members:
            member = place if place in own else min(members, key=lambda other: (own[other][:3], other))
            cosine, number, reference, path = own[member]
            told = {"set": number + 1, "reference": reference, "reference_path": path, "cosine": -cosine}
            touched[place] = {**told, "member": member}
    return touched


def _retrieved(
    vectors: np.ndarray, left: list[int], seeds: list[Collection], recipe: CurationRecipe
) -> dict[int, Line]:
    hits: dict[int, list[tuple[int, float, int, int, str]]] = {}
    for number, collection in enumerate(seeds):
        ids, theirs = collection.vectors()
        paths = {file["id"]: file["path"] for file in reversed(list(collection.files()))}
        table = cosines(theirs, vectors)
        for seed, row in zip(ids.tolist(), table, strict=True):
            for rank, place in enumerate(sorted(left, key=lambda p: (-row[p], p))[: recipe.per_seed], start=1):
                hits.setdefault(place, []).append((rank, -float(row[place]), number, seed, paths[seed]))
    found = {}
    for place, entries in hits.items():
        rank, cosine, number, seed, path = min(entries)
        found[place] = {
            **{"set": number + 1, "seed": seed, "seed_path": path, "rank": rank, "cosine": -cosine},
            "seeds": len(entries),
        }
    return found


def _drawn(
    vectors: np.ndarray,
    ids: list[int],
    left: list[int],
    seeds: list[Collection],
    recipe: CurationRecipe,
    rounds: int,
) -> dict[int, Line]:
    if not left:
        return {}
    usual = min(round(4 * math.sqrt(len(left))), len(left) // 10)
    count = max(1, min(recipe.clusters or usual, len(left)))
    order = sorted(left, key=lambda place: (chance(ids[place], recipe.seed, 1), place))
    sample = sorted(order[: 256 * count])
    centres = kmeans(vectors[sample], vectors[order[:count]], rounds)
    of = {place: int((vectors[place].astype(np.float64) @ centres.T).argmax()) for place in left}
    inside = [0] * count
    for collection in seeds:
        for row in collection.vectors()[1].astype(np.float64) @ centres.T:
            inside[int(row.argmax())] += 1
    found = {}
    for cluster in range(count):
        if inside[cluster] > recipe.seeds_above:
            members = [place for place in left if of[place] == cluster]
            members.sort(key=lambda place: chance(ids[place], recipe.seed, 2))
            for number, place in enumerate(members[: recipe.per_cluster], start=1):
                found[place] = {"cluster": cluster, "place": number, "seeds": inside[cluster]}
    return found
