"""Models of timm and torchvision: weights from files, folded norms, conventions, sites, errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import nn

from qbench.errors import NotApplicable, QbenchError, WeightsError
from qbench.models.classification.timm import Timm
from qbench.models.classification.torchvision import Torchvision
from qbench.models.fold import fold_norms
from qbench.models.library import InputChanges
from qbench.registry import get


def randomised(net: nn.Module) -> nn.Module:
    """Running statistics as after training, so that a wrong fold shows."""
    generator = torch.Generator().manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low in ((module.running_mean, -0.5), (module.running_var, 0.5), (module.weight.data, 0.5)):
                assert tensor is not None
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + low)
    return net.eval()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(("kind", "name"), [(Timm, "resnet18"), (Timm, "repvgg_a0"), (Torchvision, "mobilenet_v2")])
def test_weights_from_a_file_give_the_librarys_own_logits(
    kind: type[Timm] | type[Torchvision], name: str, suffix: str, tmp_path: Path
) -> None:
    make = timm.create_model if kind is Timm else torchvision.models.get_model
    original = randomised(make(name))
    file = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(original.state_dict(), file)
    model = kind(name=name, weights=file).build()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = original(
            (images - torch.tensor(model.input.mean).view(3, 1, 1)) / torch.tensor(model.input.std).view(3, 1, 1)
        )
        torch.testing.assert_close(model.logits(images), expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    norms = [path for path, module in model.net.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) < sum(isinstance(module, nn.BatchNorm2d) for module in original.modules())


def test_folding_keeps_every_path_and_the_named_convolution() -> None:
    net = randomised(timm.create_model("tf_efficientnet_lite0"))
    folded = fold_norms(net, keep=("conv_stem",))
    paths = {path for path, _ in folded.named_modules()}
    assert {"conv_stem", "bn1", "blocks.0", "blocks.1", "blocks.0.0.bn1"} <= paths
    assert torch.equal(folded.get_submodule("conv_stem").weight, net.conv_stem.weight)  # type: ignore[arg-type,union-attr]
    kept = [path for path, module in folded.named_modules() if isinstance(module, nn.BatchNorm2d)]
    # the stem, and the four convolutions of stride 2 that timm pads by the size of their input
    assert kept == ["bn1", "blocks.1.0.bn2", "blocks.2.0.bn2", "blocks.3.0.bn2", "blocks.5.0.bn2"]


def test_a_norm_with_a_second_reader_of_its_convolution_is_not_folded() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.conv(x)
            return y + self.norm(y)

    assert isinstance(fold_norms(randomised(Shared())).norm, nn.BatchNorm2d)


def test_the_convention_is_the_librarys_and_can_be_overridden() -> None:
    timms = Timm(name="tf_efficientnet_lite0", pretrained=False).build().input
    assert (timms.size, timms.resize, timms.mean, timms.interpolation) == (224, 256, (0.5, 0.5, 0.5), "bicubic")
    theirs = Torchvision(name="resnet18", pretrained=False, input=InputChanges(channels="BGR", size=96)).build().input
    assert (theirs.size, theirs.resize, theirs.channels, theirs.mean[0]) == (96, 256, "BGR", 0.485)


def test_channel_order_matters_and_is_honoured() -> None:
    rgb = Torchvision(name="squeezenet1_1", pretrained=False)
    bgr = Torchvision(
        name="squeezenet1_1", pretrained=False, input=InputChanges(channels="BGR", mean=(0.5,) * 3, std=(0.5,) * 3)
    )
    same = Torchvision(name="squeezenet1_1", pretrained=False, input=InputChanges(mean=(0.5,) * 3, std=(0.5,) * 3))
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(bgr.build().logits(images), same.build().logits(images.flip(1)))
        assert not torch.equal(bgr.build().logits(images), same.build().logits(images))
    assert rgb.identity() != bgr.identity()


def test_identity_says_where_the_weights_come_from(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"one")
    named = Timm(name="resnet18", weights=file).identity()["weights"]
    file.write_bytes(b"two!")
    assert named != Timm(name="resnet18", weights=file).identity()["weights"]
    hub = Timm(name="resnet18").identity()
    assert (hub["weights"], hub["library"]) == ("hub:resnet18", f"timm=={timm.__version__}")


def test_errors_name_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(QbenchError, match=r"timm has no model 'resnet18x' \(did you mean 'resnet18'\?\)"):
        Timm(name="resnet18x", pretrained=False).build()
    with pytest.raises(QbenchError, match=r"torchvision has no model 'ResNet50' \(did you mean 'resnet50'\?\)"):
        Torchvision(name="ResNet50", pretrained=False).build()
    with pytest.raises(WeightsError, match="do not exist"):
        Timm(name="resnet18", weights=tmp_path / "none.safetensors").build()
    other = tmp_path / "other.safetensors"
    save_file(timm.create_model("resnet34").state_dict(), other)
    with pytest.raises(WeightsError, match="do not fit ResNet"):
        Timm(name="resnet18", weights=other).build()
    with pytest.raises(ValidationError):
        Timm(name="resnet18", wieghts=other)  # type: ignore[call-arg]


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    file = tmp_path / "evil.pth"
    torch.save({"conv1.weight": Evil()}, file)
    with pytest.raises(WeightsError, match="cannot be read"):
        Timm(name="resnet18", weights=file).build()
    assert not (tmp_path / "ran").exists()


def test_the_registry_finds_them_by_prefix() -> None:
    assert get("model", "timm:resnet50").target is Timm
    assert get("model", "torchvision:resnet50").target is Torchvision


def test_an_empty_name_is_no_file_and_a_tag_names_the_hubs_weights() -> None:
    hub = Torchvision(name="resnet50", weights="", tag="IMAGENET1K_V1")  # type: ignore[arg-type]
    assert hub.weights is None
    assert hub.identity()["weights"] == "hub:resnet50.IMAGENET1K_V1"
    assert Torchvision(name="resnet50").identity()["weights"] == "hub:resnet50"
    with pytest.raises(QbenchError, match=r"no weights 'IMAGENET1K_V3' \(did you mean 'IMAGENET1K_V"):
        Torchvision(name="resnet50", tag="IMAGENET1K_V3").build()


def test_the_tag_decides_the_convention(tmp_path: Path) -> None:
    """MobileNetV2's first weights were tested at 256 pixels, its second at 232."""
    net = torchvision.models.mobilenet_v2()
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    conventions = [
        Torchvision(name="mobilenet_v2", weights=tmp_path / "net.safetensors", tag=f"IMAGENET1K_V{i}").build().input
        for i in (1, 2)
    ]
    assert [convention.resize for convention in conventions] == [256, 232]


@pytest.mark.parametrize(("kind", "name"), [(Timm, "resnet18"), (Torchvision, "resnet18")])
def test_weights_may_know_other_classes(kind: type[Timm] | type[Torchvision], name: str, tmp_path: Path) -> None:
    save_file(torchvision.models.resnet18(num_classes=7).state_dict(), tmp_path / "net.safetensors")
    model = kind(name=name, weights=tmp_path / "net.safetensors", classes=7)
    assert model.identity()["classes"] == 7
    assert model.build().logits(torch.rand(1, 3, 64, 64)).shape == (1, 7)
    with pytest.raises(ValidationError, match="the hub's have their own"):
        kind(name=name, classes=7)


@pytest.mark.slow
def test_every_resnet_of_timm_that_declares_sites_has_them() -> None:
    """The shallowest of all names that differ in their numbers."""
    names = sorted(timm.list_models("*res*"), key=lambda name: [int(digits) for digits in re.findall(r"\d+", name)])
    first = {re.sub(r"\d+", "0", name): name for name in reversed(names) if Timm(name=name).sites}
    assert len(first) > 20
    for name in first.values():
        with torch.device("meta"):
            paths = {path for path, _ in timm.create_model(name).named_modules()}
        assert set(Timm(name=name).sites.values()) <= paths, name


@pytest.mark.parametrize(
    "name", ["resnet18.a1_in1k", "resnet50_gn", "seresnext50_32x4d", "wide_resnet50_2", "resnet50d"]
)
def test_resnets_declare_four_sites(name: str) -> None:
    assert list(Timm(name=name).sites) == ["D1", "D2", "D3", "D4"]


def test_other_networks_called_resnet_declare_none_and_say_so() -> None:
    model = Timm(name="resnetv2_18", pretrained=False)
    assert model.sites == {}
    with pytest.raises(NotApplicable) as caught:
        model.build().path("D2")
    assert str(caught.value) == "the model has no site 'D2'; declared sites: none"


def test_a_declared_site_that_the_network_lacks_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Torchvision, "sites", {"D1": "conv1", "D2": "relu9"})
    built = Torchvision(name="resnet18", pretrained=False).build()
    assert built.sites == {"D1": "conv1"}
    with pytest.raises(NotApplicable, match=r"no site 'D2' .*; declared sites: D1$"):
        built.path("D2")
