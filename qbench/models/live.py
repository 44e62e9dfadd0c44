"""A network that a Python caller holds, as a model of a run."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from qbench.errors import QbenchError, foreign
from qbench.models.base import LoadedModel
from qbench.models.classification.timm import check_channels, timm_input
from qbench.models.live_names import ANY, INPUTS
from qbench.models.outputs import Key, usual
from qbench.models.segmentation.segmenter import logits_at_images
from qbench.vocabulary import InputConvention

_READ = {ANY: logits_at_images}
"""What reads the prediction off: maps of logits, as segmenters give them at a part of the size, are enlarged."""


@dataclass(frozen=True)
class LiveModel:
    """A live `nn.Module` from [B, 3, size, size] to what its task needs.

    `network` is plain data that tells all that it computes: `qbench.keys.live.network_identity` of it. `output` names
    the prediction among several outputs, and `task` is one of `qbench.models.live_names.INPUTS`."""

    name: str
    net: nn.Module
    input: InputConvention
    network: Mapping[str, Any]
    output: Key | None = None
    task: str = ANY

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
        net = copied(self.name, self.net).eval()
        return LoadedModel(net, self.input, {}, partial(_READ.get(self.task, usual), key=self.output))


def copied(name: str, net: nn.Module, *, shared: Iterable[Tensor] = ()) -> nn.Module:
    """A copy of a caller's network but for the `shared` tensors. Raises QbenchError where it cannot be copied.

    What was computed from parameters (a `weight_norm`) is copied as it is, and computed anew by whoever did."""
    computed = [value for module in net.modules() for value in vars(module).values() if _is_computed(value)]
    known = {id(tensor): tensor for tensor in shared} | {id(value): value.detach().clone() for value in computed}
    with foreign(f"models[{name!r}] cannot be copied, and a run works with a copy"):
        return copy.deepcopy(net, known)


def _is_computed(value: Any) -> bool:
    return isinstance(value, Tensor) and not value.is_leaf


def default_input(net: nn.Module, task: str) -> InputConvention:
    """What a network is shown in a task where the caller does not say it: of timm's classifiers what timm declares."""
    config = getattr(net, "pretrained_cfg", None)
    if task == ANY and type(net).__module__.startswith("timm.") and isinstance(config, Mapping):
        check_channels(net, f"the network {type(net).__name__}")
        return timm_input(config, f"the network {type(net).__name__}")
    return INPUTS[task]


def check_live(name: str, net: nn.Module) -> None:
    """Raise QbenchError for a network that holds no values yet, or that cannot be copied. Copies no tensors."""
    tensors = {**dict(net.named_parameters(remove_duplicate=False)), **dict(net.named_buffers(remove_duplicate=False))}
    for path, tensor in tensors.items():
        if is_lazy(tensor):
            raise no_values(name, path, "has no shape yet; run the network once")
        if tensor.is_meta:
            raise no_values(name, path, "is on the device meta and holds no values; load its weights first")
    copied(name, net, shared=tensors.values())


def no_values(name: str, path: str, what: str) -> QbenchError:
    return QbenchError(f"models[{name!r}]: {path!r} {what}")
