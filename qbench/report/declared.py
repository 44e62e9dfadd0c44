"""The tables of reports. Each declares itself in a file of `tables/`; suites ask for them by name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from qbench.report import tables
from qbench.report.grid import Grids
from qbench.report.leaderboard import Table

Make = Callable[[Grids], Iterable[Table]]


@dataclass(frozen=True)
class Declared:
    """A table by name: `make` gives its tables of a run."""

    name: str
    make: Make
    order: int
    always: bool


_TABLES: dict[str, Declared] = {}


def table(name: str, *, order: int = 0, always: bool = False) -> Callable[[Make], Make]:
    """Declare a table under `name`, which `qbench.suite.schema.TableName` lists if suites may ask for it.

    Tables come by `order`; those of equal order as the suite lists them. One that is made `always` says itself, with
    no table, where a run has no use for it."""

    def declare(make: Make) -> Make:
        _TABLES[name] = Declared(name, make, order, always)
        return make

    return declare


@cache
def declared() -> tuple[Declared, ...]:
    """All of them."""
    for module in pkgutil.iter_modules(tables.__path__):
        importlib.import_module(f"{tables.__name__}.{module.name}")
    return tuple(_TABLES.values())


def tables_of(grids: Grids) -> tuple[Table, ...]:
    """The tables that the suite asks for and those that are always made, in order."""
    asked = list(grids.info.tables)
    wanted = [one for one in declared() if one.always or one.name in asked]
    wanted.sort(key=lambda one: (one.order, asked.index(one.name) if one.name in asked else len(asked)))
    return tuple(made for one in wanted for made in one.make(grids))
