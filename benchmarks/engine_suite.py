"""The fixed suite of the engine's benchmark, with its pictures and weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from PIL import Image as Pillow
from safetensors.torch import save_file

from qbench.data.scenes import scene
from qbench.methods.afd import AfdOptions
from qbench.methods.afd.net import Afd
from qbench.models.cut import Geometry
from qbench.models.initial import initialise
from qbench.models.restoration.plain_networks import empty
from qbench.runs.plan import Options, load_suite, make_plan
from qbench.runs.planned import Plan

QUALITIES = [25, 18, 15, 10, 7]
SITE_CHANNELS = 32  # of all three models at AFD's site, so that one file of weights fits all


@dataclass(frozen=True)
class Scale:
    """What may shrink in a test: the counts, and the sizes of pictures and views in pixels."""

    samples: int = 16
    repetitions: int = 5
    picture: int = 256
    crop: int = 224
    restorers: tuple[str, ...] = ("arcnn", "dncnn-small")


def write_pictures(root: Path, scale: Scale) -> None:
    """Scenes as PNG files in a folder a class."""
    for index in range(scale.samples):
        drawn = scene("test", index, scale.picture)
        folder = root / f"{drawn.label:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(drawn.image).save(folder / f"{index:05d}.png")


def write_weights(root: Path, scale: Scale) -> dict[str, Path]:
    """Drawn weights of the restorers and of AFD, by method."""
    networks: dict[str, torch.nn.Module] = {name: empty(name, deployed=True) for name in scale.restorers}
    networks["afd"] = Afd(AfdOptions(), Geometry(SITE_CHANNELS, 2, 0.5), "deployed")
    files = {name: root / f"{name}.safetensors" for name in networks}
    for name, network in networks.items():
        initialise(network, 0)
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, files[name])
    return files


def write_suite(file: Path, root: Path, methods: Sequence[Any], scale: Scale) -> Path:
    """Three classifiers x six conditions x `methods`, in one view, so that the classifiers share degraded pictures."""
    drawn = {"pretrained": False}
    task = {
        "dataset": {"name": "imagefolder", "root": str(root / "pictures")},
        "view": {"resize": scale.picture, "crop": scale.crop, "interpolation": "bicubic"},
        "models": ["efficientnet-lite0", {"timm:mobilenetv2_100": drawn}, {"timm:mobilenetv2_110d": drawn}],
        "conditions": [
            "clean",
            {"jpeg": {"quality": [25, 15, 7]}},
            {"rejpeg": {"times": [2, 4], "quality": {"any": QUALITIES}}},
        ],
        "methods": list(methods),
    }
    suite = {"suite": "engine", "version": 1, "changelog": {1: "first"}, "seed": 0, "tasks": [task]}
    file.write_text(yaml.safe_dump(suite), encoding="utf-8")
    return file


def planned(file: Path) -> Plan:
    suite, document = load_suite(file)
    return make_plan(suite, document, Options(device="cpu"))
