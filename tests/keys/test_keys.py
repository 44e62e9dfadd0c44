"""Every part of a cell's key matters, and nothing else does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qbench
from qbench import registry
from qbench.compute.cell import Cell
from qbench.draws import Draw
from qbench.keys import versions as fingerprints
from qbench.keys.cells import Part, condition_facts, method_facts, metric_facts
from qbench.registry.named import Named
from qbench.runs.plan import Options, load_suite, make_plan
from qbench.runs.planned import Plan
from tests.conftest import PLUGIN

Suite = Callable[..., Path]


def plan(file: Path, plugin: Path = PLUGIN) -> Plan:
    suite, document = load_suite(file)
    return make_plan(suite, document, Options(plugin_files=(plugin,), device="cpu"))


def key(file: Path, condition: str = "jpeg@7", method: str = "damp") -> str:
    return next(c.key for c in plan(file).cells if (c.condition.label, c.method.label) == (condition, method))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed: 3", "seed: 4"),
        ("batch: 4", "batch: 5"),
        ("engine: {batch: 4,", "engine: {threads: 2, batch: 4,"),
        ("damp]", "{damp: {factor: 0.25}}]"),
        ("count: 10}", "count: 10}\n    view: {resize: 72}"),
        ("count: 10}", "count: 10}\n    view: {interpolation: bilinear}"),
    ],
)
def test_a_changed_part_changes_the_key(toy: Suite, old: str, new: str) -> None:
    assert key(toy()) != key(toy((old, new), name="changed.yaml"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1", "version: 1\ntitle: another"),
        ("[direct, median3, damp]", "[damp, direct]"),
        ("shard: 4}", "shard: 4, max_bad: 0.5}"),
        ("count: 10", "count: 12"),
    ],
)
def test_what_decides_nothing_changes_no_key(toy: Suite, old: str, new: str) -> None:
    assert key(toy()) == key(toy((old, new), name="changed.yaml"))


def test_conditions_models_and_methods_have_keys_of_their_own(toy: Suite) -> None:
    keys = [cell.key for cell in plan(toy()).cells]
    assert len(set(keys)) == len(keys) == 5 * 3


def test_a_label_changes_no_key(toy: Suite) -> None:
    labelled = toy(("quality: [25, 7]", "quality: 7, label: strong"), name="labelled.yaml")
    assert key(toy()) == key(labelled, condition="strong")


def test_the_content_of_a_file_that_a_method_names_is_part_of_the_key(toy: Suite, tmp_path: Path) -> None:
    file, keys = tmp_path / "encoder.safetensors", []
    for content in (b"one", b"two", b"one"):
        file.write_bytes(content)
        suite = toy(("damp]", f"damp, quac: {{quality_weights: {file}}}]"), name="named.yaml")
        keys.append(key(suite, method="quac"))
    assert keys[0] == keys[2] != keys[1]


@qbench.condition("keys-tinted", whole=("tables",))
class Tinted:
    """A condition of files."""

    label, axis = "tinted", None

    def __init__(self, tables: list[str]) -> None:
        self.tables = tables

    def apply(self, image: np.ndarray, draw: Draw) -> tuple[np.ndarray, dict[str, Any]]:
        return image, {}


def test_the_content_of_a_file_that_a_condition_names_is_part_of_the_key(toy: Suite, tmp_path: Path) -> None:
    file, keys = tmp_path / "table.txt", []
    suite = toy(("- clean", f"- clean\n      - keys-tinted: {{tables: [none, {file}]}}"), name="named.yaml")
    for content in ("one", "two", "one"):
        file.write_text(content)
        keys.append(key(suite, condition="tinted"))
    assert keys[0] == keys[2] != keys[1]


def facts(kind: registry.Kind, **params: Any) -> list[Any]:
    part = Part(Named(name="x", params=params), object(), registry.Entry(kind, "x", object), "x", ())
    if kind == "condition":
        return condition_facts(part)
    return (method_facts if kind == "method" else metric_facts)(part)


@pytest.mark.parametrize("kind", ["condition", "method", "metric"])
def test_files_count_wherever_a_parameter_names_them(kind: registry.Kind, tmp_path: Path) -> None:
    file = tmp_path / "table.txt"
    shapes: list[dict[str, Any]] = [{"a": str(file)}, {"a": ["x", {"b": [str(file)]}]}, {"a": {"b": file}}]
    for params in shapes:
        found = []
        for content in ("one", "two", "one"):
            file.write_text(content)
            found.append(facts(kind, **params))
        assert found[0] == found[2] != found[1]


def test_a_file_counts_that_a_parameter_names_by_default(tmp_path: Path) -> None:
    file = tmp_path / "gain.txt"

    class ByFile:
        def __init__(self, file: Path = file) -> None: ...

    part = Part(Named(name="x"), object(), registry.Entry("method", "x", ByFile), "x", ())
    keys = []
    for content in ("one", "two", "one"):
        file.write_text(content)
        keys.append(method_facts(part))
    assert keys[0] == keys[2] != keys[1]


@pytest.mark.parametrize("text", ["x" * 300, "a\0b", "", ".", "no such file"])
@pytest.mark.parametrize("kind", ["condition", "method", "metric"])
def test_a_text_that_names_no_file_counts_as_it_is(kind: registry.Kind, text: str) -> None:
    assert facts(kind, a=text) != facts(kind, a=f"{text}!")
    assert not any(isinstance(fact, str) and re.fullmatch("[0-9a-f]{64}", fact) for fact in facts(kind, a=text))


def test_library_and_codec_versions_are_part_of_the_key(toy: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(toy())
    for name in ("torch", "pillow", "libjpeg_turbo"):
        versions = {**fingerprints.library_versions(), name: "0"}
        monkeypatch.setattr(fingerprints, "library_versions", lambda versions=versions: versions)
        assert key(toy()) != before
        monkeypatch.undo()


def test_a_changed_image_or_label_changes_its_shard_only(toy: Suite, tmp_path: Path) -> None:
    from PIL import Image

    root = tmp_path / "photos"
    (root / "a").mkdir(parents=True)
    for i in range(8):
        Image.fromarray(np.full((70, 70, 3), i, dtype=np.uint8)).save(root / "a" / f"{i}.png")
    file = toy(("{name: scenes, count: 10}", f"{{name: imagefolder, root: {root}}}"))
    before = plan(file)
    Image.fromarray(np.full((70, 70, 3), 99, dtype=np.uint8)).save(root / "a" / "6.png")
    after = plan(file)
    first, second = (tuple(shard.name for shard in p.sources[0].shards) for p in (before, after))
    assert first[0] == second[0]
    assert first[1] != second[1]


def test_train_seeds_multiply_trained_methods_only(toy: Suite) -> None:
    changes = ("[direct, median3, damp]", "[direct, arcnn]"), ("tables:", "    train_seeds: [0, 1]\ntables:")
    cells: tuple[Cell, ...] = plan(toy(*changes)).cells
    seeds = {(cell.method.label, cell.train_seed) for cell in cells}
    assert seeds == {("direct", 0), ("arcnn", 0), ("arcnn", 1)}
    changes = ("[direct, median3, damp]", "[direct, {arcnn: {train_seeds: [2, 5]}}, dncnn]"), changes[1]
    seeds = {(cell.method.label, cell.train_seed) for cell in plan(toy(*changes)).cells}
    assert seeds == {("direct", 0), ("arcnn", 2), ("arcnn", 5), ("dncnn", 0), ("dncnn", 1)}
