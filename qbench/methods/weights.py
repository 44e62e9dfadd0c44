"""What trained methods share: which weights they are given, and a network that has them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from qbench.errors import NotApplicable
from qbench.models.protocols import Setup

if TYPE_CHECKING:
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")


def weights_for(method: str, given: Path | None, setup: Setup) -> Path:
    """The file given to the method, else the one of the suite or its card. Raises NotApplicable where there is none."""
    file = given or setup.weights
    if file is None:
        raise NotApplicable(f"{method} has no weights for this model and data; `qbench train {method}` makes them")
    return file


def with_weights(network: Network, file: Path, setup: Setup) -> Network:
    """`network` with the weights in `file`, in eval mode, channels last, on the device. Raises WeightsError."""
    import torch

    from qbench.models.base import load_weights

    load_weights(network, file)
    return network.eval().to(setup.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
