"""`hf-detection:NAME`: detectors of Hugging Face's transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError
from qbench.models.detection.objects import UNCHANGED, real_names
from qbench.models.huggingface import HuggingFaceModel
from qbench.models.library import CONFIG
from qbench.registry import model

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel


@model("hf-detection:*")
@dataclass(frozen=True, config=CONFIG)
class HfDetection(HuggingFaceModel):
    """A detector of transformers (DETR, RT-DETR, YOLOS, ...): a folder with its files, or a name of the hub.

    Its image processor resizes, normalises and reads the boxes off. With `weights`, the state comes from that file and
    no network is touched; of the folder (or of what the hub's cache holds) only the configuration is read. `classes`
    other than the checkpoint's draw the last layers anew from `seed`. No code that a repository brings is run."""

    prefix: ClassVar[str] = "hf-detection"
    automatic: ClassVar[str] = "AutoModelForObjectDetection"
    needed: ClassVar[str] = "give a folder with config.json, preprocessor_config.json and model.safetensors"

    classes: int | None = Field(default=None, ge=1, description="Number of classes. Default: the checkpoint's own.")

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown name, no library or no network, WeightsError for a misfit."""
        fresh = () if self.classes is None else (self.classes, self.classes + 1)  # some tell "no object" too
        with self._reading() as transformers:
            processor = transformers.AutoImageProcessor.from_pretrained(self.name, **self._origin)
            net = self._network(transformers, fresh=fresh, strict=False)
        from qbench.models.base import LoadedModel
        from qbench.models.detection.transformers_net import Processed, decode
        from qbench.models.fold import for_inference

        names = _names(net.config)
        ready = Processed(for_inference(net, fold=False), processor)
        told, read = real_names(names), decode(processor, names)
        return LoadedModel(ready.eval(), UNCHANGED, self.sites, read, names=told, classes=len(told))


def _names(config: Any) -> list[str]:
    """Of the network's own classes, by index. Raises QbenchError for a configuration that numbers them otherwise."""
    given = {int(place): str(name) for place, name in config.id2label.items()}
    if sorted(given) != list(range(config.num_labels)):
        numbers = f"{min(given)} to {max(given)}" if given else "nothing"
        raise QbenchError(f"`id2label` numbers classes {numbers}; expected 0 to {config.num_labels - 1}, each once")
    return [given[place] for place in range(config.num_labels)]
