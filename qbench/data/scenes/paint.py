"""Painting a scene: ground, light, shadows and objects, from back to front."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from qbench.data.scenes.banks import Plane, fractal
from qbench.data.scenes.shapes import REACH, outline
from qbench.data.scenes.textures import PATTERNS, texture
from qbench.vocabulary import Image

LUMA = np.array([0.299, 0.587, 0.114])
PERIOD = (6.0, 9.0)
"""Pixels in one period of a texture."""
CONTRAST = (0.09, 0.25)
"""Root mean square of a texture, relative to the brightness of its surface."""
PATTERNED = 0.35
"""The share of grounds that have a texture of their own, which says nothing of the label."""


@dataclass(frozen=True)
class Thing:
    """An object: class, texture, outline, centre and radius in pixels, turns of outline and texture in radians."""

    label: int
    texture: str
    shape: str
    x: float
    y: float
    radius: float
    turn: float
    grain: float


@dataclass(frozen=True)
class Light:
    """Where the light comes from (unit vector in the picture) and how much the lit side gains."""

    x: float
    y: float
    slope: float


def paint(rng: np.random.Generator, things: list[Thing], size: int) -> tuple[Image, NDArray[np.uint8]]:
    """The picture, and for every pixel the number (from 1) of the object that owns most of it, 0 for the ground."""
    angle = rng.uniform(0, 2 * np.pi)
    light = Light(float(np.cos(angle)), float(np.sin(angle)), float(rng.uniform(0.1, 0.35)))
    canvas = _ground(rng, size)
    owner = np.zeros((size, size), dtype=np.uint8)
    for number, thing in enumerate(things, start=1):
        _put(rng, canvas, owner, thing, number, light)
    canvas *= _falloff(rng, light, size)
    image = np.clip(canvas + np.float32(0.5), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image.transpose(1, 2, 0)), owner


@cache
def _axis(size: int) -> Plane:
    """Pixel centres across a picture."""
    return np.arange(size, dtype=np.float32)


def _colour(rng: np.random.Generator, low: float, high: float) -> NDArray[np.float32]:
    """[3, 1, 1]: a random hue at a random luma in [low, high], inside the RGB cube."""
    hue = rng.dirichlet((1.2, 1.2, 1.2))
    tint = rng.uniform(0.1, 0.7)
    colour = (1 - tint) + tint * hue / (LUMA @ hue)
    colour *= rng.uniform(low, high)
    colour += max(0.0, float(colour.max()) - 225) / 225 * (LUMA @ colour - colour)
    return colour.astype(np.float32)[:, None, None]


def _pattern(rng: np.random.Generator, name: str, x: Plane, y: Plane, turn: float) -> Plane:
    """A texture at a random period and phase, slightly warped as on a surface that is not quite flat."""
    period = np.exp(rng.uniform(*np.log(PERIOD)))
    cos, sin = np.float32(np.cos(turn) / period), np.float32(np.sin(turn) / period)
    phase = rng.uniform(-0.5, 0.5, size=2).astype(np.float32)
    bend = np.float32(0.12) * fractal(rng, y.shape[0], x.shape[1])
    return texture(name, cos * x + sin * y + bend + phase[0], cos * y - sin * x + bend + phase[1])


def _contrast(rng: np.random.Generator) -> np.float32:
    return np.float32(np.exp(rng.uniform(*np.log(CONTRAST))))


def _ground(rng: np.random.Generator, size: int) -> Plane:
    """[3, size, size]: one or two materials of mottled colour that meet along a line, with a pattern of their own."""
    x, y = _axis(size)[None, :], _axis(size)[:, None]
    canvas = _mottled(rng, size)
    if rng.random() < 0.6:
        angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.25, 0.25) * size
        away = np.float32(np.cos(angle)) * (x - size / 2) + np.float32(np.sin(angle)) * (y - size / 2)
        side = np.clip(away + np.float32(offset) + 2 * fractal(rng, size, size), 0, 1)
        canvas += side * (_mottled(rng, size) - canvas)
    if rng.random() < PATTERNED:
        name = list(PATTERNS)[rng.integers(len(PATTERNS))]
        pattern = _pattern(rng, name, x - size / 2, y - size / 2, rng.uniform(0, 2 * np.pi))
        canvas *= 1 + _contrast(rng) * np.float32(rng.uniform(0.3, 0.7)) * pattern
    return canvas


def _mottled(rng: np.random.Generator, size: int) -> Plane:
    """[3, size, size]: a 1/f mixture of two colours."""
    first, second = _colour(rng, 50, 190), _colour(rng, 50, 190)
    mix = np.float32(0.5) + np.float32(rng.uniform(0.1, 0.25)) * fractal(rng, size, size)
    return (first + (second - first) * mix) * (1 + np.float32(rng.uniform(0.03, 0.12)) * fractal(rng, size, size))


def _put(
    rng: np.random.Generator, canvas: Plane, owner: NDArray[np.uint8], thing: Thing, number: int, light: Light
) -> None:
    """Paint an object, with its shadow, over what is there."""
    size = owner.shape[0]
    reach = thing.radius * REACH * 1.15 + 2
    rows = slice(max(0, int(thing.y - reach)), min(size, int(thing.y + reach) + 1))
    columns = slice(max(0, int(thing.x - reach)), min(size, int(thing.x + reach) + 1))
    x = _axis(size)[None, columns] - np.float32(thing.x)
    y = _axis(size)[rows, None] - np.float32(thing.y)
    stretch = float(np.exp(rng.uniform(-0.15, 0.15)))
    edge = _edge(thing, x, y, stretch)
    drop = np.float32(thing.radius * rng.uniform(0.05, 0.2))
    shadow = _edge(thing, x + drop * np.float32(light.x), y + drop * np.float32(light.y), stretch)
    dark = np.float32(rng.uniform(0.25, 0.6)) * np.clip(np.float32(0.5) - shadow / (1 + drop), 0, 1)
    cover = np.clip(np.float32(0.5) - edge, 0, 1)
    patch = canvas[:, rows, columns]
    patch *= 1 - dark
    patch += cover * (_surface(rng, thing, x, y, edge, light) - patch)
    owner[rows, columns][cover > 0.5] = number


def _edge(thing: Thing, x: Plane, y: Plane, stretch: float) -> Plane:
    """Pixels to the outline, negative inside."""
    cos, sin = np.float32(np.cos(thing.turn)), np.float32(np.sin(thing.turn))
    narrow, wide = np.float32(1 / (thing.radius * stretch)), np.float32(stretch / thing.radius)
    return np.float32(thing.radius) * outline(thing.shape, (cos * x + sin * y) * narrow, (cos * y - sin * x) * wide)


def _surface(rng: np.random.Generator, thing: Thing, x: Plane, y: Plane, edge: Plane, light: Light) -> Plane:
    """[3, h, w]: colour, texture, mottling, and shading as of a cushion under the light."""
    radius = np.float32(thing.radius)
    slant = np.float32(light.slope) * (np.float32(light.x) * x + np.float32(light.y) * y) / radius
    rim = np.float32(rng.uniform(0.1, 0.4)) * np.clip(1 + edge * (4 / radius), 0, 1) ** 2
    relief = 1 + _contrast(rng) * _pattern(rng, thing.texture, x, y, thing.grain)
    mottling = 1 + np.float32(rng.uniform(0.02, 0.08)) * fractal(rng, *edge.shape)
    surface: Plane = _colour(rng, 70, 180) * (relief * mottling * (1 + slant - rim))
    return surface


def _falloff(rng: np.random.Generator, light: Light, size: int) -> Plane:
    """[size, size]: how the light fades across the whole picture."""
    x, y = _axis(size)[None, :] - size / 2, _axis(size)[:, None] - size / 2
    slope = np.float32(rng.uniform(0.1, 0.5) / size)
    falloff: Plane = 1 + slope * (np.float32(light.x) * x + np.float32(light.y) * y)
    return falloff
