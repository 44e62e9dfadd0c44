"""Random weights for a configuration, as both sides read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from safetensors.torch import load_file
from torch import Tensor

from qbench.data.scenes.dataset import Scenes
from tests.conftest import ROOT

CONFIGS = Path(__file__).parent / "configs"
SHIPPED = ROOT / "baselines" / "openmmlab"


def random_checkpoint(config: Path, folder: Path, framework: str, seed: int = 0) -> Path:
    """A file of plain tensors, drawn so that signals keep their size through the network; classes in its `meta`."""
    import importlib

    importlib.import_module(f"{framework}.apis")
    read = Config.fromfile(config)
    with DefaultScope.overwrite_default_scope(framework):
        net = importlib.import_module(f"{framework}.registry").MODELS.build(read.model)
    state = {name: drawn(name, tensor, seed) for name, tensor in net.state_dict().items()}
    classes = ("first", "second")
    file = folder / f"{config.stem}.pth"
    torch.save({"state_dict": state, "meta": {"dataset_meta": {"classes": classes, "palette": [[0, 0, 0]]}}}, file)
    return file


def trained_checkpoint(name: str, folder: Path) -> Path:
    """The weights that ship for a network of scenes, as the frameworks' own loaders take them."""
    file = folder / f"{name}.pth"
    meta = {"dataset_meta": {"classes": Scenes().classes, "palette": [[0, 0, 0]]}}
    torch.save({"state_dict": load_file(SHIPPED / f"{name}.safetensors"), "meta": meta}, file)
    return file


def drawn(name: str, tensor: Tensor, seed: int) -> Tensor:
    if not tensor.is_floating_point():
        return tensor.clone()
    rng = np.random.default_rng([seed, *name.encode()])
    if tensor.dim() < 2:
        spread = rng.uniform(0.8, 1.2, tuple(tensor.shape)) if name.endswith(("weight", "running_var", "scale")) else 0
        offset = rng.normal(0, 0.1, tuple(tensor.shape)) if name.endswith(("bias", "running_mean")) else 0
        return torch.as_tensor(spread + offset, dtype=tensor.dtype).reshape(tensor.shape)
    values = rng.normal(0, (2 / tensor[0].numel()) ** 0.5, tuple(tensor.shape))
    return torch.as_tensor(values, dtype=tensor.dtype)


def pictures(height: int, width: int, count: int) -> list[np.ndarray[Any, Any]]:
    """Cuts of scenes, uint8 [H, W, 3] RGB."""
    scenes = Scenes(count=count, split="val", size=max(height, width, 128))
    return [np.ascontiguousarray(scenes.load(i).image[:height, :width]) for i in range(count)]


def batch_of(images: list[np.ndarray[Any, Any]]) -> Tensor:
    """[B, 3, H, W] in [0, 1], laid out as the engine does."""
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return stacked.to(torch.float32, memory_format=torch.channels_last) / 255
