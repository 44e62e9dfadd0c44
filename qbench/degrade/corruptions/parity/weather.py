"""Snow, ice, fog and drops in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions import shapes, textures
from qbench.degrade.corruptions.call import Call
from qbench.degrade.corruptions.parity.blur import moved, smoothed, zoomed
from qbench.degrade.corruptions.parity.levels import levels
from qbench.degrade.corruptions.shared import MUD, WATER, over_channels, refraction, to_grey
from qbench.vocabulary import Image

Legacy = Call[np.random.RandomState]


def snow(image: Image, call: Legacy) -> NDArray[Any]:
    mean, spread, zoom, threshold, radius, sigma, share = call.c
    values = image.astype(np.float32) / 255
    flakes = zoomed(
        call.rng.normal(mean, spread, size=image.shape[:2]), zoom, "middle" if call.size == "cifar" else "none"
    )
    flakes[flakes < threshold] = 0
    call.facts["angle"] = angle = call.rng.uniform(-135, -45)
    fallen = np.round(moved(np.clip(flakes, 0, 1), radius, sigma, angle) * 255).astype(np.uint8) / 255
    fallen = fallen[: image.shape[0], : image.shape[1]]
    values = share * values + (1 - share) * whitened(values)
    return levels(values + over_channels(fallen + np.rot90(fallen, k=2), image))


def whitened(values: NDArray[Any]) -> NDArray[Any]:
    import cv2

    grey = values if values.ndim == 2 else cv2.cvtColor(values, cv2.COLOR_RGB2GRAY)[..., None]
    return np.asarray(np.maximum(values, grey * 1.5 + 0.5))


def fog(image: Image, call: Legacy) -> NDArray[Any]:
    amount, decay = call.c
    values = image / 255
    brightest = values.max()
    cloud = plasma(shapes.next_power_of_2(max(image.shape)), decay, call.rng)[: image.shape[0], : image.shape[1]]
    values = values + amount * over_channels(cloud, image)
    return levels(values * brightest / (brightest + amount))


def plasma(size: int, decay: float, rng: np.random.RandomState) -> NDArray[np.float64]:
    """A fractal height map [size, size] in [0, 1], periodic, by diamond and square steps (Fournier et al., 1982)."""
    heights = np.zeros((size, size))
    wibble = 100.0
    for step, half in shapes.diamond_square(size):

        def jittered(total: NDArray[Any], wibble: float = wibble) -> NDArray[Any]:
            return np.asarray(total / 4 + wibble * rng.uniform(-wibble, wibble, total.shape))

        corners = heights[::step, ::step]
        pairs = corners + np.roll(corners, -1, 0)
        heights[half::step, half::step] = jittered(pairs + np.roll(pairs, -1, 1))
        centres = heights[half::step, half::step]
        above = (centres + np.roll(centres, 1, 0)) + (corners + np.roll(corners, -1, 1))
        heights[::step, half::step] = jittered(above)
        beside = (centres + np.roll(centres, 1, 1)) + (corners + np.roll(corners, -1, 0))
        heights[half::step, ::step] = jittered(beside)
        wibble /= decay
    heights -= heights.min()
    return np.asarray(heights / heights.max())


def frost(image: Image, call: Legacy) -> NDArray[Any]:
    return iced(image, call, textures.photographed(image.shape[0], image.shape[1], call.size))


def frost_procedural(image: Image, call: Legacy) -> NDArray[Any]:
    return iced(image, call, textures.drawn(image.shape[0], image.shape[1], call.size))


def iced(image: Image, call: Legacy, ice: textures.Ice) -> NDArray[Any]:
    """Only the first five of the six textures are ever drawn, as in the reference."""
    index = int(call.rng.randint(5))
    texture = ice.textures(index)
    top, left = (int(call.rng.randint(0, texture.shape[axis] - image.shape[axis])) for axis in (0, 1))
    crop = texture[top : top + image.shape[0], left : left + image.shape[1]]
    call.facts.update(ice.facts, texture=index + 1, top=top, left=left)
    return np.asarray(np.clip(call.c[0] * image + call.c[1] * (to_grey(crop) if image.ndim == 2 else crop), 0, 255))


def spatter(image: Image, call: Legacy) -> NDArray[Any]:
    mean, spread, sigma, threshold, opacity, mud = call.c
    values = image.astype(np.float32) / 255
    liquid = smoothed(call.rng.normal(mean, spread, size=image.shape[:2]), sigma)
    liquid[liquid < threshold] = 0
    if mud:
        cover = smoothed((liquid > threshold).astype(np.float32), opacity)
        cover[cover < 0.8] = 0
        colour = cover * to_grey(MUD) if image.ndim == 2 else cover[..., None] * MUD
        return levels(values * (1 - over_channels(cover, image)) + colour)
    shine = refraction((liquid * 255).astype(np.uint8)) * opacity
    colour = np.clip(shine[..., None] * WATER, 0, 1)
    return levels(values + (to_grey(colour) if image.ndim == 2 else colour))
