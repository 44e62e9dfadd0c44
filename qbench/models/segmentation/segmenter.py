"""What the segmentation networks of all libraries share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.models.library import CONFIG, NormalisedModel
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from torch import Tensor, nn

    from qbench.models.base import LoadedModel


def logits_at_images(output: Any, images: Tensor, *, key: str | int | None = None) -> Tensor:
    """A network's logits [B, classes, h, w] at the images' size, bilinear between pixel centres.

    `output` is the logits, or holds them under `key` or a usual name (see `qbench.models.outputs.usual`)."""
    from torch.nn.functional import interpolate

    from qbench.models.outputs import usual

    logits: Tensor = usual(output, images, key=key)
    if getattr(logits, "ndim", 0) != 4:
        return logits  # what it is instead, the task tells
    if logits.shape[-2:] == images.shape[-2:]:
        return logits
    return interpolate(logits, size=images.shape[-2:], mode="bilinear", align_corners=False)


@dataclass(frozen=True, config=CONFIG)
class Segmenter(NormalisedModel):
    """A segmentation network of a library; it takes pictures of any size unless `input` gives one.

    Of other classes than the hub's the last layer is drawn, as a start for training."""

    classes: int | None = Field(default=None, ge=2, description="Classes told apart. Default: the weights' own.")

    def _ready(self, net: nn.Module, convention: InputConvention, fold: bool) -> LoadedModel:
        """Folded, and with logits at the images' size."""
        from qbench.models.base import LoadedModel
        from qbench.models.fold import for_inference

        ready = for_inference(net, keep=(self.sites.get("D1", ""),), fold=fold)
        read = partial(logits_at_images, key=self.output)
        return LoadedModel(ready, self.input.over(convention), self.sites, read)

    @property
    def sites(self) -> Mapping[str, str]:
        raise NotImplementedError
