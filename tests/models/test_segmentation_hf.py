"""Segmentation networks of transformers: its own logits, states of files, misfits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import interpolate
from transformers import (
    MobileViTImageProcessor,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessor,
)

from qbench.errors import QbenchError, WeightsError
from qbench.models.segmentation.transformers import HfSegmentation
from tests.models.segmenters import SIZES, TINY, folder, pictures, same, seen, stored


@pytest.mark.usefixtures("offline")
def test_segformer_of_a_folder_is_transformers_own(tmp_path: Path) -> None:
    original, root = folder(tmp_path / "tiny")
    spec = HfSegmentation(str(root))
    assert spec.label == "hf-segmentation:tiny"
    model = spec.build()
    assert (model.input.mean, model.input.std, model.input.size) == ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3), None)
    for size in SIZES:
        images = pictures(*size)
        with torch.inference_mode():
            quarter = original(seen(images, model.input.mean, model.input.std)).logits
            predicted = model.predict(images)
        assert quarter.shape[-1] == -(-size[1] // 4)
        same(predicted, interpolate(quarter, size=size, mode="bilinear", align_corners=False))
    with torch.inference_mode():
        features = model.cut("segformer.stages.1").front(images)
        assert torch.equal(model.cut("segformer.stages.1").back(features, images), predicted)


@pytest.mark.usefixtures("offline")
def test_segformer_takes_states_under_the_library_s_names_of_files_and_of_modules(tmp_path: Path) -> None:
    original, root = folder(tmp_path / "tiny")
    inside = stored(original, tmp_path / "modules.safetensors")
    assert load_file(inside).keys() != load_file(root / "model.safetensors").keys()
    for value in original.parameters():
        value.data.mul_(1.5)
    other = stored(original, tmp_path / "other.pth")
    images = pictures(40, 40)
    with torch.inference_mode():
        plain = HfSegmentation(str(root)).build().predict(images)
        for file in (inside, root / "model.safetensors"):
            assert torch.equal(HfSegmentation(str(root), weights=file).build().predict(images), plain)
        model = HfSegmentation(str(root), weights=other).build()
        quarter = original(seen(images, model.input.mean, model.input.std)).logits
        same(model.predict(images), interpolate(quarter, size=(40, 40), mode="bilinear", align_corners=False))
        assert not torch.equal(model.predict(images), plain)


def test_segformer_with_other_classes_draws_its_last_layer_alone(tmp_path: Path) -> None:
    original, root = folder(tmp_path / "tiny")
    kept = original.state_dict()
    states = [HfSegmentation(str(root), classes=7, seed=seed).build(fold=False).net.state_dict() for seed in (0, 0, 1)]
    differing = {name for name, value in kept.items() if not torch.equal(value, states[0][name].to(value.dtype))}
    assert differing == {"decode_head.classifier.weight", "decode_head.classifier.bias"}
    last = [state["decode_head.classifier.weight"] for state in states]
    assert last[0].shape[0] == 7
    assert torch.equal(last[0], last[1])
    assert not torch.equal(last[0], last[2])


def test_segformer_s_misfits_are_told(tmp_path: Path) -> None:
    original, root = folder(tmp_path / "tiny")
    state = {name: tensor.contiguous() for name, tensor in load_file(root / "model.safetensors").items()}
    first = min(state)
    save_file({name: tensor for name, tensor in state.items() if name != first}, root / "model.safetensors")
    with pytest.raises(WeightsError, match="do not fit SegformerForSemanticSegmentation: 1 missing"):
        HfSegmentation(str(root)).build()
    other = stored(SegformerForSemanticSegmentation(SegformerConfig(**TINY)), tmp_path / "wide.safetensors")
    with pytest.raises(WeightsError, match=r"wide\.safetensors do not fit .* expected"):
        HfSegmentation(str(root), weights=other).build()
    five = stored(folder(tmp_path / "five", num_labels=5)[0], tmp_path / "five.safetensors")
    with pytest.raises(WeightsError, match=r"classifier\.weight' is \(5, .*, expected \(4,"):
        HfSegmentation(str(root), weights=five).build()
    stored(original, tmp_path / "more.safetensors")
    save_file({**load_file(tmp_path / "more.safetensors"), "x": torch.ones(1)}, tmp_path / "more.safetensors")
    with pytest.raises(WeightsError, match="1 unknown, first 'x'"):
        HfSegmentation(str(root), weights=tmp_path / "more.safetensors").build()
    (root / "config.json").unlink()
    with pytest.raises(QbenchError, match=r"cannot be loaded; give a folder that holds config\.json"):
        HfSegmentation(str(root)).build()


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"do_rescale": False},
        {"rescale_factor": 1 / 127.5},
        {"do_normalize": False},
        {"do_flip_channel_order": True},
    ],
    ids=str,
)
def test_values_are_those_of_the_checkpoints_processor(changes: dict[str, Any], tmp_path: Path) -> None:
    original, root = folder(tmp_path / "tiny")
    flips = "do_flip_channel_order" in changes
    kind = MobileViTImageProcessor if flips else SegformerImageProcessor
    means = {} if flips else {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]}
    processor = kind(do_resize=False, do_center_crop=False, **means, **changes)
    processor.save_pretrained(root)
    images = (pictures(64, 64) * 255).round() / 255
    given = processor(images=[(image * 255).to(torch.uint8) for image in images], return_tensors="pt")["pixel_values"]
    model = HfSegmentation(str(root)).build()
    torch.testing.assert_close(model.normalise(images), given, rtol=1e-5, atol=1e-5)
    with torch.inference_mode():
        expected = interpolate(original(given).logits, size=(64, 64), mode="bilinear", align_corners=False)
        same(model.predict(images), expected)


@pytest.mark.usefixtures("offline")
def test_a_damaged_processor_is_no_missing_one(tmp_path: Path) -> None:
    _, root = folder(tmp_path / "tiny")
    (root / "preprocessor_config.json").write_text("{")
    with pytest.raises(QbenchError, match="cannot be loaded; give a folder"):
        HfSegmentation(str(root)).build()
    (root / "preprocessor_config.json").unlink()
    assert HfSegmentation(str(root)).build().input.mean == (0.485, 0.456, 0.406)


@pytest.mark.usefixtures("offline")
def test_states_of_wrapped_networks_are_unwrapped(tmp_path: Path) -> None:
    original, root = folder(tmp_path / "tiny")
    own = {f"module._orig_mod.{name}": value for name, value in original.state_dict().items()}
    published = {f"module.{name}": value for name, value in load_file(root / "model.safetensors").items()}
    images = pictures(40, 40)
    with torch.inference_mode():
        plain = HfSegmentation(str(root)).build().predict(images)
        for state in (own, published):
            torch.save({"state_dict": state}, tmp_path / "w.pth")
            assert torch.equal(HfSegmentation(str(root), weights=tmp_path / "w.pth").build().predict(images), plain)
    torch.save({name: value.to(torch.int8) for name, value in published.items()}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"is int8, expected float32; quantised weights are not read"):
        HfSegmentation(str(root), weights=tmp_path / "w.pth").build()


def test_a_network_of_other_channels_is_refused(tmp_path: Path) -> None:
    _, root = folder(tmp_path / "tiny", num_channels=4)
    with pytest.raises(QbenchError, match=r"tiny takes pictures of 4 channels; qbench shows a model 3, RGB"):
        HfSegmentation(str(root)).build()
