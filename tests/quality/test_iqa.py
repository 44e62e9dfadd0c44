"""pyiqa by name: through a stand-in of its layout, so that the adapter is tested where the library is not."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from qbench.errors import QbenchError
from qbench.quality import iqa
from qbench.tasks.restoration.metrics import MeanOfColumn, Pyiqa
from tests.quality.pictures import noise, tensor

SETTINGS = """\
DEFAULT_CONFIGS = {
    "musiq": {"metric_opts": {}, "metric_mode": "NR"},
    "lpips": {"metric_opts": {}, "metric_mode": "FR", "lower_better": True},
    "fid": {"metric_opts": {}, "metric_mode": "NR", "lower_better": True},
    "odd": {"metric_opts": {}},
    "broken": {"metric_opts": {}, "metric_mode": "NR"},
}
"""
LIBRARY = """\
import torch
def create_metric(name, device):
    if name == "lpips":
        return lambda a, b: (a - b).abs().mean()
    if name == "musiq":
        return lambda a: a.mean(dim=(1, 2, 3))[:, None]
    raise OSError("no network")
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "pyiqa").mkdir()
    (tmp_path / "pyiqa" / "__init__.py").write_text(LIBRARY)
    (tmp_path / "pyiqa" / "default_model_configs.py").write_text(SETTINGS)
    monkeypatch.syspath_prepend(str(tmp_path))
    kept = sys.modules.pop("pyiqa", None)
    importlib.invalidate_caches()
    iqa._table.cache_clear(), iqa.load_metric.cache_clear()
    yield
    iqa._table.cache_clear(), iqa.load_metric.cache_clear()
    sys.modules.pop("pyiqa", None)
    if kept is not None:
        sys.modules["pyiqa"] = kept


@pytest.mark.usefixtures("stand_in")
def test_settings_are_read_without_importing_the_library() -> None:
    assert iqa.settings("lpips")["lower_better"] is True
    assert iqa.settings("musiq")["metric_mode"] == "NR"
    assert "pyiqa" not in sys.modules


@pytest.mark.usefixtures("stand_in")
def test_unknown_metrics_and_those_of_sets_are_refused() -> None:
    with pytest.raises(QbenchError, match=r"no metric 'musik' of single pictures \(did you mean 'musiq'\?\)"):
        iqa.settings("musik")
    for name in ("fid", "odd"):
        with pytest.raises(QbenchError, match=f"no metric '{name}'"):
            iqa.load_metric(name, "cpu")


@pytest.mark.usefixtures("stand_in")
def test_scores_are_one_a_picture_with_or_without_a_clean_one() -> None:
    pictures, clean = tensor(noise(0), noise(1)), tensor(noise(2), noise(3))
    apart = (pictures - clean).abs().mean(dim=(1, 2, 3)).double()
    assert torch.allclose(iqa.load_metric("lpips", "cpu")(pictures, clean), apart)
    assert torch.allclose(iqa.load_metric("musiq", "cpu")(pictures, None), pictures.mean(dim=(1, 2, 3)).double())
    assert torch.allclose(iqa.load_metric("musiq", "cpu")(pictures, clean), pictures.mean(dim=(1, 2, 3)).double())


@pytest.mark.usefixtures("stand_in")
def test_what_the_library_cannot_make_is_one_sentence() -> None:
    with pytest.raises(QbenchError, match=r"pyiqa's broken cannot be created.*no network"):
        iqa.load_metric("broken", "cpu")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    iqa._table.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(QbenchError, match=r"pip install 'qbench\[iqa\]'"):
        iqa.settings("musiq")
    iqa._table.cache_clear()


def test_records_are_read_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which way a metric points must be known wherever tables are made."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(iqa, "pyiqa_version", lambda: "none")
    assert [Pyiqa(name).higher_is_better for name in ("musiq", "lpips", "topiq_nr", "niqe")] == [
        True, False, True, False,
    ]  # fmt: skip
    assert MeanOfColumn(Pyiqa("lpips"), "pyiqa:lpips", "perceptual").higher_is_better is False


@pytest.mark.skipif(iqa.pyiqa_version() == "none", reason="pyiqa (extra iqa) is not installed")
def test_directions_are_those_of_the_library() -> None:
    said = {name for name, facts in iqa._table().items() if facts.get("lower_better")}
    assert {name for name in said if "fid" not in name} == iqa.LOWER_BETTER  # those are of whole sets
