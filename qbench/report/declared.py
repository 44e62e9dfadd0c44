"""The tables of reports. Each declares itself in a file of `tables/`; suites ask for them by name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from qbench.errors import StoreError, nearest
from qbench.report import tables
from qbench.report.checked import MetricFault
from qbench.report.grid import Grids
from qbench.report.leaderboard import Table
from qbench.report.marks import starred

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

    Tables come by `order`; those of equal order as the suite lists them. One that is `always` made returns no table
    where a run has no use for it."""

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
    """The tables that the suite asks for and those that are always made, in order. Raises StoreError for a name that
    no table has."""
    names = list(grids.info.tables)
    known = [table.name for table in declared()]
    for name in names:
        if name not in known:
            raise StoreError(f"the run asks for a table {name!r}, which qbench does not have{nearest(name, known)}")
    wanted = [table for table in declared() if table.always or table.name in names]
    wanted.sort(key=lambda table: (table.order, names.index(table.name) if table.name in names else len(names)))
    return starred([table for declaration in wanted for table in _made(declaration, grids)])


def _made(declaration: Declared, grids: Grids) -> Iterable[Table]:
    """A table's own; where a metric lets it down, an empty one that says so."""
    try:
        return tuple(declaration.make(grids))
    except MetricFault as fault:
        grids.faults.append(fault.message)
        return [Table(declaration.name, declaration.name, (), empty=f"Failed: {fault.message}")]
