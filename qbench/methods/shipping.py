"""Weights of modules inside a network: those of the modules alone, or the whole network's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from qbench.errors import WeightsError
from qbench.models.base import check_tensors, read_safetensors
from qbench.quality.features import Feature


def state_of(net: nn.Module, paths: Sequence[str]) -> dict[str, Tensor]:
    """The state below these module paths, by its names in the whole network."""
    starts = tuple(f"{path}." for path in paths)
    return {name: value for name, value in net.state_dict().items() if name.startswith(starts)}


def load_part(net: nn.Module, paths: Sequence[str], file: Path) -> None:
    """Load a safetensors file that holds the state of `net`, or of the modules at `paths`. Raises WeightsError."""
    state = read_safetensors(file)
    part = state_of(net, paths)
    expected = net.state_dict() if state.keys() - part.keys() else part
    check_tensors(expected, state, str(file), type(net).__name__)
    net.load_state_dict(state, strict=False)
    net.eval()


def same_feature(feature: Feature, key: str, file: Path) -> None:
    """Raise WeightsError where the weights in `file` were trained with other quality features."""
    if key and key != feature.key:
        raise WeightsError(
            f"{file} was trained with the quality feature {key.split()[0]!r} made by other weights or another version "
            f"({key} there, {feature.key} here); train again or give `quality_weights`"
        )
