"""Detectors of torchvision against the library called directly, on tiny pictures and with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from qbench.errors import QbenchError, WeightsError
from qbench.models.detection.objects import class_indices
from qbench.models.detection.torchvision import TorchvisionDetection
from qbench.registry import get
from qbench.vocabulary import Boxes

SMALL = "fasterrcnn_mobilenet_v3_large_320_fpn"
LITE = "ssdlite320_mobilenet_v3_large"


def pictures(height: int = 40, width: int = 56) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(3))


def library(name: str, classes: int, **sizes: Any) -> torch.nn.Module:
    torch.manual_seed(5)
    net: torch.nn.Module = models.get_model(name, weights=None, weights_backbone=None, num_classes=classes, **sizes)
    return net.eval()


def expect(predicted: list[Boxes], direct: list[dict[str, torch.Tensor]]) -> None:
    assert len(predicted) == len(direct)
    for boxes, expected in zip(predicted, direct, strict=True):
        assert isinstance(boxes, Boxes)
        assert boxes.scores is not None
        assert np.array_equal(boxes.labels, expected["labels"].numpy() - 1)
        np.testing.assert_allclose(boxes.corners, expected["boxes"].numpy(), rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(boxes.scores, expected["scores"].numpy(), rtol=1e-4, atol=1e-6)
        kinds = [array.dtype.name for array in (boxes.corners, boxes.labels, boxes.scores)]
        assert kinds == ["float32", "int32", "float32"]


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(("name", "sizes"), [(SMALL, {"min_size": 64, "max_size": 96}), (LITE, {})])
def test_weights_from_a_file_find_what_the_library_finds(
    name: str, sizes: dict[str, int], suffix: str, tmp_path: Path
) -> None:
    net = library(name, 4, **sizes)
    file = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(net.state_dict(), file)
    loaded = TorchvisionDetection(name=name, weights=file, classes=3, **sizes).build()
    with torch.inference_mode():
        direct = net(list(pictures()))
        predicted = loaded.predict(pictures())
    assert sum(len(expected["labels"]) for expected in direct) > 0
    expect(predicted, direct)


@pytest.mark.slow
def test_a_one_stage_detector_with_focal_loss(tmp_path: Path) -> None:
    net = library("retinanet_resnet50_fpn", 3, min_size=64, max_size=96)
    torch.nn.init.normal_(net.head.classification_head.cls_logits.weight, std=1.0)  # type: ignore[union-attr,arg-type]
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    loaded = TorchvisionDetection(
        name="retinanet_resnet50_fpn", weights=tmp_path / "w.safetensors", classes=2, min_size=64, max_size=96
    ).build()
    with torch.inference_mode():
        direct = net(list(pictures()))
        predicted = loaded.predict(pictures())
    assert any((expected["labels"] == 0).any() for expected in direct), (
        "the place of the background, which training leaves out"
    )
    expect(
        predicted, [{name: values[expected["labels"] > 0] for name, values in expected.items()} for expected in direct]
    )
    assert all(len(boxes.labels) for boxes in predicted)


def test_without_a_network_the_advice_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(QbenchError, match="give `weights:` a file"):
        TorchvisionDetection(name=LITE).build()


def test_pretrained_with_other_classes_keeps_the_trunk(monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = models.mobilenet_v3_large()
    urls = []

    def fetched(url: str, **_: object) -> dict[str, torch.Tensor]:
        urls.append(url)
        return trunk.state_dict()

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetched)
    loaded = TorchvisionDetection(name=SMALL, classes=3).build()
    assert [url.rpartition("/")[2].partition("-")[0] for url in urls] == ["mobilenet_v3_large"]
    stem = loaded.net.get_submodule(loaded.path("D1")).weight
    assert torch.equal(stem, trunk.features[0][0].weight)  # type: ignore[arg-type,union-attr,index]
    assert loaded.net.roi_heads.box_predictor.cls_score.out_features == 4  # type: ignore[union-attr]


def test_coco_s_head_gives_the_eighty_classes() -> None:
    names = models.get_model_weights(SMALL)["DEFAULT"].meta["categories"]
    table = class_indices(names, skipped=1)
    assert (table[0], table[1], table[90]) == (-1, 0, 79)
    assert sorted(place for place in table if place >= 0) == list(range(80))
    assert all((place < 0) == (name in {"__background__", "N/A"}) for name, place in zip(names, table, strict=True))
    model = TorchvisionDetection(name=SMALL, pretrained=False).build()
    output = [{"boxes": torch.rand(4, 4), "labels": torch.tensor([90, 12, 1, 13]), "scores": torch.rand(4)}]
    (predicted,) = model.decode(output, pictures())
    assert predicted.labels.tolist() == [79, 0, 11], "12 is a gap"
    assert np.array_equal(predicted.corners, output[0]["boxes"].numpy()[[0, 2, 3]])


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    save_file(library(LITE, 4).state_dict(), file)
    with pytest.raises(WeightsError, match="do not fit SSD"):
        TorchvisionDetection(name=LITE, weights=file, classes=5).build()
    with pytest.raises(WeightsError, match=r"do not exist|cannot be read"):
        TorchvisionDetection(name=LITE, weights=tmp_path / "none.safetensors", classes=5).build()


def test_names_and_sizes_that_do_not_fit() -> None:
    with pytest.raises(QbenchError, match=f"no detector 'ssdlite'.*did you mean '{LITE}'|no detector 'ssdlite'"):
        TorchvisionDetection(name="ssdlite").build()
    with pytest.raises(QbenchError, match="leave `min_size`"):
        TorchvisionDetection(name=LITE, pretrained=False, classes=2, min_size=64).build()


@pytest.mark.parametrize("name", [SMALL, LITE])
def test_declared_sites_are_there(name: str) -> None:
    model = TorchvisionDetection(name=name, pretrained=False, classes=2)
    loaded = model.build()
    assert list(model.sites) == ["D1", "D2", "D3", "D4"]
    for site in model.sites:
        loaded.path(site)


def test_identity_follows_all_that_decides_predictions(tmp_path: Path) -> None:
    def of(**given: Any) -> Any:
        return TorchvisionDetection(name=SMALL, **given).identity()

    (tmp_path / "w").write_bytes(b"one")
    kinds = [{}, {"pretrained": False}, {"pretrained": False, "seed": 1}, {"weights": tmp_path / "w"}]
    kinds += [{"pretrained": False, "classes": 3}, {"min_size": 64}, {"max_size": 64}]
    assert len({str(of(**kind)) for kind in kinds}) == len(kinds)
    assert get("model", f"torchvision-detection:{SMALL}").target is TorchvisionDetection
