"""Surface textures: one contrast pattern each, over coordinates counted in periods.

All have about the same period, mean 0 and root mean square 1, so that their power spectra overlap: what tells them
apart is how the pattern is arranged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from qbench.data.scenes.banks import Plane

TAU = np.float32(2 * np.pi)


def _wave(x: Plane) -> Plane:
    wave: Plane = np.sin(TAU * x)
    return wave


def _triangle(x: Plane) -> Plane:
    """A triangle wave of period 1 in [-1, 1]."""
    wave: Plane = 4 * np.abs(x - np.floor(x) - np.float32(0.5)) - 1
    return wave


def _soft(x: Plane) -> Plane:
    clipped: Plane = np.clip(x, -1, 1)
    return clipped


def _odd_row(v: Plane) -> Plane:
    """0.5 in every second row of height 1, else 0."""
    half = v * np.float32(0.5)
    shift: Plane = np.float32(0.5) * np.floor(2 * (half - np.floor(half)))
    return shift


def striped(u: Plane, v: Plane) -> Plane:
    return _soft(1.5 * _wave(u))


def checked(u: Plane, v: Plane) -> Plane:
    return _soft(2.5 * _wave(u * np.float32(0.7)) * _wave(v * np.float32(0.7)))


def dotted(u: Plane, v: Plane) -> Plane:
    return _soft(1.4 * (np.cos(TAU * (u + _odd_row(v))) - np.cos(TAU * v)) - 1)


def grained(u: Plane, v: Plane) -> Plane:
    """Rings of wood around a heart that lies a little off the middle."""
    return _soft(1.5 * _wave(np.hypot(u - np.float32(0.8), v * np.float32(0.8))))


def bricked(u: Plane, v: Plane) -> Plane:
    joints = np.maximum(_triangle(u * np.float32(0.5) + _odd_row(v)) * 2 - 1, _triangle(v))
    return _soft(2 * joints - np.float32(0.7))


def woven(u: Plane, v: Plane) -> Plane:
    over = _odd_row(np.floor(u * np.float32(0.5)) + np.floor(v * np.float32(0.5))) > 0
    return _soft(1.5 * _wave(np.where(over, u, v)))


def scaled(u: Plane, v: Plane) -> Plane:
    """Rows of overlapping arcs, each row shifted by half a scale."""
    across = _triangle(u * np.float32(0.6) + _odd_row(np.floor(v)))
    return _soft(1.5 * _wave(v - np.floor(v) + np.float32(0.5) * across * across))


def zigzag(u: Plane, v: Plane) -> Plane:
    return _soft(1.5 * _wave(u + np.float32(0.5) * _triangle(v * np.float32(0.4))))


PATTERNS: Mapping[str, Callable[[Plane, Plane], Plane]] = {
    "striped": striped,
    "checked": checked,
    "dotted": dotted,
    "grained": grained,
    "bricked": bricked,
    "woven": woven,
    "scaled": scaled,
    "zigzag": zigzag,
}


@cache
def _moments(name: str) -> tuple[np.float32, np.float32]:
    grid = np.linspace(-10, 10, 801, dtype=np.float32)
    values = PATTERNS[name](*np.meshgrid(grid, grid))
    return np.float32(values.mean()), np.float32(values.std())


def texture(name: str, u: Plane, v: Plane) -> Plane:
    """The pattern at (u, v), in periods, with mean 0 and root mean square 1 over a large surface."""
    mean, deviation = _moments(name)
    return (PATTERNS[name](u, v) - mean) / deviation
