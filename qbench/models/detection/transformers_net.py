"""A detector of transformers between the pictures that its processor takes and the boxes that it reads off."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from qbench.models.base import finite
from qbench.models.detection.objects import class_indices
from qbench.models.detection.objects import decode as boxes_of
from qbench.vocabulary import Boxes

LEVELS = 255
"""What a processor is given as white, where pictures here have 1."""


class Processed(nn.Module):
    """[B, 3, H, W] in [0, 1] to the network's own output, through its image processor."""

    def __init__(self, net: nn.Module, processor: Any) -> None:
        super().__init__()
        self.net = net
        self._processor = processor
        factor = float(processor.rescale_factor) if getattr(processor, "do_rescale", True) else 1.0
        self._scale = LEVELS * factor
        self._takes = set(inspect.signature(net.forward).parameters)

    def forward(self, images: Tensor) -> Any:
        scaled = images if self._scale == 1.0 else images * self._scale
        given = self._processor(images=list(scaled), do_rescale=False, return_tensors="pt")
        return self.net(**{name: value.to(images.device) for name, value in given.items() if name in self._takes})


def decode(processor: Any, names: Sequence[str]) -> Callable[[Any, Tensor], list[Boxes]]:
    """The processor's own way from the network's output to boxes, with every score kept."""
    table = class_indices(names)

    def read(output: Any, images: Tensor) -> list[Boxes]:
        sizes = [(images.shape[2], images.shape[3])] * images.shape[0]
        finite(output.logits, "the model's outputs")
        objects = processor.post_process_object_detection(output, threshold=0.0, target_sizes=sizes)
        return boxes_of(table, objects, images)

    return read
