"""Segmentation models of three libraries: the libraries' own logits, any size, weights from files, sites, errors."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
import torchvision
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad
from torchvision.models._api import WeightsEnum
from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

from qbench.errors import QbenchError, WeightsError
from qbench.models.ecosystem import Input
from qbench.models.imagenet import package_state, renamed
from qbench.models.segmentation import Segmenter, TorchvisionSegmentation, logits_at_images
from qbench.models.segmentation_hf import HfSegmentation
from qbench.models.segmentation_smp import Smp
from tests.models.test_ecosystem import randomised

SIZES = [(64, 64), (33, 47)]
TINY = {"hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4, "num_attention_heads": [1, 1, 2, 2], "num_labels": 4}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails a test in which a name was looked up or a connection tried."""
    tried: list[object] = []

    def refuse(*args: object, **_: object) -> None:
        tried.append(args)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield
    assert not tried, f"the network was asked for: {tried}"


def pictures(height: int, width: int) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def seen(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    return (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


def same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def stored(net: nn.Module, file: Path) -> Path:
    if file.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, file)
    else:
        torch.save({"state_dict": net.state_dict()}, file)
    return file


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("auxiliary", [False, True])
@pytest.mark.parametrize("name", ["lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large"])
def test_torchvision_with_weights_of_a_file_is_torchvision_s_own(
    name: str, auxiliary: bool, suffix: str, tmp_path: Path
) -> None:
    options = {} if name.startswith("lraspp") else {"aux_loss": auxiliary}
    own = torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=5, **options)
    own = randomised(own)
    model = TorchvisionSegmentation(name, weights=stored(own, tmp_path / f"w{suffix}"), classes=5).build()
    assert not any(path.startswith("aux_classifier") for path, _ in model.net.named_modules())
    for size in SIZES:
        images = pictures(*size)
        with torch.inference_mode():
            expected = own(seen(images, model.input.mean, model.input.std))["out"]
            found = model.predict(images)
        assert found.shape == (2, 5, *size)
        same(found, expected)


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
    own = randomised(smp.create_model(name, encoder, None, classes=4, **options))
    file = stored(own, tmp_path / "w.safetensors")
    model = Smp(name, weights=file, encoder=encoder, classes=4, options=options).build()
    for height, width in SIZES:
        images = pictures(height, width)
        inputs = seen(images, model.input.mean, model.input.std)
        if own.requires_divisible_input_shape:
            stride = own.encoder.output_stride
            inputs = pad(inputs, (0, -width % stride, 0, -height % stride), mode="replicate")
        with torch.inference_mode():
            found, expected = model.predict(images), own(inputs)[..., :height, :width]
        assert found.shape == (2, 4, height, width)
        same(found, expected)
    again = Smp(name, encoder=encoder, classes=4, options=options, weights=tmp_path / "again.pth")
    stored(Smp(**{**vars_of(again), "weights": file}).build(fold=False).net, tmp_path / "again.pth")
    with torch.inference_mode():
        assert torch.equal(again.build().predict(images), found)


def vars_of(spec: Smp) -> dict[str, Any]:
    return {field.name: getattr(spec, field.name) for field in fields(spec)}


def folder(root: Path, **changes: Any) -> tuple[SegformerForSemanticSegmentation, Path]:
    """A tiny SegFormer, and the folder that transformers saves of it."""
    torch.manual_seed(0)
    net = randomised(SegformerForSemanticSegmentation(SegformerConfig(decoder_hidden_size=16, **{**TINY, **changes})))
    net.save_pretrained(root)
    SegformerImageProcessor(image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.25, 0.3]).save_pretrained(root)
    return net, root


@pytest.mark.usefixtures("offline")
def test_segformer_of_a_folder_is_transformers_own(tmp_path: Path) -> None:
    own, root = folder(tmp_path / "tiny")
    spec = HfSegmentation(str(root))
    assert spec.label == "hf-segmentation:tiny"
    model = spec.build()
    assert (model.input.mean, model.input.std, model.input.size) == ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3), None)
    for size in SIZES:
        images = pictures(*size)
        with torch.inference_mode():
            quarter = own(seen(images, model.input.mean, model.input.std)).logits
            found = model.predict(images)
        assert quarter.shape[-1] == -(-size[1] // 4)
        same(found, interpolate(quarter, size=size, mode="bilinear", align_corners=False))
    with torch.inference_mode():
        features = model.cut("segformer.stages.1").front(images)
        assert torch.equal(model.cut("segformer.stages.1").back(features, images), found)


@pytest.mark.usefixtures("offline")
def test_segformer_takes_states_under_the_library_s_names_of_files_and_of_modules(tmp_path: Path) -> None:
    own, root = folder(tmp_path / "tiny")
    inside = stored(own, tmp_path / "modules.safetensors")
    assert load_file(inside).keys() != load_file(root / "model.safetensors").keys()
    for value in own.parameters():
        value.data.mul_(1.5)
    other = stored(own, tmp_path / "other.pth")
    images = pictures(40, 40)
    with torch.inference_mode():
        plain = HfSegmentation(str(root)).build().predict(images)
        for file in (inside, root / "model.safetensors"):
            assert torch.equal(HfSegmentation(str(root), weights=file).build().predict(images), plain)
        model = HfSegmentation(str(root), weights=other).build()
        quarter = own(seen(images, model.input.mean, model.input.std)).logits
        same(model.predict(images), interpolate(quarter, size=(40, 40), mode="bilinear", align_corners=False))
        assert not torch.equal(model.predict(images), plain)


def test_segformer_with_other_classes_draws_its_last_layer_alone(tmp_path: Path) -> None:
    own, root = folder(tmp_path / "tiny")
    kept = own.state_dict()
    states = [HfSegmentation(str(root), classes=7, seed=seed).build(fold=False).net.state_dict() for seed in (0, 0, 1)]
    differing = {name for name, value in kept.items() if not torch.equal(value, states[0][name].to(value.dtype))}
    assert differing == {"decode_head.classifier.weight", "decode_head.classifier.bias"} or differing == {
        "decode_head.classifier.weight"
    }
    last = [state["decode_head.classifier.weight"] for state in states]
    assert last[0].shape[0] == 7
    assert torch.equal(last[0], last[1])
    assert not torch.equal(last[0], last[2])


def test_segformer_s_misfits_are_told(tmp_path: Path) -> None:
    own, root = folder(tmp_path / "tiny")
    state = {name: tensor.contiguous() for name, tensor in load_file(root / "model.safetensors").items()}
    first = min(state)
    save_file({name: tensor for name, tensor in state.items() if name != first}, root / "model.safetensors")
    with pytest.raises(WeightsError, match="do not fit SegformerForSemanticSegmentation: 1 missing"):
        HfSegmentation(str(root)).build()
    other = stored(SegformerForSemanticSegmentation(SegformerConfig(**TINY)), tmp_path / "wide.safetensors")
    with pytest.raises(WeightsError, match=r"wide\.safetensors do not fit .* expected"):
        HfSegmentation(str(root), weights=other).build()
    five = stored(folder(tmp_path / "five", num_labels=5)[0], tmp_path / "five.safetensors")
    with pytest.raises(WeightsError, match=r"classifier\.bias' is \(5,\), expected \(4,\)"):
        HfSegmentation(str(root), weights=five).build()
    stored(own, tmp_path / "more.safetensors")
    save_file({**load_file(tmp_path / "more.safetensors"), "x": torch.ones(1)}, tmp_path / "more.safetensors")
    with pytest.raises(WeightsError, match="1 unknown, first 'x'"):
        HfSegmentation(str(root), weights=tmp_path / "more.safetensors").build()
    (root / "config.json").unlink()
    with pytest.raises(QbenchError, match=r"cannot be loaded: .*; give a folder that holds config\.json"):
        HfSegmentation(str(root)).build()


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


def test_encoders_without_declared_sites_are_reached_by_path() -> None:
    model = Smp("fpn", pretrained=False, encoder="mit_b0", classes=3).build()
    assert model.sites == {}
    assert model.path("encoder.patch_embed1.proj") == "encoder.patch_embed1.proj"


def test_random_networks_follow_the_seed_alone() -> None:
    for kind, name, options in (
        (TorchvisionSegmentation, "lraspp_mobilenet_v3_large", {}),
        (Smp, "fpn", {"encoder": "tu-resnet18"}),
    ):
        states = []
        for seed in (0, 0, 1):
            states.append(
                kind(name, pretrained=False, classes=3, seed=seed, **options).build(fold=False).net.state_dict()
            )
            torch.rand(3)
        assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
        assert any(not torch.equal(value, states[2][key]) for key, value in states[0].items())


def test_torchvision_s_hub_gives_all_of_21_classes_and_the_trunk_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = randomised(torchvision.models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None))
    trunk = randomised(torchvision.models.mobilenet_v3_large(weights=None))
    asked: list[str] = []

    def hub(self: WeightsEnum, **_: object) -> Mapping[str, Tensor]:
        asked.append(type(self).__name__)
        return (whole if "LRASPP" in asked[-1] else trunk).state_dict()

    monkeypatch.setattr(WeightsEnum, "get_state_dict", hub)
    images = pictures(32, 40)
    for classes in (None, 21):
        model = TorchvisionSegmentation("lraspp_mobilenet_v3_large", classes=classes).build()
        with torch.inference_mode():
            same(model.predict(images), whole(seen(images, model.input.mean, model.input.std))["out"])
    other = TorchvisionSegmentation("lraspp_mobilenet_v3_large", classes=5).build(fold=False)
    assert asked == ["LRASPP_MobileNet_V3_Large_Weights"] * 2 + ["MobileNet_V3_Large_Weights"]
    weight = other.net.get_submodule("backbone.0.0").weight
    assert torch.equal(weight.contiguous(), trunk.features[0][0].weight)  # type: ignore[arg-type,index]
    with torch.inference_mode():
        assert other.predict(images).shape == (2, 5, 32, 40)


def test_smp_s_hub_is_asked_for_the_encoder_alone_and_never_beside_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trunk = randomised(smp.encoders.get_encoder("resnet18", weights=None))
    files = {"model.safetensors": stored(trunk, tmp_path / "trunk.safetensors"), "config.json": tmp_path / "none"}
    asked: list[str] = []

    def hub(_: str, filename: str, **__: object) -> str:
        asked.append(filename)
        return str(files[filename])

    monkeypatch.setattr(smp.encoders, "hf_hub_download", hub)
    model = Smp("fpn", encoder="resnet18", classes=3).build(fold=False)
    assert "model.safetensors" in asked
    weight = model.net.get_submodule("encoder.conv1").weight
    assert torch.equal(weight.contiguous(), trunk.conv1.weight)  # type: ignore[arg-type]
    asked.clear()
    Smp("fpn", encoder="resnet18", classes=3, weights=stored(model.net, tmp_path / "all.safetensors")).build()
    Smp("fpn", encoder="resnet18", classes=3, encoder_weights=str(files["model.safetensors"])).build()
    assert not asked


def test_smp_s_encoder_takes_a_classifier_s_state(tmp_path: Path) -> None:
    donor = randomised(timm.create_model("tf_efficientnet_lite0"))
    file = stored(donor, tmp_path / "classifier.pth")
    for given, state in ((str(file), donor.state_dict()), ("package", renamed(package_state()))):
        spec = Smp("fpn", encoder="tu-tf_efficientnet_lite0", classes=3, encoder_weights=given)
        found = spec.build(fold=False).net.get_submodule("encoder.model").state_dict()
        assert len(found) > 200
        assert all(torch.equal(value.contiguous(), state[name]) for name, value in found.items())
    assert spec.identity() != Smp("fpn", encoder="tu-tf_efficientnet_lite0", classes=3).identity()
    with pytest.raises(WeightsError, match="hold nothing that the encoder"):
        Smp("fpn", encoder="tu-resnet18", classes=3, encoder_weights=stored_other(tmp_path)).build()
    deeper = stored(timm.create_model("resnet50"), tmp_path / "resnet50.safetensors")
    with pytest.raises(WeightsError, match=r"resnet50\.safetensors do not fit"):
        Smp("fpn", encoder="tu-resnet18", classes=3, encoder_weights=str(deeper)).build()


def stored_other(root: Path) -> str:
    return str(stored(nn.Conv2d(1, 1, 1), root / "convolution.safetensors"))


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
    with pytest.raises(QbenchError, match="cannot be built: Unknown model"):
        Smp("unet", encoder="tu-nothing", classes=3, pretrained=False).build()
    with pytest.raises(
        QbenchError, match=r"Unet has no option 'decoder_chanels' \(did you mean 'decoder_channels'\?\)"
    ):
        Smp("unet", encoder="resnet18", classes=3, pretrained=False, options={"decoder_chanels": 3}).build()
    with pytest.raises(ValidationError, match="`classes` is missing"):
        Smp("unet")
    with pytest.raises(ValidationError):
        TorchvisionSegmentation("fcn_resnet50", classes=1)

    def refuse(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(WeightsEnum, "get_state_dict", refuse)
    with pytest.raises(QbenchError, match=r"cannot be fetched .*; give `weights:` a file instead"):
        TorchvisionSegmentation("lraspp_mobilenet_v3_large").build()
    monkeypatch.setattr(smp.encoders, "hf_hub_download", refuse)
    with pytest.raises(QbenchError, match=r"cannot be fetched .*; give `weights`, `encoder_weights`"):
        Smp("unet", encoder="resnet18", classes=3).build()


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("qbench.models.segmentation.version", gone)
    for spec, extra in ((HfSegmentation("x/y"), "hf"), (Smp("unet", classes=3), "smp")):
        for use in (spec.identity, spec.build):
            with pytest.raises(QbenchError, match=rf"install the extra with `pip install 'qbench\[{extra}\]'`"):
                use()


def test_the_identity_follows_all_that_decides_predictions(tmp_path: Path) -> None:
    _, root = folder(tmp_path / "tiny")
    before = HfSegmentation(str(root)).identity()
    (root / "preprocessor_config.json").unlink()
    assert HfSegmentation(str(root)).identity() != before
    variants = [
        Smp("unet", classes=3), Smp("unet", classes=4), Smp("fpn", classes=3), Smp("unet", classes=3, pretrained=False),
        Smp("unet", classes=3, encoder="resnet18"), Smp("unet", classes=3, options={"decoder_attention_type": "scse"}),
        Smp("unet", classes=3, input=Input(channels="BGR")), TorchvisionSegmentation("fcn_resnet50"),
        TorchvisionSegmentation("fcn_resnet50", classes=3), TorchvisionSegmentation("fcn_resnet101"),
        HfSegmentation("a/b"), HfSegmentation("a/b", revision="v1"), HfSegmentation("a/b", classes=3),
    ]  # fmt: skip
    found = [str(spec.identity()) for spec in variants]
    assert len(set(found)) == len(found)


def test_conventions_are_known_without_a_network_and_can_be_overridden(tmp_path: Path) -> None:
    half = (0.5, 0.5, 0.5)
    lite = Smp("fpn", encoder="tu-tf_efficientnet_lite0", classes=3, pretrained=False).build().input
    assert (lite.mean, lite.std, lite.size, lite.resize) == (half, half, None, None)
    assert Smp("fpn", encoder="resnet18", classes=3, pretrained=False).build().input.mean == (0.485, 0.456, 0.406)
    assert Smp("fpn", encoder="xception", classes=3, pretrained=False).build().input.mean == half
    changed = TorchvisionSegmentation(
        "lraspp_mobilenet_v3_large", pretrained=False, input=Input(size=96, mean=half)
    ).build()
    assert (changed.input.size, changed.input.mean) == (96, half)
    _, root = folder(tmp_path / "tiny")
    (root / "preprocessor_config.json").unlink()
    assert HfSegmentation(str(root)).build().input.mean == (0.485, 0.456, 0.406)


def test_small_logits_are_read_between_pixel_centres() -> None:
    """Doubling [0, 4] with centres at a quarter and three quarters gives 0, 1, 3, 4."""
    row = torch.tensor([0.0, 4.0]).view(1, 1, 1, 2).expand(1, 1, 2, 2)
    found = logits_at_images({"out": row, "aux": None}, torch.zeros(1, 3, 4, 4))
    assert found[0, 0].tolist() == [[0.0, 1.0, 3.0, 4.0]] * 4
    assert logits_at_images({"logits": row}, torch.zeros(1, 3, 2, 2)) is row


def test_declaring_them_loads_no_library() -> None:
    code = (
        "import sys; from qbench.registry import get; "
        "[get('model', n + ':x') for n in ('smp', 'hf-segmentation', 'torchvision-segmentation')]; "
        "print({'torch', 'torchvision', 'transformers', 'segmentation_models_pytorch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
