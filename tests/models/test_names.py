"""Classes by name, where both sides have names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qbench.errors import DataError
from qbench.models.detection.objects import real_names
from qbench.models.names import Classes, agree
from qbench.vocabulary import Boxes


@pytest.mark.parametrize(
    ("dataset", "model"),
    [
        (("person", "bicycle"), ("person", "bicycle", "car")),
        (("Traffic_Light",), ("traffic light", "car")),
        (("pedestrian", "bicycle"), ("person", "bicycle")),
        (("RBC", "WBC", "Platelets"), ("person", "bicycle", "car")),
        (("mouse", "mouse", "car"), ("mouse", "cat", "car")),
        (("mouse", "mouse"), ("cat", "mouse", "mouse")),
        ((), ("person",)),
    ],
)
def test_names_that_agree_or_say_nothing(dataset: tuple[str, ...], model: tuple[str, ...]) -> None:
    agree(dataset, model)


def test_one_name_under_two_numbers_is_told() -> None:
    for dataset, model in ((("person", "car"), ("person", "bicycle", "car")), (("b", "car"), ("car", "b"))):
        with pytest.raises(DataError, match=r"is 'car', which is class \d of the model|is 'b', which is class 1"):
            agree(dataset, model)


def test_places_that_stand_for_nothing_have_no_name() -> None:
    assert real_names(["background", "person", "N/A", "car"], skipped=1) == ("person", "car")
    assert real_names(["N/A", "cell", "N/A", "platelet"]) == ("cell", "platelet")


TWO, THREE = ("a", "b"), ("a", "b", "c")


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (Classes("classification", THREE, (), 0), "the model has 0 classes: it gives features, and the dataset has"),
        (Classes("segmentation", (), (), 0), "it gives features, and the dataset has classes; give it `classes: N`"),
        (Classes("classification", THREE, (), 1001), "the model tells 1001 classes apart, and the dataset has 3"),
        (Classes("segmentation", THREE, (), 2), "tells 2 classes apart, and the dataset has 3"),
        (Classes("detection", THREE, (), 2), "tells 2 classes apart, and the dataset has 3"),
        (Classes("detection", TWO, (), 3), "tells 3 classes apart, and the dataset has 2; classes are compared"),
        (Classes("detection", TWO, ("x", "y", "z"), 3), "the dataset has 2; no name is the same"),
        (Classes("detection", THREE, TWO, None), "tells 2 classes apart, and the dataset has 3"),
        (Classes("classification", TWO, ("b", "a"), 2), "class 0 of the dataset is 'a', which is class 1 of the model"),
        (Classes("classification", THREE, (), 2, more=True), "tells 2 classes apart, and the dataset has 3"),
    ],
)
def test_other_numbers_of_classes_are_told(classes: Classes, said: str) -> None:
    with pytest.raises(DataError) as caught:
        classes.check()
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "classes",
    [
        Classes("classification", THREE, (), 3), Classes("classification", (), (), 1000), Classes("restoration", TWO),
        Classes("restoration", TWO, (), 0), Classes("detection", TWO, THREE, 3), Classes("detection", (), THREE, 3),
        Classes("classification", TWO, (), 1000, more=True), Classes("segmentation", TWO, THREE, 3),
        Classes("classification", THREE),
    ],
    ids=str,
)  # fmt: skip
def test_numbers_of_classes_that_fit_or_are_not_known(classes: Classes) -> None:
    classes.check()


def found(*labels: int) -> list[Boxes]:
    corners = np.zeros((len(labels), 4), np.float32)
    return [Boxes(corners, np.int32(labels), np.zeros(len(labels), np.float32)), Boxes(corners[:0], np.int32([]))]


@pytest.mark.parametrize(
    ("classes", "output", "said"),
    [
        (Classes("classification", THREE), np.zeros((2, 512)), "tells 512 classes apart, and the dataset has 3"),
        (Classes("classification", THREE, (), None, more=True), np.zeros((2, 2)), "tells 2 classes apart"),
        (Classes("segmentation", THREE), np.zeros((2, 21, 4, 4)), "tells 21 classes apart, and the dataset has 3"),
        (Classes("detection", THREE), found(0, 3), "detects class 3, but the dataset has 3 classes, 0 to 2"),
        (Classes("detection", (), THREE), found(3), "detects class 3, but the model has 3 classes, 0 to 2"),
        (Classes("detection", TWO, THREE, 3), found(3), "but the model has 3 classes"),
        (Classes("detection", ()), found(2, -1), "detects class -1, but classes are numbered from 0"),
        (Classes("detection", ()), found(100_000), "detects class 100000, but classes are numbered from 0 to 99,999"),
    ],
)
def test_outputs_of_other_classes_are_told(classes: Classes, output: Any, said: str) -> None:
    with pytest.raises(DataError) as caught:
        classes.check_output(output)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("classes", "output"),
    [
        (Classes("classification", THREE), np.zeros((2, 3))), (Classes("classification", ()), np.zeros((2, 9))),
        (Classes("classification", TWO, (), None, more=True), np.zeros((2, 3))),
        (Classes("classification", THREE), np.zeros((2, 9, 4, 4))),  # which its task refuses
        (Classes("segmentation", THREE), np.zeros((2, 3, 4, 4))), (Classes("restoration", TWO), np.zeros((2, 3, 4, 4))),
        (Classes("detection", TWO, THREE), found(0, 2)), (Classes("detection", ()), found(99)),
        (Classes("detection", TWO), found()), (Classes("detection", TWO), None),
    ],
)  # fmt: skip
def test_outputs_that_fit_or_say_nothing(classes: Classes, output: Any) -> None:
    classes.check_output(output)
