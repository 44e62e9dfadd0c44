"""`hf-detection:NAME`: detectors of Hugging Face's transformers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.errors import WeightsError
from qbench.models.detection.torchvision import AS_THEY_ARE, CONFIG, named
from qbench.models.of_transformers import EXTRA, LIBRARY, OfTransformers
from qbench.models.segmentation.torchvision import installed
from qbench.registry import model

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel


@model("hf-detection:*")
@dataclass(frozen=True, config=CONFIG)
class HfDetection(OfTransformers):
    """A detector of transformers (DETR, RT-DETR, YOLOS, ...): a folder with its files, or a name of the hub.

    Its image processor resizes, normalises and reads the boxes off. With `weights`, the state comes from that file and
    no network is touched; of the folder (or of what the hub's cache holds) only the configuration is read. `classes`
    other than the checkpoint's draw the last layers anew from `seed`. No code that a repository brings is run."""

    prefix: ClassVar[str] = "hf-detection"
    needed: ClassVar[str] = "give a folder with config.json, preprocessor_config.json and model.safetensors"
    name: str
    weights: Path | None = None
    pretrained: bool = True
    classes: int | None = Field(default=None, ge=1, description="Number of classes. Default: the checkpoint's own.")
    revision: str | None = Field(default=None, description="Branch, tag or commit of the hub. Default: main.")
    seed: int = 0

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown name, no library or no network, WeightsError for a misfit."""
        installed(LIBRARY, EXTRA)
        from qbench.models.base import LoadedModel
        from qbench.models.detection.transformers_net import Processed, decode, with_state
        from qbench.models.fold import for_inference

        with self._reading():
            processor, net = self._read()
        if self.weights is not None:
            net = with_state(net, self.weights)
        names = [str(net.config.id2label[place]) for place in range(net.config.num_labels)]
        ready = Processed(for_inference(net, fold=False), processor)
        return LoadedModel(ready.eval(), AS_THEY_ARE, self.sites, decode(processor, names), names=named(names))

    def _read(self) -> tuple[Any, Any]:
        """The image processor, and the network as it is before `weights`."""
        import torch
        import transformers

        library: Any = transformers
        where = self._origin()
        processor = library.AutoImageProcessor.from_pretrained(self.name, **where)
        changes = {} if self.classes is None else {"num_labels": self.classes}
        config = _without_download(library.AutoConfig.from_pretrained(self.name, **where, **changes))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            if self.pretrained and self.weights is None:
                return processor, self._trained(library.AutoModelForObjectDetection, config, where)
            return processor, library.AutoModelForObjectDetection.from_config(config)

    def _trained(self, kind: Any, config: Any, where: Mapping[str, Any]) -> Any:
        """The checkpoint's network. transformers would draw what a checkpoint lacks; only last layers may be."""
        net, found = kind.from_pretrained(
            self.name,
            config=config,
            ignore_mismatched_sizes=self.classes is not None,
            output_loading_info=True,
            **where,
        )
        missing = sorted(found["missing_keys"])
        if missing:
            raise WeightsError(
                f"{self.name} lacks {len(missing)} tensors of {type(net).__name__}, first {missing[0]!r}"
            )
        return net


def _without_download(config: Any) -> Any:
    """A backbone's own pretrained weights would be fetched, only to be replaced by the checkpoint's."""
    if getattr(config, "use_pretrained_backbone", False):
        config.use_pretrained_backbone = False
    return config
