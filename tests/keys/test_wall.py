"""The wall: a cell's key holds the code that can change its numbers, and no other code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from qbench import registry
from qbench.keys.cells import COMPUTE
from qbench.keys.sources import closure, code_of_modules
from tests.conftest import ROOT

COMPUTING = {
    "boundary", "process", "vocabulary", "draws", "runtime", "registry", "data", "degrade", "models", "methods",
    "quality", "tasks", "compute",
}  # fmt: skip
"""The rooms that compute. `errors` and `storage` are imported there too, and decide no number."""
FACTOR = """
import qbench
{imports}

@qbench.method("{name}", site="image")
class Factor:
    def restore(self, images, context):
        return images * {factor}
"""
SUITE = """
suite: wall
version: 1
changelog: {{1: first}}
plugins: [{plugins}]
tasks:
  - dataset: {{name: scenes, count: 4}}
    models: ["builtin:scenes"]
    conditions: [clean, {{jpeg: {{quality: 10}}}}]
    methods: [direct, arcnn, quac, by-module, by-value]
"""
KEYS = """
import json, sys
from pathlib import Path
from qbench.runs.plan import Options, load_suite, make_plan
suite, document = load_suite(Path(sys.argv[1]))
plan = make_plan(suite, document, Options(device=sys.argv[2], plugin_files=tuple(map(Path, sys.argv[3:]))))
print(json.dumps({f"{c.condition.label} {c.method.label}": c.key for c in plan.cells}))
"""


def parts() -> list[tuple[str, ...]]:
    """The modules at which the code of cells begins: the path of all, and each declared thing."""
    tasks = [registry.get("task", name) for name in registry.names("task")]
    kinds: tuple[registry.Kind, ...] = ("dataset", "condition", "model", "method", "metric")
    entries = [registry.get(kind, name) for kind in kinds for name in registry.names(kind)]
    modules = {entry.module for entry in entries if entry.module.startswith("qbench.")}
    return [COMPUTE, *((task.module, task.target.predict) for task in tasks), *((name,) for name in sorted(modules))]


@pytest.mark.parametrize("modules", parts(), ids="-".join)
def test_the_code_of_a_cell_lies_inside_the_rooms_that_compute(modules: tuple[str, ...]) -> None:
    rooms = {name.split(".")[1] for name in closure(*modules) if name.startswith("qbench.")}
    assert rooms <= COMPUTING


def test_the_registry_creates_and_decides_no_more() -> None:
    inside = {name for name in closure(*COMPUTE) if name.startswith("qbench.registry")}
    assert inside == {"qbench.registry.create", "qbench.registry.named"}


def test_a_method_holds_no_code_of_a_quality_feature_that_it_does_not_use() -> None:
    for module in ("qbench.methods.afd", "qbench.methods.restorers.plain", "qbench.methods.finetune"):
        assert not {name for name in closure(module) if name.startswith("qbench.quality")}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package to edit, with two plug-ins, the files that they import, and a suite."""
    root = tmp_path_factory.mktemp("house")
    shutil.copytree(ROOT / "qbench", root / "qbench", ignore=shutil.ignore_patterns("__pycache__", "_shipped"))
    for name in ("baselines", "suites"):
        (root / name).symlink_to(ROOT / name)
    library = root / "library"
    library.mkdir()
    (library / "gain.py").write_text("FACTOR = 0.5\n")
    (library / "other_gain.py").write_text("FACTOR = 0.25\n")
    plugin = FACTOR.format(imports="import gain", name="by-module", factor="gain.FACTOR")
    (library / "first_plugin.py").write_text(plugin)
    plugin = FACTOR.format(imports="from other_gain import FACTOR", name="by-value", factor="FACTOR")
    (library / "second_plugin.py").write_text(plugin)
    (root / "suite.yaml").write_text(SUITE.format(plugins=""))
    return root


def keys(
    house: Path, *plugins: str, suite: str = "suite.yaml", device: str = "cpu", home: str = "home"
) -> dict[str, str]:
    """The keys that a process of its own gives the cells of the suite, by condition and method."""
    files = [str(house / "library" / name) for name in plugins or ("first_plugin.py", "second_plugin.py") if name]
    environment = {"PYTHONPATH": f"{house}:{house / 'library'}", "QBENCH_HOME": str(house / home)}
    told = subprocess.run(
        [sys.executable, "-c", KEYS, str(house / suite), device, *files],
        env={**os.environ, **environment}, cwd=house, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    found: dict[str, str] = json.loads(told.stdout)
    return found


@pytest.fixture(scope="module")
def before(house: Path) -> Mapping[str, str]:
    return keys(house)


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {name.split(" ", 1)[1] for name in before if before[name] != after[name]}


Edit = tuple[str, str, str]
EVERY = {"direct", "arcnn", "quac", "by-module", "by-value"}
EDITS: dict[str, tuple[Edit, set[str]]] = {
    "a plug-in": (("library/first_plugin.py", "return images *", "return -images *"), {"by-module"}),
    "what it imports as a module": (("library/gain.py", "0.5", "0.6"), {"by-module"}),
    "what it imports by name": (("library/other_gain.py", "0.25", "0.5"), {"by-value"}),
    "the workbench": (("qbench/compute/bench.py", "copy.deepcopy(model.net)", "model.net"), EVERY),
    "a helper of the models": (("qbench/models/base.py", "sub_(mean)", "add_(mean)"), EVERY),
    "a quality feature": (("qbench/quality/brisque.py", "FEATURES = 36", "FEATURES = 37"), {"quac"}),
    "the network of a method": (
        ("qbench/models/restoration/plain_networks.py", "import copy\n", "import copy\n\nADDED = 1\n"), {"arcnn"},
    ),
}  # fmt: skip
DECIDES_NOTHING: tuple[Edit, ...] = (
    ("qbench/models/base.py", "the model has no site", "there is no site"),
    ("qbench/models/base.py", ", first {names", ", such as {names"),
    ("qbench/errors.py", "is recorded by id", "is kept by id"),
    ("qbench/compute/shard.py", "def run_shard", "# A comment.\ndef run_shard"),
    ("qbench/report/build.py", "import json", "import json\n\nADDED = 1"),
    ("qbench/suite/schema.py", "import re", "import re\n\nADDED = 1"),
    ("qbench/runs/plan.py", "import itertools", "import itertools\n\nADDED = 1"),
    ("qbench/storage/home.py", '".cache"', '".elsewhere"'),
    ("qbench/registry/entries.py", "unknown {kind}", "no {kind}"),
)
"""The texts of two errors, the module of errors, a comment, reports, what a suite may say, the plan, the cache folder
and the look-up of names."""


@contextmanager
def edited(house: Path, *edits: Edit) -> Iterator[None]:
    """The copy of the package with these edits inside, and as it was afterwards."""
    before = {name: (house / name).read_text() for name, _, _ in edits}
    for name, old, new in edits:
        text = (house / name).read_text()
        assert old in text
        (house / name).write_text(text.replace(old, new))
    try:
        yield
    finally:
        for name, text in before.items():
            (house / name).write_text(text)


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_changes_the_keys_of_the_cells_that_run_it(house: Path, before: Mapping[str, str], what: str) -> None:
    edit, expected = EDITS[what]
    with edited(house, edit):
        assert changed(before, keys(house)) == expected


def test_what_decides_no_number_changes_no_key(house: Path, before: Mapping[str, str]) -> None:
    new_table = house / "qbench" / "report" / "tables" / "added.py"
    new_table.write_text("ADDED = 1\n")
    with edited(house, *DECIDES_NOTHING):
        assert keys(house, home="elsewhere") == before
    new_table.unlink()


def test_neither_the_name_nor_the_way_of_a_plugin_counts(house: Path, before: Mapping[str, str]) -> None:
    library = house / "library"
    (library / "renamed.py").write_text((library / "first_plugin.py").read_text())
    assert keys(house, "renamed.py", "second_plugin.py") == before
    (house / "imported.yaml").write_text(SUITE.format(plugins="renamed, second_plugin"))
    assert keys(house, "", suite="imported.yaml") == before


def test_the_kind_of_device_counts_and_its_number_does_not(house: Path, before: Mapping[str, str]) -> None:
    cuda = keys(house, device="cuda:0")
    assert changed(before, cuda) == EVERY
    assert keys(house, device="cuda:1") == cuda


def declare(folder: Path, name: str, text: str) -> str:
    (folder / f"{name}.py").write_text(text)
    return name


def test_an_installed_package_is_told_by_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module = declare(tmp_path, "wall_uses_scipy", "import json\nimport scipy.ndimage\nimport torch\n")
    told = code_of_modules(module)
    assert told["packages"].keys() == {"scipy"}
    assert set(told["sources"]) == {""}


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('"""Another docstring."""\ndef f(x):\n    """More."""\n    return x + 1  # a comment\n', True),
        ("def f(x):\n    return x + 2\n", False),
        ("def f(x):\n    if x > 0:\n        raise ValueError('small')\n    return x + 1\n", False),
    ],
)
def test_comments_and_docstrings_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, same: bool
) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        monkeypatch.syspath_prepend(tmp_path / folder)
    one = declare(tmp_path / "one", f"wall_one_{same}_{len(text)}", "def f(x):\n    return x + 1\n")
    two = declare(tmp_path / "two", f"wall_two_{same}_{len(text)}", text)
    assert (code_of_modules(one) == code_of_modules(two)) is same
