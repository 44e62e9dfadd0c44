"""Good suites and cards with odd values, keys and bytes in them: `validate` and `plan` take them or say one line."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qbench.cards.lookup import read_card
from qbench.cli import main
from qbench.documents.inline import conditions
from qbench.errors import QbenchError
from tests.conftest import ROOT

EXAMPLES = int(os.environ.get("QBENCH_FUZZ", "40"))
SUITES = [
    """\
suite: fuzzed
version: 1
changelog: {1: first}
title: All kinds
seed: 3
engine: {batch: 4, threads: 1, shard: 4, max_bad: 0.5}
tasks:
  - dataset: {name: scenes, count: 1}
    view: {resize: 128, crop: 128, interpolation: bicubic}
    models: ["builtin:scenes", {name: "builtin:scenes", label: mine}]
    conditions:
      - clean
      - jpeg: {quality: [25, 7]}
      - rejpeg: {times: [2, 3], quality: {any: [25, 18]}, shift: {dx: 1, dy: 2}}
      - chain: {label: two, steps: [resize: {scale: 0.5}, blur: {sigma: {between: [0.5, 2]}}]}
      - haze: {beta: 1.0}
      - gaussian_noise: {severity: 3}
    methods: [direct, arcnn: {recipe: scenes}, {afd: {label: mine, site: D2}}]
    metrics: [top1, ece]
    train_seeds: [0]
  - task: segmentation
    dataset: {name: scenes, count: 1, target: mask}
    models: ["builtin:scenes-segmenter"]
    conditions: [motion: {length: 5, angle: 30}]
tables: [accuracy-by-condition, accuracy-by-quality]
controls: [{control: direct, methods: [arcnn]}]
published: [{file: afd, table: 5}]
""",
    """\
suite: fuzzed-restoration
version: 2
changelog: {1: first, 2: second}
tasks:
  - task: restoration
    dataset: {name: scenes, count: 2, split: val}
    models: [identity, "restorer:dncnn"]
    conditions: [awgn: {sigma: [15, 25, 50]}, webp: {quality: 20, method: 4}, lens: {design: doublet}]
    metrics: [psnr: {crop_border: 4}, ssim]
""",
]
CARD = (ROOT / "baselines" / "dncnn-small.yaml").read_text(encoding="utf-8")

words = st.sampled_from(
    [
        "", " ", "x", "direct", "scenes", "jpeg", "clean", "builtin:scenes", "timm:", ":", "name", "label", "any",
        "between", "../x", "/", "/dev/zero", "~", "${", "${}", "${NO_SUCH}", "${NO_SUCH:-3}", "a\nb", "\t", "\u2028",
        "\ufeff", "é", "1e9", "0x10", "010", "1:30", "2026-02-31", "null", "true", "no", "=", "<<", "*a", "&a", "!!x",
        "x" * 500,
    ]
)  # fmt: skip
pieces = st.sampled_from([b"", b"- ", b": ", b"{", b"]", b"&a ", b"*a", b"!!", b"'", b'"', b"\t", b"\n", b"|", b"%"])
numbers = st.one_of(
    st.sampled_from([0, 1, -1, 2**31, 2**63 - 1, 2**63, 10**30, 0.0, 0.5, 1e-300, 1e308, float("inf"), float("nan")]),
    st.integers(-300, 300), st.floats(),
)  # fmt: skip
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, words, st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(words, st.integers(0, 9)), inner, max_size=3)
    ),
    max_leaves=5,
)


def fuzz(test: Callable[..., None]) -> Callable[..., None]:
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=checks)(test)


@st.composite
def mutated(draw: st.DrawFn, texts: list[str]) -> Any:
    """The data of one of the texts after a few changes: values replaced, left out, doubled, moved, keys renamed."""
    data = yaml.safe_load(draw(st.sampled_from(texts)))
    for _ in range(draw(st.integers(1, 3))):
        parent, key = draw(st.sampled_from(spots(data) or [({"": None}, "")]))
        match draw(st.sampled_from(["replace", "replace", "replace", "remove", "double", "rename", "move"])):
            case "replace":
                parent[key] = draw(values)
            case "remove":
                del parent[key]
            case "double" if isinstance(parent, list):
                parent.insert(key, parent[key])
            case "rename" if isinstance(parent, dict):
                parent[draw(words)] = parent.pop(key)
            case "move":
                other, place = draw(st.sampled_from(spots(data)))
                other[place] = yaml.safe_load(yaml.safe_dump(parent[key]))
    return data


def spots(data: Any) -> list[tuple[Any, Any]]:
    """Every value with what holds it: (list or mapping, index or key)."""
    items = list(data.items()) if isinstance(data, dict) else list(enumerate(data)) if isinstance(data, list) else []
    return [spot for key, value in items for spot in ((data, key), *spots(value))]


@st.composite
def damaged(draw: st.DrawFn, text: str) -> bytes:
    """A text with some of its bytes replaced, left out or doubled."""
    data = bytearray(text.encode())
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 6)))
        data[start:end] = draw(st.one_of(st.binary(max_size=4), pieces, st.just(bytes(data[start:end]) * 2)))
    return bytes(data)


def said(attempt: Callable[[], object]) -> QbenchError | None:
    """The error of qbench that it ends in; any other is raised."""
    try:
        attempt()
    except QbenchError as error:
        return error
    return None


def is_one_line(text: str) -> bool:
    return text.isprintable() and len(text) < 2100


def check_command(*arguments: str) -> None:
    """Exit code 0, or 2 with one line."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with patch.object(sys, "argv", ["qbench", *arguments]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    lines = err.getvalue().splitlines()
    assert code in (0, 2), (code, lines)
    assert len(lines) == (code == 2), (code, lines)
    assert all(map(is_one_line, lines)), lines


@fuzz
@given(data=mutated(SUITES), verb=st.sampled_from(["validate", "validate", "plan"]))
def test_a_suite_with_odd_values_is_taken_or_one_line(data: Any, verb: str, tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8", errors="replace")
    with chdir(tmp_path):
        check_command(verb, "suite.yaml", *(["--out", "run", "--device", "cpu"] if verb == "plan" else []))


@fuzz
@given(data=st.sampled_from(SUITES).flatmap(damaged))
def test_a_suite_with_odd_bytes_is_taken_or_one_line(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_bytes(data)
    with chdir(tmp_path):
        check_command("validate", "suite.yaml")


@fuzz
@given(text=st.one_of(values.map(yaml.safe_dump), st.text(max_size=20), words))
def test_a_condition_on_the_command_line_is_taken_or_one_line(text: str) -> None:
    error = said(lambda: conditions(text))
    assert error is None or is_one_line(str(error))


@fuzz
@given(data=st.one_of(mutated([CARD]).map(yaml.safe_dump).map(str.encode), damaged(CARD)))
def test_a_card_with_odd_values_is_taken_or_one_line(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_bytes(data)
    error = said(lambda: read_card(tmp_path / "card.yaml"))
    assert error is None or (is_one_line(str(error)) and error.place is not None)
