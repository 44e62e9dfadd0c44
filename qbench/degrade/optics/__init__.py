"""Lenses: wavefronts, point-spread functions that change over field and colour, and a simple camera."""

from qbench.degrade.optics.blur import convolve, kernel_blur, varying_blur
from qbench.degrade.optics.lenses import LENSES, Lens
from qbench.degrade.optics.simulate import photograph
from qbench.degrade.optics.wavefront import Wavefront, zernike

__all__ = ["LENSES", "Lens", "Wavefront", "convolve", "kernel_blur", "photograph", "varying_blur", "zernike"]
