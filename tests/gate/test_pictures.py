"""`qbench check --pictures` on a run of scenes."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import qbench
from qbench.cli.app import app
from qbench.data.scenes.dataset import Scenes
from qbench.degrade import degrade
from qbench.errors import DataError
from qbench.report.export import export
from qbench.report.source import load

SUITE = {
    "suite": "lost",
    "tasks": [
        {
            "dataset": {"name": "scenes", "count": 24},
            "models": ["builtin:scenes"],
            "conditions": ["clean", {"jpeg": {"quality": 25}}],
            "methods": ["direct"],
        }
    ],
}


def verb(*words: object) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, words)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and an export of it in which the ten first hits under JPEG are lost, by more likelihood the later."""
    folder = tmp_path_factory.mktemp("lost")
    made = qbench.run(SUITE, out=folder / "run", own_store=True, device="cpu").folder
    whole = load(made, whole=True)
    cell = next(result.cell for result in whole.info.cells if result.cell.condition.name == "jpeg")
    records = dict(whole.records[cell.place])
    lost = np.flatnonzero(records["rank"] == 0)[:10]
    records["rank"], records["nll"] = records["rank"].copy(), records["nll"].copy()
    records["rank"][lost] = 1
    records["nll"][lost] = 5 + np.arange(10) + records["nll"][lost]
    export(replace(whole, records={**whole.records, cell.place: records}), folder / "worse")
    return folder


def test_the_worst_lost_samples_are_written_as_the_model_saw_them(folder: Path, tmp_path: Path) -> None:
    result = verb(folder / "worse", "--against", folder / "run", "--pictures", tmp_path / "lost", "-f", "json")
    assert result.exit_code == 1
    (flips,) = json.loads(result.stdout)["flips"]
    changes = [flip["change"] for flip in flips["lost"]]
    assert len(changes) == 10
    assert changes == sorted(changes)
    rows = list(csv.DictReader((tmp_path / "lost" / "pictures.csv").open()))
    assert [row["id"] for row in rows] == [flip["id"] for flip in flips["lost"][:8]]
    scenes = Scenes(count=24)
    ids = list(scenes.manifest().ids)
    for row in rows:
        sample = scenes.load(ids.index(row["id"]))
        expected, _ = degrade(sample.image, "jpeg", seed=0, sample_id=sample.id, quality=25)
        assert np.array_equal(np.asarray(Image.open(tmp_path / "lost" / row["file"])), expected)
    assert len(list((tmp_path / "lost").rglob("*.png"))) == 8


def test_data_that_is_not_there_is_one_error(folder: Path, tmp_path: Path) -> None:
    both = []
    for name in ("worse", "run"):
        whole = load(folder / name, whole=True)
        renamed = {place: {**of, "id": np.array([f"x/{i}" for i in of["id"]])} for place, of in whole.records.items()}
        export(replace(whole, records=renamed), tmp_path / name)
        both.append(tmp_path / name)
    result = verb(both[0], "--against", both[1], "--pictures", tmp_path / "lost")
    assert isinstance(result.exception, DataError)
    assert "the dataset here has other samples than the run had" in str(result.exception)
    info = json.loads((both[0] / "run.json").read_text())
    for source in info["sources"]:
        source["dataset"] |= {"name": "imagefolder", "params": {"root": str(tmp_path / "gone")}}
    (both[0] / "run.json").write_text(json.dumps(info | {"digest": ""}))
    gone = verb(both[0], "--against", both[1], "--pictures", tmp_path / "lost")
    assert isinstance(gone.exception, DataError)
    assert str(tmp_path / "gone") in str(gone.exception)
