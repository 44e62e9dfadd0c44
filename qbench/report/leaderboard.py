"""Tables as plain data: what every renderer reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from qbench.tasks.score import counted

Unit = Literal[
    "percent", "percent printed", "points", "db", "db gain", "plain", "plain gain", "count", "parameters", "macs", "ms",
    "ratio",
]  # fmt: skip
Mark = Literal["", "best", "second"]
GAINS: Mapping[Unit, Unit] = {"percent": "points", "db": "db gain", "plain": "plain gain"}
"""The unit of a difference of scores."""


@dataclass(frozen=True)
class Value:
    """One number of a table with its 95% interval and denominators, or the reason why there is none.

    Accuracies and gains are fractions (0..1), latencies milliseconds; for a latency `low` and `high` are quartiles."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    """Samples that count in every cell behind the value (the fewest, where it averages several cells)."""
    bad: int = 0
    """Samples that could not be read."""
    seeds: int = 1
    spread: float | None = None
    """Standard deviation over train_seeds, where there are several."""
    missing: str = ""
    """In place of a number: `n/a`, `failed`, `pending`, or a dash where the suite has no such cell."""
    note: int | None = None
    mark: Mark = ""
    letters: str = ""
    """Numbers of a column that share a letter are not told apart; empty where none were compared."""
    p: float | None = None
    """Of a gain: the p-value of no difference, by itself."""
    holds: bool = False
    """Of a gain: whether it differs from zero among all gains of the page."""


DASH = Value(None, missing="–")
"""The suite has no such cell."""


@dataclass(frozen=True)
class Column:
    """A column: its name in CSV, its heading, its unit, and which direction is better (None: not ranked)."""

    name: str
    heading: str
    unit: Unit
    higher_is_better: bool | None = None
    bpp: float | None = None
    """Mean bits per pixel of the condition, in a table by rate."""
    family: str = ""
    """The codec, in a table by rate."""
    with_letters: bool = False
    """Whether pages show the letters of its values."""


@dataclass(frozen=True)
class Row:
    """A method's line."""

    method: str
    oracle: bool
    values: tuple[Value, ...]
    is_ranked: bool = True
    """Whether it takes part in marks of best and second; an oracle never does."""


@dataclass(frozen=True)
class Protocol:
    """What the numbers of a group are measured on and how, whichever methods it has."""

    fingerprint: str
    """Groups of equal ones can be compared."""
    methods: int = 0
    """How many have been scored on these samples, as far as the store knows; 0: not known."""
    variants: int = 0
    """The same, with each of their parameters and weights apart."""

    @property
    def text(self) -> str:
        said = f"Protocol {self.fingerprint}."
        if not self.variants:
            return said
        methods, variants = counted(self.methods, "method"), counted(self.variants, "variant")
        return f"{said} Scored on these samples so far: {methods} in {variants}."


@dataclass(frozen=True)
class Group:
    """Methods that are compared with each other; `of` says on what (task, dataset, view, model)."""

    of: Mapping[str, str]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    lines: str = ""
    """What a column is, where a page gives each a line of its own however few they are."""
    protocol: Protocol | None = None

    @property
    def heading(self) -> str:
        return " · ".join(text for text in self.of.values() if text)


@dataclass(frozen=True)
class Table:
    """A named table; `empty` says in one line why it has no groups, `notes` are numbered from 1 by `Value.note`."""

    name: str
    title: str
    groups: tuple[Group, ...]
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    empty: str = ""
    metric: str = ""
    """What its scores are, in a table of scores: the metric's name."""
    score: str = ""
    """The same in words, `mIoU (%)`."""
    axis: str = ""
    """What a picture writes below its columns, where they are points of an axis."""
    gains: str = "gains"
    """What its differences are called; those of one name on a page are one family of comparisons."""


@dataclass(frozen=True)
class Report:
    """Everything that a page shows."""

    suite: str
    title: str
    version: int | None
    """None: of several runs."""
    command: str
    provenance: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    environment: Mapping[str, Any] = field(default_factory=dict)
    picture: str = ""
    """The name of the picture beside the page, where there is one."""
    faults: tuple[str, ...] = ()
    """Why metrics gave no scores; for whoever made the report, not for its pages."""
    pending: int = 0
    """Cells that were not computed yet."""

    @property
    def suites(self) -> str:
        """The suite with its version, or the suites of several runs."""
        return self.suite if self.version is None else f"{self.suite}, version {self.version}"
