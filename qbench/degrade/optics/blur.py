"""Convolution: with one kernel all over the picture, or with kernels that change over it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.optics.psf import Kernel
from qbench.degrade.optics.srgb import Light, to_linear, to_srgb
from qbench.degrade.picture import checked
from qbench.errors import ConditionError
from qbench.vocabulary import Image


def kernel_blur(image: Image, kernel: NDArray[np.floating], *, linear: bool = True) -> Image:
    """`image`, uint8 [H, W, 3] or [H, W], convolved with `kernel` [h, w] (the picture of a point), in linear light
    unless `linear` is false. The kernel is scaled to sum 1; its centre is [h // 2, w // 2]; borders are mirrored.

    Raises ConditionError for a kernel that is not finite, has two dimensions less or more, or whose sum is not
    positive."""
    checked(image, "kernel_blur")
    kernel = np.asarray(kernel, np.float64)
    if kernel.ndim != 2 or kernel.size == 0 or not np.isfinite(kernel).all() or kernel.sum() <= 0:
        raise ConditionError("kernel_blur takes finite kernels [h, w] with a positive sum")
    scaled = (kernel / kernel.sum()).astype(np.float32)
    if linear:
        return to_srgb(convolve(to_linear(image), scaled))
    return np.rint(np.clip(convolve(image.astype(np.float32), scaled), 0, 255)).astype(np.uint8)


def convolve(values: Light, kernel: Kernel) -> Light:
    """True convolution of float32 [H, W, 3] or [H, W] with a kernel [h, w] centred at [h // 2, w // 2]; borders are
    mirrored about the outermost pixel."""
    import cv2

    height, width = kernel.shape
    anchor = (width - 1 - width // 2, height - 1 - height // 2)
    flipped = np.ascontiguousarray(kernel[::-1, ::-1])
    return np.asarray(cv2.filter2D(values, -1, flipped, anchor=anchor, borderType=cv2.BORDER_REFLECT_101))


@dataclass(frozen=True, eq=False)
class Tiles:
    """How one axis of a picture is cut: tile i covers [start, start + length) with the weights `windows[i]`."""

    starts: tuple[int, ...]
    length: int
    windows: NDArray[np.float32]
    """[nodes, length]; over the tiles, the windows of each pixel add up to 1."""


@lru_cache(maxsize=64)
def tiles(extent: int, nodes: int) -> Tiles:
    """Overlapping Hann windows, each around one of `nodes` points that part `extent` pixels evenly from edge to edge.

    Neighbours are cos² and sin² of the same angle, so that they add up to 1 everywhere."""
    hop = extent / (nodes - 1)
    length = min(extent, int(np.ceil(2 * hop)) + 1)
    starts, windows = [], []
    for node in range(nodes):
        first = int(np.ceil((node - 1) * hop - 0.5))
        start = min(max(first, 0), extent - length)
        distance = (start + np.arange(length) + 0.5) / hop - node
        windows.append(np.where(np.abs(distance) < 1, np.cos(0.5 * np.pi * distance) ** 2, 0.0))
        starts.append(start)
    return Tiles(tuple(starts), length, np.array(windows, np.float32))


def varying_blur(values: Light, kernels: Kernel, spectra: Light | None = None) -> Light:
    """`values` [H, W, 3] blurred by kernels that change over the picture: at each pixel, the Hann-weighted mean of the
    results of its (up to four) nearest kernels.

    `kernels` [nodes, nodes, 3, size, size], of odd size, part the picture evenly from edge to edge; `spectra` is what
    `kernel_spectra` makes of them, for callers who blur many pictures. Weights are on what arrives, not on what is
    sent: a constant picture stays constant."""
    import cv2

    height, width = values.shape[:2]
    size = kernels.shape[-1]
    rows, columns = tiles(height, kernels.shape[0]), tiles(width, kernels.shape[1])
    down, across = _sides(kernels, height, width)
    # A transform's first size - 1 rows and columns wrap around; past a tile and its margins it may see anything.
    spare = (down - rows.length - size + 1, across - columns.length - size + 1)
    margins = (size // 2, size // 2 + spare[0], size // 2, size // 2 + spare[1])
    padded = cv2.copyMakeBorder(values, *margins, borderType=cv2.BORDER_REFLECT_101)
    planes = [np.ascontiguousarray(padded[..., colour]) for colour in range(3)]
    result = np.zeros((3, height, width), np.float32)
    inner = np.s_[size - 1 : size - 1 + rows.length, size - 1 : size - 1 + columns.length]
    for i, top in enumerate(rows.starts):
        for j, left in enumerate(columns.starts):
            window = rows.windows[i][:, None] * columns.windows[j]
            for colour, plane in enumerate(planes):
                kernel = _spectrum(kernels[i, j, colour], down, across) if spectra is None else spectra[i, j, colour]
                product = cv2.mulSpectrums(cv2.dft(plane[top : top + down, left : left + across]), kernel, 0)
                blurred = cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_REAL_OUTPUT | cv2.DFT_SCALE)
                result[colour, top : top + rows.length, left : left + columns.length] += window * blurred[inner]
    return np.ascontiguousarray(np.moveaxis(result, 0, 2))


def kernel_spectra(kernels: Kernel, height: int, width: int) -> Light:
    """The transforms of [nodes, nodes, 3, size, size] kernels for pictures of one size: [nodes, nodes, 3, F, G]. They
    take about fifteen times the memory of such a picture in float32."""
    down, across = _sides(kernels, height, width)
    spectra = np.empty((*kernels.shape[:3], down, across), np.float32)
    for index in np.ndindex(kernels.shape[:3]):
        spectra[index] = _spectrum(kernels[index], down, across)
    return spectra


def _spectrum(kernel: Kernel, down: int, across: int) -> Light:
    """The transform of a kernel that starts at [0, 0], in OpenCV's packing of a real picture's transform."""
    import cv2

    padded = np.zeros((down, across), np.float32)
    padded[: kernel.shape[0], : kernel.shape[1]] = kernel
    return np.asarray(cv2.dft(padded))


def _sides(kernels: Kernel, height: int, width: int) -> tuple[int, int]:
    """The sides of the transforms: a tile with its margins, up to a fast length."""
    margins = kernels.shape[-1] - 1
    return (
        _fast(tiles(height, kernels.shape[0]).length + margins),
        _fast(tiles(width, kernels.shape[1]).length + margins),
    )


def _fast(length: int) -> int:
    """The next length that OpenCV transforms fast: 8 times one of its own optimal lengths (135 takes twice 144)."""
    import cv2

    return 8 * cv2.getOptimalDFTSize(-(-length // 8))
