"""Train a model of built-in scenes with OpenMMLab's own runner: `python baselines/openmmlab/train.py scenes_detector`.

Writes NAME.safetensors, a .json beside it that says what was done, and PyTorch's checkpoint as the runner leaves it."""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, InfiniteSampler, pseudo_collate
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS, DefaultScope
from mmengine.runner import Runner
from mmengine.runner.amp import autocast
from safetensors.torch import save
from torch import nn
from torch.utils.data import DataLoader, Dataset

from qbench.data.scenes.dataset import Scenes
from qbench.models.openmmlab.checkpoint import read_checkpoint

HERE = Path(__file__).resolve().parent
COUNT = 16000


class ScenePictures(Dataset[Any]):
    """Training scenes behind a pipeline of the framework: pictures with boxes, or with masks."""

    def __init__(self, config: Config) -> None:
        self.boxes = config.default_scope == "mmdet"
        self.scenes = Scenes(count=COUNT, split="train", target="boxes" if self.boxes else "mask")
        with DefaultScope.overwrite_default_scope(config.default_scope):
            self.pipeline = Compose(config.train_pipeline)

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Any:
        sample = self.scenes.load(index)
        entry: dict[str, Any] = {"img": np.ascontiguousarray(sample.image[..., ::-1]), "img_id": index, "img_path": ""}
        if self.boxes:
            pairs = zip(sample.target.corners.tolist(), sample.target.labels.tolist(), strict=True)
            entry["instances"] = [{"bbox": box, "bbox_label": label, "ignore_flag": 0} for box, label in pairs]
        else:
            entry |= {"gt_seg_map": sample.target.copy(), "seg_fields": ["gt_seg_map"], "reduce_zero_label": False}
        return self.pipeline(entry)


@OPTIM_WRAPPERS.register_module()
class HalfForward(OptimWrapper):
    """Forward passes in bfloat16 on the CPU, which the framework's own mixed precision does not offer there."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with super().optim_context(model), autocast(device_type="cpu", dtype=torch.bfloat16):
            yield


def runner(config: Config, seed: int, folder: Path) -> Runner:
    """The framework's runner on training scenes; it writes one checkpoint, after the last step."""
    pictures = DataLoader(
        ScenePictures(config),
        batch_size=config.train_batch,
        sampler=InfiniteSampler(range(COUNT), seed=seed),
        collate_fn=pseudo_collate,
    )
    last = dict(type="CheckpointHook", interval=config.train_cfg.max_iters, by_epoch=False, save_optimizer=False)
    return Runner(
        model=config.model,
        work_dir=str(folder),
        train_cfg=config.train_cfg,
        train_dataloader=pictures,
        optim_wrapper=dict(type="HalfForward", **config.optim_wrapper),
        param_scheduler=config.param_scheduler,
        default_hooks=dict(checkpoint=last, logger=dict(type="LoggerHook", interval=50)),
        log_processor=dict(by_epoch=False),
        randomness=dict(seed=seed),
        default_scope=config.default_scope,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=["scenes_detector", "scenes_segmenter"])
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="a trial: so many steps at the start of the same schedule")
    order = parser.parse_args()
    config = Config.fromfile(HERE / f"{order.name}.py")
    if order.steps:
        config.train_cfg.max_iters = order.steps
    torch.set_num_threads(1)
    order.out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        runner(config, order.seed, Path(folder)).train()
        steps = config.train_cfg.max_iters
        state = read_checkpoint(Path(folder) / f"iter_{steps}.pth").state
    content = save(state)
    facts = {
        "sha256": hashlib.sha256(content).hexdigest(), "config": f"{order.name}.py", "seed": order.seed, "steps": steps,
        "minutes": round((time.perf_counter() - started) / 60, 2), "parameters": sum(v.numel() for v in state.values()),
        "versions": {name: version(name) for name in ("torch", "mmengine", "mmcv", "mmdet", "mmsegmentation")},
        "data_licence": "Apache-2.0 (scenes, this repository's own generator)",
    }  # fmt: skip
    (order.out / f"{order.name}.json").write_text(json.dumps(facts, indent=2) + "\n")
    (order.out / f"{order.name}.safetensors").write_bytes(content)
    print(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main()
