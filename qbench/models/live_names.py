"""What a caller's networks are called in the tasks of a plan, and what they are shown. Nothing here loads torch."""

from __future__ import annotations

from collections.abc import Mapping

from qbench.models.detection.objects import UNCHANGED
from qbench.models.restoration.restorers import INPUT as PICTURES
from qbench.vocabulary import InputConvention

ANY = "any"
INPUTS: Mapping[str, InputConvention] = {
    ANY: InputConvention(size=224, resize=256), "restoration": PICTURES, "detection": UNCHANGED,
}  # fmt: skip
"""By task what a network is shown of which the caller does not say it. Those of restoration and detection see whole
pictures in [0, 1], those of `any` other task pictures as most do that were trained on ImageNet."""


def live_name(name: str, task: str) -> str:
    """What a caller's network is called in a task: it may be shown other pictures than in another."""
    return f"live-{task}:{name}" if task in INPUTS and task != ANY else f"live:{name}"
