"""Segmentation: intersection over union and pixel accuracy from confusion counts of each picture."""

from __future__ import annotations

from qbench.registry import task


@task("segmentation")
class Segmentation:
    """A class for every pixel; scored by mean intersection over union, its classes apart, and accuracies."""

    predict = "qbench.tasks.segmentation.predict"
    metrics = ("miou", "pixel-accuracy", "mean-accuracy")
    shown = ("miou",)
    records_what_is_asked = False
