"""OpenMMLab's models without OpenMMLab: trust, configurations that are not run, and checkpoints that must not run."""

from __future__ import annotations

import builtins
import collections
import json
import os
import pickle
import subprocess
import sys
import types
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from typer.testing import CliRunner

from qbench.cli.app import app
from qbench.errors import QbenchError, SuiteError, WeightsError
from qbench.models.openmmlab.checkpoint import convert, read_checkpoint, read_converted
from qbench.models.openmmlab.config import backbone, place, sources
from qbench.models.openmmlab.declared import MMDetection, MMSegmentation
from qbench.runs.plan import Options, load_suite, make_plan
from tests.conftest import ROOT

SHIPPED = ROOT / "baselines" / "openmmlab"


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A configuration that leaves a file behind when it is run."""
    file = tmp_path / "trap.py"
    ran = tmp_path / "ran"
    file.write_text(f"open({str(ran)!r}, 'w').close()\nmodel = dict(backbone=dict(type='ResNet', depth=50))\n")
    (tmp_path / "weights.safetensors").write_bytes(b"")
    return file


@pytest.mark.parametrize("kind", [MMDetection, MMSegmentation])
def test_nothing_of_a_configuration_runs_without_trust(kind: Any, trap: Path) -> None:
    weights = trap.with_name("weights.safetensors")
    with pytest.raises(ValueError, match=r"is a program.*`trust: true`"):
        kind(config=trap, weights=weights)
    declared = kind(config=trap, weights=weights, trust=True)
    assert declared.label == f"{kind.__name__.lower()}:trap"
    assert declared.sites["D2"] == "backbone.relu"
    assert sources(trap) == (trap,)
    assert not trap.with_name("ran").exists()


def test_a_suite_without_trust_is_told_where(trap: Path) -> None:
    suite = trap.with_name("suite.yaml")
    suite.write_text(f"""\
suite: untrusted
version: 1
changelog: {{1: first}}
tasks:
  - task: detection
    dataset: {{name: scenes, count: 2, target: boxes}}
    models:
      - mmdetection: {{config: {trap}, weights: {trap.with_name("weights.safetensors")}}}
    conditions: [clean]
""")
    with pytest.raises(SuiteError, match=r"suite.yaml:8.*trust: true"):
        make_plan(*load_suite(suite), Options(device="cpu"))
    assert not trap.with_name("ran").exists()


def test_weights_are_given_one_way(trap: Path) -> None:
    for given in ({}, {"weights": trap, "checkpoint": trap}):
        with pytest.raises(ValueError, match="either `weights`"):
            MMDetection(config=trap, trust=True, **given)


def test_sources_follow_bases_of_both_styles(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "new.py").write_text(
        "from mmengine.config import read_base\n"
        "with read_base():\n    from .sub.runtime import *\n    from .old import *\n"
    )
    (tmp_path / "old.py").write_text("_base_ = ['sub/model.py', './plain.yaml', 'mmdet::_base_/default_runtime.py']\n")
    (tmp_path / "plain.yaml").write_text("_base_: sub/more.json\nmodel: {backbone: {type: MobileNetV2}}\n")
    (tmp_path / "sub" / "more.json").write_text('{"work_dir": null}')
    (tmp_path / "sub" / "runtime.py").write_text("workers = 2\n")
    (tmp_path / "sub" / "model.py").write_text(
        "from mmdet.models import CSPNeXt\nmodel = dict(backbone=dict(type=CSPNeXt))\n"
    )
    names = [file.resolve().relative_to(tmp_path).as_posix() for file in sources(tmp_path / "new.py")]
    assert sorted(names) == ["new.py", "old.py", "plain.yaml", "sub/model.py", "sub/more.json", "sub/runtime.py"]
    assert backbone(tmp_path / "new.py") == "CSPNeXt"
    assert backbone(tmp_path / "plain.yaml") == "MobileNetV2"
    assert backbone(tmp_path / "sub" / "runtime.py") == ""


@pytest.mark.parametrize(("text", "match"), [(None, "cannot be read"), ("model = dict(", "cannot be read")])
def test_a_configuration_that_cannot_be_read(text: str | None, match: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(QbenchError, match=match):
        sources(file)


def test_a_missing_framework_is_told_with_the_way_that_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`pip install 'qbench[openmmlab]'` would start to compile MMCV."""

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("qbench.models.library.version", missing)
    (tmp_path / "w.safetensors").write_bytes(b"w")
    model = MMDetection(config=SHIPPED / "scenes_detector.py", weights=tmp_path / "w.safetensors", trust=True)
    for ask in (model.identity, model.build):
        with pytest.raises(QbenchError, match="mmdet is not installed") as caught:
            ask()
        assert "`bash baselines/openmmlab/install.sh`" in str(caught.value)
        assert "pip" not in str(caught.value)


def test_the_key_covers_bases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qbench.models.openmmlab.declared.installed", lambda name, extra: f"{name}==1")
    (tmp_path / "w.safetensors").write_bytes(b"w")
    (tmp_path / "base.py").write_text("depth = 18\n")
    (tmp_path / "top.py").write_text("_base_ = 'base.py'\n")
    model = MMSegmentation(config=tmp_path / "top.py", weights=tmp_path / "w.safetensors", trust=True)
    before = model.identity()
    assert before == model.identity()
    (tmp_path / "base.py").write_text("depth = 50\n")
    assert model.identity() != before


def test_shipped_files_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert place(Path("baselines/openmmlab/scenes_detector.py")) == SHIPPED / "scenes_detector.py"
    with pytest.raises(QbenchError, match="not part of this installation"):
        place(Path("baselines/openmmlab/nothing.py"))
    assert place(Path("mine.py")) == Path("mine.py")


class Planted:
    """Asks, when it is unpickled, for a call that leaves a file behind."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("where", ["state", "meta", "message_hub", "bare"])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("how", ["system", "exec", "eval", "popen", "getattr"])
def test_a_planted_pickle_is_refused_and_does_not_run(how: str, legacy: bool, where: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    touch = f"open({str(ran)!r}, 'w').close()"
    bomb: Any = {
        "system": Planted(os.system, f"touch {ran}"),
        "exec": Planted(builtins.exec, touch),
        "eval": Planted(builtins.eval, touch),
        "popen": Planted(subprocess.Popen, ["touch", str(ran)]),
        "getattr": Planted(builtins.getattr, Planted(os.system, f"touch {ran}"), "real"),
    }[how]
    state: dict[str, Any] = {"weight": torch.ones(2)}
    content: Any = {"state_dict": state, "meta": {"epoch": 1}, "message_hub": {"log_scalars": {}}}
    if where == "bare":
        content = bomb
    else:
        {"state": state, "meta": content["meta"], "message_hub": content["message_hub"]}[where]["planted"] = bomb
    file = tmp_path / "planted.pth"
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError):
        read_checkpoint(file)
    assert not ran.exists()
    with pytest.raises(WeightsError):
        convert(file, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
    torch.load(file, weights_only=False)  # the trap itself works: an ordinary reading springs it
    assert ran.exists() or how == "popen"


def test_the_refusal_names_what_is_asked_for(tmp_path: Path) -> None:
    torch.save({"state_dict": {"w": torch.ones(1)}, "meta": Planted(os.system, "true")}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"asks for posix\.system"):
        read_checkpoint(tmp_path / "a.pth")


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A class under the name of mmengine's, with what that pickles: arrays, and methods named through `getattr`."""

    class HistoryBuffer:
        def __init__(self) -> None:
            self.max_length = 9
            self._log_history = np.array([0.5, 0.25])
            self._count_history = np.array([1, 1])
            self._statistics_methods = {"min": Planted(getattr, HistoryBuffer, "min")}

        def min(self) -> float:
            raise AssertionError("read, not run")

    module = types.ModuleType("mmengine.logging.history_buffer")
    HistoryBuffer.__module__, HistoryBuffer.__qualname__ = module.__name__, "HistoryBuffer"
    module.HistoryBuffer = HistoryBuffer  # type: ignore[attr-defined]
    for name in ("mmengine", "mmengine.logging"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return HistoryBuffer


def test_what_trainings_leave_is_read_and_left_out(history: Any, tmp_path: Path) -> None:
    state = collections.OrderedDict({"module.conv.weight": torch.randn(3, 2), "module.count": torch.tensor(4)})
    content = {
        "state_dict": state,
        "meta": {"dataset_meta": {"CLASSES": ("cat", "dog"), "palette": np.zeros((2, 3))}, "seed": 0},
        "message_hub": {
            "log_scalars": collections.OrderedDict(loss=history()),
            "runtime_info": {"lr": np.float64(0.1)},
        },
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]},
    }
    file, out = tmp_path / "iter_9.pth", tmp_path / "iter_9.safetensors"
    torch.save(content, file)
    checkpoint = read_checkpoint(file)
    assert checkpoint.classes == ("cat", "dog")
    assert list(checkpoint.state) == ["conv.weight", "count"]
    result = CliRunner().invoke(app, ["convert", str(file), str(out)])
    assert (result.exit_code, result.output.strip()) == (0, f"{out}: 2 tensors, 2 classes")
    again = load_file(out)
    assert {name: value.dtype for name, value in again.items()} == {"conv.weight": torch.float32, "count": torch.int64}
    assert all(torch.equal(again[name], state[f"module.{name}"]) for name in again)
    with safe_open(out, "pt") as opened:
        assert json.loads(opened.metadata()["classes"]) == ["cat", "dog"]
    assert read_converted(out).classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"meta": {}}, "no `state_dict`"),
        ({"state_dict": {}}, "no `state_dict`"),
        ([torch.ones(1)], "no `state_dict`"),
        ({"state_dict": {"w": "text"}}, "no `state_dict`"),
    ],
)
def test_files_without_a_state(content: Any, match: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=match):
        read_checkpoint(tmp_path / "a.pth")


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    for name, content in (("empty", b""), ("text", b"hello\n"), ("pickle", pickle.dumps({"a": 1}))):
        (tmp_path / name).write_bytes(content)
    for name in ("empty", "text", "pickle", "missing"):
        with pytest.raises(WeightsError, match=r"cannot be read|no `state_dict`"):
            read_checkpoint(tmp_path / name)
    with pytest.raises(QbenchError, match=r"should end in \.safetensors"):
        CliRunner().invoke(app, ["convert", "a.pth", "b.pth"], catch_exceptions=False)
