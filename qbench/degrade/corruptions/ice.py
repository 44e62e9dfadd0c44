"""Textures of ice, drawn: feathered crystals over a cloudy film, in the tones of photographs of frost on glass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions.fast.plasma import plasma
from qbench.draws import keyed
from qbench.vocabulary import Image

VERSION = 1
"""Rises whenever the drawn textures change."""
HEIGHT, WIDTH = 512, 768
_SHIFT = 4
"""Fraction bits of the coordinates that OpenCV draws."""
_BRANCH = math.radians(60)
"""Ice grows side branches along its hexagonal axes."""


@dataclass(frozen=True)
class Recipe:
    """One texture: its tone, and how its crystals grow."""

    tone: tuple[float, float, float]
    """Mean RGB."""
    spread: float
    """Standard deviation of the brightness, grey levels."""
    crystals: int
    length: tuple[float, float]
    """Shortest and longest stem, pixels."""
    feather: float
    """Length of the side branches as a share of the stem's."""
    stems: int
    """Stems that grow out of one seed."""
    film: float
    """Share of the brightness that the cloudy film makes, 0..1."""
    lean: float = math.pi
    """How far the stems turn from the vertical, radians."""


RECIPES = (
    Recipe((105, 148, 168), 20, 500, (30, 160), 0.10, 2, 0.75, 0.6),
    Recipe((200, 205, 214), 22, 1500, (25, 110), 0.16, 3, 0.35),
    Recipe((190, 199, 212), 24, 900, (35, 150), 0.22, 4, 0.45),
    Recipe((138, 152, 165), 29, 1800, (12, 60), 0.20, 5, 0.40),
    Recipe((112, 123, 135), 42, 900, (25, 85), 0.34, 6, 0.40),
    Recipe((75, 97, 106), 42, 260, (90, 240), 0.28, 5, 0.50, 1.2),
)


@cache
def texture(index: int) -> Image:
    """Texture `index` 0..5, [512, 768, 3]; always the same pixels."""
    recipe = RECIPES[index]
    rng = keyed(0, "ice", index, "")
    film = plasma(1024, 1.7, rng)[:HEIGHT, :WIDTH]
    relief = _crystals(recipe, rng)
    grain = rng.standard_normal((HEIGHT, WIDTH), dtype=np.float32)
    light = recipe.film * _unit(film) + (1 - recipe.film) * _unit(relief) + 0.12 * grain
    shade = np.tanh(_unit(light) / 2.2) * 2.2 * recipe.spread
    tint = np.array([1.1, 1.0, 0.9], np.float32)  # light glints are whiter than the shadows between them
    return np.asarray(np.clip(np.array(recipe.tone) + shade[..., None] * tint, 0, 255), np.uint8)


def _unit(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((plane - plane.mean()) / plane.std(), np.float32)


def _crystals(recipe: Recipe, rng: np.random.Generator) -> NDArray[np.float32]:
    """Crystals as lit from the upper left: light lines, and their dark copies a pixel or two below to the right."""
    import cv2

    lit, dark = np.zeros((HEIGHT, WIDTH), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
    for _ in range(recipe.crystals):
        seed = rng.uniform(-20, 20 + np.array([WIDTH, HEIGHT]))
        first, length = rng.uniform(0, 2 * math.pi), rng.uniform(*recipe.length) * rng.uniform(0.4, 1)
        strength = float(rng.uniform(60, 255))
        for stem in range(recipe.stems):
            turn = first + 2 * math.pi * stem / recipe.stems if recipe.lean >= math.pi else (
                math.pi / 2 + rng.uniform(-recipe.lean, recipe.lean)
            )  # fmt: skip
            for points, weight in _fern(seed, turn, length * rng.uniform(0.6, 1), recipe.feather, rng):
                for plane, offset in ((dark, 1.4), (lit, 0.0)):
                    at = np.round((points + offset) * (1 << _SHIFT)).astype(np.int32)
                    cv2.polylines(plane, list(at), False, strength * weight, 1, cv2.LINE_AA, _SHIFT)
    glow = cv2.GaussianBlur(lit.astype(np.float32), (0, 0), 2.5)
    return np.asarray(lit + 0.9 * glow - 0.55 * dark.astype(np.float32), np.float32)


def _fern(
    seed: NDArray[np.float64], turn: float, length: float, feather: float, rng: np.random.Generator
) -> list[tuple[NDArray[np.float64], float]]:
    """A bent stem, and side branches at 60 degrees that shorten towards its tip: polylines [n, points, 2], weights."""
    steps = np.linspace(0, 1, max(int(length / 3), 3))
    bend = turn + rng.normal(0, 0.35) * steps
    moves = np.stack([np.cos(bend), np.sin(bend)], 1) * (length / len(steps))
    stem = seed + np.cumsum(moves, 0)
    sides = np.repeat([1.0, -1.0], len(steps))
    grown = feather * length * np.tile((1 - steps) * np.minimum(4 * steps, 1), 2) * rng.uniform(0.5, 1.1, len(sides))
    angles = np.tile(bend, 2) + sides * _BRANCH
    starts = np.tile(stem, (2, 1))
    ends = starts + np.stack([np.cos(angles), np.sin(angles)], 1) * grown[:, None]
    return [(np.stack([starts, ends], 1), 0.7), (stem[None], 1.0)]
