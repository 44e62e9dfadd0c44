"""The protocol of a cell: equal where scores can be compared, whatever the methods; else another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qbench.degrade.codecs.versions import codec_version
from qbench.documents.faults import validated
from qbench.documents.load import Document
from qbench.keys import protocol
from qbench.report.protocol import fingerprint
from qbench.runs.plan import Options, make_plan
from qbench.suite.schema import Suite
from tests.conftest import PLUGIN

TASK: dict[str, Any] = {
    "dataset": {"name": "scenes", "count": 4},
    "models": ["toy"],
    "conditions": ["clean", {"jpeg": {"quality": 25}}, {"rejpeg": {"times": 2}}, {"blur": {"sigma": 1.0}}],
    "methods": ["direct"],
}


def suite(top: dict[str, Any] | None = None, **task: Any) -> tuple[Suite, Document]:
    data = {"suite": "one", "version": 1, "changelog": {1: "first"}, "tasks": [{**TASK, **task}], **(top or {})}
    document = Document(data, {})
    return validated(Suite, document), document


def printed(top: dict[str, Any] | None = None, **task: Any) -> str:
    plan = make_plan(*suite(top, **task), Options(plugin_files=(PLUGIN,), device="cpu"))
    return fingerprint([plan.told[cell.in_tables].protocol for cell in plan.cells])


def conditions(*others: Any) -> list[Any]:
    """Those of the task, with others in the place of those of the same name."""
    named = {next(iter(item)): item for item in others}
    return [named.get(next(iter(item)), item) if isinstance(item, dict) else item for item in TASK["conditions"]]


@pytest.mark.parametrize(
    ("top", "task"),
    [
        ({}, {"methods": ["median3", {"damp": {"factor": 0.25}}]}),
        ({}, {"conditions": TASK["conditions"][::-1]}),
        ({}, {"dataset": {"name": "scenes", "count": 4, "label": "streets"}, "models": [{"toy": {"label": "net"}}]}),
        ({}, {"conditions": conditions({"jpeg": {"quality": 25, "label": "light"}})}),
        ({}, {"conditions": conditions({"jpeg": {"quality": 25, "subsampling": "4:2:0", "progressive": False}})}),
        ({}, {"conditions": conditions({"rejpeg": {"times": 2, "quality": {"any": [25, 18, 15, 10, 7]}, "shift": 0}})}),
        ({}, {"conditions": conditions({"blur": {"sigma": 1}})}),
        ({}, {"metrics": ["top1"], "view": {"resize": "model"}}),
        ({"suite": "two", "title": "Another", "version": 2, "changelog": {2: "second"}}, {}),
        ({"engine": {"batch": 2, "threads": 2}, "tables": ["efficiency"]}, {}),
    ],
)
def test_what_leaves_tables_comparable_changes_no_fingerprint(top: dict[str, Any], task: dict[str, Any]) -> None:
    assert printed(top, **task) == printed()


@pytest.mark.parametrize(
    ("top", "task"),
    [
        ({"seed": 1}, {}),
        ({}, {"view": {"resize": 72}}),
        ({}, {"dataset": {"name": "scenes", "count": 5}}),
        ({}, {"dataset": {"name": "scenes", "count": 4, "split": "val"}}),
        ({}, {"conditions": TASK["conditions"][:-1]}),
        ({}, {"conditions": conditions({"jpeg": {"quality": 24}})}),
        ({}, {"conditions": conditions({"jpeg": {"quality": 25, "subsampling": "4:4:4"}})}),
        ({}, {"conditions": conditions({"rejpeg": {"times": 2, "shift": 7}})}),
        ({}, {"conditions": conditions({"blur": {"sigma": {"between": [1.0, 2.0]}}})}),
        ({}, {"models": ["builtin:scenes"]}),
        ({}, {"metrics": ["top1", "nll"]}),
    ],
)
def test_what_makes_tables_another_matter_changes_it(top: dict[str, Any], task: dict[str, Any]) -> None:
    assert printed(top, **task) != printed()


def test_codecs_count_where_conditions_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    before, without = printed(), printed(conditions=["clean", {"blur": {"sigma": 1.0}}])
    monkeypatch.setattr(protocol, "codec_version", lambda name: f"{codec_version(name)}-other")
    assert printed() != before
    assert printed(conditions=["clean", {"blur": {"sigma": 1.0}}]) == without


def test_metrics_count_with_their_parameters_and_in_any_order() -> None:
    def restoring(*metrics: Any) -> str:
        return printed(task="restoration", models=["identity"], conditions=["clean"], metrics=list(metrics))

    two = {"psnr": {"crop_border": 4}}, {"psnr": {"crop_border": 8, "label": "inner"}}
    assert restoring(*two) == restoring(*two[::-1]) != restoring(two[0])
    assert restoring("psnr") == restoring({"psnr": {"crop_border": 0, "label": "whole"}})


def test_a_chain_is_told_by_its_steps_with_their_defaults() -> None:
    def chain(*steps: Any) -> str:
        return printed(conditions=[{"chain": {"steps": list(steps)}}])

    assert chain({"resize": {"scale": 0.5}}, {"jpeg": {"quality": 9}}) == chain(
        {"resize": {"scale": 0.5, "filter": "bicubic"}}, {"name": "jpeg", "quality": 9, "label": "last"}
    )
    drawn = {"jpeg": {"quality": {"between": [60, 80]}}}
    assert chain(drawn) == chain({"jpeg": {"quality": {"between": [60, 80]}, "progressive": False}})
    assert chain(drawn) != chain({"jpeg": {"quality": {"between": [60, 81]}}})
    assert chain({"resize": {"scale": 0.5}}, drawn) != chain(drawn, {"resize": {"scale": 0.5}})


def test_the_contents_of_pictures_and_of_files_count(tmp_path: Path) -> None:
    def pictures(value: int) -> dict[str, Any]:
        for name in ("a", "b"):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(np.full((64, 64, 3), value, np.uint8)).save(tmp_path / name / "one.png")
        return {"name": "imagefolder", "root": str(tmp_path)}

    first = printed(dataset=pictures(10))
    assert printed(dataset=pictures(10)) == first
    assert printed(dataset=pictures(11)) != first
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("a kernel")
    two.write_text("a kernel")
    assert protocol._written(str(one)) == protocol._written(two)
    two.write_text("another")
    assert protocol._written(str(one)) != protocol._written(two)


def test_a_fingerprint_is_short_and_of_a_set() -> None:
    assert len(fingerprint(["a", "b"])) == len("qb1-3f9a1c07be")
    assert fingerprint(["a", "b", "a"]) == fingerprint(["b", "a"]) != fingerprint(["a"])
    assert fingerprint(["a", ""]) == fingerprint([]) == ""
