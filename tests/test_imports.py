"""Which room may import which, and what must not load torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "qbench"
BASE = {"boundary", "process", "errors", "draws", "vocabulary", "runtime", "registry", "storage"}
MAY_IMPORT: dict[str, set[str]] = {
    "documents": set(),
    "suite": {"documents", "data.views"},
    "data": set(),
    "degrade": set(),
    "models": {"data", "cards"},
    "methods": {"models", "quality"},
    "tasks": {"data.views", "quality", "models.outputs"},
    "quality": {"models.files"},
    "stats": set(),
    "cards": {"documents"},
    "train": {"documents", "data", "models", "methods", "quality", "cards"},
    "compute": {"data", "degrade.drawn", "models"},
    "keys": {"degrade", "cards"},
    "runs": {"suite", "documents", "data", "degrade.labels", "models", "cards", "compute", "keys"},
    "report": {"stats", "tasks", "compute.cell", "runs.run_info", "runs.store", "runs.cost_record", "suite.published"}
    | {"runs.met", "runs.schema_version", "suite.schema"},
    "api": {"documents", "compute.cell", "suite", "runs", "models", "report", "keys.live"},
    "gate": {"report", "runs.run_info", "compute.cell", "stats", "tasks.score", "documents"},
    "compare": {"report", "gate.flips", "runs.run_info", "compute.cell", "stats", "suite.published"},
    "pictures": {"data", "compute"},
    "cli": {"documents", "pictures", "data", "degrade", "suite", "runs", "report", "gate", "compare", "train", "cards"}
    | {"models.openmmlab.checkpoint"},
}
"""For each room the others that it may import, besides the base and itself: data flows one way."""


def imports(file: Path, in_functions: bool = True) -> set[str]:
    """The qbench modules that a file imports, as `room.module`."""
    found = set()
    tree = ast.parse(file.read_text())
    if not in_functions:
        tree.body = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.removeprefix("qbench.") for name in names if name.startswith("qbench.")}
    return found


def known_as(name: str) -> set[str]:
    """`room.module` and all that it lies in."""
    parts = name.split(".")
    return {".".join(parts[:n]) for n in range(1, len(parts) + 1)}


def files_of(room: str) -> list[Path]:
    return [PACKAGE / f"{room}.py"] if (PACKAGE / f"{room}.py").is_file() else sorted((PACKAGE / room).rglob("*.py"))


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_a_room_imports_only_what_the_table_allows(room: str) -> None:
    assert files_of(room)
    allowed = BASE | {room} | MAY_IMPORT[room]
    for file in files_of(room):
        for name in imports(file):
            assert known_as(name) & allowed, f"{file.relative_to(ROOT)} imports qbench.{name}"


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_every_permission_is_used(room: str) -> None:
    used = {part for file in files_of(room) for name in imports(file) for part in known_as(name)}
    assert MAY_IMPORT[room] <= used
    assert not BASE & MAY_IMPORT[room]


def is_room(file: Path) -> bool:
    """Whether an entry of the package is a module or a package, and not the package's own file."""
    return (file.suffix == ".py" and file.stem != "__init__") or (file / "__init__.py").is_file()


def test_the_core_of_training_knows_no_recipe() -> None:
    for file in sorted((PACKAGE / "train" / "core").rglob("*.py")):
        for name in imports(file):
            assert not known_as(name) & {"train.recipes", "train.run"}, f"{file.relative_to(ROOT)} imports {name}"


def test_no_modules_of_training_import_each_other_in_a_circle() -> None:
    modules = {
        ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): file
        for file in (PACKAGE / "train").rglob("*.py")
    }
    waiting = {
        name: {part for used in imports(file, in_functions=False) for part in known_as(used)} - {name}
        for name, file in modules.items()
    }
    while ready := [name for name, needs in waiting.items() if not needs & waiting.keys()]:
        for name in ready:
            del waiting[name]
    assert waiting == {}


def test_every_room_is_in_the_table() -> None:
    assert {file.stem for file in PACKAGE.iterdir() if is_room(file)} - BASE <= MAY_IMPORT.keys()


DEGRADE = """
import numpy as np
from qbench.degrade import degrade
from tests.degrade.every import EVERY, here
picture = np.zeros((48, 40, 3), np.uint8)
for (name, parameters), in (written.items() for written in EVERY if here(written)):
    assert degrade(picture, name, seed=1, sample_id="a", **parameters)[0].shape == picture.shape
"""
OPENMMLAB = """
from qbench.models.openmmlab.declared import MMDetection
model = MMDetection(config="baselines/openmmlab/scenes_detector.py", weights="w.safetensors", trust=True)
assert model.label and model.sites
"""
CARDS = """
from qbench.cards import lookup
for name in lookup.card_names(): lookup.load_card(lookup.card_path(name))
"""


@pytest.mark.parametrize(
    ("statements", "libraries"),
    [
        ("import qbench", "torch numpy pydantic"),
        ("import qbench.cli.app", "torch pandas pydantic matplotlib"),
        (
            "from qbench import registry; registry.load_builtin()",
            "torch torchvision timm transformers segmentation_models_pytorch pyiqa cv2 scipy skimage numba",
        ),
        ("import qbench.suite.schema, qbench.runs.plan, qbench.runs.store, qbench.runs.execute", "torch"),
        ("import qbench.stats.bootstrap, qbench.report.build, qbench.report.render.terminal", "torch"),
        ("import qbench.gate.show, qbench.gate.update, qbench.compare.show, qbench.compare.published", "torch"),
        ("import qbench.tasks.classification.metrics, qbench.runs.cost_record", "torch"),
        ("import qbench.quality.iqa, qbench.tasks.restoration.predict", "pyiqa"),
        ("import qbench.tasks.detection.metrics", "torch"),
        (OPENMMLAB, "torch mmengine mmcv mmdet"),
        (CARDS, "torch"),
        (DEGRADE, "torch timm pandas matplotlib imagecorruptions skimage numba"),
    ],
)
def test_it_loads_without(statements: str, libraries: str) -> None:
    code = f"{statements}\nimport sys\nprint(*({set(libraries.split())} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout == "\n", done.stderr
