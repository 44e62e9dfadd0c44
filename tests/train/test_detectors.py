"""Detectors trained, fine-tuned and helped from pictures with boxes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qbench.cards.schema import CropView, RecipeSpec
from qbench.draws import keyed
from qbench.errors import DataError, QbenchError
from qbench.models.base import LoadedModel
from qbench.models.detection.fcos import FcosHeads
from qbench.train.core.batches import Batches, Samples
from qbench.train.core.loop import _step
from qbench.train.recipes.afd.training import build as afd
from qbench.train.recipes.common import Parts
from qbench.train.recipes.dense.training import build as dense
from qbench.train.recipes.finetune.training import finetune
from qbench.vocabulary import Boxes, Manifest, Sample

from .pictures import Noise, copied, jpeg_mix, moved, steps

STEM = "backbone.body.conv_stem.*"
NORM = "backbone.body.bn1"


@dataclass(frozen=True)
class Squares:
    """A bright square, red or blue, on dark noise, and where it is."""

    count: int = 6
    label: str = "squares"

    def manifest(self) -> Manifest:
        ids = tuple(str(i) for i in range(self.count))
        return Manifest(ids, ids)

    def load(self, index: int) -> Sample:
        rng = keyed(0, "square", 0, str(index))
        image = rng.integers(0, 60, (96, 120, 3)).astype(np.uint8)
        left, top, side = (int(n) for n in (rng.integers(0, 80), rng.integers(0, 56), rng.integers(24, 40)))
        image[top : top + side, left : left + side, 2 * (index % 2)] = 250
        box = np.array([[left, top, left + side, top + side]], dtype=np.float32)
        return Sample(str(index), image, Boxes(box, np.array([index % 2], dtype=np.int32)))


class Declared:
    """The smallest of encoders; `first` is one build of it, whose state others start from."""

    def __init__(self) -> None:
        self.declared = FcosHeads(classes=2, encoder="mobilenetv2_035", width=32, convs=1, strides=(16, 32))
        self.built_: list[LoadedModel] = []

    def build(self, fold: bool = True) -> LoadedModel:
        self.built_.append(self.declared.build(fold))
        return self.built_[-1]


def parts(tmp_path: Path, kind: str, loss: dict[str, Any], network: dict[str, Any], data: Any = None) -> Parts:
    spec = RecipeSpec.model_validate(
        {
            "kind": kind, "model": "torchvision-heads:fcos", "data": {"source": {"dataset": "any"}},
            "crop": {"size": 64}, "degradation": [{"condition": "clean"}], "loss": loss, "network": network,
            "stages": [{"steps": 4, "batch": 2, "lr": 3e-3}],
        }
    )  # fmt: skip
    samples = Samples(data or Squares(), 6)
    return Parts("toy", spec, 0, "cpu", {"source": samples, "validation": samples}, jpeg_mix(tmp_path), Declared())


def test_a_detector_learns_but_for_what_is_frozen_norms_included(tmp_path: Path) -> None:
    recipe = dense(parts(tmp_path, "detector", {"own": 1.0}, {"freeze": [STEM, f"{NORM}.*"]}))
    net = recipe.modules["net"]
    before = copied(net)
    sums = [sum(losses.values()) for losses in steps(recipe, 8)]
    assert sums[-1] < sums[0]
    changed = moved(net, before)
    still = {name for name in before if name.startswith((STEM[:-1], f"{NORM}."))}
    assert f"{NORM}.running_mean" in still
    assert not changed & still
    assert {name for name, _ in net.named_parameters()} - still <= changed
    assert "backbone.body.blocks.0.0.bn1.running_mean" in changed


def test_measuring_a_detector_moves_nothing(tmp_path: Path) -> None:
    recipe = dense(parts(tmp_path, "detector", {"own": 1.0}, {}))
    steps(recipe, 1)
    net = recipe.modules["net"]
    before = copied(net)
    first = dict(recipe.measure())
    assert set(first) == {f"validation {part}" for part in ("classification", "bbox_regression", "bbox_ctrness")}
    assert dict(recipe.measure()) == first
    assert moved(net, before) == set()
    assert not net.training


def test_fine_tuning_a_detector_leaves_the_statistics_of_its_norms(tmp_path: Path) -> None:
    card_parts = parts(tmp_path, "finetune", {"own": 1.0}, {})
    recipe = finetune(card_parts)
    net = recipe.modules["net"]
    before = copied(net)
    steps(recipe, 3)
    changed = moved(net, before)
    assert {name for name, _ in net.named_parameters()} <= changed
    assert f"{NORM}.running_mean" in before, "the norm behind the stem stays a norm"
    assert not any("running" in name for name in changed)
    Declared().build().net.load_state_dict(dict(recipe.ship()), strict=True)


def test_a_detector_s_logits_are_none_and_pictures_need_boxes(tmp_path: Path) -> None:
    recipe = finetune(parts(tmp_path, "finetune", {"kl": 1.0}, {}))
    with pytest.raises(QbenchError, match="`own`"):
        steps(recipe, 1)
    recipe = dense(parts(tmp_path, "detector", {"own": 1.0}, {}, Noise()))
    with pytest.raises(DataError, match="needs boxes"):
        steps(recipe, 1)


def test_features_inside_a_detector_are_mended_without_boxes(tmp_path: Path) -> None:
    deeper = {"weight": 0.1, "sites": ["backbone.fpn.layer_blocks.0.0", "backbone.fpn.layer_blocks.1.0"]}
    card_parts = parts(
        tmp_path, "afd", {"feature": 1.0, "deeper": deeper}, {"site": "blocks.1", "gate": False}, Noise(7, 72, 72)
    )
    recipe = afd(card_parts)
    model = card_parts.model.built_[0].net
    before, frozen = copied(recipe.modules["net"]), copied(model)
    stage = recipe.stages[0]
    stage.prepare()
    losses = _step(stage, {"source": stage.roles["source"](0)}, 0)
    assert set(losses) == {"feature", "deeper"}
    assert all(value > 0 for value in losses.values())
    assert moved(recipe.modules["net"], before)
    assert not moved(model, frozen)


def test_boxes_come_along_to_another_device(tmp_path: Path) -> None:
    batch = replace(parts(tmp_path, "detector", {"own": 1.0}, {}), device="meta").batches("source", "x", 3)(0)
    assert (batch.clean.device.type, batch.help.device.type) == ("meta", "meta")
    assert batch.boxes is not None
    assert len(batch.boxes) == 3


def test_boxes_follow_the_picture_into_any_square(tmp_path: Path) -> None:
    """The crop's own pixels say where the square is."""
    view = CropView(size=64, scale=(0.8, 1.6), flip=True, rotate=True, aligned=False)
    make = Batches(Samples(Squares(), 6), view, jpeg_mix(tmp_path), 6, 0, "x")
    seen = 0
    for batch in map(make, range(4)):
        assert batch.boxes is not None
        for picture, boxes in zip(batch.clean, batch.boxes, strict=True):
            if not len(boxes.labels):
                continue
            seen += 1
            bright = picture[2 * int(boxes.labels[0])] > 0.6
            rows, columns = bright.any(1).nonzero(), bright.any(0).nonzero()
            corners = [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
            np.testing.assert_allclose(boxes.corners[0], corners, atol=1.5)
    assert seen > 12
