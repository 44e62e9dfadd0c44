"""The nineteen corruptions of ImageNet-C at five severities, and ice that needs no photographs.

Dan Hendrycks and Thomas Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
ICLR 2019. `qbench.degrade.degrade(picture, "fog", severity=3)` is one of them."""

from __future__ import annotations

COMMON = ("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur",
          "snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate",
          "jpeg_compression")  # fmt: skip
"""The fifteen of the benchmark, in its order."""
EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""The four that the authors keep for validation."""
