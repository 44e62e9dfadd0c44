"""The fixed suite of the engine's benchmark, with its pictures and weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from PIL import Image as Pillow
from safetensors.torch import save_file

from qbench.data.scenes import scene
from qbench.methods.afd import AfdOptions, AfdReleaseOptions
from qbench.methods.afd.net import Afd
from qbench.methods.osr import OsrOptions
from qbench.methods.osr.net import Osr
from qbench.models.cut import Geometry
from qbench.models.initial import initialise
from qbench.models.restoration.networks import AodNet, Dncnn3Net
from qbench.models.restoration.running import empty
from qbench.runs.plan import Options, load_suite, make_plan
from qbench.runs.planned import Plan

QUALITIES = [25, 18, 15, 10, 7]
SITE_CHANNELS = 32  # of all three models at AFD's site, so that one file of weights fits all


RESTORERS = ("arcnn", "dncnn-small", "dncnn", "osr", "dncnn3", "aodnet")
MODELS_OF_RESTORATION = ("dncnn3", "aodnet")
"""Those of them that stand in front of a model as `restorer`."""
FEATURES: Mapping[str, AfdOptions] = {
    "afd": AfdOptions(), "afd-release": AfdReleaseOptions(), "afd-unguided": AfdOptions(fde="none"),
}  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """What may shrink in a test: the counts, and the sizes of pictures and views in pixels."""

    samples: int = 16
    repetitions: int = 5
    picture: int = 256
    crop: int = 224
    restorers: tuple[str, ...] = ("arcnn", "dncnn-small")
    features: tuple[str, ...] = ("afd",)

    @property
    def words(self) -> str:
        """The options of the benchmark's command that say the same."""
        sizes = f"--samples {self.samples} --repetitions {self.repetitions} --picture {self.picture} --crop {self.crop}"
        methods = " ".join([*(["--restorers", *self.restorers]), *(["--features", *self.features])])
        return f"{sizes} {methods}"


def write_pictures(root: Path, scale: Scale) -> None:
    """Scenes as PNG files in a folder a class."""
    for index in range(scale.samples):
        drawn = scene("test", index, scale.picture)
        folder = root / f"{drawn.label:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(drawn.image).save(folder / f"{index:05d}.png")


def write_methods(root: Path, scale: Scale) -> list[Any]:
    """All methods as a suite names them, with drawn weights below `root`."""
    methods: list[Any] = ["direct"]
    for name in (*scale.restorers, *scale.features):
        network, header = _network(name)
        initialise(network, 0)
        file = root / f"{name}.safetensors"
        state = {_stored_name(name, key): value.contiguous() for key, value in network.state_dict().items()}
        save_file(state, file, metadata=header)
        methods.append(_named(name, str(file)))
    return methods


def _named(name: str, weights: str) -> dict[str, Any]:
    if name in MODELS_OF_RESTORATION:
        return {"restorer": {"model": {name: {"weights": weights}}}}
    kind = "afd" if name == "afd-unguided" else name
    return {kind: {"label": name, "weights": weights}}


def _network(name: str) -> tuple[torch.nn.Module, dict[str, str]]:
    """A network, and what the header of its weights says."""
    if name in FEATURES:
        options = FEATURES[name]
        return Afd(options, Geometry(SITE_CHANNELS, 2, 0.5), "deployed"), options.metadata()
    if name == "osr":
        return Osr(OsrOptions()), OsrOptions().metadata()
    if name in MODELS_OF_RESTORATION:
        return (Dncnn3Net() if name == "dncnn3" else AodNet()), {}
    return empty(name), {}


def _stored_name(name: str, key: str) -> str:
    """A tensor's name in a file; those of DnCNN-3 are the authors'."""
    if name != "dncnn3":
        return key
    _, layer, leaf = key.split(".")
    return f"conv{int(layer) // 2:02d}.{leaf}"


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
