"""Classes are compared by their index alone; names tell where that compares one thing with another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from qbench.errors import DataError


def agree(dataset: Sequence[str], model: Sequence[str]) -> None:
    """Raise DataError where a class of the dataset is one of the model's too, under another index.

    Names that the other side lacks are not compared: one may say "pedestrian" where the other says "person"."""
    numbers, known = (_numbers(names) for names in (dataset, model))
    for name, number in numbers.items():
        if known.get(name, number) != number:
            sizes = f"the dataset has {len(dataset)} classes, the model {len(model)}"
            raise DataError(
                f"class {number} of the dataset is {name!r}, which is class {known[name]} of the model; classes "
                f"are compared by index ({sizes}); number them alike"
            )


def _numbers(names: Sequence[str]) -> dict[str, int]:
    """The names that stand for one class alone, in lower case."""
    plain = [name.strip().lower().replace("_", " ") for name in names]
    counts = Counter(plain)
    return {name: number for number, name in enumerate(plain) if counts[name] == 1}
