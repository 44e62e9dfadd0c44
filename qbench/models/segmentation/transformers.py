"""`hf-segmentation:NAME`: semantic segmentation networks of Hugging Face's transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic.dataclasses import dataclass

from qbench.models.huggingface import HuggingFaceModel
from qbench.models.library import CONFIG
from qbench.models.segmentation.segmenter import Segmenter
from qbench.registry import model
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel


@model("hf-segmentation:*")
@dataclass(frozen=True, config=CONFIG)
class HfSegmentation(HuggingFaceModel, Segmenter):
    """A semantic segmentation network of transformers (SegFormer, UPerNet, ...): a folder, or a name of the hub.

    With `weights`, the state comes from that file, and of the folder (or of what the hub's cache holds) only the
    configuration is read: no network is touched. `classes` other than the checkpoint's draw its last layer anew from
    `seed`. No code that a repository brings is run."""

    prefix: ClassVar[str] = "hf-segmentation"
    automatic: ClassVar[str] = "AutoModelForSemanticSegmentation"
    needed: ClassVar[str] = "give a folder that holds config.json, as transformers saves a model"

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown name, no library or no network, WeightsError for a misfit."""
        fresh = () if self.classes is None else (self.classes,)
        with self._reading() as transformers:
            net = self._network(transformers, fresh=fresh, strict=True)
            convention = self._convention(transformers)
        return self._ready(net, convention, fold)

    def _convention(self, transformers: Any) -> InputConvention:
        """What the checkpoint's image processor does to values; where it has none, ImageNet's usual."""
        try:
            processor = transformers.AutoImageProcessor.from_pretrained(self.name, **self._origin)
        except (OSError, ValueError):
            return InputConvention(None, None, interpolation="bilinear")
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        if getattr(processor, "do_normalize", True):
            mean, std = tuple(processor.image_mean), tuple(processor.image_std)
        scale = 1.0
        if getattr(processor, "do_rescale", True):
            scale = 255.0 * float(getattr(processor, "rescale_factor", 1 / 255))
        channels = "BGR" if getattr(processor, "do_flip_channel_order", False) else "RGB"
        return InputConvention(None, None, channels, round(scale, 6), mean, std, "bilinear")
