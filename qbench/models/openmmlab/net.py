"""Networks of OpenMMLab behind their own test pipeline: [0, 1] pictures in, their own predictions out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.errors import foreign
from qbench.models.base import Cut, LoadedModel
from qbench.models.cut import cut
from qbench.models.detection.objects import UNCHANGED
from qbench.models.openmmlab.config import SITES
from qbench.models.openmmlab.losses import Feed, own_losses
from qbench.models.state import fitting
from qbench.vocabulary import Boxes, Context

LEVELS = 255
WHOLE = 1e-3
"""How far from a whole level a value of an 8-bit picture may lie after the way through [0, 1] in float32."""


@dataclass(frozen=True)
class OneByOne(LoadedModel):
    """A model that looks at one picture at a time, as the frameworks' inference does: a batch's convolutions round
    otherwise, by its size. Where a method put modules inside that know of their batch, it runs whole."""

    def predict(self, images: Tensor, context: Context | None = None) -> Any:
        if self.beside is not None:
            return super().predict(images, context)
        return self.decode(_Each(self.net)(self.normalise(images)), images)

    def cut(self, site: str) -> Cut:
        front, back = cut(self.net, self.path(site))
        return Cut(self, front, back) if self.beside is not None else Cut(self, _Each(front), _Each(back))


class _Each(nn.Module):
    """A network applied to the members of its batches in turn."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *batches: Tensor) -> Any:
        parts = [self.net(*(batch[i : i + 1] for batch in batches)) for i in range(len(batches[0]))]
        return torch.cat(parts) if isinstance(parts[0], Tensor) else [one for part in parts for one in part]


def build(
    framework: str, file: Path, state: Mapping[str, Tensor], source: str, names: tuple[str, ...] = ()
) -> LoadedModel:
    """The network of a configuration with a state, in eval mode; `names` are those of its classes, where they are
    known. The configuration is run.

    Norms stay unfolded and weights in the usual layout: both would change the last bits of what the framework says.
    Raises QbenchError where the framework refuses the configuration, WeightsError for a state that does not fit."""
    with foreign(f"{framework} cannot build {file}"):  # whatever the configuration's own code raises
        net, pipeline = _made(framework, file)
    state = fitting(net.state_dict(), [state], source, type(net).__name__)
    net.load_state_dict(dict(state), strict=True)
    for module in net.modules():
        if getattr(module, "inplace", False):
            module.inplace = False
    feed = partial(_fed, pipeline)
    _take_pictures(net.eval(), framework, feed)
    paths = {name for name, _ in net.named_modules()}
    sites = SITES.get(type(getattr(net, "backbone", None)).__name__, {})
    kept = {site: path for site, path in sites.items() if path in paths}
    if framework == "mmdet":
        return OneByOne(net, UNCHANGED, kept, boxes_of, partial(own_losses, feed), names=names)
    read = partial(logits_of, getattr(net.decode_head, "threshold", None) or 0.5)
    return OneByOne(net, UNCHANGED, kept, read, names=names)


def _made(framework: str, file: Path) -> tuple[Any, Callable[[Any], Any]]:
    """The network and the pipeline in front of it, as the framework's own inference makes them."""
    from mmengine.config import Config
    from mmengine.dataset import Compose
    from mmengine.model import revert_sync_batchnorm

    import_module(f"{framework}.apis")
    config = Config.fromfile(file)
    with _scope(framework):
        net = revert_sync_batchnorm(import_module(f"{framework}.registry").MODELS.build(config.model))
        pipeline = Compose(_test_pipeline(framework, config))
    return net, pipeline


def _scope(framework: str) -> Any:
    """Both frameworks keep one table of names each; which is asked is global to the process."""
    from mmengine.registry import DefaultScope

    return DefaultScope.overwrite_default_scope(framework)


def _test_pipeline(framework: str, config: Any) -> list[Any]:
    """What `inference_detector` and `inference_model` make of the configuration, for pictures in memory."""
    if framework == "mmdet":
        from mmdet.utils import get_test_pipeline_cfg

        steps = list(get_test_pipeline_cfg(config))
    else:
        steps = [step for step in config.test_pipeline if step["type"] != "LoadAnnotations"]
    return [{**steps[0], "type": f"{framework}.LoadImageFromNDArray"}, *steps[1:]]


def _take_pictures(net: Any, framework: str, feed: Feed) -> None:
    """Make `net`'s forward take pictures of one size, [B, 3, H, W] in [0, 1], and give the framework's data samples.

    Module paths and the names of the state stay. Gradients flow to the pictures as through a bilinear resize."""
    kind: Any = type(net)

    def forward(self: Any, images: Tensor) -> Any:
        data = feed(self, images)
        with _scope(framework):
            return kind.forward(self, data["inputs"], data["data_samples"], mode="predict")

    net.__class__ = type(kind.__name__, (kind,), {"forward": forward})


def _fed(pipeline: Callable[[Any], Any], net: Any, images: Tensor) -> dict[str, Any]:
    fed = [pipeline({"img": array_of(image), "img_id": 0}) for image in images.unbind()]
    inputs, samples = [one["inputs"] for one in fed], [one["data_samples"] for one in fed]
    if images.requires_grad:
        inputs = [_attached(*one) for one in zip(inputs, images.unbind(), samples, strict=True)]
    data: dict[str, Any] = net.data_preprocessor({"inputs": inputs, "data_samples": samples}, False)
    return {**data, "inputs": data["inputs"].to(next(net.parameters()).dtype)}


def array_of(image: Tensor) -> np.ndarray[Any, Any]:
    """[3, H, W] in [0, 1] RGB as the frameworks read pictures: [H, W, 3] BGR, uint8.

    A picture that holds other than 8-bit levels, because a method changed it, is float32 from 0 to 255."""
    levels = (image.detach().to("cpu", torch.float32) * LEVELS).flip(0).permute(1, 2, 0).contiguous()
    whole = levels.round()
    exact = bool((levels - whole).abs().max() < WHOLE) and bool(whole.min() >= 0) and bool(whole.max() <= LEVELS)
    return (whole.to(torch.uint8) if exact else levels).numpy()


def _attached(value: Tensor, image: Tensor, sample: Any) -> Tensor:
    """The pipeline's picture [3, h, w] with the gradient of `image`, scaled and padded at the right and bottom."""
    across, down = sample.metainfo.get("scale_factor", (1.0, 1.0))
    size = (round(image.shape[1] * down), round(image.shape[2] * across))
    scaled = F.interpolate(image.flip(0)[None] * LEVELS, size=size, mode="bilinear", align_corners=False)[0]
    scaled = F.pad(scaled, (0, value.shape[2] - size[1], 0, value.shape[1] - size[0]))
    return scaled + (value.to(scaled) - scaled).detach()


def boxes_of(output: Sequence[Any], images: Tensor) -> list[Boxes]:
    """mmdet's corners are those of `Boxes`: x1 and y1 on the far edge, in pixels of the picture as it came."""
    boxes = []
    for sample in output:
        objects = sample.pred_instances
        corners, scores = (part.detach().float().cpu().numpy() for part in (objects.bboxes, objects.scores))
        boxes.append(Boxes(corners.reshape(-1, 4), objects.labels.cpu().numpy().astype(np.int32), scores))
    return boxes


def logits_of(threshold: float, output: Sequence[Any], images: Tensor) -> Tensor:
    """mmseg's logits [B, classes, H, W] at the pictures' size.

    A head of one channel says how likely class 1 is, which wins above `threshold`: that stands in as class 0."""
    logits = torch.stack([sample.seg_logits.data for sample in output])
    return logits if logits.shape[1] > 1 else torch.cat([torch.full_like(logits, threshold), logits], dim=1)
