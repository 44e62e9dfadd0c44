"""Methods and conditions of others: whatever they do, the cells beside theirs stay as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import qbench
from qbench.draws import Draw
from qbench.methods.afd import AfdOptions
from qbench.methods.afd.net import Afd
from qbench.models.builtin.declared import Builtin
from qbench.vocabulary import Context


@qbench.method("foreign-blacken", site="image")
class Blacken:
    """Writes into what it is given."""

    def restore(self, images: Tensor, context: Context) -> Tensor:
        return images.zero_()


@qbench.method("foreign-flatten", site="feature")
class Flatten:
    """Writes into features and pictures."""

    at = "D2"

    def enhance(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        images.zero_()
        return features.zero_()


@qbench.condition("foreign-dark")
class Dark:
    """Writes into the clean picture."""

    label, axis = "dark", None

    def apply(self, image: np.ndarray, draw: Draw) -> tuple[np.ndarray, dict[str, Any]]:
        image[:] = 0
        return image, {}


@qbench.condition("foreign-odd")
class Odd:
    """Gives what is no picture of the same size."""

    axis = None

    def __init__(self, kind: str) -> None:
        self.kind, self.label = kind, kind

    def apply(self, image: np.ndarray, draw: Draw) -> tuple[Any, dict[str, Any]]:
        odd: dict[str, Any] = {"half": image[::2, ::2], "floats": image / 255, "list": image.tolist()}
        return odd[self.kind], {}


def run(out: Path, conditions: list[Any], methods: list[Any]) -> qbench.Results:
    task = {
        "dataset": {"name": "scenes", "count": 3}, "models": ["builtin:scenes"], "conditions": conditions,
        "methods": methods,
    }  # fmt: skip
    return qbench.run({"suite": "foreign", "tasks": [task]}, out=out, device="cpu")


def told(results: qbench.Results, condition: str, method: str = "direct") -> list[float]:
    records = results.records()
    return list(records[(records["condition"] == condition) & (records["method"] == method)]["nll"])


def test_what_others_write_into_is_their_own(tmp_path: Path) -> None:
    alone = run(tmp_path / "alone", ["clean"], ["direct"])
    beside = run(
        tmp_path / "beside", ["foreign-dark", "clean"], ["foreign-blacken", "foreign-flatten", "direct", "arcnn"]
    )
    assert told(beside, "clean") == told(alone, "clean")
    dark = told(beside, "dark")
    assert told(beside, "clean", "foreign-blacken") == dark != told(alone, "clean")
    assert told(beside, "clean", "foreign-flatten") != told(alone, "clean")


@pytest.mark.parametrize(("kind", "given"), [("half", r"uint8 \[64, 64, 3\]"), ("floats", "float64"), ("list", "list")])
def test_a_condition_must_give_a_picture_of_the_same_size(tmp_path: Path, kind: str, given: str) -> None:
    cells = run(tmp_path, ["clean", {"foreign-odd": {"kind": kind}}], ["direct"]).info.cells
    assert [cell.status for cell in cells] == ["done", "failed"]
    assert cells[1].reason.startswith(
        "3 of 3 samples cannot be used, more than max_bad 0.01 allows; first: condition 'foreign-odd' (Odd): apply gave"
    )
    assert re.search(given, cells[1].reason)


@pytest.mark.parametrize("guide", ["mul_residual", "mul_each_scale", "concat_each_scale"])
def test_afd_writes_into_nothing_however_it_is_guided(guide: Any) -> None:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    cut = Builtin("scenes").build().cut("D2")
    features = cut.front(images).detach()
    given, kept = (images.clone(), features.clone()), (images.clone(), features.clone())
    network = Afd(AfdOptions(guide=guide), cut.geometry(), "deployed")
    with torch.inference_mode():
        network(given[1], given[0])
    assert all(torch.equal(a, b) for a, b in zip(given, kept, strict=True))
