"""Reading method cards and finding trained weights. Light: nothing here loads torch."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from qbench import registry
from qbench.cards.inherit import inherited
from qbench.cards.schema import Card, RecipeSpec, WeightsRef
from qbench.documents.faults import fitted, validated
from qbench.documents.load import Document, load_yaml
from qbench.errors import QbenchError, SuiteError, WeightsError, foreign, nearest
from qbench.storage.files import sha256
from qbench.storage.home import home
from qbench.storage.shipped import shipped

Names: TypeAlias = str | tuple[str, ...] | None
"""What a model or dataset is called: a name, several from general to special, or None for any."""


@dataclass(frozen=True)
class Weights:
    """A file of trained weights whose digest was checked."""

    path: Path
    sha256: str
    recipe: str
    card: Path
    licence: str


def load_card(path: Path) -> Card:
    """The card in `path`. Raises SuiteError that names file:line:col and the nearest valid key."""
    stat = path.stat()
    return _read_once(path, stat.st_mtime_ns, stat.st_size, tuple(sorted(os.environ.items())))


@lru_cache(maxsize=32)
def _read_once(path: Path, _changed: int, _size: int, _variables: tuple[tuple[str, str], ...]) -> Card:
    """A plan asks for the same card for each of its cells."""
    return read_card(path)[0]


def read_card(path: Path) -> tuple[Card, Document]:
    """A card, and where its keys stand in the file."""
    document = inherited(load_yaml(path))
    card = validated(Card, document)
    for name in card.recipes:
        with document.at(("recipes", name)):
            if not name.replace("-", "").replace("_", "").isalnum():
                text = f"recipe name {name!r} may hold letters, digits, `-` and `_` only: it becomes a file name"
                raise SuiteError(text)
        with document.at(("recipes", name, "network")):
            fitted(registry.get("recipe", card.recipes[name].kind).target, card.recipes[name].network)
    return card, document


def card_names() -> list[str]:
    """The names of the cards that ship."""
    folder = shipped("baselines")
    return sorted(file.stem for file in folder.glob("*.yaml")) if folder.is_dir() else []


def card_path(card: str) -> Path:
    """A card by path or by the bare name of one that ships. Raises QbenchError with the nearest name."""
    path = Path(card)
    if path.suffix in {".yaml", ".yml"} or path.parent != Path():
        if not path.is_file():
            raise QbenchError(f"card {card} does not exist; the bare names {' '.join(card_names())} need no path")
        return path
    path = shipped("baselines") / f"{card}.yaml"
    if not path.is_file():
        raise QbenchError(f"no card {card!r}{nearest(card, card_names())}; shipped: {' '.join(card_names())}")
    return path


def recipe_of(card: Card, name: str | None) -> tuple[str, RecipeSpec]:
    """The recipe of that name, or the only one. Raises QbenchError with the nearest name."""
    if name is None and len(card.recipes) == 1:
        name = next(iter(card.recipes))
    if name is None:
        raise QbenchError(f"card {card.card!r} has several recipes, name one: {' '.join(card.recipes)}")
    if name not in card.recipes:
        known = " ".join(card.recipes)
        raise QbenchError(f"card {card.card!r} has no recipe {name!r}{nearest(name, card.recipes)}; it has: {known}")
    return name, card.recipes[name]


def shipped_recipe(name: str) -> str:
    """The only recipe of a shipped card whose weights ship. Raises QbenchError that lists them where there are others:
    each was trained on pictures of its own."""
    card = load_card(card_path(name))
    shipping = [recipe for recipe, spec in card.recipes.items() if spec.shipped]
    if len(shipping) == 1:
        return shipping[0]
    known = ", ".join(f"{recipe} (ships)" if recipe in shipping else recipe for recipe in card.recipes)
    raise QbenchError(f"card {name!r} has weights of several recipes, name one as `recipe`: {known}")


def trained_dir() -> Path:
    """Where `qbench train` writes unless told otherwise: $QBENCH_HOME/weights (~/.cache/qbench/weights)."""
    return home() / "weights"


def trained_name(method: str, recipe: str, train_seed: int) -> str:
    """The stem of the files that a training writes."""
    return f"{method}-{recipe}-s{train_seed}"


def find_weights(
    method: str, model_label: Names, dataset_label: Names, train_seed: int, recipe: str | None = None
) -> Weights | None:
    """The weights of `method` for this model and dataset, or None where none ship and none were trained.

    The first recipe on the card that serves both decides, under any of their names (`recipe` names one instead).
    Shipped files come before the user's own. Raises WeightsError for a file that is not what the card or sidecar says,
    QbenchError for a recipe that the card lacks."""
    path = shipped("baselines") / f"{method}.yaml"
    card = load_card(path) if path.is_file() else None
    name = _serving(card, model_label, dataset_label, recipe) if card else None
    if card is None or name is None:
        return None
    weights = _shipped_weights(path, name, card.recipes[name], train_seed)
    return weights or _own_weights(path, name, card.card, train_seed)


def missing(method: str, model_label: Names, dataset_label: Names, train_seed: int, recipe: str | None = None) -> str:
    """Why `find_weights` gave None, and the command that makes the weights where a recipe does."""
    path = shipped("baselines") / f"{method}.yaml"
    if not path.is_file():
        return f"no card for {method!r}: give `weights`, or write a card and train"
    name = _serving(load_card(path), model_label, dataset_label, recipe)
    if name is None:
        return f"no recipe on {method}'s card serves model {_shown(model_label)} on dataset {_shown(dataset_label)}"
    return f"no weights yet; make them with: qbench train {method} {name} --seed {train_seed}"


def check_made(given: Any) -> None:
    """Raise WeightsError for a file of weights that is not there although a training of a shipped card would leave it
    there; it names the command."""
    file = Path(given) if isinstance(given, str | Path) else None
    if file is None or file.exists() or file.absolute().parent != trained_dir().absolute():
        return
    for name in card_names():
        for recipe in load_card(shipped("baselines") / f"{name}.yaml").recipes:
            if match := re.fullmatch(re.escape(f"{name}-{recipe}-s") + r"(\d+)", file.stem):
                command = f"qbench train {name} {recipe} --seed {match[1]}"
                raise WeightsError(f"weights {file} are not there yet; make them with: {command}")


def _serving(card: Card, model: Names, dataset: Names, recipe: str | None) -> str | None:
    if recipe:
        return recipe_of(card, recipe)[0]
    fitting = (n for n, s in card.recipes.items() if _fits(model, s.serves.model) and _fits(dataset, s.serves.dataset))
    return next(fitting, None)


def _fits(names: Names, pattern: str) -> bool:
    given = (names,) if isinstance(names, str) else names
    return given is None or any(fnmatchcase(name, pattern) for name in given)


def _shown(names: Names) -> str:
    return "*" if names is None else names if isinstance(names, str) else names[-1]


def _shipped_weights(card: Path, recipe: str, spec: RecipeSpec, train_seed: int) -> Weights | None:
    refs = [ref for ref in spec.shipped if ref.train_seed == train_seed]
    for ref in refs:
        file = shipped("baselines") / "weights" / ref.file
        if file.is_file():
            return Weights(file, _checked(file, ref, card), recipe, card, ref.data_licence)
    return None


def _checked(file: Path, ref: WeightsRef, card: Path) -> str:
    return _same(file, ref.sha256, f"the card {card} says", "install qbench again or restore the file")


def _own_weights(card: Path, recipe: str, method: str, train_seed: int) -> Weights | None:
    file = trained_dir() / f"{trained_name(method, recipe, train_seed)}.safetensors"
    if not file.is_file():
        return None
    sidecar = file.with_suffix(".json")
    again = f"train again: qbench train {method} {recipe} --seed {train_seed} --restart"
    with foreign(f"{file} has no readable sidecar {sidecar.name}; {again}", WeightsError):
        expected = str(json.loads(sidecar.read_text(encoding="utf-8"))["sha256"])
    return Weights(file, _same(file, expected, f"{sidecar.name} says", again), recipe, card, "your own training data")


def _same(file: Path, expected: str, who: str, advice: str) -> str:
    actual = sha256(file)
    if actual != expected:
        raise WeightsError(f"{file} has sha256 {actual[:12]}..., {who} {expected[:12]}...; {advice}")
    return actual
