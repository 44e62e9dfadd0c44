"""Segmenters trained, fine-tuned and helped from pictures with masks on disk."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.cards.schema import RecipeSpec
from qbench.data.masks import Masks
from qbench.draws import keyed
from qbench.errors import DataError
from qbench.models.base import LoadedModel
from qbench.models.fold import for_inference
from qbench.models.initial import initialise
from qbench.models.segmentation.segmenter import logits_at_images
from qbench.train.core.batches import Batch, Samples
from qbench.train.recipes.afd.training import build as afd
from qbench.train.recipes.common import Parts
from qbench.train.recipes.dense.training import build as dense
from qbench.train.recipes.finetune.training import finetune
from qbench.vocabulary import InputConvention

from .pictures import Noise, copied, jpeg_mix, moved, steps

CLASSES = 3
IGNORED = 255


def written(root: Path, count: int = 4) -> Masks:
    """Pictures of 40 x 52 of flat areas: the class of a pixel is its bright channel; a band is ignored."""
    for number in range(count):
        areas = keyed(0, "areas", 0, str(number)).integers(0, CLASSES, (5, 7)).repeat(8, 0).repeat(8, 1)[:40, :52]
        image = np.full((40, 52, 3), 30, dtype=np.uint8)
        np.put_along_axis(image, areas[:, :, None], 220, axis=2)
        areas = areas.astype(np.uint8)
        areas[17:24] = IGNORED
        for folder, array in (("images", image), ("masks", areas)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(root / folder / f"{number}.png")
    return Masks(root)


class Streets(nn.Module):
    """Logits at a quarter of the picture's size."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.head = nn.Conv2d(16, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(self.stem(x)))
        return logits


class Declared:
    def __init__(self) -> None:
        self.net = Streets()
        initialise(self.net, 0)

    def build(self, fold: bool = True) -> LoadedModel:
        net = for_inference(copy.deepcopy(self.net), fold=fold)
        return LoadedModel(net, InputConvention(None, None), {"D2": "stem"}, logits_at_images)


def parts(tmp_path: Path, kind: str, loss: dict[str, Any], network: dict[str, Any], data: Any = None) -> Parts:
    spec = RecipeSpec.model_validate(
        {
            "kind": kind, "model": "smp:fpn", "data": {"source": {"dataset": "any"}},
            "crop": {"size": 32, "scale": [0.8, 1.5]}, "degradation": [{"condition": "clean"}], "loss": loss,
            "network": network, "stages": [{"steps": 4, "batch": 4, "lr": 2e-2}],
        }
    )  # fmt: skip
    samples = Samples(data or written(tmp_path / "data"), 4, spec.planes if data else ())
    return Parts("afd", spec, 0, "cpu", {"source": samples, "validation": samples}, jpeg_mix(tmp_path), Declared())


def test_a_segmenter_learns_from_files_and_its_frozen_parts_keep_their_norms(tmp_path: Path) -> None:
    recipe = dense(parts(tmp_path, "segmenter", {"ce": 1.0}, {"freeze": ["stem.*"]}))
    net = recipe.modules["net"]
    before = copied(net)
    losses = [step["ce"] for step in steps(recipe, 25)]
    assert losses[-1] < 0.5 * losses[0]
    assert {name.split(".")[0] for name in moved(net, before)} == {"body", "head"}
    assert not torch.equal(net.state_dict()["body.1.running_mean"], before["body.1.running_mean"])
    Streets().load_state_dict(dict(recipe.ship()), strict=True)
    assert "validation ce" in recipe.measure()


def test_ignored_pixels_weigh_nothing(tmp_path: Path) -> None:
    recipe = dense(parts(tmp_path, "segmenter", {"ce": 1.0}, {}))
    stage = recipe.stages[0]
    batch: Batch = stage.roles["source"](0)
    assert batch.masks is not None
    assert set(batch.masks.unique().tolist()) == {0, 1, 2, IGNORED}
    recipe.modules["net"].eval()
    with torch.no_grad():
        logits = LoadedModel(recipe.modules["net"], InputConvention(None, None), {}, logits_at_images).logits(
            batch.degraded
        )
        loss = stage.step({"source": batch}, 0)["ce"]
    surprise = -logits.log_softmax(1)
    labelled = [
        float(surprise[b, int(batch.masks[b, y, x]), y, x])
        for b, y, x in (batch.masks != IGNORED).nonzero().tolist()
    ]  # fmt: skip
    assert float(loss) == pytest.approx(np.mean(labelled), rel=1e-4)


def test_masks_name_the_brightest_channel_after_any_crop(tmp_path: Path) -> None:
    recipe = dense(parts(tmp_path, "segmenter", {"ce": 1.0}, {}))
    batch: Batch = recipe.stages[0].roles["source"](1)
    assert batch.masks is not None
    known = batch.masks != IGNORED
    assert float((batch.clean.argmax(1) == batch.masks)[known].float().mean()) > 0.95


def test_fine_tuning_takes_masks_and_the_clean_answer_at_every_pixel(tmp_path: Path) -> None:
    card_parts = parts(tmp_path, "finetune", {"ce": 1.0, "kl": {"temperature": 2.0}}, {})
    recipe = finetune(card_parts)
    batch: Batch = recipe.stages[0].roles["source"](0)
    recipe.stages[0].prepare()
    model = card_parts.model.build()
    with torch.no_grad():
        student, teacher = (F.log_softmax(model.logits(x) / 2, 1) for x in (batch.degraded, batch.clean))
        expected = 4 * (teacher.exp() * (teacher - student)).sum(1).mean()
        given = recipe.stages[0].step({"source": batch}, 0)["kl"]
    assert float(given) == pytest.approx(float(expected), rel=1e-3)
    sums = [sum(losses.values()) for losses in steps(recipe, 20)]
    assert sums[-1] < sums[0]
    model.net.load_state_dict(dict(recipe.ship()), strict=True)


def test_afd_learns_the_clean_maps_without_masks(tmp_path: Path) -> None:
    card_parts = parts(tmp_path, "afd", {"feature": 1.0, "kl": 1.0}, {"gate": False, "form": "deployed"}, data=Noise())
    recipe = afd(card_parts)
    batch: Batch = recipe.stages[0].roles["source"](0)
    model = card_parts.model.build()
    with torch.no_grad():
        student, teacher = (F.log_softmax(model.logits(x), 1) for x in (batch.degraded, batch.clean))
        given = recipe.stages[0].step({"source": batch}, 0)
    assert float(given["kl"]) == pytest.approx(float((teacher.exp() * (teacher - student)).sum(1).mean()), rel=1e-3)
    before = copied(recipe.modules["net"])
    steps(recipe, 2)
    assert moved(recipe.modules["net"], before)


def test_pictures_without_masks_are_an_error_that_says_so(tmp_path: Path) -> None:
    recipe = dense(parts(tmp_path, "segmenter", {"ce": 1.0}, {}, data=Noise()))
    with pytest.raises(DataError, match="has no masks"):
        steps(recipe, 1)
