"""A detector of transformers between the pictures that its processor takes and the boxes that it reads off."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from qbench.models.base import check_state, finite
from qbench.models.detection.torchvision import decode as boxes_of
from qbench.models.detection.torchvision import indices
from qbench.models.files import read_state
from qbench.models.of_transformers import loaded
from qbench.vocabulary import Boxes


class Processed(nn.Module):
    """[B, 3, H, W] in [0, 1] to the network's own output, through its image processor."""

    def __init__(self, net: nn.Module, processor: Any) -> None:
        super().__init__()
        self.net = net
        self._processor = processor
        self._takes = set(inspect.signature(net.forward).parameters)

    def forward(self, images: Tensor) -> Any:
        given = self._processor(images=list(images), do_rescale=False, return_tensors="pt")
        return self.net(**{name: value.to(images.device) for name, value in given.items() if name in self._takes})


def decode(processor: Any, names: Sequence[str]) -> Callable[[Any, Tensor], list[Boxes]]:
    """The processor's own way from the network's output to boxes, with every score kept."""
    table = indices(names)

    def read(output: Any, images: Tensor) -> list[Boxes]:
        sizes = [(images.shape[2], images.shape[3])] * images.shape[0]
        finite(output.logits, "the model's outputs")
        found = processor.post_process_object_detection(output, threshold=0.0, target_sizes=sizes)
        return boxes_of(table, found, images)

    return read


def with_state(net: Any, file: Path) -> Any:
    """`net` with the state in a file, under the names of its own modules or those of published checkpoints, which
    transformers translates. Raises WeightsError for a misfit."""
    state = read_state(file)
    if state.keys() == net.state_dict().keys():
        check_state(net, state, str(file))
        net.load_state_dict(state, strict=True)
        return net
    return loaded(type(net), net.config, str(file), state_dict=state)
