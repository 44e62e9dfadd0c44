"""What the measures start from: whole levels 0-255 in float64, luma, and cut borders."""

from __future__ import annotations

import torch
from torch import Tensor

from qbench.errors import QbenchError


def levels(images: Tensor) -> Tensor:
    """[B, 3, H, W] in [0, 1] to the 8-bit levels that a file would hold, 0-255, as float64.

    Values are clamped and rounded to the nearest level (halves to even). float64 keeps sums over a picture exact; on a
    device without it (mps) the levels move to the CPU. Raises QbenchError for values that are not finite."""
    if not bool(torch.isfinite(images).all()):
        raise QbenchError("the restored pictures are not finite")
    exact = images.cpu() if images.device.type == "mps" else images
    return (exact.double() * 255).round().clamp(0, 255)


def luma(rgb: Tensor) -> Tensor:
    """Levels [B, 3, H, W] to BT.601 luma [B, 1, H, W] between 16 and 235, not rounded.

    As MATLAB's `rgb2ycbcr` of a float picture, and as super-resolution and deblocking are scored."""
    red, green, blue = rgb[:, :1], rgb[:, 1:2], rgb[:, 2:]
    return 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255


YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def grey(rgb: Tensor) -> Tensor:
    """Levels [B, 3, H, W] to whole grey levels [B, 1, H, W] of the full range: 0.299 R + 0.587 G + 0.114 B, added in
    single precision and from red to blue, so that colours halfway between two levels go the same way everywhere."""
    single = rgb.float() / 255
    red, green, blue = single[:, :1], single[:, 1:2], single[:, 2:]
    return ((red * 0.299 + green * 0.587 + blue * 0.114) * 255).round().double()


def grey_by_product(rgb: Tensor) -> Tensor:
    """The same by pyiqa's product of matrices in single precision, one picture at a time and on the CPU.

    One colour in a thousand lies halfway between two levels, NIQE of a small picture moves by 0.01 with the choice, and
    the choice is the processor's: with AVX-512 the product rounds once a step, with AVX2 mostly twice."""
    single = (rgb.float() / 255).cpu().contiguous()
    products = [single[i : i + 1].permute(0, 2, 3, 1) @ torch.tensor(YIQ).T for i in range(len(single))]
    return (torch.cat(products)[..., :1].permute(0, 3, 1, 2) * 255).round().double().to(rgb.device)


def without_border(pictures: Tensor, border: int) -> Tensor:
    """[B, C, H, W] without `border` pixels on each side. Raises QbenchError where that leaves nothing."""
    height, width = pictures.shape[-2:]
    if min(height, width) <= 2 * border:
        raise QbenchError(f"crop_border {border} leaves nothing of a picture of {height}x{width} pixels")
    return pictures[..., border : height - border, border : width - border]


def weighted(pictures: Tensor, taps: tuple[float, ...], dim: int, stride: int = 1) -> Tensor:
    """Correlation with `taps` along one dimension, where it fits whole, at every `stride`-th place.

    Each product is rounded before it is added, on every processor."""
    length = (pictures.shape[dim] - len(taps)) // stride + 1
    stop = (length - 1) * stride + 1
    parts = [_every(pictures, dim, k, stop, stride) for k in range(len(taps))]
    total = parts[0] * taps[0]
    for part, tap in zip(parts[1:], taps[1:], strict=True):
        total.add_(part * tap)
    return total


def _every(pictures: Tensor, dim: int, start: int, length: int, stride: int) -> Tensor:
    where = [slice(None)] * pictures.ndim
    where[dim] = slice(start, start + length, stride)
    return pictures[tuple(where)]


def blurred(pictures: Tensor, taps: tuple[float, ...]) -> Tensor:
    """Correlation with the outer product of `taps` with itself, where it fits whole: `len(taps) - 1` pixels smaller."""
    return weighted(weighted(pictures, taps, -1), taps, -2)
