"""From a name with its parameters to an object, and from an error's path to its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

import qbench
from qbench.documents.load import Document
from qbench.errors import DataError, Place, QbenchError, SuiteError, below
from qbench.registry.create import create, maker
from qbench.registry.named import Named, text_of


class Strength(BaseModel):
    strength: int = 1


@qbench.method("create-plain", site="image", trained=True)
class Plain:
    def __init__(self, strength: int = 1) -> None:
        self.strength = strength


@qbench.method("create-options", site="image", options=Strength)
class WithOptions:
    def __init__(self, options: Strength) -> None:
        self.options = options


@qbench.model("create-library:*")
class OfLibrary:
    def __init__(self, name: str, width: int = 1) -> None:
        self.name, self.width = name, width


def test_parameters_reach_the_class() -> None:
    plain = create("method", Named(name="create-plain", params={"strength": 3, "weights": "x", "recipe": "y"}))
    options = create("method", Named(name="create-options", params={"strength": 4}))
    network = create("model", Named(name="create-library:a:b", params={"width": 2}))
    assert (plain.strength, options.options, network.name, network.width) == (3, Strength(strength=4), "a:b", 2)
    drawn = create("condition", Named(name="jpeg", params={"quality": {"between": [5, 9]}}))
    assert drawn.label == "jpeg(quality 5–9)"


@pytest.mark.parametrize(
    ("kind", "name", "params", "path", "message"),
    [
        ("model", "create-library:", {}, (), "names nothing behind the colon"),
        ("model", "create-library:x", {"widht": 2}, ("widht",), "did you mean 'width'"),
        ("method", "create-options", {"weights": "x"}, ("weights",), "not declared as trained"),
        ("condition", "jpeg", {"qualty": 9}, ("qualty",), "did you mean 'quality'"),
    ],
)
def test_a_wrong_name_or_parameter_is_an_error_with_its_path(kind, name, params, path, message) -> None:
    with pytest.raises(SuiteError, match=message) as caught:
        create(kind, Named(name=name, params=params))
    assert (caught.value.path, caught.value.place) == (path, None)


@pytest.mark.parametrize(("kind", "name"), [("method", "create-options"), ("condition", "jpeg")])
def test_a_value_of_another_kind_is_refused(kind, name) -> None:
    with pytest.raises(ValidationError, match="expected a whole number, not True"):
        create(kind, Named(name=name, params={"quality" if kind == "condition" else "strength": True}))


def test_a_kind_has_one_maker() -> None:
    with pytest.raises(QbenchError, match=r"qbench\.degrade\.drawn"):
        maker("condition")(lambda entry, params: None)


def test_the_same_parameters_have_the_same_text() -> None:
    first = Named(name="x", params={"b": Path("y"), "a": [1, 2.5]}, label="shown")
    assert text_of(first) == text_of(Named(name="x", params={"a": (1, 2.5), "b": "y"})) == 'x {"a": [1, 2.5], "b": "y"}'
    assert text_of(first) != text_of(Named(name="x", params={"a": [1, 2], "b": "y"}))


def test_a_document_makes_a_place_of_the_path_and_keeps_the_class() -> None:
    file = Path("suite.yaml")
    document = Document(
        {}, {(): Place(file, 1, 1), ("tasks", 0): Place(file, 4, 3), ("tasks", 0, "view"): Place(file, 6, 5)}
    )
    with pytest.raises(DataError) as caught, document.at(("tasks", 0)), below("view"):
        raise DataError("no pixels", path=("crop",))
    assert str(caught.value) == "suite.yaml:6:5: no pixels"
    placed = Place(Path("card.yaml"), 9, 9)
    with pytest.raises(QbenchError) as kept, document.at(), below("tasks"):
        raise QbenchError("elsewhere", place=placed)
    assert (kept.value.place, kept.value.path) == (placed, ())
