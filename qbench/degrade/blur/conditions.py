"""Blur by motion, by defocus and by a Gaussian, and the loss of resolution."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.degrade.blur.kernels import disk_kernel, gaussian_line, motion_kernel
from qbench.degrade.labels import ByParameters
from qbench.degrade.optics.blur import convolve
from qbench.degrade.optics.srgb import to_linear, to_srgb
from qbench.degrade.picture import SMALLEST, STRICT, checked
from qbench.draws import Draw
from qbench.registry import condition
from qbench.vocabulary import Facts, Image

LIBRARIES = ("numpy", "opencv")


@condition("motion", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Motion(ByParameters):
    """A camera that moves while it exposes: the mean of shifted pictures along a line or an arc, in linear light.

    `length` in pixels; `angle` in degrees, counter-clockwise from the x axis; `curvature`: degrees by which the path
    turns. Literature: means of 7-13 frames (GoPro; Nah et al., CVPR 2017), paths of 9-21 pixels at any angle."""

    name = "motion"
    length: float = Field(default=15.0, ge=0.01, le=200)
    angle: float = Field(default=0.0, ge=-360, le=360)
    curvature: float = Field(default=0.0, ge=-360, le=360)

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        light = to_linear(checked(image, self.label, SMALLEST))
        blurred = to_srgb(convolve(light, motion_kernel(self.length, self.angle, self.curvature)))
        return blurred, {"length": self.length, "angle": self.angle, "curvature": self.curvature}


@condition("defocus", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Defocus(ByParameters):
    """A picture out of focus: a uniform disk of `radius` pixels with a smooth edge, in linear light.

    Literature: radii of 1-5 pixels at this size for the blur of photographs (e.g. Lee et al., CVPR 2019)."""

    name = "defocus"
    radius: float = Field(default=3.0, ge=0.01, le=100)

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        light = to_linear(checked(image, self.label, SMALLEST))
        return to_srgb(convolve(light, disk_kernel(self.radius))), {"radius": self.radius}


@condition("blur", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Blur(ByParameters):
    """A Gaussian of `sigma` pixels, on pixel values, as super-resolution and blind restoration train.

    Literature: sigma 0.2-3 (Real-ESRGAN; Wang et al., ICCVW 2021), 1.6 (BD; Zhang et al., CVPR 2018)."""

    name = "blur"
    sigma: float = Field(default=1.6, ge=0.01, le=100)

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        import cv2

        line = gaussian_line(self.sigma)
        values = checked(image, self.label, SMALLEST).astype(np.float32)
        blurred = cv2.sepFilter2D(values, -1, line, line, borderType=cv2.BORDER_REFLECT_101)
        return np.rint(np.clip(blurred, 0, 255)).astype(np.uint8), {"sigma": self.sigma}


@condition("lowres", libraries=("pillow",))
@dataclass(frozen=True, config=STRICT)
class LowResolution(ByParameters):
    """Fewer pixels: bicubic with antialiasing to 1/`scale` of both sides, and up again to the size it had.

    The way up is `bicubic` or `nearest`. Literature: x2, x3, x4 (DIV2K bicubic; Timofte et al., CVPRW 2017)."""

    name = "lowres"
    scale: float = Field(default=4.0, ge=1, le=64)
    up: Literal["bicubic", "nearest"] = "bicubic"

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        from PIL import Image as Pillow

        height, width = checked(image, self.label, max(SMALLEST, int(np.ceil(2 * self.scale)))).shape[:2]
        low = (round(width / self.scale), round(height / self.scale))
        small = Pillow.fromarray(image).resize(low, Pillow.Resampling.BICUBIC)
        way = Pillow.Resampling.BICUBIC if self.up == "bicubic" else Pillow.Resampling.NEAREST
        return np.asarray(small.resize((width, height), way)).copy(), {"scale": self.scale, "size": list(low)}
