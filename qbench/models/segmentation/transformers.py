"""`hf-segmentation:NAME`: semantic segmentation networks of Hugging Face's transformers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.models.files import read_state
from qbench.models.of_transformers import EXTRA, LIBRARY, OfTransformers, loaded
from qbench.models.segmentation.torchvision import CONFIG, Segmenter, imported
from qbench.registry import model
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel


@model("hf-segmentation:*")
@dataclass(frozen=True, config=CONFIG)
class HfSegmentation(OfTransformers, Segmenter):
    """A semantic segmentation network of transformers (SegFormer, UPerNet, ...): a folder, or a name of the hub.

    With `weights`, the state comes from that file, and of the folder (or of what the hub's cache holds) only the
    configuration is read: no network is touched. `classes` other than the checkpoint's draw its last layer anew from
    `seed`. No code that a repository brings is run."""

    prefix: ClassVar[str] = "hf-segmentation"
    needed: ClassVar[str] = "give a folder that holds config.json, as transformers saves a model"
    revision: str | None = Field(default=None, description="Branch, tag or commit of the hub. Default: main.")

    def identity(self) -> Mapping[str, Any]:
        return {**super().identity(), "input": self.input.given()}

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown name, no library or no network, WeightsError for a misfit."""
        transformers = imported(LIBRARY, LIBRARY, EXTRA)
        where = self._origin()
        classes = {} if self.classes is None else {"num_labels": self.classes}
        with self._reading(), self._seeded(), _quiet(transformers.utils.logging):
            config = transformers.AutoConfig.from_pretrained(self.name, **where, **classes)
            net = transformers.AutoModelForSemanticSegmentation.from_config(config)
            if self.weights is not None:
                net = loaded(type(net), config, str(self.weights), state_dict=read_state(self.weights))
            elif self.pretrained:
                net = loaded(type(net), config, self.name, fresh=self.classes, **where)
            convention = _convention(transformers, self.name, where)
        return self._ready(net, convention, fold)


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """transformers reports and draws progress bars as it loads; what matters of that is checked here."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _convention(transformers: Any, name: str, where: Mapping[str, Any]) -> InputConvention:
    """What the checkpoint's image processor does to values; where it has none, ImageNet's usual."""
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(name, **where)
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
