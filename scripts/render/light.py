"""Sun, sky, clouds, distant hills and haze, and the shading of what the rays met.

It does not trace; light.py receives hits and answers linear colours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .materials import Material, hexa
from .noise import per_cell, sample, smoothstep
from .scene import FAR, GROUND, SKY, Hits, Scene, trace
from .shapes import F


@dataclass(frozen=True)
class Light:
    """One weather: sun height (degrees) and colour, sky colours, clouds, haze per metre and exposure."""

    height: float
    sun: tuple[float, float, float]
    zenith: str
    horizon: str
    cloud: float = 0.3  # cover 0..1
    cloud_lit: str = "ffffff"
    cloud_dark: str = "9aa4b0"
    haze: float = 0.0008
    exposure: float = 1.0
    sky_light: float = 1.0
    lamps: float = 0.0


LIGHTS: dict[str, Light] = {
    "noon": Light(52, (3.1, 2.95, 2.7), "3a6fb5", "b9d2e6", 0.25, haze=0.0004),
    "morning": Light(28, (3.0, 2.55, 1.95), "4d83c0", "d9dfdc", 0.35, "fff4e2", "a9acb4", 0.0012, 1.02),
    "golden": Light(14, (3.3, 2.1, 1.05), "5b82b4", "f0d0a0", 0.4, "ffe2b4", "a58f8c", 0.0012, 1.05, 0.8),
    "overcast": Light(50, (0.55, 0.56, 0.58), "a9b2bb", "cfd3d6", 0.95, "dfe2e4", "9aa0a8", 0.0018, 1.15, 1.5),
    "haze": Light(38, (1.9, 1.75, 1.5), "9db6cc", "dcdcd4", 0.2, "f2efe8", "c4c6c8", 0.0050, 1.05, 1.25),
    "dusk": Light(5, (1.5, 0.72, 0.40), "47608f", "e6a483", 0.45, "ffb894", "6a6480", 0.0014, 1.5, 0.75, 1.0),
    "cloudy": Light(42, (2.3, 2.2, 2.1), "5583b8", "c6d3dd", 0.65, "ffffff", "8791a0", 0.0008, 1.05, 1.15),
    "winter": Light(20, (2.5, 2.25, 1.95), "6f98c6", "dfe4e8", 0.5, "ffffff", "a4adba", 0.0016, 1.05, 1.1),
}


@dataclass(frozen=True)
class Ridge:
    """One row of distant scenery by bearing: kind 'hills', 'trees', 'peaks' or 'city', heights in degrees."""

    kind: str
    base: float
    rise: float
    colour: str
    away: float = 1500.0  # metres, for the haze
    seed: float = 0.0
    detail: float = 1.0


@dataclass(frozen=True)
class World:
    """A scene under one light: bearing of the sun (degrees, 0 = +z) and what closes the horizon."""

    scene: Scene
    light: Light
    sun_bearing: float
    ridges: tuple[Ridge, ...] = ()
    cloud_seed: float = 0.0

    @property
    def sun(self) -> F:
        """Unit direction towards the sun (3,)."""
        a, b = math.radians(self.light.height), math.radians(self.sun_bearing)
        return np.float32([math.cos(a) * math.sin(b), math.sin(a), math.cos(a) * math.cos(b)])


def radiance(world: World, origin: F, ray: F, pixel: float, depth: int = 0) -> F:
    """Linear colours (n, 3) seen along rays, with reflections to depth 1."""
    hits = trace(world.scene, origin, ray, world.sun, pixel)
    out = np.zeros_like(ray)
    sky = np.flatnonzero(hits.solid == SKY)
    out[sky] = backdrop(world, ray[sky])
    for material, at in _by_material(world.scene, hits):
        out[at] = _shade(world, material, hits, at, ray[at], pixel, depth)
    return out


def backdrop(world: World, ray: F) -> F:
    """Colour of the sky with clouds, and of the distant ridges, along rays (n, 3)."""
    colour = _sky(world, ray, clouds=True)
    level = np.maximum(np.sqrt(ray[:, 0] ** 2 + ray[:, 2] ** 2), 1e-4)
    rise = np.degrees(np.arctan2(ray[:, 1], level)).astype(np.float32)
    bearing = np.degrees(np.arctan2(ray[:, 0], ray[:, 2])).astype(np.float32)
    for ridge in world.ridges:
        top, paint = _ridge(ridge, bearing, rise)
        cover = smoothstep(-0.04, 0.04, top - rise)[:, None]
        glow = _ambient(world) * 0.9 + np.float32(world.light.sun) * (
            0.35 * max(math.sin(math.radians(world.light.height)), 0.15) + 0.08
        )
        lit = _haze(world, paint * glow, ray, np.float32(ridge.away))
        colour = colour * (1 - cover) + lit * cover
    return colour


def _sky(world: World, ray: F, clouds: bool) -> F:
    light = world.light
    y = np.maximum(ray[:, 1], 0.0)
    zenith, horizon = np.float32(hexa(light.zenith)), np.float32(hexa(light.horizon))
    k = (np.exp(-y * 4.2) * 0.92)[:, None]
    colour = zenith * (1 - k) + horizon * k
    facing = np.clip(ray @ world.sun, 0, 1)
    sun = np.float32(light.sun)
    colour = colour + sun * (0.05 * facing**6 + 0.16 * facing**60)[:, None] * (1 - 0.75 * light.cloud)
    if clouds and light.cloud > 0:
        u, v = ray[:, 0] / (y + 0.14), ray[:, 2] / (y + 0.14)
        s = world.cloud_seed
        form = sample("smooth", u * 0.42 + s, v * 0.42 + s * 1.7) * 0.72 + sample("smooth", u * 1.3 + s, v * 1.3) * 0.28
        form = form + 0.05 * (sample("rough", u * 2.2, v * 2.2 + s) - 0.5)
        lo = 0.74 - 0.5 * light.cloud
        cover = smoothstep(lo, lo + 0.17, form) * np.clip(y * 9, 0.0, 1)
        thick = smoothstep(lo + 0.06, lo + 0.34, form)[:, None]
        lit, dark = np.float32(hexa(light.cloud_lit)), np.float32(hexa(light.cloud_dark))
        body = lit * (1 - 0.75 * thick) + dark * 0.75 * thick + sun * (0.06 * facing**4)[:, None]
        colour = colour * (1 - cover)[:, None] + body * cover[:, None]
        disc = (facing > 0.99985) & (cover < 0.5)
        colour = np.where(disc[:, None], colour + sun * 3, colour)
    return np.asarray(colour, dtype=np.float32)


def _ridge(ridge: Ridge, bearing: F, rise: F) -> tuple[F, F]:
    """Top of the ridge in degrees, and its albedo."""
    b = bearing * 0.09 + ridge.seed
    zero = np.zeros_like(b)
    base = np.float32(hexa(ridge.colour))
    if ridge.kind == "city":
        col = np.floor(bearing / (1.6 * ridge.detail) + ridge.seed)
        tall = per_cell(col, zero, 2) ** 1.6
        top = ridge.base + ridge.rise * tall
        u, v = bearing * 6 / ridge.detail, rise * 7 / ridge.detail
        window = ((u % 1) > 0.35) & ((v % 1) > 0.4)
        tone = 0.5 + 0.9 * per_cell(col, zero, 4)
        return top, base * (tone * np.where(window, 0.6, 1.0))[:, None] * np.float32([1, 1, 1])
    broad = sample("smooth", b * 0.45, zero + ridge.seed * 0.7)
    if ridge.kind == "peaks":
        sharp = 1 - np.abs(sample("smooth", b * 0.9, zero + 2.2) - 0.5) * 3.2
        jag = sample("rough", b * 2.0, zero + 3.3) - 0.5
        top = ridge.base + ridge.rise * (0.55 * broad + 0.35 * sharp + 0.14 * jag)
        face = sample("rough", bearing * 0.35 + rise * 0.25, rise * 0.33)
        snow = smoothstep(0.35, 0.75, (rise - ridge.base) / ridge.rise + 0.5 * (face - 0.5))[:, None]
        rgb = (
            base * (0.5 + face)[:, None] * (1 - snow)
            + np.float32([0.8, 0.83, 0.9]) * snow * (0.65 + 0.5 * face)[:, None]
        )
        return top, rgb
    top = ridge.base + ridge.rise * broad
    if ridge.kind == "trees":
        crown = sample("cell", bearing * 0.5 * ridge.detail, zero + ridge.seed)
        fluff = sample("rough", bearing * 1.7, rise * 1.7)
        top = top + 0.9 * (0.5 - crown) + 0.5 * (fluff - 0.5)
        leaf = sample("cell", bearing * 1.3, rise * 1.6)
        return top, base * (0.35 + 0.9 * fluff * (1.2 - 0.6 * leaf))[:, None]
    wood = sample("rough", bearing * 0.5, rise * 2.1 + ridge.seed)
    field = sample("smooth", bearing * 0.2, rise * 0.9 + ridge.seed)
    top = top + 0.12 * (sample("rough", bearing * 0.9, zero) - 0.5)
    return top, base * (0.55 + 0.5 * wood + 0.5 * field)[:, None]


def _ambient(world: World) -> F:
    light = world.light
    mean = 0.55 * np.float32(hexa(light.zenith)) + 0.45 * np.float32(hexa(light.horizon))
    grey = float(mean.mean())
    return np.asarray((0.65 * mean + 0.35 * grey) * 1.15 * light.sky_light, dtype=np.float32)


def _haze(world: World, colour: F, ray: F, t: F) -> F:
    light = world.light
    far = np.float32(hexa(light.horizon)) * 0.95
    facing = np.clip(ray @ world.sun, 0, 1) ** 8
    air = far + np.float32(light.sun) * (0.08 * facing)[:, None]
    k = (1 - np.exp(-t * light.haze * 0.75))[..., None]
    return np.asarray(colour * (1 - k) + air * k, dtype=np.float32)


def _by_material(scene: Scene, hits: Hits) -> list[tuple[Material, np.ndarray]]:
    groups: dict[int, list[int]] = {}
    kinds: dict[int, Material] = {}
    for solid in np.unique(hits.solid):
        if solid == SKY:
            continue
        material = scene.ground if solid == GROUND else scene.materials[solid - 1]
        assert material is not None
        # Round bodies need their own axis, so they are painted one by one.
        key = len(kinds) + 10**6 if material.wrap == "round" else id(material)
        kinds[key] = material
        groups.setdefault(key, []).append(int(solid))
    return [(kinds[k], np.flatnonzero(np.isin(hits.solid, solids))) for k, solids in groups.items()]


def _shade(world: World, material: Material, hits: Hits, at: np.ndarray, ray: F, pixel: float, depth: int) -> F:
    p, n, t = hits.point[at], hits.normal[at], hits.t[at]
    u, v, tangent, up = _surface_axes(world.scene, material, int(hits.solid[at[0]]), p, n)
    fp = (pixel * t / np.clip(np.abs((ray * n).sum(axis=1)), 0.08, 1)).astype(np.float32)
    albedo, height = material.paint(u, v, fp)
    lamp = height < -0.5
    if material.relief:
        e = np.maximum(0.012, 0.7 * fp).astype(np.float32)
        hu = (material.paint(u + e, v, fp)[1] - height) / e
        hv = (material.paint(u, v + e, fp)[1] - height) / e
        tilt = np.clip(np.stack([hu, hv]), -1.2, 1.2) * material.relief
        tilt[:, lamp] = 0
        n = n - tilt[0][:, None] * tangent - tilt[1][:, None] * up
    if material.ripple:
        calm = material.ripple * np.clip(12.0 / np.maximum(t, 1), 0.12, 1.0)
        for f, w in ((0.35, 1.0), (1.1, 0.7), (3.1, 0.4)):
            n[:, 0] += calm * w * 2 * (sample("smooth", u * f, v * f * 1.6) - 0.5)
            n[:, 2] += calm * w * 2 * (sample("smooth", u * f + 3.3, v * f * 1.6) - 0.5)
    n = n / np.linalg.norm(n, axis=1, keepdims=True)
    light = world.light
    sun = world.sun
    ndl = n @ sun
    direct = np.clip(ndl, 0, 1) * hits.sun[at]
    if material.leafy:
        direct = (1 - material.leafy) * direct + material.leafy * (0.25 + 0.45 * np.clip(0.5 + 0.5 * ndl, 0, 1)) * (
            0.3 + 0.7 * hits.sun[at]
        )
    ambient = _ambient(world)
    ao = hits.open[at]
    up_share = 0.5 + 0.5 * n[:, 1]
    floor = np.float32([0.2, 0.19, 0.16]) * (
        np.float32(light.sun) * max(math.sin(math.radians(light.height)), 0.1) + ambient
    )
    glow = (
        ambient * (up_share * (0.25 + 0.75 * ao) * ao)[:, None] + floor * ((1 - up_share) * (0.3 + 0.7 * ao))[:, None]
    )
    glow = glow + 0.10 * ambient * ao[:, None]
    colour = albedo * (np.float32(light.sun) * direct[:, None] + glow)
    back = ray - 2 * (ray * n).sum(axis=1, keepdims=True) * n
    if material.gloss:
        half = np.clip(back @ sun, 0, 1)
        power = 8 + 90 * material.gloss
        colour = colour + np.float32(light.sun) * (0.5 * material.gloss * half**power * hits.sun[at])[:, None]
    if material.mirror:
        cosine = np.clip(-(ray * n).sum(axis=1), 0, 1)
        share = (material.mirror + (1 - material.mirror) * 0.85 * (1 - cosine) ** 5)[:, None]
        share = np.where((height > 0.015)[:, None], share * 0.1, share)
        if material.ripple or n.shape[0] == 0:
            back[:, 1] = np.abs(back[:, 1]) + 0.003
        back = back / np.linalg.norm(back, axis=1, keepdims=True)
        if material.traced and depth == 0:
            seen = radiance(world, p + np.float32([0, 0.02, 0]), back.astype(np.float32), pixel * 2, 1)
        else:
            seen = backdrop(world, back.astype(np.float32))
            seen = np.where((back[:, 1] < 0)[:, None], floor * 0.8, seen)
        colour = colour * (1 - share) + seen * share * (1.0 if material.traced else (0.4 + 0.6 * ao)[:, None])
    if light.lamps:
        colour = np.where(lamp[:, None], np.float32(material.glow) * (0.75 * light.lamps), colour)
    return _haze(world, np.asarray(colour, dtype=np.float32), ray, np.minimum(t, FAR))


def _surface_axes(scene: Scene, material: Material, solid: int, p: F, n: F) -> tuple[F, F, F, F]:
    """Surface coordinates in metres and the unit directions in which they grow."""
    if material.wrap == "round" and solid != GROUND:
        shape = scene.shapes[solid - 1]
        cx, cz = (shape.lo[0] + shape.hi[0]) / 2, (shape.lo[2] + shape.hi[2]) / 2
        radius = max(0.3, 0.4 * min(shape.hi[0] - shape.lo[0], shape.hi[2] - shape.lo[2]))
        a = np.arctan2(p[:, 0] - cx, p[:, 2] - cz)
        tangent = np.stack([np.cos(a), np.zeros_like(a), -np.sin(a)], axis=1)
        return (a * radius).astype(np.float32), p[:, 1], tangent, np.cross(n, tangent)
    # Normals are snapped to steps of 5 degrees, so that flat faces get one steady direction.
    step = math.radians(5)
    a = np.rint(np.arctan2(n[:, 0], n[:, 2]) / step) * step
    tilt = np.rint(np.arcsin(np.clip(n[:, 1], -1, 1)) / step) * step
    flat = np.abs(tilt) > math.radians(80)
    a = np.where(flat, 0.0, a)
    tilt = np.where(flat, np.float32(math.pi / 2), tilt)
    zero = np.zeros_like(a)
    tangent = np.stack([np.cos(a), zero, -np.sin(a)], axis=1).astype(np.float32)
    up = np.stack([-np.sin(tilt) * np.sin(a), np.cos(tilt), -np.sin(tilt) * np.cos(a)], axis=1).astype(np.float32)
    return (p * tangent).sum(axis=1), (p * up).sum(axis=1), tangent, up
