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

PROCESSORS = ("preprocessor_config.json", "processor_config.json")


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
            side = getattr(net.config, "image_size", None)
            convention = self._convention(transformers, side if isinstance(side, int) else None)
        return self._ready(net, convention, fold)

    def _convention(self, transformers: Any, native: int | None) -> InputConvention:
        """What the checkpoint's image processor does to values; where it has none, ImageNet's usual.

        It also resizes pictures, to one size for each network; here they are seen as the view gives them."""
        missing = {"_raise_exceptions_for_missing_entries": False, "_raise_exceptions_for_connection_errors": False}
        if not any(transformers.utils.cached_file(self.name, file, **self._origin, **missing) for file in PROCESSORS):
            return InputConvention(None, None, interpolation="bilinear", native=native)
        processor = transformers.AutoImageProcessor.from_pretrained(self.name, **self._origin)
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        if getattr(processor, "do_normalize", True):
            mean, std = tuple(processor.image_mean), tuple(processor.image_std)
        scale = 255.0  # white, where nothing is rescaled
        if getattr(processor, "do_rescale", True):
            scale *= float(getattr(processor, "rescale_factor", 1 / 255))
        channels = "BGR" if getattr(processor, "do_flip_channel_order", False) else "RGB"
        return InputConvention(None, None, channels, round(scale, 6), mean, std, "bilinear", native=native)
