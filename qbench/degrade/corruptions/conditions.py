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
    """Additive Gaussian noise, as in low light."""

    name = "gaussian_noise"


@condition("shot_noise", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class ShotNoise(Corruption):
    """Poisson noise of few photons."""

    name = "shot_noise"


@condition("impulse_noise", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class ImpulseNoise(Corruption):
    """Salt and pepper, as of dead pixels."""

    name = "impulse_noise"


@condition("defocus_blur", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class DefocusBlur(Corruption):
    """The blur of a lens out of focus: a disk."""

    name = "defocus_blur"


@condition("glass_blur", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class GlassBlur(Corruption):
    """As through frosted glass: pixels exchanged with near ones, between two blurs."""

    name = "glass_blur"


@condition("motion_blur", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class MotionBlur(Corruption):
    """The blur of a fast camera, along a random direction within 45 degrees of the horizontal."""

    name = "motion_blur"


@condition("zoom_blur", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class ZoomBlur(Corruption):
    """The blur of a camera that moves towards its object."""

    name = "zoom_blur"


@condition("snow", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Snow(Corruption):
    """Falling snow, and whiter surroundings."""

    name = "snow"


@condition("frost", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Frost(Corruption):
    """Ice on the lens: photographs of it, from an installed imagecorruptions."""

    name = "frost"


@condition("frost_procedural", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class FrostProcedural(Corruption):
    """Ice on the lens, drawn: in place of `frost` where its photographs are not installed."""

    name = "frost_procedural"


@condition("fog", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Fog(Corruption):
    """A cloud in front of the picture: a plasma fractal."""

    name = "fog"


@condition("brightness", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Brightness(Corruption):
    """A raised value in HSV."""

    name = "brightness"


@condition("contrast", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Contrast(Corruption):
    """Values drawn towards their mean."""

    name = "contrast"


@condition("elastic_transform", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class ElasticTransform(Corruption):
    """Small regions stretched and shrunk."""

    name = "elastic_transform"


@condition("pixelate", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Pixelate(Corruption):
    """Drawn larger from a lower resolution."""

    name = "pixelate"


@condition("jpeg_compression", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class JpegCompression(Corruption):
    """JPEG at low quality."""

    name = "jpeg_compression"


@condition("speckle_noise", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class SpeckleNoise(Corruption):
    """Noise in proportion to the value."""

    name = "speckle_noise"


@condition("gaussian_blur", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class GaussianBlur(Corruption):
    """A Gaussian blur."""

    name = "gaussian_blur"


@condition("spatter", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Spatter(Corruption):
    """Drops of water, or mud, on the lens."""

    name = "spatter"


@condition("saturate", libraries=LIBRARIES)
@dataclass(frozen=True, config=STRICT)
class Saturate(Corruption):
    """A raised or lowered saturation in HSV."""

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
