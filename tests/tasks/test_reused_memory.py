"""Columns of many batches are kept together: they hold nothing of the memory that a model or metric answers in."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import qbench
from qbench.models.base import LoadedModel
from qbench.registry.named import Named
from qbench.tasks.classification import predict as classification
from qbench.tasks.detection import predict as detection
from qbench.tasks.restoration import predict as restoration
from qbench.tasks.segmentation import predict as segmentation
from qbench.vocabulary import Boxes, InputConvention

SCORES = torch.zeros(2, dtype=torch.float64)


@qbench.metric("reused-mean", task="restoration")
class Mean:
    """The mean of the pictures, in one memory for every answer."""

    label, unit, needs_clean = "mean", "", False

    def measure(self) -> Callable[[Tensor], Tensor]:
        return lambda pictures: SCORES.copy_(pictures.mean(dim=(1, 2, 3)))


def detections(batch: int) -> list[Boxes]:
    return [
        Boxes(np.full((1, 4), batch + 1, np.float32), np.full(1, batch, np.int32), np.full(1, batch / 2, np.float32))
        for _ in range(2)
    ]


def write_over(output: Any, other: Any) -> None:
    """Write the memory of the second output into the first one's."""
    if isinstance(output, Tensor):
        output.copy_(other)
    else:
        for boxes, others in zip(output, other, strict=True):
            for part in ("corners", "labels", "scores"):
                getattr(boxes, part)[...] = getattr(others, part)


OUTPUTS: dict[str, tuple[Any, Callable[[int], Any], list[Any]]] = {
    "classification": (classification, lambda b: torch.randn(2, 7, generator=torch.Generator().manual_seed(b)), [1, 2]),
    "segmentation": (
        segmentation,
        lambda b: torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(b)),
        [np.ones((4, 4), np.uint8)] * 2,
    ),
    "detection": (detection, detections, detections(0)),
    "restoration": (
        restoration.scoring([Named(name="psnr"), Named(name="reused-mean")]),
        lambda b: torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(b)),
        [np.ones((16, 16, 3), np.uint8)] * 2,
    ),
}


@pytest.mark.parametrize("task", OUTPUTS)
def test_columns_outlive_what_they_were_made_from(task: str) -> None:
    scoring, predicted, targets = OUTPUTS[task]
    output = predicted(0)
    first = scoring.score(output, targets)
    kept = copy.deepcopy(first)
    write_over(output, predicted(1))
    second = scoring.score(output, targets)
    for name, column in kept.items():
        for now, then in zip(first[name], column, strict=True):
            np.testing.assert_array_equal(now, then)
    assert any(not np.array_equal(first[name], second[name]) for name in first), "the outputs differ"


@qbench.model("reusing-detector")
class Detector:
    """One box for each picture; with `reuses` in one memory for every answer."""

    sites: ClassVar[dict[str, str]] = {}

    def __init__(self, reuses: bool = False) -> None:
        self.reuses, self.label = reuses, f"reuses {reuses}"

    def identity(self) -> dict[str, bool]:
        return {"reuses": self.reuses}

    def build(self) -> LoadedModel:
        memory = detections(0)

        def decode(output: Tensor, images: Tensor) -> list[Boxes]:
            means = images.mean(dim=(2, 3)).numpy()
            given = [
                Boxes(np.array([[0, 0, m[0] * 40, m[1] * 40]], np.float32), np.zeros(1, np.int32), m[2:].copy())
                for m in means
            ]
            if self.reuses:
                write_over(memory[: len(given)], given)
                return memory[: len(given)]
            return given

        return LoadedModel(nn.Identity().eval(), InputConvention(size=None, resize=None), {}, decode)


def test_a_detector_that_answers_in_one_memory_has_the_records_of_one_that_does_not(tmp_path: Path) -> None:
    task = {
        "task": "detection",
        "dataset": {"name": "scenes", "count": 7, "target": "boxes"},
        "models": [{"reusing-detector": {"reuses": reuses}} for reuses in (False, True)],
        "conditions": ["clean"],
    }
    suite = {"suite": "reusing", "engine": {"batch": 2}, "tasks": [task]}
    records = qbench.run(suite, out=tmp_path, device="cpu", strict=True).records()
    plain, reusing = (records[records["model"] == f"reuses {reuses}"] for reuses in (False, True))
    assert len({float(scores[0]) for scores in plain["det_scores"]}) == 7
    pd.testing.assert_frame_equal(
        plain.drop(columns="model"), reusing.drop(columns="model").set_index(plain.index), check_exact=True
    )
