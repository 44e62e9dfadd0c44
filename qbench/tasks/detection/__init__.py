"""Detection: COCO's family of average precision from the detections and the objects of each picture."""

from __future__ import annotations

from qbench.registry import task


@task("detection")
class Detection:
    """Boxes with a class and a score; scored by average precision and average recall as COCO defines them."""

    predict = "qbench.tasks.detection.predict"
    metrics = (
        "ap", "ap50", "ap75", "ap-small", "ap-medium", "ap-large",
        "ar1", "ar10", "ar100", "ar-small", "ar-medium", "ar-large",
    )  # fmt: skip
    shown = ("ap", "ap50")
    records_what_is_asked = False
