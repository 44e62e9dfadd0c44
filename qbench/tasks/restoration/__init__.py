"""Restoration: pictures to pictures, scored against the clean one or by themselves."""

from __future__ import annotations

from qbench.registry import task


@task("restoration")
class Restoration:
    """A better picture from a degraded one; scored by PSNR, SSIM, NIQE and whatever pyiqa knows."""

    predict = "qbench.tasks.restoration.predict"
    metrics = ("psnr", "ssim", "psnr-y", "ssim-y", "niqe", "niqe-local")
    shown = ("psnr", "ssim")
    records_what_is_asked = True
