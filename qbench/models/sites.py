"""Feature sites that are declared for families of networks of timm and torchvision."""

from __future__ import annotations

import re
from collections.abc import Mapping

_EFFICIENTNET = {"D1": "conv_stem", "D2": "bn1", "D3": "blocks.0", "D4": "blocks.1"}
_RESNET_TIMM = {"D1": "conv1", "D2": "act1", "D3": "layer1.0", "D4": "layer1"}
_RESNET = {"D1": "conv1", "D2": "relu", "D3": "layer1.0", "D4": "layer1"}
_TORCHVISION = {"D1": "features.0.0", "D2": "features.0", "D3": "features.1", "D4": "features.2"}
_SQUEEZENET = {"D1": "features.0", "D2": "features.1", "D3": "features.3", "D4": "features.4"}
_REPVGG = {"D1": "stem", "D2": "stages.0.0", "D3": "stages.0", "D4": "stages.1"}
TIMM_SITES: Mapping[str, Mapping[str, str]] = {
    r"(wide_|se)?res(net|next)(aa|blur|rs)?\d+[cdst]?(_gn|_2|_\d+x\d+d)?(\.|$)": _RESNET_TIMM,
    "repvgg": _REPVGG,
    "efficientnet": _EFFICIENTNET,
    "tf_efficientnet": _EFFICIENTNET,
    "mobilenetv2": _EFFICIENTNET,
    "mobilenetv3": _EFFICIENTNET,
    "tf_mobilenetv3": _EFFICIENTNET,
}
"""Sites by a pattern of how a name starts: D1-D4 of AFD's table I (stem convolution, its activation, first block, first
stage; for RepVGG the stem, the first block of stage 1, stage 1 and stage 2). Other models are reached by module path,
as are those that timm calls ResNets and builds otherwise (resnetv2_50, resnet50_clip, resnet51q ...)."""
TORCHVISION_SITES: Mapping[str, Mapping[str, str]] = {
    "resnet": _RESNET,
    "resnext": _RESNET,
    "wide_resnet": _RESNET,
    "efficientnet": _TORCHVISION,
    "mobilenet": _TORCHVISION,
    "squeezenet": _SQUEEZENET,
}


def sites_of(name: str, declared: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """What is declared for a network of this name; nothing for those of other families."""
    return next((sites for start, sites in declared.items() if re.match(start, name)), {})


def encoder_sites(name: str) -> Mapping[str, str]:
    """The sites of timm's network of this name where it gives features alone: a stage's place in it is its own."""
    return {site: path.replace("stages.", "stages_") for site, path in sites_of(name, TIMM_SITES).items()}
