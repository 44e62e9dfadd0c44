"""What all conditions promise: shape and type, keyed draws, clear errors, recorded outputs, severities in order."""

from __future__ import annotations

import itertools
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qbench import registry
from qbench.data.scenes.dataset import Scenes
from qbench.draws import Draw
from qbench.errors import ConditionError
from tests.conftest import ROOT
from tests.degrade.every import CODECS, CORRUPTIONS, DRAWN, EVERY, STEPS, built, here, name_of, severities

GOLDEN = ROOT / "tests" / "golden" / "conditions.json"
Written = dict[str, Any]
Picture = np.ndarray[Any, np.dtype[np.uint8]]


def text(written: Written) -> str:
    return json.dumps(written)


def scene(height: int, width: int, grey: bool = False) -> Picture:
    """Made of whole numbers alone, the same on any machine: ramps, a disc, stripes and a hashed grain."""
    rows, columns = np.mgrid[:height, :width].astype(np.int64)
    grain = (rows * 7919 + columns * 104729 + rows * columns * 31) % 23
    disc = 70 * ((rows - height // 2) ** 2 + (columns - width // 3) ** 2 < (height // 4) ** 2)
    stripes = 50 * ((columns // 5 + rows // 9) % 2) * (columns > 2 * width // 3)
    planes = (rows + columns // 2 + disc, 2 * columns - rows + 60 + disc // 2, 200 - 2 * rows + stripes)
    found = np.clip(np.dstack([plane + stripes + grain for plane in planes]), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(found[..., 1]) if grey else found


def test_no_condition_is_left_out() -> None:
    builtin = {n for n in registry.names("condition") if registry.get("condition", n).module.startswith("qbench.")}
    assert builtin == {name_of(written) for written in EVERY}


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(
    height=st.integers(32, 71), width=st.integers(32, 71), grey=st.booleans(), seed=st.integers(0, 10**6)
)  # fmt: skip
@pytest.mark.parametrize("written", EVERY, ids=text)
def test_shape_type_and_keyed_draws(written: Written, height: int, width: int, grey: bool, seed: int) -> None:
    if not here(written):
        pytest.skip("optional package")
    image = scene(height, width, grey)
    before = image.copy()
    first, facts = built(written).apply(image, Draw(seed, "a"))
    assert (first.shape, first.dtype) == (image.shape, image.dtype)
    assert np.array_equal(image, before)
    json.dumps(facts)
    again, told = built(written).apply(image.copy(order="F"), Draw(seed, "a"))
    assert np.array_equal(first, again)
    assert facts == told
    if name_of(written) not in DRAWN:
        assert np.array_equal(built(written).apply(image, Draw(seed + 1, "b"))[0], first)


@pytest.mark.parametrize("written", [w for w in EVERY if name_of(w) in DRAWN], ids=text)
def test_other_keys_other_bits(written: Written) -> None:
    if not here(written):
        pytest.skip("optional package")
    image = scene(64, 80)
    found = {
        built(written).apply(image, Draw(seed, name))[0].tobytes() for seed in (0, 1, 2) for name in ("a", "b", "c")
    }
    assert len(found) > 1
    if name_of(written) not in {"rejpeg", "chain", "motion_blur"}:
        assert len(found) == 9


ORDER_OF_THE_TABLES = {"glass_blur", "snow", "frost", "frost_procedural", "fog", "spatter"}
"""Their published parameters change several things at once, and one step of five brings the picture a little nearer."""


@pytest.mark.slow
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severities_are_ordered_by_distance_to_the_clean_picture(name: str) -> None:
    if not here({name: {}}):
        pytest.skip("optional package")
    images = [Scenes(count=6).load(index).image for index in range(6)]
    distances = [
        np.mean(
            [
                np.abs(built(written).apply(image, Draw(i, str(k)))[0].astype(int) - image).mean()
                for k, image in enumerate(images)
                for i in range(2)
            ]
        )
        for written in severities(name)
    ]
    assert 0 < distances[0] < distances[-1]
    if name not in ORDER_OF_THE_TABLES:
        assert all(near < far for near, far in itertools.pairwise(distances)), distances


WRONG: list[tuple[Any, str]] = [
    (scene(64, 64) / 255.0, "uint8 pictures, not float64 values"),
    (np.full((64, 64, 3), np.nan, np.float32), "NaN"),
    (scene(64, 64).astype(np.uint16), "not uint16"),
    (np.dstack([scene(64, 64), scene(64, 64, grey=True)]), r"not \[64, 64, 4\]"),
    (scene(64, 64)[None], r"not \[1, 64, 64, 3\]"),
    (scene(64, 64)[..., :2], r"not \[64, 64, 2\]"),
    ([[1, 2], [3, 4]], "not list"),
    ("x.png", "not str"),
]


@pytest.mark.parametrize("written", EVERY, ids=text)
def test_a_wrong_picture_is_one_error_that_names_the_condition(written: Written) -> None:
    if not here(written):
        pytest.skip("optional package")
    condition = built(written)
    names = {condition.label, name_of(written), *condition.label.split(" → ")}
    for image, said in WRONG:
        with pytest.raises(ConditionError, match=said) as caught:
            condition.apply(image, Draw(0, "x"))
        assert any(name in caught.value.message for name in names)


@pytest.mark.parametrize("written", [w for w in EVERY if w not in (*CODECS, *STEPS)], ids=text)
def test_a_tiny_picture_is_degraded_or_one_error(written: Written) -> None:
    if not here(written):
        pytest.skip("optional package")
    for size in (1, 5, 31):
        image, refusal, found = scene(size, size), None, None
        try:
            found, _ = built(written).apply(image, Draw(0, "x"))
        except ConditionError as error:
            refusal = error.message
        if refusal is None:
            assert found is not None
            assert found.shape == image.shape
            assert name_of(written) not in CORRUPTIONS
        else:
            assert "at least" in refusal
            assert name_of(written) in refusal


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("severity", [0, 6, -1, 2.5, "x"])
def test_a_severity_that_is_none_of_the_five(name: str, severity: Any) -> None:
    with pytest.raises(ValueError, match="severity"):
        built({name: {"severity": severity}})


def recorded(written: Written) -> dict[str, Any]:
    """Every third pixel of a small picture: enough to see any change of the algorithm."""
    found, _ = built(written).apply(scene(48, 40), Draw(11, "golden"))
    return {"pixels": found[1::6, 1::5].reshape(-1).tolist()}


@pytest.mark.parametrize("written", [w for w in EVERY if w not in CODECS], ids=text)
def test_outputs_are_as_recorded(written: Written) -> None:
    """Within 2 grey levels on 98% of the values: other builds of OpenCV and SciPy may round otherwise.

    `python -m tests.degrade.test_every_condition` records anew. Codecs are in `test_codecs_golden`."""
    if not here(written):
        pytest.skip("optional package")
    golden = json.loads(GOLDEN.read_text())[text(written)]["pixels"]
    found = recorded(written)["pixels"]
    near = np.abs(np.array(found) - np.array(golden)) <= 2
    assert near.mean() >= 0.98


def record() -> None:
    found = {text(w): recorded(w) for w in EVERY if w not in CODECS and here(w)}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in found.items())
    made = f"{platform.machine()}, numpy {version('numpy')}, OpenCV {version('opencv-python-headless')}"
    Path(GOLDEN).write_text(f'{{"made with": {json.dumps(made)},\n{lines}}}\n')


if __name__ == "__main__":
    record()
