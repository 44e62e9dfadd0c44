"""Weights of modules that a method puts into a network: those of the modules alone, or the whole network's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from qbench.errors import WeightsError
from qbench.methods.options import QualityOptions, completed, described
from qbench.models.base import check_tensors, read_safetensors
from qbench.models.files import header
from qbench.quality.features import Feature, feature

Q = TypeVar("Q", bound=QualityOptions)


def trained_options(given: Q, file: Path, key: str, free: Collection[str]) -> tuple[Q, Feature]:
    """The options that the weights in `file` need, filled from their header, and the quality feature that they read.

    Raises WeightsError for a file of another method or quality feature, and for options that contradict it."""
    trained = described(header(file), key)
    feature_key = str(trained.pop("key", "")) if trained is not None else ""
    options = completed(given, trained, key, free)
    quality = feature(options.quality, options.quality_weights)
    check_feature(quality, feature_key, file)
    return options, quality


def check_feature(quality: Feature, key: str, file: Path) -> None:
    """Raise WeightsError where the weights in `file` were trained with another quality feature than `quality`; `key` is
    that feature's key, empty where the file does not say."""
    if key and key != quality.key:
        raise WeightsError(
            f"{file} was trained with the quality feature {key.split()[0]!r} made by other weights or another version "
            f"({key} there, {quality.key} here); train again or give `quality_weights`"
        )


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
