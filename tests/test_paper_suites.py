"""Suites that replicate papers hold what the papers' tables hold, and run on a small folder of ImageNet's shape."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torchvision import models
from typer.testing import CliRunner

from qbench.cards.lookup import card_path, load_card, trained_dir
from qbench.cli.app import app
from qbench.methods.afd import AfdOptions
from qbench.methods.afd.net import Afd
from qbench.models.cut import Geometry
from qbench.report.build import build
from qbench.runs.plan import Options, load_suite, make_plan
from qbench.runs.planned import Plan
from qbench.runs.run import run_plan
from qbench.train.run import Order, read_job, run
from tests.conftest import ROOT

SUITES = sorted((ROOT / "suites" / "paper").glob("*.yaml"))
TABLES = [file for file in SUITES if "-table-" in file.stem]
LACKING = {"rnan", "rdn", "mirnet", "fbcnn", "jarcal", "panet", "earn", "grl", "ddp", "urie", "restormer"}
"""Methods of the papers that are not in their suites."""
WIDTHS = {"torchvision:resnet50": {"D1": 64, "D2": 64, "D3": 256, "D4": 256},
          "timm:repvgg_a2": {"D1": 64, "D2": 96, "D3": 96, "D4": 192}}  # fmt: skip


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random weights, in half precision to be small."""
    folder = tmp_path_factory.mktemp("classifiers")
    torch.manual_seed(0)
    nets: dict[str, nn.Module] = {
        "RESNET50": models.resnet50(), "REPVGG_A2": timm.create_model("repvgg_a2"),
        "CUB_RESNET50": models.resnet50(num_classes=200),
    }  # fmt: skip
    for name, net in nets.items():
        save_file({key: value.half() if value.is_floating_point() else value for key, value in
                   net.state_dict().items()}, folder / f"{name}.safetensors")  # fmt: skip
    return {name: folder / f"{name}.safetensors" for name in nets}


@pytest.fixture
def small(classifiers: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ImageNet-shaped folder of four pictures, a CUB-shaped one of two, and an empty home."""
    for number, folder in enumerate(("imagenet/n01440764", "imagenet/n01443537", "cub/001.Albatross", "cub/002.Auk")):
        (tmp_path / folder).mkdir(parents=True)
        for picture in range(2 - number // 2):
            pixels = np.random.default_rng([number, picture]).integers(0, 256, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((300, 260)).save(tmp_path / folder / f"{picture}.JPEG", quality=95)
    values = {**classifiers, "IMAGENET": tmp_path / "imagenet", "CUB": tmp_path / "cub", "DIV2K": tmp_path / "imagenet",
              "QBENCH_HOME": tmp_path / "home"}  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    return tmp_path


def planned(file: Path, *only: str) -> Plan:
    return make_plan(*load_suite(file), Options(device="cpu", only=only))


def test_there_is_a_suite_for_each_of_the_ten_tables() -> None:
    assert {file.stem for file in TABLES} == {f"afd-table-{number}" for number in range(1, 11)}


@pytest.mark.parametrize("file", SUITES, ids=lambda file: file.stem)
def test_a_suite_is_valid_and_every_cell_that_lacks_weights_says_how_they_are_made(file: Path, small: Path) -> None:
    plan = planned(file)
    assert plan.cells
    for cell in plan.cells:
        assert not cell.not_applicable or "make them with: qbench train" in cell.not_applicable
        if cell.not_applicable and cell.method.name.startswith("afd"):
            recipe = cell.method.params.get("recipe", "")
            assert f"qbench train {cell.method.name} {recipe}" in cell.not_applicable


@pytest.mark.parametrize("file", TABLES, ids=lambda file: file.stem)
def test_a_suite_has_the_rows_of_its_table_and_the_columns_that_we_have(file: Path, small: Path) -> None:
    plan = planned(file)
    (shown,) = plan.published
    assert shown.name == f"published-{file.stem.replace('-table', '')}"
    cells = {(cell.model.label, cell.condition.label) for cell in plan.cells}
    assert {(row.model, row.condition) for row in shown.table.rows} <= cells
    ours = {cell.method.label for cell in plan.cells}
    theirs = {*shown.table.methods.values(), *(row.method for row in shown.table.costs)}
    assert theirs - ours <= LACKING
    assert len(theirs & ours) >= 2


def test_every_paper_recipe_is_in_a_suite() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in SUITES)
    for name in load_card(card_path("afd")).recipes:
        if name.startswith(("resnet50", "repvgg")):
            assert f"recipe: {name}" in text or name in {"resnet50", "repvgg-a2"}, name


def test_figure_11_has_both_classifiers_at_every_size(small: Path) -> None:
    cells = planned(ROOT / "suites" / "paper" / "afd-figure-11.yaml").cells
    sizes = {f"afd-{count}" for count in (20, 50, 100, 200, 500, 1000, 2000, 5000, 20000)}
    for model in ("ResNet-50", "RepVGG-A2"):
        assert {cell.method.label for cell in cells if cell.model.label == model} == {"direct", *sizes}


def test_a_recipe_s_ablation_is_what_its_name_says() -> None:
    recipes = load_card(card_path("afd")).recipes
    for name, spec in recipes.items():
        last = name.rpartition("-")[2]
        assert (spec.network.get("fde", "dct") == last) == (last in {"pixels", "shuffled"})
        assert (spec.network.get("backbone", "unet") == last) == (
            last in {"dcnn", "resnet", "inception", "vit", "densenet"}
        )
        if last in {"d1", "d2", "d3", "d4"}:
            assert spec.network["site"] == last.upper()
        if last[0] == "n" and last[1:].isdigit():
            assert spec.data["source"].count == int(last[1:])


@pytest.mark.parametrize("card", ["afd", "afd-release"])
def test_paper_recipes_have_the_documented_objective_and_shipped_weights_have_theirs(card: str) -> None:
    for name, spec in load_card(card_path(card)).recipes.items():
        published = name.startswith(("resnet50", "repvgg")) and name != "resnet50-standardised"
        assert spec.network.get("standardise", True) != published
        assert not (published and spec.shipped)
        if published and name != "resnet50-gate":
            assert {name: term.weight for name, term in spec.loss.items()} == {"feature": 1.0}
            assert not spec.network.get("gate", False)


@pytest.mark.parametrize("number", range(1, 11))
def test_baselines_of_a_table_are_trained_on_the_patches_that_afd_is(number: int, small: Path) -> None:
    """The report says of all methods that they are trained on DIV2K-C (section IV-B)."""
    cards = {name: load_card(card_path(name)).recipes for name in ("afd", "arcnn", "dncnn")}
    like = cards["afd"]["resnet50"]
    suite, _ = load_suite(ROOT / "suites" / "paper" / f"afd-table-{number}.yaml")
    for method in (method for task in suite.tasks for method in task.methods if method.name in {"arcnn", "dncnn"}):
        spec = cards[method.name][method.params["recipe"]]
        assert (spec.data, spec.degradation, spec.crop) == (like.data, like.degradation, like.crop)
        assert [(s.steps, s.batch) for s in spec.stages] == [(s.steps, s.batch) for s in like.stages]
    needed = {cell.not_applicable for cell in planned(ROOT / "suites" / "paper" / f"afd-table-{number}.yaml").cells
              if cell.method.name in {"arcnn", "dncnn"}}  # fmt: skip
    assert all(f"qbench train {name} div2k" in text for text in needed for name in ("arcnn", "dncnn") if name in text)
    assert bool(needed) == (number in {5, 6, 7, 8})


def test_what_the_paper_leaves_open_has_recipes() -> None:
    recipes = load_card(card_path("afd")).recipes
    usual, rate, samples = (recipes[f"resnet50{end}"] for end in ("", "-lr1e-4", "-release-aug"))
    assert [stage.lr for stage in (*usual.stages, *rate.stages)] == [1e-3, 1e-4]
    assert (samples.crop.aligned, samples.crop.tilt, samples.crop.size) == (False, 0.9, 224)
    assert samples.data["source"].dataset.params["size"] == 232


def afd_weights(recipe: str, model: str = "torchvision:resnet50") -> None:
    """Untrained weights of a recipe where a training would leave them."""
    network = load_card(card_path("afd")).recipes[recipe].network
    choice = AfdOptions(**{key: value for key, value in network.items() if key != "standardise"})
    net = Afd(choice, Geometry(WIDTHS[model][choice.site], 2.0, 0.5), "deployed")
    file = trained_dir() / f"afd-{recipe}-s0.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(net.state_dict(), file, choice.metadata())
    file.with_suffix(".json").write_text(json.dumps({"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}))


@pytest.mark.slow
def test_a_suite_runs_from_a_folder_to_a_report_with_the_published_beside_ours(small: Path) -> None:
    for recipe in ("resnet50", "resnet50-shuffled"):
        afd_weights(recipe)
    plan = planned(ROOT / "suites" / "paper" / "afd-table-3.yaml", "condition=jpeg@[27]*")
    info = run_plan(plan, small / "run", workers=1, command="paper")
    assert {cell.status for cell in info.cells} == {"done"}, [cell.reason for cell in info.cells]
    tables = {table.name: table for table in build(small / "run").tables}
    assert {"accuracy-by-quality", "against-control", "published-afd-3"} <= set(tables)
    (group,) = tables["published-afd-3"].groups
    assert [row.method for row in group.rows] == ["direct", "afd-shuffled", "afd"]
    named = {column.name: value for column, value in zip(group.columns, group.rows[2].values, strict=True)}
    assert (named["jpeg@7"].n, named["jpeg@7 published"].value) == (4, pytest.approx(0.4902))


@pytest.mark.slow
def test_a_plan_is_shown_without_weights_and_without_a_network(small: Path) -> None:
    file = ROOT / "suites" / "paper" / "afd-table-2.yaml"
    result = CliRunner().invoke(
        app, ["plan", str(file), "--only", "condition=jpeg@7", "--limit", "1", "--out", str(small / "run")]
    )
    assert result.exit_code == 0, result.output
    assert "qbench train afd resnet50-pixels --seed 0" in result.output
    assert "estimated time: 0 min" in result.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("card", "recipe"),
    [
        ("afd", "repvgg-a2-d3"), ("afd", "resnet50-gate"), ("afd", "resnet50-release-aug"),
        ("arcnn", "div2k"), ("dncnn", "div2k"),
    ],
)  # fmt: skip
def test_a_paper_recipe_trains(card: str, recipe: str, small: Path) -> None:
    work = read_job(Order(card_path(card), recipe, out=small / "out", steps=1))
    stages = tuple(stage.model_copy(update={"batch": 2 if card == "afd" else 1}) for stage in work.spec.stages)
    trained = run(replace(work, spec=work.spec.model_copy(update={"stages": stages})), lambda *_: None)
    assert trained.fresh
    assert trained.facts["steps"] == 1
