"""A network that a Python caller holds, as a model of a run."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from qbench.errors import QbenchError, foreign
from qbench.models.base import LoadedModel
from qbench.models.detection.objects import class_indices, decode
from qbench.models.outputs import Key, are_objects, usual
from qbench.vocabulary import InputConvention

DETECTORS = "torchvision.models.detection"
COCO_PLACES = 91
"""Places for classes in torchvision's detectors of COCO: its category ids, with gaps, and the background."""


@dataclass(frozen=True)
class LiveModel:
    """A live `nn.Module` from [B, 3, size, size] to what its task needs. `network` is plain data that tells all that it
    computes: `qbench.keys.live.network_identity` of it. `output` names the prediction among several outputs."""

    name: str
    net: nn.Module
    input: InputConvention
    network: Mapping[str, Any]
    output: Key | None = None

    @property
    def label(self) -> str:
        return self.name

    @property
    def sites(self) -> Mapping[str, str]:
        return {}

    def identity(self) -> Mapping[str, Any]:
        return {"network": self.network, "input": str(self.input), "output": self.output}

    def build(self) -> LoadedModel:
        """A copy in eval mode, so that the caller's network stays as it is. Raises QbenchError where it has none."""
        with copying(self.name):
            net = copy.deepcopy(self.net).eval()
        return LoadedModel(net, self.input, {}, partial(_read, _labels(self.net), self.output))


def copying(name: str) -> Any:
    """Inside, a caller's network is copied. Raises QbenchError where it cannot be."""
    return foreign(f"the network models[{name!r}] cannot be copied, and a run works with a copy")


def check_live(name: str, net: nn.Module) -> None:
    """Raise QbenchError for a network that holds no values yet, or that cannot be copied. Copies no tensors."""
    tensors = {**dict(net.named_parameters(remove_duplicate=False)), **dict(net.named_buffers(remove_duplicate=False))}
    for path, tensor in tensors.items():
        if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
            raise no_values(name, path, "has no shape yet; run the network once")
        if tensor.is_meta:
            raise no_values(name, path, "is on the device meta and holds no values; load its weights first")
    with copying(name):
        copy.deepcopy(net, {id(tensor): tensor for tensor in tensors.values()})


def no_values(name: str, path: str, what: str) -> QbenchError:
    return QbenchError(f"models[{name!r}]: {path!r} {what}")


def _read(table: tuple[int, ...] | None, key: Key | None, output: Any, images: Tensor) -> Any:
    """The prediction: lists of objects, as torchvision's detectors give them, become Boxes."""
    given = usual(output, images, key=key)
    listed = isinstance(given, list | tuple) and len(given) > 0 and all(map(are_objects, given))
    return decode(table, given, images) if listed else given


def _labels(net: nn.Module) -> tuple[int, ...] | None:
    """The index of each label of a detector of torchvision, whose first is the background; None for other networks,
    whose labels are indices."""
    for module in net.modules():
        if not type(module).__module__.startswith(DETECTORS):
            continue
        score = getattr(module, "cls_score", None)
        places = getattr(score, "out_features", getattr(module, "num_classes", getattr(module, "num_columns", None)))
        if isinstance(places, int):
            return _coco() if places == COCO_PLACES else tuple(range(-1, places - 1))
    return None


def _coco() -> tuple[int, ...]:
    from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

    return class_indices(FasterRCNN_ResNet50_FPN_Weights.DEFAULT.meta["categories"], skipped=1)
