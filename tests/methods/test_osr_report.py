"""The averages of docs/methods/osr.md: by hand on small numbers, and the committed page against its records."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import numpy as np
import pytest

from tests.conftest import ROOT

SCRIPT = runpy.run_path(str(ROOT / "tools" / "fill_osr_page.py"))


def test_averages_and_their_spread_by_hand() -> None:
    by_seed = {
        0: {"haze": np.array([20.0, 22.0]), "noise": np.array([30.0, 30.0])},
        1: {"haze": np.array([24.0, 26.0]), "noise": np.array([30.0, 30.0])},
    }
    assert SCRIPT["mean_and_spread"](by_seed, ["haze"]) == "23.00 ± 2.83"
    assert SCRIPT["mean_and_spread"](by_seed, ["haze", "noise"]) == "26.50 ± 1.41"
    assert SCRIPT["mean_and_spread"]({0: by_seed[0]}, ["haze"]) == "21.00"


def test_a_difference_is_paired_by_seed_and_sample() -> None:
    rng = np.random.default_rng(0)
    base = {seed: {"haze": rng.normal(20, 5, 40)} for seed in (0, 1, 2)}
    better = {seed: {"haze": one["haze"] + 0.5} for seed, one in base.items()}
    assert SCRIPT["difference"](better, base, ["haze"], 0, "scenes") == "+0.50 [+0.50, +0.50]"
    assert SCRIPT["difference"](base, better, ["haze"], 0, "scenes") == "-0.50 [-0.50, -0.50]"
    apart = {seed: {"haze": one["haze"] + 0.5 + 0.2 * seed} for seed, one in base.items()}
    shown = SCRIPT["difference"](apart, base, ["haze"], 0, "scenes")
    low, high = (float(text) for text in shown.split("[")[1].rstrip("]").split(","))
    assert shown.startswith("+0.70")
    assert low == pytest.approx(0.70 - 4.303 * 0.2 / 3**0.5, abs=0.01)
    assert high == pytest.approx(1.2, abs=0.01)


def result(method: str, condition: str) -> SimpleNamespace:
    """A finished cell of one training."""
    cell = SimpleNamespace(
        dataset=SimpleNamespace(label="scenes"), method=SimpleNamespace(name=method, label=method), train_seed=0,
        condition=SimpleNamespace(family=condition, label=condition), place=f"{method}/{condition}",
    )  # fmt: skip
    return SimpleNamespace(cell=cell, status="done")


def test_regimes_are_read_off_the_names() -> None:
    names = ["direct", "plain (haze)", "osr (haze)", "osr (haze + motion blur)", "arcnn"]
    cells = [result(name, "haze") for name in names]
    assert SCRIPT["regimes"](cells) == ["haze", "haze + motion blur"]


def loaded(controls: list[tuple[str, list[str]]], scores: dict[tuple[str, str], list[float]]) -> SimpleNamespace:
    """A run on one dataset and by one training: (method, condition) to a number a sample."""
    cells = [result(method, condition) for method, condition in scores]
    records = {f"{method}/{condition}": {"psnr": np.array(values)} for (method, condition), values in scores.items()}
    named = tuple(SimpleNamespace(control=control, methods=tuple(methods)) for control, methods in controls)
    return SimpleNamespace(info=SimpleNamespace(cells=cells, controls=named, seed=0), records=records)


def test_the_matrix_has_a_method_against_its_own_control() -> None:
    means = {"direct": 20.0, "plain (haze)": 21.0, "plain long (haze)": 23.0, "osr long (haze)": 22.5}
    scores = {
        (method, condition): [mean + more] * 5
        for method, mean in means.items()
        for condition, more in (("clean", 50.0), ("haze", 0.0), ("rain", 3.0 if method == "direct" else 0.0))
    }
    run = loaded([("plain long (haze)", ["osr long (haze)"])], scores)
    assert SCRIPT["matrix"](run).splitlines() == [
        "| trained on | difference | haze | rain |",
        "| --- | --- | --- | --- |",
        "| haze | plain long - direct | **+3.00 [+3.00, +3.00]** | +0.00 [+0.00, +0.00] |",
        "| haze | osr long - plain long | **-0.50 [-0.50, -0.50]** | -0.50 [-0.50, -0.50] |",
    ]
    assert SCRIPT["table"](run).splitlines()[2:] == [
        "| scenes | haze | direct | 20.00 | 23.00 |",
        "| scenes | haze | plain | 21.00 | 21.00 |",
        "| scenes | haze | plain long | 23.00 | 23.00 |",
        "| scenes | haze | osr long | 22.50 | 22.50 |",
        "| scenes | haze | osr long - plain long | -0.50 [-0.50, -0.50] | -0.50 [-0.50, -0.50] |",
    ]


def test_the_page_says_what_the_records_give() -> None:
    page = SCRIPT["PAGE"].read_text("utf-8")
    assert SCRIPT["filled"](page) == page
