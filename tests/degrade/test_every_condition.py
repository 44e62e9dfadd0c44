"""What all conditions promise: shape and type, keyed draws, clear errors, severities in order."""

from __future__ import annotations

import itertools
import json
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from qbench import registry
from qbench.data.scenes.dataset import Scenes
from qbench.draws import Draw
from qbench.errors import ConditionError
from tests.degrade.every import CORRUPTIONS, DRAWN, EVERY, built, here, name_of, severities, smallest

Written = dict[str, Any]
Picture = np.ndarray[Any, np.dtype[np.uint8]]


every_condition = pytest.mark.parametrize(
    "written",
    [
        pytest.param(w, id=json.dumps(w), marks=pytest.mark.skipif(not here(w), reason="optional package"))
        for w in EVERY
    ],
)


def scene(height: int, width: int, grey: bool = False) -> Picture:
    """Made of whole numbers alone, the same on any machine: ramps, a disc, stripes and a hashed grain."""
    rows, columns = np.mgrid[:height, :width].astype(np.int64)
    grain = (rows * 7919 + columns * 104729 + rows * columns * 31) % 23
    disc = 70 * ((rows - height // 2) ** 2 + (columns - width // 3) ** 2 < (height // 4) ** 2)
    stripes = 50 * ((columns // 5 + rows // 9) % 2) * (columns > 2 * width // 3)
    planes = (rows + columns // 2 + disc, 2 * columns - rows + 60 + disc // 2, 200 - 2 * rows + stripes)
    colour = np.clip(np.dstack([plane + stripes + grain for plane in planes]), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(colour[..., 1]) if grey else colour


def test_no_condition_is_left_out() -> None:
    builtin = {n for n in registry.names("condition") if registry.get("condition", n).module.startswith("qbench.")}
    assert builtin == {name_of(written) for written in EVERY}


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(height=st.integers(1, 71), width=st.integers(1, 71), grey=st.booleans(), seed=st.integers(0, 10**6))
@every_condition
def test_any_size_keeps_shape_and_type_and_gives_the_same_bits_again(
    written: Written, height: int, width: int, grey: bool, seed: int
) -> None:
    image = scene(max(height, smallest(written)), max(width, smallest(written)), grey)
    before = image.copy()
    degraded, facts = built(written).apply(image, Draw(seed, "a"))
    assert (degraded.shape, degraded.dtype) == (image.shape, image.dtype)
    assert name_of(written) == "clean" or not np.shares_memory(degraded, image)
    assert np.array_equal(image, before)
    json.dumps(facts)
    again, facts_again = built(written).apply(image.copy(order="F"), Draw(seed, "a"))
    assert np.array_equal(degraded, again)
    assert facts == facts_again


@every_condition
def test_other_keys_give_other_bits_where_something_is_drawn_and_there_alone(written: Written) -> None:
    image = scene(64, 80)
    draws = [Draw(seed, sample) for seed in (0, 1, 2) for sample in ("a", "b", "c")]
    count = len({built(written).apply(image, draw)[0].tobytes() for draw in draws})
    if name_of(written) not in DRAWN:
        assert count == 1
    elif name_of(written) in {"rejpeg", "chain", "motion_blur"}:
        assert count > 1, "few qualities, or few angles of a short line: two keys may draw the same"
    else:
        assert count == 9


@every_condition
def test_threads_of_opencv_change_no_bit(written: Written) -> None:
    image, before = scene(150, 170), cv2.getNumThreads()
    pictures = []
    try:
        for threads in (1, 3):
            cv2.setNumThreads(threads)
            pictures.append(built(written).apply(image, Draw(0, "x"))[0])
    finally:
        cv2.setNumThreads(before)
    assert np.array_equal(*pictures)


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
    (scene(64, 64) / 255.0, "takes uint8 pictures, not float64 values; scale to 0..255"),
    (np.full((64, 64, 3), np.nan, np.float32), "takes uint8 pictures, not float32 values with NaN among them"),
    (scene(64, 64).astype(np.uint16), "takes uint8 pictures, not uint16 values"),
    (np.dstack([scene(64, 64), scene(64, 64, grey=True)]), "(RGB) or [H, W] (grey), not [64, 64, 4]"),
    (scene(64, 64)[None], "takes pictures of [H, W, 3] (RGB) or [H, W] (grey), not [1, 64, 64, 3]"),
    (scene(64, 64)[..., :2], "not [64, 64, 2]"),
    (np.zeros((0, 64, 3), np.uint8), "takes pictures of at least"),
    ([[1, 2], [3, 4]], "takes uint8 pictures, not list"),
    (Pillow.new("RGB", (64, 64)), "takes uint8 pictures, not Image"),
    ("x.png", "takes uint8 pictures, not str"),
]


def names_of(written: Written) -> tuple[str, ...]:
    """What an error may begin with: the label or the name; of a chain the labels of its steps."""
    label = built(written).label
    return (label, name_of(written), *label.split(" → "))


@every_condition
def test_a_wrong_picture_is_one_error_that_begins_with_the_condition(written: Written) -> None:
    condition = built(written)
    for image, message in WRONG:
        with pytest.raises(ConditionError) as caught:
            condition.apply(image, Draw(0, "x"))
        assert message in caught.value.message
        assert caught.value.message.startswith(names_of(written))


@every_condition
def test_a_picture_below_the_smallest_size_is_one_error(written: Written) -> None:
    condition, least = built(written), smallest(written)
    condition.apply(scene(least, least), Draw(0, "x"))
    if least > 1:
        with pytest.raises(ConditionError, match=f" takes pictures of at least {least}x{least} pixels, not ") as caught:
            condition.apply(scene(least - 1, 64), Draw(0, "x"))
        assert caught.value.message.startswith(names_of(written))


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("severity", [0, 6, -1, 2.5, "x"])
def test_a_severity_that_is_none_of_the_five(name: str, severity: Any) -> None:
    with pytest.raises(ValueError, match="severity"):
        built({name: {"severity": severity}})
