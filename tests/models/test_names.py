"""Classes by name, where both sides have names."""

from __future__ import annotations

import pytest

from qbench.errors import DataError
from qbench.models.detection.objects import real_names
from qbench.models.names import agree


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
