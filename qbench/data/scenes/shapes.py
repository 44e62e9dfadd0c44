"""Outlines: functions that are negative inside, about minus the distance to the edge, all of the same area."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from qbench.data.scenes.banks import Plane

REACH = 1.75
"""No outline of `outline` goes farther from its middle than this."""


def disc(x: Plane, y: Plane) -> Plane:
    return np.hypot(x, y) - 1


def square(x: Plane, y: Plane) -> Plane:
    return np.maximum(np.abs(x), np.abs(y)) - 1


def triangle(x: Plane, y: Plane) -> Plane:
    slanted = np.float32(0.75**0.5) * np.abs(x) + np.float32(0.5) * y
    return np.maximum(slanted, -y) - np.float32(0.5)


def star(x: Plane, y: Plane) -> Plane:
    sector = np.float32(2 * np.pi / 5)
    turn = np.arctan2(y, x) / sector
    angle = np.abs(turn - np.floor(turn) - np.float32(0.5)) * sector
    radius = np.hypot(x, y)
    notch, tip = 0.48, np.array([np.cos(np.pi / 5), np.sin(np.pi / 5)])
    normal = np.array([tip[1], notch - tip[0]]) / np.hypot(tip[1], notch - tip[0])
    along, across = np.float32(normal[0]), np.float32(normal[1])
    return along * (radius * np.cos(angle) - np.float32(notch)) + across * radius * np.sin(angle)


def ring(x: Plane, y: Plane) -> Plane:
    return np.abs(np.hypot(x, y) - np.float32(0.72)) - np.float32(0.28)


def cross(x: Plane, y: Plane) -> Plane:
    along, across = np.abs(x), np.abs(y)
    depth: Plane = np.maximum(np.minimum(along, across) - np.float32(0.34), np.maximum(along, across) - 1)
    return depth


def crescent(x: Plane, y: Plane) -> Plane:
    depth: Plane = np.maximum(np.hypot(x, y) - 1, np.float32(0.8) - np.hypot(x - np.float32(0.6), y))
    return depth


def hourglass(x: Plane, y: Plane) -> Plane:
    side = np.float32(0.85) * np.abs(x) - np.float32(0.55) * np.abs(y) - np.float32(0.12)
    depth: Plane = np.maximum(side, np.abs(y) - 1)
    return depth


OUTLINES: Mapping[str, Callable[[Plane, Plane], Plane]] = {
    "disc": disc,
    "square": square,
    "triangle": triangle,
    "star": star,
    "ring": ring,
    "cross": cross,
    "crescent": crescent,
    "hourglass": hourglass,
}


@cache
def _unit(name: str) -> np.float32:
    """By how much the outline must shrink to have the area of a disc of radius 1."""
    grid = np.linspace(-2, 2, 1001, dtype=np.float32)
    inside = (OUTLINES[name](*np.meshgrid(grid, grid)) < 0).mean() * 16
    return np.float32((inside / np.pi) ** 0.5)


def outline(name: str, x: Plane, y: Plane) -> Plane:
    """The signed distance, about, to an outline of area pi around the origin."""
    unit = _unit(name)
    return OUTLINES[name](x * unit, y * unit) / unit
