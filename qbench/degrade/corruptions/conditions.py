"""The nineteen corruptions of ImageNet-C, and ice that needs no photographs, as conditions.

Dan Hendrycks and Thomas Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
ICLR 2019."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from qbench.degrade.corruptions.base import Corruption
from qbench.degrade.picture import STRICT
from qbench.registry import condition

LIBRARIES = ("opencv", "scipy", "libjpeg_turbo")


@condition("gaussian_noise", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class GaussianNoise(Corruption):
    """Additive Gaussian noise, as in low light; `severity` 1..5 of ImageNet-C."""

    name = "gaussian_noise"


@condition("shot_noise", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class ShotNoise(Corruption):
    """Poisson noise of few photons; `severity` 1..5 of ImageNet-C."""

    name = "shot_noise"


@condition("impulse_noise", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class ImpulseNoise(Corruption):
    """Salt and pepper, as of dead pixels; `severity` 1..5 of ImageNet-C."""

    name = "impulse_noise"


@condition("defocus_blur", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class DefocusBlur(Corruption):
    """The blur of a lens out of focus, a disk; `severity` 1..5 of ImageNet-C."""

    name = "defocus_blur"


@condition("glass_blur", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class GlassBlur(Corruption):
    """As through frosted glass: pixels copied from near ones, between two blurs; `severity` 1..5 of ImageNet-C."""

    name = "glass_blur"


@condition("motion_blur", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class MotionBlur(Corruption):
    """A fast camera, moved within 45 degrees of the horizontal; `severity` 1..5 of ImageNet-C."""

    name = "motion_blur"


@condition("zoom_blur", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class ZoomBlur(Corruption):
    """A camera that moves towards its object; `severity` 1..5 of ImageNet-C."""

    name = "zoom_blur"


@condition("snow", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Snow(Corruption):
    """Falling snow, and whiter surroundings; `severity` 1..5 of ImageNet-C."""

    name = "snow"


@condition("frost", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Frost(Corruption):
    """Ice on the lens, photographs of it from an installed imagecorruptions; `severity` 1..5 of ImageNet-C."""

    name = "frost"


@condition("frost_procedural", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class FrostProcedural(Corruption):
    """Ice on the lens, drawn, where the photographs of `frost` are not installed; `severity` 1..5."""

    name = "frost_procedural"


@condition("fog", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Fog(Corruption):
    """A cloud in front of the picture, a plasma fractal; `severity` 1..5 of ImageNet-C."""

    name = "fog"


@condition("brightness", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Brightness(Corruption):
    """A raised value in HSV; `severity` 1..5 of ImageNet-C."""

    name = "brightness"


@condition("contrast", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Contrast(Corruption):
    """Values drawn towards their mean; `severity` 1..5 of ImageNet-C."""

    name = "contrast"


@condition("elastic_transform", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class ElasticTransform(Corruption):
    """Small regions stretched and shrunk; `severity` 1..5 of ImageNet-C."""

    name = "elastic_transform"


@condition("pixelate", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Pixelate(Corruption):
    """Drawn larger from a lower resolution; `severity` 1..5 of ImageNet-C."""

    name = "pixelate"


@condition("jpeg_compression", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class JpegCompression(Corruption):
    """JPEG of quality 25, 18, 15, 10, 7 at `severity` 1..5 of ImageNet-C."""

    name = "jpeg_compression"


@condition("speckle_noise", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class SpeckleNoise(Corruption):
    """Gaussian noise in proportion to the value; `severity` 1..5 of ImageNet-C."""

    name = "speckle_noise"


@condition("gaussian_blur", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class GaussianBlur(Corruption):
    """A Gaussian blur; `severity` 1..5 of ImageNet-C."""

    name = "gaussian_blur"


@condition("spatter", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Spatter(Corruption):
    """Drops of water, or mud, on the lens; `severity` 1..5 of ImageNet-C."""

    name = "spatter"


@condition("saturate", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Saturate(Corruption):
    """A lowered or raised saturation in HSV; `severity` 1..5 of ImageNet-C."""

    name = "saturate"


BY_NAME: dict[str, type[Corruption]] = {
    one.name: one
    for one in (
        GaussianNoise,
        ShotNoise,
        ImpulseNoise,
        DefocusBlur,
        GlassBlur,
        MotionBlur,
        ZoomBlur,
        Snow,
        Frost,
        FrostProcedural,
        Fog,
        Brightness,
        Contrast,
        ElasticTransform,
        Pixelate,
        JpegCompression,
        SpeckleNoise,
        GaussianBlur,
        Spatter,
        Saturate,
    )
}
