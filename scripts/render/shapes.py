"""Solid shapes as signed distance functions, with the bounds that let the tracer skip them.

It does not know materials, light or cameras. Lengths are metres, y points up, angles are degrees.

Distances may be lower bounds of the true ones (after cuts, repeats and displacement), which sphere tracing allows:
J. C. Hart, "Sphere tracing", The Visual Computer 12 (1996).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F = NDArray[np.float32]
Vec = tuple[float, float, float]
Fn = Callable[[F, F, F], F]


@dataclass(frozen=True)
class Shape:
    """A signed distance function over coordinate arrays, and the box it lies in."""

    fn: Fn
    lo: Vec
    hi: Vec

    def at(self, x: float, y: float, z: float) -> Shape:
        """Move by (x, y, z)."""
        f = self.fn
        return Shape(lambda a, b, c: f(a - x, b - y, c - z), _add(self.lo, (x, y, z)), _add(self.hi, (x, y, z)))

    def turn(self, axis: str, degrees: float) -> Shape:
        """Rotate about the axis 'x', 'y' or 'z' through the origin."""
        f, c, s = self.fn, math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        fns: dict[str, Fn] = {
            "x": lambda x, y, z: f(x, c * y + s * z, c * z - s * y),
            "y": lambda x, y, z: f(c * x - s * z, y, s * x + c * z),
            "z": lambda x, y, z: f(c * x + s * y, c * y - s * x, z),
        }
        i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
        corners = []
        for a in (self.lo[i], self.hi[i]):
            for b in (self.lo[j], self.hi[j]):
                corners.append((c * a - s * b, s * a + c * b))
        lo, hi = list(self.lo), list(self.hi)
        lo[i], hi[i] = min(p[0] for p in corners), max(p[0] for p in corners)
        lo[j], hi[j] = min(p[1] for p in corners), max(p[1] for p in corners)
        return Shape(fns[axis], (lo[0], lo[1], lo[2]), (hi[0], hi[1], hi[2]))

    def __or__(self, other: Shape) -> Shape:
        f, g = self.fn, other.fn
        return Shape(lambda x, y, z: np.minimum(f(x, y, z), g(x, y, z)), _low(self, other), _high(self, other))

    def __sub__(self, other: Shape) -> Shape:
        f, g = self.fn, other.fn
        return Shape(lambda x, y, z: np.maximum(f(x, y, z), -g(x, y, z)), self.lo, self.hi)

    def blend(self, other: Shape, k: float) -> Shape:
        """Union with a fillet of about k metres (polynomial smooth minimum)."""
        f, g = self.fn, other.fn

        def fn(x: F, y: F, z: F) -> F:
            a, b = f(x, y, z), g(x, y, z)
            h = np.maximum(k - np.abs(a - b), 0.0) / k
            return np.minimum(a, b) - h * h * (k * 0.25)

        return Shape(fn, _low(self, other), _high(self, other))

    def repeat(self, axis: str, period: float, count: int) -> Shape:
        """Place `count` copies along the axis 'x', 'y' or 'z', `period` apart, centred on the origin."""
        f, half, i = self.fn, (count - 1) / 2, "xyz".index(axis)

        def fn(*p: F) -> F:
            q = list(p)
            cell = np.clip(np.rint(p[i] / period + half), 0, count - 1) - half
            q[i] = p[i] - cell * period
            return f(*q)

        lo, hi = list(self.lo), list(self.hi)
        lo[i] -= half * period
        hi[i] += half * period
        return Shape(fn, (lo[0], lo[1], lo[2]), (hi[0], hi[1], hi[2]))

    def around(self, count: int, phase: float = 0.0) -> Shape:
        """Place `count` copies of a shape that stands at +x around the y axis, the first turned by `phase`."""
        f, sector, start = self.fn, 2 * math.pi / count, math.radians(phase)

        def fn(x: F, y: F, z: F) -> F:
            a = np.arctan2(z, x) - start
            a = a - sector * np.rint(a / sector)
            r = np.sqrt(x * x + z * z)
            return f(r * np.cos(a), y, r * np.sin(a))

        r = max(math.hypot(a, b) for a in (self.lo[0], self.hi[0]) for b in (self.lo[2], self.hi[2]))
        return Shape(fn, (-r, self.lo[1], -r), (r, self.hi[1], r))

    def mirror(self, axes: str) -> Shape:
        """Reflect onto the negative side of each named axis ('x', 'z' or 'xz')."""
        f, mx, mz = self.fn, "x" in axes, "z" in axes
        rx = max(abs(self.lo[0]), abs(self.hi[0]))
        rz = max(abs(self.lo[2]), abs(self.hi[2]))
        return Shape(
            lambda x, y, z: f(np.abs(x) if mx else x, y, np.abs(z) if mz else z),
            (-rx if mx else self.lo[0], self.lo[1], -rz if mz else self.lo[2]),
            (rx if mx else self.hi[0], self.hi[1], rz if mz else self.hi[2]),
        )

    def warp(self, push: Fn, amount: float, safety: float = 0.7) -> Shape:
        """Push the surface outwards by `push` (values in about -1..1) times `amount`; `safety` shortens the steps."""
        f = self.fn
        lo = (self.lo[0] - amount, self.lo[1] - amount, self.lo[2] - amount)
        hi = (self.hi[0] + amount, self.hi[1] + amount, self.hi[2] + amount)

        def fn(x: F, y: F, z: F) -> F:
            # Far from the surface the displacement cannot matter, and its noise is the dear part.
            d = f(x, y, z)
            near = np.flatnonzero(d < 2.5 * amount)
            out = np.asarray((d - amount) * np.float32(0.9), dtype=np.float32)
            if near.size:
                out[near] = (d[near] - amount * push(x[near], y[near], z[near])) * safety
            return out

        return Shape(fn, lo, hi)


def box(hx: float, hy: float, hz: float, r: float = 0.0) -> Shape:
    """Cuboid of half sizes (hx, hy, hz) around the origin, with edges rounded by r."""

    def fn(x: F, y: F, z: F) -> F:
        qx, qy, qz = np.abs(x) - (hx - r), np.abs(y) - (hy - r), np.abs(z) - (hz - r)
        ax, ay, az = np.maximum(qx, 0.0), np.maximum(qy, 0.0), np.maximum(qz, 0.0)
        inner = np.minimum(np.maximum(qx, np.maximum(qy, qz)), 0.0)
        return np.sqrt(ax * ax + ay * ay + az * az) + inner - r

    return Shape(fn, (-hx, -hy, -hz), (hx, hy, hz))


def slab(x0: float, x1: float, y0: float, y1: float, z0: float, z1: float, r: float = 0.0) -> Shape:
    """Cuboid between two corners."""
    return box((x1 - x0) / 2, (y1 - y0) / 2, (z1 - z0) / 2, r).at((x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2)


def ellipsoid(rx: float, ry: float, rz: float) -> Shape:
    """Ellipsoid with these radii around the origin (distance to first order, exact on the surface)."""

    def fn(x: F, y: F, z: F) -> F:
        k0 = np.sqrt((x / rx) ** 2 + (y / ry) ** 2 + (z / rz) ** 2)
        k1 = np.sqrt((x / rx**2) ** 2 + (y / ry**2) ** 2 + (z / rz**2) ** 2)
        return np.where(k0 < 1e-4, np.float32(-min(rx, ry, rz)), k0 * (k0 - 1.0) / np.maximum(k1, 1e-6))

    return Shape(fn, (-rx, -ry, -rz), (rx, ry, rz))


def rod(a: Vec, b: Vec, ra: float, rb: float | None = None) -> Shape:
    """Round rod from a to b whose radius goes from ra to rb."""
    rb = ra if rb is None else rb
    ex, ey, ez = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    inv = 1.0 / max(ex * ex + ey * ey + ez * ez, 1e-9)
    drop, top = rb - ra, max(ra, rb)

    def fn(x: F, y: F, z: F) -> F:
        wx, wy, wz = x - a[0], y - a[1], z - a[2]
        h = np.clip((wx * ex + wy * ey + wz * ez) * inv, 0.0, 1.0)
        dx, dy, dz = wx - h * ex, wy - h * ey, wz - h * ez
        return np.sqrt(dx * dx + dy * dy + dz * dz) - (ra + drop * h)

    lo = (min(a[0], b[0]) - top, min(a[1], b[1]) - top, min(a[2], b[2]) - top)
    hi = (max(a[0], b[0]) + top, max(a[1], b[1]) + top, max(a[2], b[2]) + top)
    return Shape(fn, lo, hi)


def lathe(profile: Sequence[tuple[float, float]], sides: int = 0) -> Shape:
    """Solid of the outline `profile`, points (radius, height) from bottom to top, turned about y.

    `sides` 0 turns a round body; 4 a square one with faces to x and z; n a prism-like one with n faces.
    """
    points = [(0.0, profile[0][1]), *profile, (0.0, profile[-1][1])]
    inside = polygon(points)
    reach = max(p[0] for p in profile) / (math.cos(math.pi / sides) if sides else 1.0)

    def fn(x: F, y: F, z: F) -> F:
        if not sides:
            q = np.sqrt(x * x + z * z)
        elif sides == 4:
            q = np.maximum(np.abs(x), np.abs(z))
        else:
            sector = 2 * math.pi / sides
            a = np.arctan2(x, z)
            q = np.sqrt(x * x + z * z) * np.cos(a - sector * np.rint(a / sector))
        return inside(q, y)

    if sides == 4:
        reach = max(p[0] for p in profile)
    return Shape(fn, (-reach, min(p[1] for p in profile), -reach), (reach, max(p[1] for p in profile), reach))


def drum(r: float, y0: float, y1: float, r1: float | None = None, sides: int = 0) -> Shape:
    """Upright cylinder, cone stump or prism of radius r (r1 at the top) from height y0 to y1."""
    return lathe([(r, y0), (r if r1 is None else max(r1, 1e-3), y1)], sides)


def extrude(points: Sequence[tuple[float, float]], half: float) -> Shape:
    """Solid of the polygon `points` in (x, y), from z = -half to z = half."""
    inside = polygon(points)

    def fn(x: F, y: F, z: F) -> F:
        d, w = inside(x, y), np.abs(z) - half
        a, b = np.maximum(d, 0.0), np.maximum(w, 0.0)
        return np.minimum(np.maximum(d, w), 0.0) + np.sqrt(a * a + b * b)

    xs, ys = [p[0] for p in points], [p[1] for p in points]
    return Shape(fn, (min(xs), min(ys), -half), (max(xs), max(ys), half))


def gable(hx: float, y0: float, y1: float, hz: float) -> Shape:
    """Pitched roof: a triangle of half width hx and heights y0 to y1, along z for half length hz."""
    return extrude([(-hx, y0), (hx, y0), (0.0, y1)], hz)


def opening(w: float, h: float, depth: float, arch: bool = False) -> Shape:
    """Door or window to cut: w wide, h high from y = 0, `depth` deep to both sides of z = 0, round-headed if asked."""
    if not arch:
        return slab(-w / 2, w / 2, 0.0, h, -depth, depth)
    r = w / 2

    def fn(x: F, y: F, z: F) -> F:
        up = y - (h - r)
        head = np.sqrt(x * x + np.maximum(up, 0.0) ** 2) - r
        return np.maximum(np.maximum(head, -y), np.abs(z) - depth)

    return Shape(fn, (-r, 0.0, -depth), (r, h, depth))


def torus(r: float, tube: float) -> Shape:
    """Ring of radius r around y, thick as `tube`."""

    def fn(x: F, y: F, z: F) -> F:
        q = np.sqrt(x * x + z * z) - r
        return np.sqrt(q * q + y * y) - tube

    return Shape(fn, (-r - tube, -tube, -r - tube), (r + tube, tube, r + tube))


def polygon(points: Sequence[tuple[float, float]]) -> Callable[[F, F], F]:
    """Signed distance to a closed polygon in the plane (negative inside), by nearest edge and crossing parity."""
    edges = []
    for i, (ax, ay) in enumerate(points):
        bx, by = points[i - 1]
        ex, ey = bx - ax, by - ay
        if ex * ex + ey * ey > 1e-12:
            edges.append((ax, ay, ex, ey, 1.0 / (ex * ex + ey * ey), by))

    def fn(x: F, y: F) -> F:
        best: F | None = None
        odd = np.zeros(x.shape, dtype=bool)
        for ax, ay, ex, ey, inv, by in edges:
            wx, wy = x - ax, y - ay
            h = np.clip((wx * ex + wy * ey) * inv, 0.0, 1.0)
            dx, dy = wx - h * ex, wy - h * ey
            d = dx * dx + dy * dy
            best = d if best is None else np.minimum(best, d)
            if by != ay:
                side = ex * wy > ey * wx
                odd ^= ((y >= ay) & (y < by) & side) | ((y < ay) & (y >= by) & ~side)
        assert best is not None
        root = np.sqrt(best)
        return np.where(odd, -root, root)

    return fn


def _add(a: Vec, b: Vec) -> Vec:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def _low(a: Shape, b: Shape) -> Vec:
    return (min(a.lo[0], b.lo[0]), min(a.lo[1], b.lo[1]), min(a.lo[2], b.lo[2]))


def _high(a: Shape, b: Shape) -> Vec:
    return (max(a.hi[0], b.hi[0]), max(a.hi[1], b.hi[1]), max(a.hi[2], b.hi[2]))
