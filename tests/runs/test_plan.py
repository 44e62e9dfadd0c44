"""What a plan tells apart, and what it refuses before anything is computed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

import qbench
from qbench.compute.cell import MethodItem
from qbench.errors import DataError, QbenchError, SuiteError
from qbench.runs.plan import Options, load_suite, make_plan
from qbench.runs.planned import Plan
from qbench.vocabulary import Manifest, Sample
from tests.conftest import PLUGIN

Suite = Callable[..., Path]
SCENES = "{name: scenes, count: 10}"


@qbench.dataset("plan-claims")
class Claims:
    """A dataset whose manifest says what a test wants."""

    label = "claims"
    said: ClassVar[dict[str, Manifest]] = {
        "doubles": Manifest(("a", "b", "a"), ("1", "2", "3")),
        "nothing": Manifest((), ()),
        "short": Manifest(("a", "b"), ("1",)),
    }

    def __init__(self, what: str) -> None:
        self.what = what

    def load(self, index: int) -> Sample:
        raise NotImplementedError

    def manifest(self) -> Manifest:
        return self.said[self.what]


def plan(file: Path, *only: str) -> Plan:
    return make_plan(*load_suite(file), Options(plugin_files=(PLUGIN,), device="cpu", only=only))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("doubles", "dataset 'plan-claims' (Claims) names sample 'a' 2 times; ids must be unique"),
        ("nothing", "dataset 'plan-claims' (Claims) holds no samples"),
        ("short", "the manifest of dataset 'plan-claims' (Claims) has 2 ids and 1 digests"),
    ],
)
def test_a_manifest_that_does_not_hold_is_refused(toy: Suite, what: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        plan(toy((SCENES, f"{{name: plan-claims, what: {what}}}")))
    assert f"toy.yaml:7:5: {said}" in str(caught.value)


@pytest.mark.parametrize(
    ("dataset", "labels"),
    [
        ("{name: scenes, count: 4, split: [val, test]}", ["scenes (split val)", "scenes (split test)"]),
        ("{name: scenes, count: 4, split: [val, test], label: mine}", ["mine (split val)", "mine (split test)"]),
        (
            "{name: scenes, count: [2, 3], split: [val, test]}",
            ["scenes (count 2, split val)", "scenes (count 2, split test)", "scenes (count 3, split val)",
             "scenes (count 3, split test)"],
        ),
        ("{name: scenes, count: 4, split: [val]}", ["scenes"]),
    ],
)  # fmt: skip
def test_datasets_that_were_fanned_out_are_told_apart(toy: Suite, dataset: str, labels: list[str]) -> None:
    assert list(dict.fromkeys(cell.dataset.label for cell in plan(toy((SCENES, dataset))).cells)) == labels


def test_conditions_of_one_given_label_are_told_apart_and_others_keep_theirs(toy: Suite) -> None:
    cells = plan(toy(("quality: [25, 7]", "quality: [25, 7], label: file"))).cells
    labels = list(dict.fromkeys(cell.condition.label for cell in cells))
    assert labels == ["clean", "file (quality 25)", "file (quality 7)", "rejpeg×2", "rejpeg×3"]


def test_two_tasks_of_the_same_cells_are_refused_at_the_second(toy: Suite) -> None:
    again = f"tables: [accuracy-by-quality]\n#{'-' * 9}"
    task = "  - {dataset: {name: scenes, count: 4}, models: [toy], conditions: [clean]}\n"
    with pytest.raises(SuiteError, match=r"toy\.yaml:14:5: two cells are both named classification / scenes / "):
        plan(toy(("tables:", f"{task}{again}")))


def test_trainings_of_one_label_are_told_apart_by_their_seed(toy: Suite) -> None:
    both = "{arcnn: {train_seeds: [0]}}, {arcnn: {train_seeds: [1]}}]"
    assert {cell.train_seed for cell in plan(toy(("damp]", both))).cells} == {0, 1}


@pytest.mark.parametrize(
    ("only", "said"),
    [
        (["method=dam"], "suite 'toy' has no such method (did you mean 'damp'?); there are: direct, median3, damp"),
        (["condition=jpeg@8"], "has no such condition (did you mean 'jpeg@7'?); there are: clean, jpeg@25, jpeg@7, "),
        (["method=direct", "method=damp"], "--only method=direct method=damp leaves no cell of suite 'toy'"),
    ],
)
def test_what_only_leaves_out_is_told(toy: Suite, only: list[str], said: str) -> None:
    with pytest.raises(QbenchError) as caught:
        plan(toy(), *only)
    assert said in str(caught.value)


def test_parameters_stay_as_they_were_given_and_are_plain_in_json() -> None:
    item = MethodItem(name="mine", params={"file": Path("a"), "by": (1, 2)}, label="mine", site="image")
    assert item.params == {"file": Path("a"), "by": (1, 2)}
    assert json.loads(item.model_dump_json())["params"] == {"file": "a", "by": [1, 2]}
