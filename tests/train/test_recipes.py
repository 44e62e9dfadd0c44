"""What each kind of recipe trains, and that nothing else moves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from qbench.cards.schema import RecipeSpec
from qbench.data.scenes.dataset import Scenes
from qbench.models.base import LoadedModel
from qbench.models.builtin.classifier_net import ScenesNet
from qbench.models.builtin.declared import INPUT, SITES
from qbench.models.initial import initialise
from qbench.train.core import losses as terms
from qbench.train.core.batches import Batches, Samples
from qbench.train.recipes.afd.training import build as afd
from qbench.train.recipes.afd.training import clean_std
from qbench.train.recipes.common import Parts
from qbench.train.recipes.finetune.training import classifier, finetune

from .pictures import Noise, copied, jpeg_mix, moved, steps


class Built:
    """A declared model: the built-in network with first weights."""

    def __init__(self) -> None:
        net = ScenesNet(24, stem=8, widths=(8, 8, 16)).eval()
        initialise(net, 0)
        self.loaded = LoadedModel(net, INPUT, SITES)

    def build(self) -> LoadedModel:
        return self.loaded


def parts(tmp_path: Path, kind: str, loss: dict[str, object], network: dict[str, object] | None = None) -> Parts:
    spec = RecipeSpec.model_validate(
        {
            "kind": kind, "model": "builtin:scenes", "data": {"source": {"dataset": "scenes"}}, "crop": {"size": 32},
            "degradation": [{"condition": "clean"}], "loss": loss, "network": network or {},
            "stages": [{"steps": 4, "batch": 4, "lr": 1e-2}],
        }
    )  # fmt: skip
    masks = "mask" in loss
    data = Samples(Scenes(count=4), 4, planes=("mask",)) if masks else Samples(Noise(), 7)
    return Parts("toy", spec, 0, "cpu", {"source": data, "validation": data}, jpeg_mix(tmp_path), Built())


AFD_LOSS: dict[str, object] = {
    "feature": 1.0,
    "kl": {"weight": 0.5, "temperature": 2.0},
    "deeper": {"weight": 0.1, "sites": ["stages.0.1.relu1"]},
    "gate": 0.1,
}


@pytest.mark.parametrize("form", ["train", "deployed"])
def test_afd_trains_every_parameter_of_the_module_and_none_of_the_model(tmp_path: Path, form: str) -> None:
    card_parts = parts(tmp_path, "afd", AFD_LOSS, {"form": form})
    model = card_parts.model.loaded.net
    recipe = afd(card_parts)
    net = recipe.modules["net"]
    before, frozen = copied(net), copied(model)
    losses = steps(recipe, 3)[-1]
    assert set(losses) == set(AFD_LOSS)
    assert {name for name, _ in net.named_parameters()} <= moved(net, before)
    assert "scale" not in moved(net, before)
    assert moved(model, frozen) == set()
    assert not model.training


def test_afd_starts_as_the_identity_and_its_feature_loss_is_that_of_the_drift(tmp_path: Path) -> None:
    card_parts = parts(tmp_path, "afd", {"feature": 1.0}, {"gate": False})
    recipe = afd(card_parts)
    batch = recipe.stages[0].roles["source"](0)
    cut = card_parts.model.loaded.cut("D2")
    degraded, clean, std = cut.front(batch.degraded), cut.front(batch.clean), clean_std(card_parts, cut)
    expected = (((degraded - clean) / std[None, :, None, None]) ** 2).mean().item()
    assert float(recipe.stages[0].step({"source": batch}, 0)["feature"].detach()) == pytest.approx(expected, rel=1e-4)


def test_the_documented_objective_is_the_mean_squared_error_of_features_as_they_are(tmp_path: Path) -> None:
    """Loss = MSE(f_hat, f_hq) (arXiv 2401.01724, section III-C), with nothing divided inside of the module either."""
    card_parts = parts(tmp_path, "afd", {"feature": 1.0}, {"gate": False, "standardise": False})
    recipe = afd(card_parts)
    net, cut = recipe.modules["net"], card_parts.model.loaded.cut("D2")
    steps(recipe, 3)
    assert torch.equal(net.scale, torch.ones_like(net.scale))
    batch = recipe.stages[0].roles["source"](3)
    with torch.no_grad():
        degraded, clean = cut.front(batch.degraded), cut.front(batch.clean)
        residual, fdm = net.fe(degraded, None), net.spread(net.drifting_map(batch.degraded), degraded.shape[-2:])
        enhanced = F.relu(degraded + residual * fdm)
        loss = recipe.stages[0].step({"source": batch}, 3)["feature"]
    assert not torch.equal(enhanced, degraded)
    assert float(loss) == pytest.approx(float((enhanced - clean).square().mean()), rel=1e-5)
    assert torch.equal(dict(recipe.ship())["scale"], torch.ones_like(net.scale))
    usual = afd(parts(tmp_path, "afd", {"feature": 1.0}, {"gate": False})).modules["net"]
    assert torch.equal(usual.scale, clean_std(card_parts, cut))


def test_clean_std_is_the_standard_deviation_of_all_positions(tmp_path: Path) -> None:
    card_parts = parts(tmp_path, "afd", {"feature": 1.0})
    cut = card_parts.model.loaded.cut("D2")
    with torch.no_grad():
        make = card_parts.batches("source", "scale", 8)
        features = torch.cat([cut.front(make(step).clean) for step in range(16)]).double()
    expected = features.numpy().std(axis=(0, 2, 3))
    assert clean_std(card_parts, cut).numpy() == pytest.approx(np.maximum(expected, expected.mean() * 1e-3), rel=1e-4)


def test_what_afd_ships_loads_into_the_deployed_network(tmp_path: Path) -> None:
    from qbench.methods.afd import AfdOptions
    from qbench.methods.afd.net import Afd

    card_parts = parts(tmp_path, "afd", {"feature": 1.0}, {"form": "train"})
    recipe = afd(card_parts)
    steps(recipe)
    cut = card_parts.model.loaded.cut("D2")
    deployed = Afd(AfdOptions(), cut.geometry(), "deployed")
    deployed.load_state_dict(dict(recipe.ship()), strict=True)
    image = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        feature = cut.front(image)
        difference = recipe.modules["net"](feature, image) - deployed(feature, image)
    assert float(difference.abs().max()) < 1e-4


def test_finetune_trains_the_model_against_its_clean_self(tmp_path: Path) -> None:
    card_parts = parts(tmp_path, "finetune", {"kl": {"temperature": 2.0}, "ce": 1.0})
    recipe = finetune(card_parts)
    net = recipe.modules["net"]
    before = copied(net)
    batch = recipe.stages[0].roles["source"](0)
    recipe.stages[0].prepare()
    teacher = Built().build()
    with torch.no_grad():
        expected = terms.kl(teacher.logits(batch.degraded), teacher.logits(batch.clean), 2.0)
        given = recipe.stages[0].step({"source": batch}, 0)["kl"]
    assert float(given) == pytest.approx(float(expected), rel=1e-3)
    steps(recipe)
    changed = moved(net, before)
    assert {name for name, _ in net.named_parameters()} <= changed
    assert not any(name.endswith("running_mean") for name in changed)


def test_the_classifier_learns_and_its_dense_head_does_not_ship(tmp_path: Path) -> None:
    recipe = classifier(parts(tmp_path, "classifier", {"ce": 1.0, "mask": {"sites": ["stages.1"]}}))
    before = copied(recipe.modules["head"])
    first = steps(recipe, 1)[-1]
    last = steps(recipe, 12)[-1]
    assert last["ce"] < first["ce"]
    assert moved(recipe.modules["head"], before) == {"weight", "bias"}
    ScenesNet(24).load_state_dict(dict(recipe.ship()), strict=True)
    measured = recipe.measure()
    assert 0 <= measured["top-1 clean"] <= 1


def test_masks_move_with_the_picture() -> None:
    """Painting the mask's own colour into the picture must give equal planes after every crop and turn."""
    from qbench.cards.schema import CropView
    from qbench.degrade.clean import Clean
    from qbench.train.core.mix import Mix, Part

    class Painted:
        label = "painted"

        def scene(self, index: int) -> object:
            mask = np.arange(40 * 40, dtype=np.uint16).reshape(40, 40).astype(np.uint8)

            class PaintedScene:
                image, label = np.stack([mask] * 3, axis=2), index

            PaintedScene.mask = mask  # type: ignore[attr-defined]
            return PaintedScene

    mix = Mix((Part(Clean(), True),), (1.0,))
    view = CropView(size=24, flip=True, rotate=True)
    batch = Batches(Samples(Painted(), 9, planes=("mask",)), view, mix, 9, 0, "x")(0)  # type: ignore[arg-type]
    assert batch.masks is not None
    assert torch.equal((batch.clean[:, 1] * 255).round().long(), batch.masks)


def test_the_dense_term_reads_the_middle_of_every_cell() -> None:
    masks = torch.randint(0, 5, (2, 16, 16), generator=torch.Generator().manual_seed(0))
    logits = torch.randn(2, 5, 4, 4, generator=torch.Generator().manual_seed(1))
    cells = torch.stack([torch.stack([masks[:, 2 + 4 * y, 2 + 4 * x] for x in range(4)], 1) for y in range(4)], 1)
    chosen = logits.log_softmax(1).gather(1, cells[:, None])
    assert float(terms.dense(logits, masks)) == pytest.approx(float(-chosen.mean()), rel=1e-5)
    assert float(F.cross_entropy(logits, cells)) == pytest.approx(float(-chosen.mean()), rel=1e-5)
