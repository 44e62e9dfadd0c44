"""Snow, ice, fog and drops in float32."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions import shapes, textures
from qbench.degrade.corruptions.call import Call
from qbench.degrade.corruptions.fast import draws
from qbench.degrade.corruptions.fast.blur import moved, smoothed, whole
from qbench.degrade.corruptions.fast.plasma import plasma
from qbench.degrade.corruptions.shared import MUD, WATER, refraction, to_grey
from qbench.vocabulary import Image

Keyed = Call[np.random.Generator]


def each_channel(plane: NDArray[np.float32], image: Image) -> NDArray[np.float32]:
    """A plane for each channel of the picture."""
    import cv2

    return plane if image.ndim == 2 else np.asarray(cv2.cvtColor(plane, cv2.COLOR_GRAY2RGB), np.float32)


def snow(image: Image, call: Keyed) -> Image:
    import cv2

    mean, spread, zoom, threshold, radius, sigma, share = call.c
    flakes = _flakes(image.shape[:2], mean, spread, zoom, call)
    flakes[flakes < threshold * 255] = 0
    call.facts["angle"] = angle = float(call.rng.uniform(-135, -45))
    fallen = moved(np.clip(flakes + 0.5, 0, 255).astype(np.uint8), radius, sigma, angle)
    fallen = (fallen[: image.shape[0], : image.shape[1]] + 64) >> 7
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    white = each_channel(grey * np.float32(1.5) + np.float32(127.5), image)
    found = np.maximum(image, white)
    found *= np.float32(1 - share)
    found += image * np.float32(share)
    found += each_channel((fallen + fallen[::-1, ::-1]).astype(np.float32), image)
    return whole(np.minimum(found, 255, out=found))


def _flakes(shape: tuple[int, ...], mean: float, spread: float, zoom: float, call: Keyed) -> NDArray[np.float32]:
    """Normal noise, enlarged; only the part is drawn that the enlargement keeps."""
    import cv2

    kept = [math.ceil(side / zoom) for side in shape]
    made = [round(side * zoom) for side in kept]
    drawn = draws.normal(call.rng, 255 * mean, 255 * spread, *kept)
    scale = [(small - 1) / (large - 1) for small, large in zip(kept, made, strict=True)]
    first = [(large - side) // 2 if call.size == "cifar" else 0 for large, side in zip(made, shape, strict=True)]
    size = shape if call.size == "cifar" else made
    places = np.array([[scale[1], 0, first[1] * scale[1]], [0, scale[0], first[0] * scale[0]]])
    return np.asarray(cv2.warpAffine(drawn, places, (size[1], size[0]), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                                     borderMode=cv2.BORDER_REPLICATE))  # fmt: skip


def fog(image: Image, call: Keyed) -> Image:
    amount, decay = call.c
    height, width = image.shape[:2]
    brightest = int(image.max()) / 255
    dimmed = brightest / (brightest + amount)
    cloud = plasma(shapes.next_power_of_2(max(height, width)), decay, call.rng)[:height, :width]
    cloud = cloud * np.float32(255 * amount * dimmed)
    found = image * np.float32(dimmed)
    found += each_channel(cloud, image)
    return whole(np.minimum(found, 255, out=found))


def frost(image: Image, call: Keyed) -> Image:
    return iced(image, call, textures.photographed(image.shape[0], image.shape[1], call.size))


def frost_procedural(image: Image, call: Keyed) -> Image:
    return iced(image, call, textures.drawn(image.shape[0], image.shape[1], call.size))


def iced(image: Image, call: Keyed, ice: textures.Ice) -> Image:
    """Only the first five of the six textures are ever drawn, as in the reference."""
    import cv2

    index = int(call.rng.integers(5))
    texture = ice.textures(index)
    top, left = (int(call.rng.integers(texture.shape[axis] - image.shape[axis])) for axis in (0, 1))
    crop: NDArray[Any] = texture[top : top + image.shape[0], left : left + image.shape[1]]
    call.facts.update(ice.facts, texture=index + 1, top=top, left=left)
    if image.ndim == 2:
        crop = np.round(to_grey(crop)).astype(np.uint8)
    almost_half = -0.499  # OpenCV rounds where the reference cuts off
    return np.asarray(cv2.addWeighted(image, call.c[0], crop, call.c[1], almost_half), np.uint8)


def spatter(image: Image, call: Keyed) -> Image:
    mean, spread, sigma, threshold, opacity, mud = call.c
    liquid = smoothed(draws.normal(call.rng, mean, spread, *image.shape[:2]), sigma)
    liquid[liquid < threshold] = 0
    grey = image.ndim == 2
    if mud:
        cover = smoothed(liquid > threshold, opacity)
        cover[cover < 0.8] = 0
        colour = np.asarray((to_grey(MUD) if grey else MUD) * 255, np.float32)
        changed = each_channel(cover, image) * (colour - image)
    else:
        shine = refraction((liquid * 255).astype(np.uint8)) * np.float32(opacity * 255)
        changed = each_channel(shine, image) * np.asarray(to_grey(WATER) if grey else WATER, np.float32)
    changed += image
    return whole(np.clip(changed, 0, 255, out=changed))
