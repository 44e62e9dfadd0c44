"""Every parameter of everything that a suite can name, and every key of its schema, given what it does not expect: it
is taken, and then works on a small picture, or it is one line with its place."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from qbench import registry
from qbench.cards.lookup import read_card
from qbench.documents.construct import construct
from qbench.draws import Draw
from qbench.errors import ConditionError, QbenchError
from qbench.registry.named import Named
from qbench.runs.plan import Options, load_suite, make_plan
from tests.conftest import ROOT

ODD = (
    "1.0e9", "1000000000", "-1", "0", ".nan", ".inf", "1.0e308", "5.0e-324", "9223372036854775807", "x", "''", "[]",
    "{}", "null", "true", "[[1]]", "{a: {b: 1}}", '"\\u2028"', "../x", "0.5",
)  # fmt: skip
REQUIRED: Mapping[str, Any] = {
    "root": "nowhere", "corruption": "fog", "severity": 3, "quality": 50, "design": "doublet", "times": 2, "border": 4,
    "scale": 0.5, "weights": "nowhere.safetensors", "config": "nowhere.py", "classes": 3, "steps": ["clean"],
    "model": "identity", "number": "1",
}  # fmt: skip
"""A fitting value for every parameter that must be given."""
BEHIND_COLON = {"ap:*": "1", "iou:*": "1", "builtin:*": "scenes", "restorer:*": "arcnn", "spandrel:*": "x.safetensors",
                "timm:*": "resnet18", "pyiqa:*": "niqe"}  # fmt: skip
TASKS = {"restoration": "{name: pairs, root: nowhere}"}
SECONDS = 5


def entries(*kinds: registry.Kind) -> Iterator[Any]:
    registry.load_builtin()
    for kind in kinds:
        for name in registry.names(kind):
            entry = registry.get(kind, name)
            if entry.builtin:
                yield pytest.param(entry, id=f"{kind}-{name}")


def base(entry: registry.Entry) -> tuple[str, dict[str, Any]]:
    """A name and parameters that fit."""
    name = entry.name.replace("*", BEHIND_COLON.get(entry.name, "resnet50")) if entry.takes_rest else entry.name
    params = {key: value for key, value in REQUIRED.items() if key in entry.required}
    if entry.name == "jpeg2000":
        params["ratio"] = 20
    return name, params


def suite_of(entry: registry.Entry, name: str, params: str) -> str:
    named = f"{{{json.dumps(name)}: {params}}}"
    task = entry.facts.get("task") or ("restoration" if entry.name in {"identity", "pairs"} else "classification")
    parts = {"dataset": TASKS.get(task, "{name: scenes, count: 1}"), "model": '"builtin:scenes"',
             "condition": "clean", "method": "direct", "metric": None}  # fmt: skip
    parts[entry.kind] = named
    lines = ["suite: walk", "version: 1", "changelog: {1: x}", "tasks:", f"  - task: {task}",
             f"    dataset: {parts['dataset']}", f"    models: [{parts['model']}]",
             f"    conditions: [{parts['condition']}]", f"    methods: [{parts['method']}]"]  # fmt: skip
    return "\n".join([*lines, *([f"    metrics: [{parts['metric']}]"] if parts["metric"] else [])]) + "\n"


def said(file: Path, text: str) -> str:
    """What validation says; empty where it takes the suite. Anything but an error of qbench is raised."""
    file.write_text(text, encoding="utf-8")
    try:
        make_plan(*load_suite(file), Options(device="cpu"))
    except QbenchError as error:
        return str(error)
    return ""


def is_one_placed_line(text: str, file: Path) -> bool:
    return text.startswith(f"{file}:") and text.isprintable() and len(text) < 2100


@pytest.mark.parametrize("entry", list(entries("dataset", "model", "condition", "method", "metric")))
def test_any_value_of_any_parameter_is_taken_or_told(entry: registry.Entry, tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    name, params = base(entry)
    for key in entry.parameters:
        for value in ODD:
            given = {**{other: json.dumps(fit) for other, fit in params.items()}, key: value}
            text = said(file, suite_of(entry, name, f"{{{', '.join(f'{k}: {v}' for k, v in given.items())}}}"))
            assert not text or is_one_placed_line(text, file), (key, value, text)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("entry", list(entries("condition")))
def test_a_condition_of_extreme_parameters_works_on_a_small_picture(entry: registry.Entry) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    name, params = base(entry)
    for key in entry.parameters:
        for value in (0, 1, -1, 5e-324, 1e-3, 0.5, 2, 10, 50, 100, 200, 1e3, 1e6, 1e9, 1e308, 2**63 - 1, True):
            try:
                condition = construct("condition", Named(name=name, params={**params, key: value}))
            except QbenchError:
                continue
            start = time.monotonic()
            try:
                degraded, facts = condition.apply(picture, Draw(0, "a"))
            except ConditionError:
                continue
            assert degraded.shape == picture.shape, (key, value)
            json.dumps(facts, allow_nan=False)
            assert time.monotonic() - start < SECONDS, (key, value)


WHOLE_SUITE = """\
suite: walk
version: 1
changelog: {1: first}
title: All keys
seed: 3
plugins: []
engine: {batch: 4, threads: 1, shard: 4, max_bad: 0.5}
tasks:
  - task: classification
    dataset: {name: scenes, count: 1, split: test, size: 128, target: label}
    view: {resize: 128, crop: 128, interpolation: bicubic}
    models: ["builtin:scenes", {name: identity, label: mine}]
    conditions: [clean, {jpeg: {quality: [25, 7]}}, {chain: {label: two, steps: [clean, {blur: {sigma: 1.5}}]}}]
    methods: [direct, {arcnn: {recipe: scenes, train_seeds: [0]}}]
    metrics: [top1]
    train_seeds: [0]
tables: [accuracy-by-condition]
controls: [{control: direct, methods: [arcnn]}]
published: [{file: afd, table: 5}]
extends: null
"""
Keys = tuple[str | int, ...]


def places(data: Any, path: Keys = ()) -> Iterator[Keys]:
    """The key path of every value."""
    items = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def replaced(data: Any, path: Keys, value: Any) -> Any:
    if not path:
        return value
    copy = dict(data) if isinstance(data, Mapping) else list(data)
    copy[path[0]] = replaced(data[path[0]], path[1:], value)
    return copy


ODD_DATA: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**70, 1e300, float("nan"), float("-inf"), "", " ", "x", "a\nb", "\u2028", "\\ud800", "${",
    "${NO_SUCH_ONE}",
    "../x", [], [None], [[]], ["x", "x"], {}, {"x": 1}, {1: 2}, {"name": None},
    {"name": "jpeg", "quality": {"any": []}}, "x" * 99_999,
)  # fmt: skip


def written(data: Any) -> str:
    """As YAML; what JSON writes is YAML, with other words for what is no finite number."""
    text = json.dumps(data)
    return text.replace("-Infinity", "-.inf").replace("NaN", ".nan").replace("\\\\ud800", "\\ud800")


@pytest.mark.parametrize("path", list(places(yaml.safe_load(WHOLE_SUITE))), ids=str)
def test_any_value_at_any_key_of_a_suite_is_taken_or_told(path: Keys, tmp_path: Path) -> None:
    file, data = tmp_path / "suite.yaml", yaml.safe_load(WHOLE_SUITE)
    assert said(file, written(data)) == ""
    for value in ODD_DATA:
        text = said(file, written(replaced(data, path, value)))
        assert not text or is_one_placed_line(text, file), (value, text)


def card_said(file: Path, text: str) -> str:
    file.write_text(text, encoding="utf-8")
    try:
        read_card(file)
    except QbenchError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("card", ["dncnn-small", "quac"])
def test_any_value_at_any_key_of_a_card_is_taken_or_told(card: str, tmp_path: Path) -> None:
    file, data = tmp_path / "card.yaml", yaml.safe_load((ROOT / "baselines" / f"{card}.yaml").read_text())
    data["recipes"] = dict(list(data["recipes"].items())[:2])
    assert card_said(file, written(data)) == ""
    for number, path in enumerate(places(data)):
        for value in ODD_DATA[number % 5 :: 5]:
            text = card_said(file, written(replaced(data, path, value)))
            assert not text or is_one_placed_line(text, file), (path, value, text)
