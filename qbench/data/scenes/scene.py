"""One labelled scene from one draw: what lies where, and the picture of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qbench.data.scenes.paint import Thing, paint
from qbench.data.scenes.shapes import OUTLINES
from qbench.data.scenes.textures import PATTERNS
from qbench.draws import keyed
from qbench.errors import DataError
from qbench.vocabulary import Image

Split: TypeAlias = Literal["train", "val", "test"]
Box: TypeAlias = tuple[int, int, int, int, int]
VERSION = 1
"""Grows with every change of a pixel; digests and shipped weights refer to it."""
SMALLEST = 128


def _classes() -> tuple[tuple[str, str], ...]:
    """(texture, shape) of each class. Every texture meets three shapes and every shape three textures, so that
    knowing one of the two leaves one guess in three."""
    textures, shapes = list(PATTERNS), list(OUTLINES)
    return tuple((name, shapes[(i + step) % len(shapes)]) for i, name in enumerate(textures) for step in (0, 1, 3))


PAIRS = _classes()
CLASSES = tuple(f"{texture} {shape}" for texture, shape in PAIRS)


@dataclass(frozen=True)
class Scene:
    """A picture and its labels.

    `mask` is uint8 height x width: 0 is background, else class index + 1. `boxes` are (x0, y0, x1, y1, class) in
    pixels, x1 and y1 exclusive, around what is visible of each object. `label` is the class of the largest object."""

    image: Image
    label: int
    mask: NDArray[np.uint8]
    boxes: tuple[Box, ...]
    instances: NDArray[np.uint8] = field(repr=False)
    """uint8 height x width: 0 is background, else 1 + the object's place in `boxes`."""


def scene(split: Split, index: int, size: int = SMALLEST, seed: int = 0) -> Scene:
    """The scene at `index` of a split, `size` x `size` pixels (at least 128), whatever was drawn before it.

    The classes of a split's scenes are balanced: each 24 in a row hold every class once."""
    if size < SMALLEST:
        raise DataError(f"scenes are at least {SMALLEST} pixels wide, not {size}; choose a larger size")
    order = keyed(seed, "scenes/order", index // len(CLASSES), split).permutation(len(CLASSES))
    label = int(order[index % len(CLASSES)])
    rng = keyed(seed, "scenes/scene", index, split)
    things = _arrange(rng, label, size)
    image, owner = paint(rng, things, size)
    return _labelled(image, label, things, owner)


def _arrange(rng: np.random.Generator, label: int, size: int) -> list[Thing]:
    """The objects from back to front: the dominant one, and up to three much smaller ones around it."""
    radius = size * rng.uniform(0.27, 0.34)
    middle = size / 2 + rng.uniform(-0.08, 0.08, size=2) * size
    dominant = _thing(rng, label, middle[0], middle[1], radius)
    behind: list[Thing] = []
    before: list[Thing] = []
    start = rng.uniform(0, 2 * np.pi)
    count = int(rng.integers(1, 4))
    for i in range(count):
        other = int(rng.integers(len(PAIRS)))
        small = radius * rng.uniform(0.28, 0.4)
        angle = start + 2 * np.pi * (i + rng.uniform(-0.25, 0.25)) / count
        away = radius * rng.uniform(1.1, 1.7)
        x, y = np.clip(middle + away * np.array([np.cos(angle), np.sin(angle)]), small / 2, size - small / 2)
        (before if rng.random() < 0.35 else behind).append(_thing(rng, other, x, y, small))
    return [*behind, dominant, *before]


def _thing(rng: np.random.Generator, label: int, x: float, y: float, radius: float) -> Thing:
    texture, shape = PAIRS[label]
    return Thing(label, texture, shape, float(x), float(y), float(radius), *map(float, rng.uniform(0, 2 * np.pi, 2)))


def _labelled(image: Image, label: int, things: list[Thing], owner: NDArray[np.uint8]) -> Scene:
    instances = np.zeros_like(owner)
    mask = np.zeros_like(owner)
    boxes: list[Box] = []
    for number, thing in enumerate(things, start=1):
        mine = owner == number
        rows, columns = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
        if not len(rows):
            continue
        boxes.append((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1, thing.label))
        instances[mine] = len(boxes)
        mask[mine] = thing.label + 1
    return Scene(image, label, mask, tuple(boxes), instances)
