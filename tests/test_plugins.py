"""A user's own code by all four ways: decorator, `plugins:`, entry point and --plugin FILE; also in workers."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import pandas as pd
import pytest

import qbench
from qbench import registry
from qbench.documents.faults import validated
from qbench.documents.load import Document
from qbench.errors import QbenchError, SuiteError
from qbench.runs import run_info
from qbench.runs.plan import Options, make_plan
from qbench.runs.store import read_cell
from qbench.suite.schema import Suite
from tests.conftest import PLUGIN, TOY

METHOD = '''\
"""A plug-in."""

import qbench


@qbench.method("{name}", site="image")
class Darker:
    """Half as bright."""

    def restore(self, images, context):
        return images * 0.5
'''


def module(folder: Path, stem: str, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{stem}.py"
    file.write_text(METHOD.format(name=name))
    return file


def test_plugins_of_every_way_reach_both_workers(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    module(packages, "plugin_by_module", "by-module")
    module(packages, "plugin_by_entry_point", "by-entry-point")
    file = module(tmp_path, "plugin_by_file", "by-file")
    facts = packages / "toys-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[qbench]\ntoys = plugin_by_entry_point\n")
    suite = tmp_path / "toy.yaml"
    text = TOY.replace("[direct, median3, damp]", "[direct, by-module, by-entry-point, by-file]")
    text = text.replace("seed: 3\n", "seed: 3\nplugins: [plugin_by_module]\n")
    suite.write_text(text.replace("      - rejpeg: {times: [2, 3]}\n", "").replace("[25, 7]", "7"))
    path = os.pathsep.join([str(packages), *filter(None, [os.environ.get("PYTHONPATH")])])
    here = tmp_path / "here"
    here.mkdir()
    (here / "numpy.py").write_text("raise ImportError('a file of the working directory is no module of a worker')\n")
    command = [str(Path(sys.executable).with_name("qbench")), "run", str(suite), "--device", "cpu"]
    command += ["--out", str(tmp_path / "run"), "--workers", "2", "--plugin", str(file), "--plugin", str(PLUGIN)]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    info = run_info.read(tmp_path / "run")
    assert {cell.status for cell in info.cells} == {"done"}
    cells = [result.cell for result in info.cells]
    found = {(c.condition.label, c.method.label): read_cell(tmp_path / "run", info, c) for c in cells}
    assert len(found) == 8
    for condition in ("clean", "jpeg@7"):
        for name in ("by-entry-point", "by-file"):
            pd.testing.assert_frame_equal(found[condition, "by-module"], found[condition, name], check_exact=True)
        assert not found[condition, "by-module"]["confidence"].equals(found[condition, "direct"]["confidence"])


def reaching(plugins: list[str], name: str) -> None:
    """Plan a suite for several processes."""
    data = {
        "suite": "reach",
        "version": 1,
        "changelog": {1: "one"},
        "plugins": plugins,
        "tasks": [
            {
                "dataset": {"name": "scenes", "count": 2},
                "models": ["builtin:scenes"],
                "conditions": ["clean"],
                "methods": [name],
            }
        ],
    }
    document = Document(data, {})
    make_plan(validated(Suite, document), document, Options(device="cpu", one_process=False))


def test_what_a_plugin_imports_reaches_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module(tmp_path / "reach_library", "inside", "reach-inside")
    module(tmp_path, "reach_alone", "reach-alone")
    (tmp_path / "reach_library" / "__init__.py").write_text("from .inside import Darker\n")
    (tmp_path / "reach_plugin").mkdir()
    (tmp_path / "reach_plugin" / "__init__.py").write_text("")
    (tmp_path / "reach_plugin" / "sub.py").write_text(
        "try:\n    import reach_library\nexcept ImportError:\n    raise\n"
    )
    reaching(["reach_plugin.sub"], "reach-inside")
    importlib.import_module("reach_alone")
    with pytest.raises(SuiteError, match=r"in reach_alone, which no plug-in .*, or name reach_alone in the suite's"):
        reaching(["reach_plugin.sub"], "reach-alone")
    reaching(["reach_alone"], "reach-alone")


def test_what_a_plugin_file_imports_reaches_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module(tmp_path, "reach_of_a_file", "reach-of-a-file")
    (tmp_path / "file_that_imports.py").write_text("import reach_of_a_file\n")
    registry.load_file(tmp_path / "file_that_imports.py")
    reaching([], "reach-of-a-file")


def test_what_no_file_declares_does_not_reach_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "reach_main.py").write_text("import __main__\n")
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    exec(METHOD.format(name="reach-prompt"), {"__name__": "__main__"})
    with pytest.raises(SuiteError, match=r"in __main__, which .*; use one worker, or put it into a module that"):
        reaching(["reach_main"], "reach-prompt")


def test_an_installed_entry_point_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module(tmp_path, "plugin_of_a_package", "of-a-package")
    monkeypatch.syspath_prepend(str(tmp_path))
    point = EntryPoint("toys", "plugin_of_a_package", "qbench")
    monkeypatch.setattr("qbench.registry.entries.entry_points", lambda group: [point] if group == "qbench" else [])
    registry.load_builtin.__wrapped__()
    assert registry.get("method", "of-a-package").module == "plugin_of_a_package"


def test_a_broken_entry_point_is_one_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("toys", "no_such_module_of_toys", "qbench")
    monkeypatch.setattr("qbench.registry.entries.entry_points", lambda group: [point])
    with pytest.raises(QbenchError, match=r"'toys'.*no_such_module_of_toys.*install it again"):
        registry.load_builtin.__wrapped__()


def test_a_decorator_is_enough_in_this_process() -> None:
    @qbench.method("plugins-decorated", site="feature", oracle=True)
    class Decorated:
        """What it does.

        And more."""

    entry = registry.get("method", "plugins-decorated")
    assert (entry.target, entry.summary) == (Decorated, "What it does.")
    assert [entry.facts[key] for key in ("site", "trained", "oracle")] == ["feature", False, True]
    assert "plugins-decorated" in registry.names("method", "plugins-*")


def test_a_name_is_declared_once() -> None:
    with pytest.raises(QbenchError, match=r"method 'direct' is declared twice: in qbench\.methods\.direct and in .*"):

        @qbench.method("direct", site="none")
        class Mine:
            """Takes the name of another."""

    assert registry.get("method", "direct").module == "qbench.methods.direct"


def test_the_same_declaration_again_is_no_second_one() -> None:
    target = registry.get("method", "direct").target
    assert qbench.method("direct", site="none")(target) is target


def test_one_name_may_stand_for_a_method_and_a_model() -> None:
    qbench.model("direct-model-and-method")(type("A", (), {"__doc__": "A model."}))
    qbench.method("direct-model-and-method", site="image")(type("B", (), {"__doc__": "A method."}))
    assert registry.get("model", "direct-model-and-method").summary == "A model."
    assert registry.get("method", "direct-model-and-method").summary == "A method."


@pytest.mark.parametrize(
    ("kind", "wrong", "right"),
    [
        ("method", "dirct", "direct"), ("condition", "jpg", "jpeg"), ("dataset", "imagefoldr", "imagefolder"),
        ("model", "efficientnet-light0", "efficientnet-lite0"), ("metric", "top-1", "top1"),
        ("task", "clasification", "classification"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_told_with_the_nearest(kind: registry.Kind, wrong: str, right: str) -> None:
    with pytest.raises(QbenchError, match=rf"unknown {kind} '{wrong}' \(did you mean '{right}'\?\)"):
        registry.get(kind, wrong)


def test_a_prefix_finds_its_library_and_a_far_name_suggests_nothing() -> None:
    assert registry.get("model", "timm:resnet50").name == "timm:*"
    with pytest.raises(QbenchError) as caught:
        registry.get("model", "xyzzyq:1")
    assert "did you mean" not in str(caught.value)


def test_plugin_files_that_are_not_there_or_share_a_name(tmp_path: Path) -> None:
    with pytest.raises(QbenchError, match=r"gone\.py does not exist"):
        registry.load_file(tmp_path / "gone.py")
    one = module(tmp_path / "a", "twin", "plugins-twin-a")
    two = module(tmp_path / "b", "twin", "plugins-twin-b")
    assert registry.load_file(one) is registry.load_file(one)
    with pytest.raises(QbenchError, match="two plugin files are named 'twin'"):
        registry.load_file(two)


def test_a_plugin_file_that_fails_can_be_loaded_once_it_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "plugin_in_the_making.py"
    file.write_text("raise RuntimeError('not yet')\n")
    with pytest.raises(QbenchError, match=r"making\.py:1:1: plugin file .* cannot be imported: RuntimeError: not yet"):
        registry.load_file(file)
    file.write_text(METHOD.format(name="plugins-mended") + "\n# mended\n")
    registry.load_file(file)
    assert registry.get("method", "plugins-mended").summary == "Half as bright."


def test_a_missing_plugin_module_is_told_with_its_place_in_the_suite(tmp_path: Path) -> None:
    from qbench.runs.plan import Options, load_suite, make_plan

    file = tmp_path / "toy.yaml"
    file.write_text(TOY.replace("seed: 3\n", "seed: 3\nplugins: [no_such_plugin]\n"))
    with pytest.raises(QbenchError, match=r"toy\.yaml:5:1: plugin 'no_such_plugin' cannot be imported"):
        make_plan(*load_suite(file), Options(device="cpu"))


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("x = 1\ny = (\n", ":2:5", "SyntaxError: '(' was never closed"),
        (
            "\nimport no_such_library_of_mine\n",
            ":2:1",
            "ModuleNotFoundError: No module named 'no_such_library_of_mine'",
        ),
        ("from qbench import no_such_name\n", ":1:1", "ImportError: cannot import name 'no_such_name'"),
        ("def f():\n    return 1 / 0\n\n\nf()\n", ":2:12", "ZeroDivisionError: division by zero"),
        ("import json\njson.loads('{')\n", ":2:1", "JSONDecodeError"),
        ("raise SystemExit(0)\n", ":1:1", "SystemExit: 0"),
    ],
)
def test_what_the_import_of_a_plugin_raises_is_one_error_at_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, place: str, said: str
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "plugin_that_fails.py"
    file.write_text(text)
    for load in (lambda: registry.load_file(file), lambda: registry.load_plugins(["plugin_that_fails"], [])):
        with pytest.raises(QbenchError) as caught:
            load()
        assert str(caught.value).startswith(f"{file}{place}: plugin ")
        assert said in str(caught.value)


def test_a_site_that_there_is_not_is_refused_where_a_method_is_declared() -> None:
    with pytest.raises(QbenchError, match=r"method 'plugins-misplaced': .* not 'imagee' \(did you mean 'image'\?\)"):
        qbench.method("plugins-misplaced", site="imagee")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "wrong", "said"),
    [
        ("model", "tim:resnet50", "did you mean 'timm:resnet50'?"),
        ("model", "resnet50", "such as timm:resnet50 or torchvision:resnet50"),
        ("model", "efficientnet_b0", "such as timm:efficientnet_b0 or torchvision:efficientnet_b0"),
        ("model", "timm", "did you mean 'timm:NAME'?"),
        ("method", "ARCNN", "did you mean 'arcnn'?"),
        ("dataset", "Scenes", "did you mean 'scenes'?"),
    ],
)
def test_names_in_another_case_and_of_libraries_are_found(kind: registry.Kind, wrong: str, said: str) -> None:
    with pytest.raises(QbenchError) as caught:
        registry.get(kind, wrong)
    assert said in str(caught.value)
