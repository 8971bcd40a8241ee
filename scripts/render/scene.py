"""Scenes: solids with materials on a ground plane, and the tracer that finds what each ray meets.

It does not compute colours. Every cull is by bounding boxes and exact, so it changes the speed and never the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .materials import Material
from .shapes import F, Shape

Ints = NDArray[np.int32]
SKY, GROUND = -1, 0
FAR = 4000.0
REACH = 700.0  # Solids farther than this are not traced.
CHUNK = 4096


@dataclass
class Scene:
    """Solids in order; the number of a solid in the hit list is its place plus one (0 is the ground, -1 the sky)."""

    ground: Material | None = None
    ground_y: float = 0.0
    shapes: list[Shape] = field(default_factory=list)
    materials: list[Material] = field(default_factory=list)

    def add(self, material: Material, *shapes: Shape) -> None:
        """Add solids of one material."""
        for shape in shapes:
            self.shapes.append(shape)
            self.materials.append(material)

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Corners of all boxes: two arrays (n, 3)."""
        low = np.array([s.lo for s in self.shapes], dtype=np.float64).reshape(-1, 3)
        high = np.array([s.hi for s in self.shapes], dtype=np.float64).reshape(-1, 3)
        return low - 0.02, high + 0.02


@dataclass
class Hits:
    """What rays met: points and normals (n, 3), distance, solid number, sun visibility and openness (n,)."""

    point: F
    normal: F
    t: F
    solid: Ints
    sun: F
    open: F


def trace(scene: Scene, origin: F, ray: F, sun: F, pixel: float) -> Hits:
    """Follow rays; origin and ray (n, 3) float32 with unit directions, sun (3,) the unit direction towards the sun.

    `pixel` is the angle of one pixel in radians, the measure of how exact a hit must be.
    """
    n = len(ray)
    hits = Hits(
        point=np.zeros((n, 3), np.float32),
        normal=np.tile(np.float32([0, 1, 0]), (n, 1)),
        t=np.full(n, FAR, np.float32),
        solid=np.full(n, SKY, np.int32),
        sun=np.ones(n, np.float32),
        open=np.ones(n, np.float32),
    )
    low, high = scene.bounds()
    for start in range(0, n, CHUNK):
        _trace_chunk(scene, low, high, origin, ray, sun, pixel, hits, slice(start, min(start + CHUNK, n)))
    return hits


def _trace_chunk(
    scene: Scene, low: F, high: F, origin: F, ray: F, sun: F, pixel: float, hits: Hits, part: slice
) -> None:
    o, d = origin[part], ray[part]
    limit = np.full(len(d), REACH, np.float32)
    ground = np.zeros(len(d), bool)
    if scene.ground is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            down = (scene.ground_y - o[:, 1]) / d[:, 1]
        ground = (d[:, 1] < -1e-5) & (down < FAR)
        limit = np.where(ground, np.minimum(down, REACH), limit).astype(np.float32)
    near = _in_cone(low, high, o, d)
    t, solid = _march(scene, near, low, high, o, d, limit, pixel)
    if scene.ground is not None:
        fallen = (solid == SKY) & ground
        t = np.where(fallen, down, t).astype(np.float32)
        solid = np.where(fallen, GROUND, solid).astype(np.int32)
    t = np.where(solid == SKY, FAR, t).astype(np.float32)
    point = o + d * t[:, None]
    hits.t[part], hits.solid[part], hits.point[part] = t, solid, point
    hit = np.flatnonzero(solid > 0)
    if hit.size:
        hits.normal[part.start + hit] = _normals(scene, low, high, point[hit], t[hit], solid[hit], pixel)
    lit = np.flatnonzero((solid >= 0) & (t < REACH))
    if lit.size:
        p, m = point[lit], hits.normal[part.start + lit]
        lift = p + m * np.maximum(0.012, 1.5 * pixel * t[lit])[:, None]
        hits.sun[part.start + lit] = _shadow(scene, low, high, lift, m, sun)
        hits.open[part.start + lit] = _openness(scene, low, high, p, m)


def _in_cone(low: F, high: F, o: F, d: F) -> Ints:
    """Solids that some ray of the bundle may meet."""
    apex, axis = o.mean(axis=0), d.mean(axis=0)
    axis = axis / max(float(np.linalg.norm(axis)), 1e-6)
    spread = float(np.arccos(np.clip((d @ axis).min(), -1, 1)))
    blur = float(np.sqrt(((o - apex) ** 2).sum(axis=1).max()))
    centre, radius = (low + high) / 2 - apex, np.linalg.norm(high - low, axis=1) / 2 + blur
    dist = np.linalg.norm(centre, axis=1)
    angle = np.arccos(np.clip(centre @ axis / np.maximum(dist, 1e-6), -1, 1))
    body = np.arcsin(np.clip(radius / np.maximum(dist, 1e-6), 0, 1))
    return np.flatnonzero((dist <= radius) | (angle <= spread + body + 1e-3)).astype(np.int32)


def _nearest(scene: Scene, near: Ints, low: F, high: F, p: F, ids: bool = False) -> tuple[F, Ints]:
    """Smallest distance from each point (n, 3) to the solids of the list, and optionally whose it is."""
    x, y, z = (np.ascontiguousarray(p[:, k]) for k in range(3))
    best = np.full(len(p), 1e6, np.float32)
    who = np.full(len(p), SKY, np.int32)
    gap = np.maximum(np.maximum(low[near] - p.max(axis=0), p.min(axis=0) - high[near]), 0.0)
    reach = np.sqrt((gap**2).sum(axis=1))
    for k in np.argsort(reach, kind="stable"):
        if reach[k] > best.max():
            break
        solid = int(near[k])
        if len(near) > 3 and len(p) > 256:
            # Points farther from the box than from what is found already need no distance.
            lo, hi = scene.shapes[solid].lo, scene.shapes[solid].hi
            out = np.maximum(np.abs(x - (lo[0] + hi[0]) / 2) - (hi[0] - lo[0]) / 2, 0.0)
            out = np.maximum(out, np.abs(y - (lo[1] + hi[1]) / 2) - (hi[1] - lo[1]) / 2)
            out = np.maximum(out, np.abs(z - (lo[2] + hi[2]) / 2) - (hi[2] - lo[2]) / 2)
            todo = np.flatnonzero(out < best)
            if todo.size < 0.6 * len(p):
                if todo.size:
                    part = scene.shapes[solid].fn(x[todo], y[todo], z[todo])
                    closer = part < best[todo]
                    best[todo[closer]] = part[closer]
                    who[todo[closer]] = solid + 1
                continue
        dist = scene.shapes[solid].fn(x, y, z)
        if ids:
            who = np.where(dist < best, np.int32(solid + 1), who)
        best = np.minimum(best, dist).astype(np.float32)
    return best, who


def _march(
    scene: Scene, near: Ints, low: F, high: F, o: F, d: F, limit: F, pixel: float, steps: int = 120
) -> tuple[F, Ints]:
    t = np.zeros(len(d), np.float32)
    solid = np.full(len(d), SKY, np.int32)
    if not near.size:
        return t, solid
    enter, leave = _box_span(low[near].min(axis=0), high[near].max(axis=0), o, d)
    t = np.maximum(enter, 0.02).astype(np.float32)
    limit = np.minimum(limit, leave)
    live = np.flatnonzero(t < limit)
    hit: list[Ints] = []
    for step in range(steps):
        if not live.size:
            break
        dist, _ = _nearest(scene, near, low, high, o[live] + d[live] * t[live, None])
        exact = np.maximum(0.0008, (0.4 if step < 80 else 2.0) * pixel * t[live])
        done = dist < exact
        hit.append(live[done].astype(np.int32))
        t[live] += np.where(done, 0.0, dist * 0.97).astype(np.float32)
        live = live[~done & (t[live] < limit[live])]
    found = np.concatenate(hit) if hit else np.zeros(0, np.int32)
    if found.size:
        _, solid[found] = _nearest(scene, near, low, high, o[found] + d[found] * t[found, None], ids=True)
    return t, solid


def _box_span(low: F, high: F, o: F, d: F) -> tuple[F, F]:
    safe = np.where(np.abs(d) < 1e-7, np.float32(1e-7), d)
    a, b = (low.astype(np.float32) - o) / safe, (high.astype(np.float32) - o) / safe
    return np.minimum(a, b).max(axis=1), np.maximum(a, b).min(axis=1)


def _normals(scene: Scene, low: F, high: F, p: F, t: F, solid: Ints, pixel: float) -> F:
    """Gradient of the distance by four taps of a tetrahedron, each solid alone (so that contacts stay sharp)."""
    out = np.zeros_like(p)
    for s in np.unique(solid):
        at = np.flatnonzero(solid == s)
        step = np.maximum(0.002, 0.7 * pixel * t[at]).astype(np.float32)
        total = np.zeros((at.size, 3), np.float32)
        for corner in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
            k = np.float32(corner)
            q = p[at] + k * step[:, None]
            total += k * scene.shapes[s - 1].fn(q[:, 0], q[:, 1], q[:, 2])[:, None]
        out[at] = total
    length = np.linalg.norm(out, axis=1, keepdims=True)
    return np.where(length > 1e-9, out / np.maximum(length, 1e-9), np.float32([0, 1, 0])).astype(np.float32)


def _shadow(scene: Scene, low: F, high: F, p: F, m: F, sun: F) -> F:
    """Share of the sun that is seen, 0..1, with a penumbra that widens with distance."""
    seen = np.ones(len(p), np.float32)
    facing = np.flatnonzero(m @ sun > 0.0)
    if not facing.size or not len(low):
        return seen
    q = p[facing]
    # Only solids in the tube that the points sweep towards the sun can cast a shadow here.
    mid = q.mean(axis=0)
    wide = float(np.sqrt(((q - mid) ** 2).sum(axis=1).max()))
    rel = (low + high) / 2 - mid
    along = rel @ sun
    off = np.sqrt(np.maximum((rel**2).sum(axis=1) - along**2, 0.0))
    size = np.linalg.norm(high - low, axis=1) / 2
    near = np.flatnonzero((off < (wide + size) * 1.03 + 0.3) & (along > -wide - size)).astype(np.int32)
    if not near.size:
        return seen
    res = np.ones(len(q), np.float32)
    rays = np.broadcast_to(sun.astype(np.float32), q.shape)
    enter, leave = _box_span(low[near].min(axis=0) - 0.5, high[near].max(axis=0) + 0.5, q, rays)
    t = np.maximum(enter, 0.02).astype(np.float32)
    live = np.flatnonzero(t < leave)
    for _ in range(48):
        if not live.size:
            break
        dist, _ = _nearest(scene, near, low, high, q[live] + rays[live] * t[live, None])
        res[live] = np.minimum(res[live], np.clip(0.5 + 0.5 * dist / (0.014 * t[live] + 0.01), 0.0, 1.0))
        t[live] += np.clip(dist, 0.02 + 0.004 * t[live], 30.0)
        live = live[(res[live] > 0.01) & (t[live] < leave[live])]
    seen[facing] = res * res * (3 - 2 * res)
    return seen


def _openness(scene: Scene, low: F, high: F, p: F, m: F) -> F:
    """Ambient occlusion 0..1 from the distances met along the normal (1 = nothing near)."""
    total = np.zeros(len(p), np.float32)
    gap = np.maximum(np.maximum(low - p.max(axis=0), p.min(axis=0) - high), 0.0)
    near = np.flatnonzero((gap**2).sum(axis=1) < 4.2**2).astype(np.int32)
    for reach, weight in ((0.12, 0.22), (0.45, 0.24), (1.4, 0.28), (4.0, 0.26)):
        q = p + m * reach
        dist = _nearest(scene, near, low, high, q)[0] if near.size else np.full(len(p), reach, np.float32)
        if scene.ground is not None:
            dist = np.minimum(dist, np.maximum(q[:, 1] - scene.ground_y, 0.0))
        total += weight * np.clip(dist / reach, 0.0, 1.0)
    return np.clip(total, 0.0, 1.0).astype(np.float32)


def solids_of(hits: Hits) -> Sequence[int]:
    """Numbers of the solids that were met, ascending, without the sky."""
    return [int(s) for s in np.unique(hits.solid) if s != SKY]
