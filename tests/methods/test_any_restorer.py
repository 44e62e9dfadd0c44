"""Models of restoration as image methods."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import qbench
from qbench.errors import QbenchError
from qbench.methods.any_restorer import AnyRestorer
from qbench.methods.restorers.plain import DncnnSmallMethod
from qbench.models.protocols import Setup
from qbench.models.restoration.restorers import Restorer
from qbench.runs.plan import Options, load_suite, make_plan
from qbench.vocabulary import Context

SMALL = Restorer("dncnn-small", recipe="scenes").file


def images() -> torch.Tensor:
    return torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))


def test_it_is_the_method_of_the_same_network() -> None:
    by_name, dncnn = (
        AnyRestorer(model={"name": "restorer:dncnn-small", "recipe": "scenes"}),
        DncnnSmallMethod(weights=SMALL),
    )
    for method in (by_name, dncnn):
        method.setup(Setup(None, None, "cpu"))
    context = Context(("a", "b"), images(), ({}, {}))
    assert torch.allclose(by_name.restore(images(), context), dncnn.restore(images(), context), atol=1e-6)
    assert by_name.label == "dncnn-small (scenes)"
    assert AnyRestorer(model={"restorer:dncnn-small": {"label": "mine"}}).label == "mine"


def test_what_restores_nothing_is_refused() -> None:
    method = AnyRestorer(model="builtin:scenes")
    method.setup(Setup(None, None, "cpu"))
    with pytest.raises(QbenchError, match="'builtin:scenes' gives no picture"):
        method.restore(images(), Context(("a", "b"), images(), ({}, {})))


def suite(folder: Path, method: str) -> Path:
    file = folder / "suite.yaml"
    file.write_text(
        "suite: small\nversion: 1\nchangelog: {1: first}\ntasks:\n  - task: restoration\n"
        f"    dataset: {{name: scenes, count: 1}}\n    models: [identity]\n    conditions: [jpeg: {{quality: 10}}]\n"
        f"    methods:\n      - direct\n      - restorer: {method}\n"
    )
    return file


def key(file: Path) -> str:
    loaded, document = load_suite(file)
    return make_plan(loaded, document, Options(device="cpu")).cells[1].key


def test_its_weights_decide_the_key_wherever_they_lie(tmp_path: Path) -> None:
    one, other = (tmp_path / name for name in ("one.safetensors", "other.safetensors"))
    one.write_bytes(SMALL.read_bytes())
    text = f"{{model: {{restorer:dncnn-small: {{weights: {one}}}}}}}"
    first = key(suite(tmp_path, text))
    assert key(suite(tmp_path, text)) == first
    one.write_bytes(SMALL.read_bytes() + b" ")
    assert key(suite(tmp_path, text)) != first
    assert not other.exists()


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("{model: dncn3}", "did you mean 'dncnn3'"),
        ("{model: {dncnn3: {weights: none.safetensors}}}", r"none\.safetensors"),
        ("{model: {identity: {strength: 3}}}", "strength"),
        ("{model: restorer:arcnn}", "name one as `recipe`"),
        ("{modle: identity}", "did you mean 'model'"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, method: str, message: str) -> None:
    with pytest.raises(QbenchError, match=message) as caught:
        key(suite(tmp_path, method))
    assert "suite.yaml:" in str(caught.value)


@pytest.mark.slow
def test_a_suite_compares_it_with_direct(tmp_path: Path) -> None:
    file = suite(tmp_path, "{model: {restorer:dncnn-small: {recipe: scenes}}}")
    records = qbench.run(file, out=tmp_path / "run", device="cpu").records()
    psnr = records.set_index("method")["psnr"]
    assert psnr["dncnn-small (scenes)"] > psnr["direct"] + 0.5
