"""Classification: top-1, top-5, calibration and paired comparison from one compact record a sample."""

from __future__ import annotations

from qbench.registry import task


@task("classification")
class Classification:
    """One label a picture; scored by top-1, top-5, negative log likelihood, Brier score, calibration and selection."""

    predict = "qbench.tasks.classification.predict"
    metrics = ("top1", "top5", "nll", "brier", "ece", "ace", "aurc")
    shown = ("top1",)
    records_what_is_asked = False
