"""Networks of segmentation-models-pytorch: its own logits, any size, weights of files and hubs."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from torch import nn
from torch.nn.functional import pad

from qbench.errors import WeightsError
from qbench.models.classification.imagenet import package_state, renamed
from qbench.models.segmentation.smp import Smp, _convention
from tests.models.segmenters import SIZES, pictures, same, seen, stored
from tests.models.test_classifiers import randomised


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("name", "encoder", "options"),
    [
        ("unet", "resnet18", {"decoder_channels": [32, 16, 16, 8, 8]}),
        ("fpn", "tu-tf_efficientnet_lite0", {"decoder_pyramid_channels": 32, "decoder_segmentation_channels": 32}),
        ("DeepLabV3Plus", "mobilenet_v2", {"decoder_channels": 16}),
    ],
)
def test_smp_with_weights_of_a_file_is_smp_s_own(
    name: str, encoder: str, options: dict[str, Any], tmp_path: Path
) -> None:
    """At sizes that its encoder does not divide too: there the library's own logits of the padded picture count."""
    original = randomised(smp.create_model(name, encoder, None, classes=4, **options))
    file = stored(original, tmp_path / "w.safetensors")
    model = Smp(name, weights=file, encoder=encoder, classes=4, options=options).build()
    for height, width in SIZES:
        images = pictures(height, width)
        inputs = seen(images, model.input.mean, model.input.std)
        if original.requires_divisible_input_shape:
            stride = original.encoder.output_stride
            inputs = pad(inputs, (0, -width % stride, 0, -height % stride), mode="replicate")
        with torch.inference_mode():
            predicted, expected = model.predict(images), original(inputs)[..., :height, :width]
        assert predicted.shape == (2, 4, height, width)
        same(predicted, expected)
    again = Smp(name, encoder=encoder, classes=4, options=options, weights=tmp_path / "again.pth")
    stored(Smp(**{**vars_of(again), "weights": file}).build(fold=False).net, tmp_path / "again.pth")
    with torch.inference_mode():
        assert torch.equal(again.build().predict(images), predicted)


def vars_of(spec: Smp) -> dict[str, Any]:
    return {field.name: getattr(spec, field.name) for field in fields(spec)}


def test_encoders_without_declared_sites_are_reached_by_path() -> None:
    model = Smp("fpn", pretrained=False, encoder="mit_b0", classes=3).build()
    assert model.sites == {}
    assert model.path("encoder.patch_embed1.proj") == "encoder.patch_embed1.proj"


def test_smp_s_hub_is_asked_for_the_encoder_alone_and_never_beside_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trunk = randomised(smp.encoders.get_encoder("resnet18", weights=None))
    files = {"model.safetensors": stored(trunk, tmp_path / "trunk.safetensors"), "config.json": tmp_path / "none"}
    requested: list[str] = []

    def hub(_: str, filename: str, **__: object) -> str:
        requested.append(filename)
        return str(files[filename])

    monkeypatch.setattr(smp.encoders, "hf_hub_download", hub)
    model = Smp("fpn", encoder="resnet18", classes=3).build(fold=False)
    assert "model.safetensors" in requested
    weight = model.net.get_submodule("encoder.conv1").weight
    assert torch.equal(weight.contiguous(), trunk.conv1.weight)  # type: ignore[arg-type]
    requested.clear()
    Smp("fpn", encoder="resnet18", classes=3, weights=stored(model.net, tmp_path / "all.safetensors")).build()
    Smp("fpn", encoder="resnet18", classes=3, encoder_weights=str(files["model.safetensors"])).build()
    assert not requested


def test_smp_s_encoder_takes_a_classifier_s_state(tmp_path: Path) -> None:
    donor = randomised(timm.create_model("tf_efficientnet_lite0"))
    file = stored(donor, tmp_path / "classifier.pth")
    for given, state in ((str(file), donor.state_dict()), ("package", renamed(package_state()))):
        spec = Smp("fpn", encoder="tu-tf_efficientnet_lite0", classes=3, encoder_weights=given)
        taken = spec.build(fold=False).net.get_submodule("encoder.model").state_dict()
        assert len(taken) > 200
        assert all(torch.equal(value.contiguous(), state[name]) for name, value in taken.items())
    assert spec.identity() != Smp("fpn", encoder="tu-tf_efficientnet_lite0", classes=3).identity()
    other = stored(nn.Conv2d(1, 1, 1), tmp_path / "convolution.safetensors")
    with pytest.raises(WeightsError, match="hold nothing that the encoder"):
        Smp("fpn", encoder="tu-resnet18", classes=3, encoder_weights=str(other)).build()
    deeper = stored(timm.create_model("resnet50"), tmp_path / "resnet50.safetensors")
    with pytest.raises(WeightsError, match=r"resnet50\.safetensors do not fit"):
        Smp("fpn", encoder="tu-resnet18", classes=3, encoder_weights=str(deeper)).build()


@pytest.mark.parametrize(
    ("encoder", "mean", "std"),
    [
        ("dpn68", (124 / 255, 117 / 255, 104 / 255), (1 / (0.0167 * 255),) * 3),
        ("dpn131", (124 / 255, 117 / 255, 104 / 255), (1 / (0.0167 * 255),) * 3),
        ("timm-tf_efficientnet_lite0", (0.5,) * 3, (0.5,) * 3),
        ("inceptionv4", (0.5,) * 3, (0.5,) * 3),
        ("timm-efficientnet-b0", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("resnet18", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("tu-tf_efficientnet_lite0", (0.5,) * 3, (0.5,) * 3),
    ],
)
def test_encoders_are_given_what_they_were_trained_on(
    encoder: str, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    made = _convention(encoder)
    assert (made.mean, made.std) == (pytest.approx(mean), pytest.approx(std))
