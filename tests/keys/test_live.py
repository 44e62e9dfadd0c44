"""The digest of a live object changes with what it computes, and with nothing else."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qbench.keys.live import contents

CELL = '''
import dataclasses
import functools
import math
from dataclasses import dataclass

GAIN = 2.0
TABLE = {"a": [1, 2]}


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@functools.lru_cache
def cached(x):
    return x + 10


def scaled(by):
    def inner(x):
        return by * x

    return inner


scale = scaled(4.0)


class Base:
    def start(self):
        return 20


@dataclass
class Mine(Base):
    """What it does."""

    share: float = 0.5
    names = ("one", "two")

    def restore(self, images, power=3, *, offset=30):
        """Another text."""
        low = [scale(image) for image in images]
        return cached(self.share) * GAIN, TABLE, low, super().start(), power, offset, math.pi

    @decorated
    def behind(self, x):
        return x + 40

    @property
    def label(self):
        return "label"

    @staticmethod
    def plain(x):
        return x if x > 50 else "small"
'''


def mine(monkeypatch: pytest.MonkeyPatch, *changes: tuple[str, str], file: str = "<cell 1>") -> str:
    """The digest of `Mine` as a notebook has it."""
    text = CELL
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    notebook = types.ModuleType("a_notebook")
    monkeypatch.setitem(sys.modules, notebook.__name__, notebook)
    exec(compile(text, file, "exec"), vars(notebook))
    return contents(notebook.Mine)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("power=3", "power=4"),
        ("offset=30", "offset=31"),
        ("share: float = 0.5", "share: float = 0.6"),
        ('("one", "two")', '("one", "too")'),
        ("GAIN = 2.0", "GAIN = 2.1"),
        ("[1, 2]", "[2, 1]"),
        ("x + 10", "x + 11"),
        ("scaled(4.0)", "scaled(4.1)"),
        ("return 20", "return 21"),
        ("x + 40", "x + 41"),
        ("return function(*args, **kwargs)", "return -function(*args, **kwargs)"),
        ('return "label"', 'return "other"'),
        ("x > 50", "x < 50"),
        ("math.pi", "math.tau"),
        ("@decorated\n    ", "@functools.cache\n    "),
        ("class Mine(Base)", "class Mine(type('Own', (Base,), {'start': len}))"),
    ],
)
def test_a_change_of_what_is_computed_counts(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    assert mine(monkeypatch, (old, new)) != mine(monkeypatch)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import functools\n", "\n\n# a comment\nimport functools\n"),
        ("What it does.", "What else."),
        ("Another text.", "A third text."),
        ("class Base:", "UNUSED = 3\n\n\nclass Base:"),
        ("power, offset, math.pi", "power, offset, (\n            math.pi)"),
    ],
)
def test_place_and_layout_do_not(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    assert mine(monkeypatch, (old, new), file="<cell 2>") == mine(monkeypatch)


def test_another_process_finds_the_same() -> None:
    code = f"{CELL}\nfrom qbench.keys.live import contents\n"
    code += "print(contents([Mine, {'c', ('a', 'b'), frozenset('de')}]))"
    told = [
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
                       capture_output=True, text=True, check=True).stdout
        for seed in "12"
    ]  # fmt: skip
    assert told[0] == told[1] != ""


class Counter:
    def __init__(self, start: int) -> None:
        self.start = start

    def up(self, by: int) -> int:
        return self.start + by


def late() -> Callable[[], int]:
    def inner() -> int:
        return unset

    if math.pi < 3:
        unset = 1
    return inner


VALUES: dict[str, Callable[[], Any]] = {
    "object": lambda: Counter(1),
    "another object": lambda: Counter(2),
    "method": lambda: Counter(1).up,
    "method of another": lambda: Counter(2).up,
    "array": lambda: np.array([1, 2]),
    "array of another type": lambda: np.array([1.0, 2.0]),
    "array of objects": lambda: np.array([Counter(1), None]),
    "generator": lambda: np.random.default_rng(1),
    "another generator": lambda: np.random.default_rng(2),
    "compiled function": lambda: math.sin,
    "another compiled function": lambda: math.cos,
    "module": lambda: math,
    "empty cell": late,
    "list": lambda: [1],
    "tuple": lambda: (1,),
    "text": lambda: "1",
}


def test_every_kind_of_value_is_told() -> None:
    told = {name: contents(make()) for name, make in VALUES.items()}
    assert told == {name: contents(make()) for name, make in VALUES.items()}
    assert len(set(told.values())) == len(told)


def test_what_cannot_be_told_is_never_the_same() -> None:
    held = [1, {"lock": threading.Lock()}]
    assert contents(held) != contents(held)


def test_what_holds_itself() -> None:
    held: list[Any] = [1]
    held.append(held)
    assert contents(held) == contents(held) != contents([1])
