"""Classes are compared by their index alone; how many there are, and names, tell where that compares one thing with
another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qbench.errors import DataError

OF_EACH = {"classification": 2, "segmentation": 4}
"""Tasks whose outputs have a place for each class, in the second of so many dimensions."""
BY_INDEX = "classes are compared by index"
MOST = 100_000
"""Classes of a detector that neither model nor dataset names."""


@dataclass(frozen=True)
class Classes:
    """What a dataset and a model say of their classes. A dataset without names has none; a model may not know."""

    task: str
    dataset: tuple[str, ...]
    model: tuple[str, ...] = ()
    count: int | None = None
    """How many the model tells apart; 0 where it gives features."""
    more: bool = False
    """Whether the model may know more classes than the dataset: its names are those that it has pictures of."""

    def check(self) -> None:
        """Raise DataError where the model has no classes, or another number of them or other numbers for them than the
        dataset."""
        if self.count == 0 and self.task in OF_EACH:
            has = f"has {len(self.dataset)} classes" if self.dataset else "has classes"
            raise DataError(
                f"the model has 0 classes: it gives features, and the dataset {has}; give it `classes: "
                f"{len(self.dataset) or 'N'}` with the `weights` of a network for them"
            )
        agree(self.dataset, self.model)
        told = self.count if self.count is not None else len(self.model) or None
        if told is not None:
            self._fits(told)

    def check_output(self, output: Any) -> None:
        """Raise DataError for outputs of another number of classes than the dataset has. Of detections, the labels must
        be of the model's classes, or of the dataset's where the model knows none."""
        if self.task in OF_EACH:
            if getattr(output, "ndim", 0) == OF_EACH[self.task]:
                self._fits(int(output.shape[1]))
        elif self.task == "detection" and isinstance(output, list | tuple):
            self._known(output)

    def _fits(self, told: int) -> None:
        expected = len(self.dataset)
        if not expected or told == expected or self.task not in (*OF_EACH, "detection"):
            return
        if told > expected and self.more:
            return
        if told > expected and self.model and set(_plain(self.dataset)) & set(_plain(self.model)):
            return  # `agree` has seen that what both name has one number
        unlike = "; no name is the same" if told > expected and self.dataset and self.model else ""
        raise DataError(
            f"the model tells {told} classes apart, and the dataset has {expected}{unlike}; {BY_INDEX}: use a model "
            f"for these classes, such as `weights` with `classes: {expected}`, or the dataset that it was made for"
        )

    def _known(self, detections: Sequence[Any]) -> None:
        whose, known = "dataset", len(self.dataset)
        if self.count or self.model:
            whose, known = "model", self.count or len(self.model)
        for boxes in detections:
            labels = np.asarray(getattr(boxes, "labels", ()))
            if not labels.size:
                continue
            low, high = int(labels.min()), int(labels.max())
            if low < 0 or high >= (known or MOST):
                wrong = low if low < 0 else high
                has = (
                    f"the {whose} has {known} classes, 0 to {known - 1}"
                    if known
                    else f"classes are numbered from 0 to {MOST - 1:,}"
                )
                advice = "; give a model of more classes its `names`" if whose == "dataset" and low >= 0 else ""
                raise DataError(f"the model detects class {wrong}, but {has}; {BY_INDEX}{advice}")


def agree(dataset: Sequence[str], model: Sequence[str]) -> None:
    """Raise DataError where a class of the dataset is one of the model's too, under another index.

    Names that the other side lacks are not compared: one may say "pedestrian" where the other says "person"."""
    numbers, known = (_numbers(names) for names in (dataset, model))
    for name, number in numbers.items():
        if known.get(name, number) != number:
            sizes = f"the dataset has {len(dataset)} classes, the model {len(model)}"
            raise DataError(
                f"class {number} of the dataset is {name!r}, which is class {known[name]} of the model; {BY_INDEX} "
                f"({sizes}); number them alike"
            )


def _plain(names: Sequence[str]) -> list[str]:
    return [name.strip().lower().replace("_", " ") for name in names]


def _numbers(names: Sequence[str]) -> dict[str, int]:
    """The names that stand for one class alone, in lower case."""
    plain = _plain(names)
    counts = Counter(plain)
    return {name: number for number, name in enumerate(plain) if counts[name] == 1}
