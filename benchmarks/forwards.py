"""When the forwards of a run begin and end, on the clock of the device."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch

from qbench.models.base import LoadedModel


@dataclass(frozen=True)
class Steady:
    """What forwards tell after some that warm up."""

    forwards: int
    pictures: int
    seconds: float
    """From the start of the first that counts to the end of the last."""
    busy: float
    """Of these, the seconds within forwards."""


class Forwards:
    """All that a model computes for a batch (normalised pictures, the network, its predictions), batch by batch: by
    CUDA events on such a device, else by the processor's clock."""

    def __init__(self, device: str) -> None:
        self._cuda = device.startswith("cuda")
        self._spans: list[tuple[Any, Any, int]] = []

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Inside, every prediction of a model in this process is noted."""
        predict = LoadedModel.predict

        def noted(model: LoadedModel, images: torch.Tensor, *rest: Any) -> Any:
            start = self._now()
            result = predict(model, images, *rest)
            self._spans.append((start, self._now(), len(images)))
            return result

        with patch.object(LoadedModel, "predict", noted):
            yield

    def steady(self, warm_up: float) -> Steady:
        """The figures after a share `warm_up` of the forwards. Raises RuntimeError where there were none."""
        if self._cuda:
            torch.cuda.synchronize()
        if not self._spans:
            raise RuntimeError("no forward was seen in this process")
        counted = self._spans[int(len(self._spans) * warm_up) :]
        busy = sum(self._between(start, end) for start, end, _ in counted)
        seconds = self._between(counted[0][0], counted[-1][1])
        return Steady(len(counted), sum(count for *_, count in counted), seconds, busy)

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def _between(self, start: Any, end: Any) -> float:
        return float(start.elapsed_time(end)) / 1000 if self._cuda else end - start
