"""The averages of docs/methods/osr.md: by hand on small numbers, and the committed page against its records."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import numpy as np
import pytest

from tests.conftest import ROOT

SCRIPT = runpy.run_path(str(ROOT / "reports" / "osr.py"))


def test_averages_and_their_spread_by_hand() -> None:
    by_seed = {
        0: {"haze": np.array([20.0, 22.0]), "noise": np.array([30.0, 30.0])},
        1: {"haze": np.array([24.0, 26.0]), "noise": np.array([30.0, 30.0])},
    }
    assert SCRIPT["told"](by_seed, ["haze"]) == "23.00 ± 2.83"
    assert SCRIPT["told"](by_seed, ["haze", "noise"]) == "26.50 ± 1.41"
    assert SCRIPT["told"]({0: by_seed[0]}, ["haze"]) == "21.00"


def test_a_difference_is_paired_by_seed_and_sample() -> None:
    rng = np.random.default_rng(0)
    base = {seed: {"haze": rng.normal(20, 5, 40)} for seed in (0, 1, 2)}
    better = {seed: {"haze": one["haze"] + 0.5} for seed, one in base.items()}
    assert SCRIPT["compared"](better, base, ["haze"], 0, "scenes") == "+0.50 [+0.50, +0.50]"
    assert SCRIPT["compared"](base, better, ["haze"], 0, "scenes") == "-0.50 [-0.50, -0.50]"
    apart = {seed: {"haze": one["haze"] + 0.5 + 0.2 * seed} for seed, one in base.items()}
    shown = SCRIPT["compared"](apart, base, ["haze"], 0, "scenes")
    low, high = (float(text) for text in shown.split("[")[1].rstrip("]").split(","))
    assert shown.startswith("+0.70")
    assert (low, high) == (pytest.approx(0.70 - 4.303 * 0.2 / 3**0.5, abs=0.01), pytest.approx(1.2, abs=0.01))


def test_regimes_are_read_off_the_names() -> None:
    names = ["direct", "plain (haze)", "osr (haze)", "osr (haze + motion blur)", "arcnn"]
    cells = [SimpleNamespace(method=name) for name in names]
    assert SCRIPT["regimes"](cells) == ["haze", "haze + motion blur"]


def test_the_page_says_what_the_records_give() -> None:
    page = SCRIPT["PAGE"].read_text("utf-8")
    assert SCRIPT["filled"](page) == page
