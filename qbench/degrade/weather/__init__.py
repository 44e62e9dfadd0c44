"""Weather and what else restoration trains on: haze, rain, blur, noise, low resolution, little light."""

from qbench.degrade.weather.haze import haze, procedural_depth
from qbench.degrade.weather.kernels import disk_kernel, motion_kernel
from qbench.degrade.weather.noises import noisy
from qbench.degrade.weather.rain import rain, streak_map

__all__ = ["disk_kernel", "haze", "motion_kernel", "noisy", "procedural_depth", "rain", "streak_map"]
