"""At what size costs are measured."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from torch import nn

import qbench
from qbench.data.readers import Photos
from qbench.data.views import View
from qbench.runs.costs import fed
from qbench.vocabulary import InputConvention


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"no picture")
    for name, size in (("b", (41, 30)), ("c", (64, 64))):
        Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(folder / f"{name}.png")
    return Photos(folder)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View(256, 224), (224, 224)),
        (View(None, None), (30, 41)),
        (View(60, None), (60, 82)),
        (View(None, 50), (50,) * 2),
    ],
)
def test_a_view_s_crop_or_the_first_readable_picture_after_it(photos, view, expected):
    assert fed(view, photos, 7) == expected
    assert View.apply(view, photos.load(1).image).shape[:2] == expected


def test_nothing_readable(photos):
    for file in photos.root.iterdir():
        file.write_bytes(b"no picture")
    assert fed(View(None, None), photos, 7) == (7, 7)


@pytest.mark.slow
def test_a_run_measures_what_its_view_feeds(tmp_path):
    """Costs of the same network at two sizes, whose multiply-accumulates are as their pixels."""
    found = {}
    for crop in (64, 96):
        suite = {
            "suite": "small", "tables": ["efficiency"],
            "tasks": [
                {
                    "task": "restoration", "dataset": {"name": "scenes", "count": 1},
                    "models": [{"restorer:dncnn-small": {"recipe": "scenes"}}],
                    "view": {"crop": crop, "resize": None}, "conditions": ["clean"], "metrics": ["psnr"],
                }
            ],
        }  # fmt: skip
        qbench.run(suite, out=tmp_path / str(crop), device="cpu", own_store=True)
        (file,) = (tmp_path / str(crop) / "efficiency").iterdir()
        found[crop] = json.loads(file.read_text())
        assert found[crop]["size"] == [crop, crop]
    assert found[96]["macs_total"] / found[64]["macs_total"] == pytest.approx(96**2 / 64**2)


def priced(tmp_path, net, label="mine"):
    suite = {
        "suite": "live", "tables": ["efficiency"],
        "tasks": [{"dataset": {"name": "scenes", "count": 1}, "conditions": ["clean"]}],
    }  # fmt: skip
    given = {"models": {label: net}, "input": InputConvention(size=128, resize=None)}
    results = qbench.run(suite, **given, out=tmp_path / "run", device="cpu", own_store=True)
    (name,) = results.info.costs
    return tmp_path / "run" / "efficiency" / name


def head(width):
    return nn.Sequential(nn.Conv2d(3, width, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 24))


def test_another_network_of_the_same_name_has_a_cost_of_its_own(tmp_path):
    files = [priced(tmp_path, head(width)) for width in (2, 4)]
    told = [json.loads(file.read_text())["parameters_total"] for file in files]
    assert told == [sum(p.numel() for p in head(width).parameters()) for width in (2, 4)]


@pytest.mark.parametrize("left", [b"", b"{", b"[]"])
def test_a_cost_cut_short_is_measured_again(tmp_path, left):
    net = head(2)
    file = priced(tmp_path, net)
    file.write_bytes(left)
    assert priced(tmp_path, net) == file
    assert json.loads(file.read_text())["model"]["label"] == "mine"
