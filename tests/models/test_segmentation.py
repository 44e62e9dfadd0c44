"""Segmentation models of all libraries, and torchvision's: its own logits, any size, weights, sites, errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError

import pytest
import segmentation_models_pytorch as smp
import torch
import torchvision
from pydantic import ValidationError
from torch import Tensor
from torchvision.models._api import WeightsEnum

from qbench.errors import QbenchError, WeightsError
from qbench.models.library import InputChanges
from qbench.models.segmentation.segmenter import Segmenter, logits_at_images
from qbench.models.segmentation.smp import Smp
from qbench.models.segmentation.torchvision import TorchvisionSegmentation
from qbench.models.segmentation.transformers import HfSegmentation
from tests.models.segmenters import SIZES, folder, pictures, same, seen, stored
from tests.models.test_classifiers import randomised


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("auxiliary", [False, True])
@pytest.mark.parametrize("name", ["lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large"])
def test_torchvision_with_weights_of_a_file_is_torchvision_s_own(
    name: str, auxiliary: bool, suffix: str, tmp_path: Path
) -> None:
    options = {} if name.startswith("lraspp") else {"aux_loss": auxiliary}
    original = torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=5, **options)
    original = randomised(original)
    model = TorchvisionSegmentation(name, weights=stored(original, tmp_path / f"w{suffix}"), classes=5).build()
    assert not any(path.startswith("aux_classifier") for path, _ in model.net.named_modules())
    for size in SIZES:
        images = pictures(*size)
        with torch.inference_mode():
            expected = original(seen(images, model.input.mean, model.input.std))["out"]
            predicted = model.predict(images)
        assert predicted.shape == (2, 5, *size)
        same(predicted, expected)


@pytest.mark.parametrize(
    "model",
    [
        TorchvisionSegmentation("lraspp_mobilenet_v3_large", pretrained=False, classes=3),
        TorchvisionSegmentation("fcn_resnet50", pretrained=False, classes=3),
        Smp("fpn", pretrained=False, encoder="resnet18", classes=3),
        Smp("unet", pretrained=False, encoder="mobilenet_v2", classes=3),
        Smp("fpn", pretrained=False, encoder="tu-tf_efficientnet_lite0", classes=3),
        Smp("fpn", pretrained=False, encoder="tu-repvgg_a0", classes=3),
        Smp("unet", pretrained=False, encoder="tu-resnet18", classes=3),
    ],
    ids=lambda model: model.label,
)
def test_declared_sites_are_there_and_are_reached_in_order(model: Segmenter) -> None:
    built = model.build()
    images = pictures(45, 64)
    shrinking = []
    with torch.inference_mode():
        logits = built.predict(images)
        for site in ("D1", "D2", "D3", "D4"):
            cut = built.cut(site)
            features = cut.front(images)
            assert features.dim() == 4
            shrinking.append(features.shape[-1])
            assert torch.equal(cut.back(features, images), logits)
            assert not torch.equal(cut.back(features * 0.5, images), logits)
    assert shrinking == sorted(shrinking, reverse=True)
    assert logits.shape == (2, 3, 45, 64)


def test_torchvision_s_hub_gives_all_of_21_classes_and_the_trunk_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = randomised(torchvision.models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None))
    trunk = randomised(torchvision.models.mobilenet_v3_large(weights=None))
    requested: list[str] = []

    def hub(self: WeightsEnum, **_: object) -> Mapping[str, Tensor]:
        requested.append(type(self).__name__)
        return (whole if "LRASPP" in requested[-1] else trunk).state_dict()

    monkeypatch.setattr(WeightsEnum, "get_state_dict", hub)
    images = pictures(32, 40)
    for classes in (None, 21):
        model = TorchvisionSegmentation("lraspp_mobilenet_v3_large", classes=classes).build()
        with torch.inference_mode():
            same(model.predict(images), whole(seen(images, model.input.mean, model.input.std))["out"])
    other = TorchvisionSegmentation("lraspp_mobilenet_v3_large", classes=5).build(fold=False)
    assert requested == ["LRASPP_MobileNet_V3_Large_Weights"] * 2 + ["MobileNet_V3_Large_Weights"]
    weight = other.net.get_submodule("backbone.0.0").weight
    assert torch.equal(weight.contiguous(), trunk.features[0][0].weight)  # type: ignore[arg-type,index]
    with torch.inference_mode():
        assert other.predict(images).shape == (2, 5, 32, 40)


def test_a_file_for_another_network_is_a_misfit(tmp_path: Path) -> None:
    five = torchvision.models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=5)
    file = stored(five, tmp_path / "five.safetensors")
    with pytest.raises(
        WeightsError, match=r"'classifier\.low_classifier\.weight' is \(5, 40, 1, 1\), expected \(21, 40, 1, 1\)"
    ):
        TorchvisionSegmentation("lraspp_mobilenet_v3_large", weights=file).build()
    with pytest.raises(WeightsError, match="do not fit FPN"):
        Smp("fpn", encoder="resnet18", classes=5, weights=file).build()
    with pytest.raises(WeightsError, match="do not exist"):
        TorchvisionSegmentation("lraspp_mobilenet_v3_large", weights=tmp_path / "none.safetensors").build()


def test_wrong_names_and_parameters_are_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(QbenchError, match=r"no segmentation model 'fcn_resnet5' \(did you mean 'fcn_resnet50'\?\)"):
        TorchvisionSegmentation("fcn_resnet5").build()
    with pytest.raises(QbenchError, match=r"no architecture 'unett' \(did you mean 'unet'\?\)"):
        Smp("unett", classes=3).build()
    with pytest.raises(QbenchError, match=r"no encoder 'resnet81' \(did you mean 'resnet18'\?\)"):
        Smp("unet", encoder="resnet81", classes=3).build()
    with pytest.raises(QbenchError, match="cannot be built; see `encoder` and `options`: RuntimeError: Unknown model"):
        Smp("unet", encoder="tu-nothing", classes=3, pretrained=False).build()
    with pytest.raises(
        QbenchError, match=r"Unet has no option 'decoder_chanels' \(did you mean 'decoder_channels'\?\)"
    ):
        Smp("unet", encoder="resnet18", classes=3, pretrained=False, options={"decoder_chanels": 3}).build()
    with pytest.raises(QbenchError, match="Unet has no option 'activation'"):
        Smp("unet", encoder="resnet18", classes=3, pretrained=False, options={"activation": "softmax"}).build()
    with pytest.raises(ValidationError, match="`classes` is missing"):
        Smp("unet")
    with pytest.raises(ValidationError):
        TorchvisionSegmentation("fcn_resnet50", classes=1)

    def refuse(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(WeightsEnum, "get_state_dict", refuse)
    with pytest.raises(QbenchError, match=r"cannot be fetched; give `weights:` a file instead: "):
        TorchvisionSegmentation("lraspp_mobilenet_v3_large").build()
    monkeypatch.setattr(smp.encoders, "hf_hub_download", refuse)
    with pytest.raises(QbenchError, match=r"cannot be fetched .*; give `weights`, `encoder_weights`"):
        Smp("unet", encoder="resnet18", classes=3).build()


def test_the_identity_follows_all_that_decides_predictions(tmp_path: Path) -> None:
    _, root = folder(tmp_path / "tiny")
    before = HfSegmentation(str(root)).identity()
    (root / "preprocessor_config.json").unlink()
    assert HfSegmentation(str(root)).identity() != before
    variants = [
        Smp("unet", classes=3), Smp("unet", classes=4), Smp("fpn", classes=3), Smp("unet", classes=3, pretrained=False),
        Smp("unet", classes=3, encoder="resnet18"), Smp("unet", classes=3, options={"decoder_attention_type": "scse"}),
        Smp("unet", classes=3, input=InputChanges(channels="BGR")), TorchvisionSegmentation("fcn_resnet50"),
        TorchvisionSegmentation("fcn_resnet50", classes=3), TorchvisionSegmentation("fcn_resnet101"),
        HfSegmentation("a/b"), HfSegmentation("a/b", revision="v1"), HfSegmentation("a/b", classes=3),
    ]  # fmt: skip
    identities = [str(spec.identity()) for spec in variants]
    assert len(set(identities)) == len(identities)


def test_conventions_are_known_without_a_network_and_can_be_overridden(tmp_path: Path) -> None:
    half = (0.5, 0.5, 0.5)
    lite = Smp("fpn", encoder="tu-tf_efficientnet_lite0", classes=3, pretrained=False).build().input
    assert (lite.mean, lite.std, lite.size, lite.resize) == (half, half, None, None)
    assert Smp("fpn", encoder="resnet18", classes=3, pretrained=False).build().input.mean == (0.485, 0.456, 0.406)
    assert Smp("fpn", encoder="xception", classes=3, pretrained=False).build().input.mean == half
    changed = TorchvisionSegmentation(
        "lraspp_mobilenet_v3_large", pretrained=False, input=InputChanges(size=96, mean=half)
    ).build()
    assert (changed.input.size, changed.input.mean) == (96, half)
    _, root = folder(tmp_path / "tiny")
    (root / "preprocessor_config.json").unlink()
    assert HfSegmentation(str(root)).build().input.mean == (0.485, 0.456, 0.406)


def test_small_logits_are_read_between_pixel_centres() -> None:
    """Doubling [0, 4] with centres at a quarter and three quarters gives 0, 1, 3, 4."""
    row = torch.tensor([0.0, 4.0]).view(1, 1, 1, 2).expand(1, 1, 2, 2)
    enlarged = logits_at_images({"out": row, "aux": None}, torch.zeros(1, 3, 4, 4))
    assert enlarged[0, 0].tolist() == [[0.0, 1.0, 3.0, 4.0]] * 4
    assert logits_at_images({"logits": row}, torch.zeros(1, 3, 2, 2)) is row
