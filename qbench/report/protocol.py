"""Fingerprints of protocols: tables of equal ones can be compared, whichever methods they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from qbench.report.leaderboard import Group, Protocol, Table
from qbench.runs.run_info import CellResult, RunInfo
from qbench.storage.files import digest

VERSION = "qb1"
"""To be raised when qbench gives other numbers for what it still calls by the same names and parameters."""
DIGITS = 10


def fingerprint(protocols: Sequence[str]) -> str:
    """`qb1-3f9a1c07be`: of the protocols of cells, in any order and however often; empty where one is not known."""
    return "" if not protocols or not all(protocols) else f"{VERSION}-{digest(sorted(set(protocols)))[:DIGITS]}"


def with_protocols(info: RunInfo, tables: Sequence[Table]) -> tuple[Table, ...]:
    """The tables, with what each of their groups is measured on and how; nothing where that is not known."""
    cells: dict[tuple[str, ...], list[CellResult]] = {}
    for result in info.cells:
        cell = result.cell
        labels = (cell.task, cell.dataset.label, cell.view.label, cell.model.label)
        cells.setdefault(labels, []).append(result)
    met = {one.samples: one for one in info.met}
    protocols: dict[tuple[str, ...], Protocol] = {}
    for place, here in cells.items():
        (first, *_), code = here, fingerprint([result.protocol for result in here])
        samples = met.get(info.sources[first.cell.source].whole.name)
        protocols[place] = Protocol(code, samples.methods if samples else 0, samples.variants if samples else 0)
    return tuple(
        replace(table, groups=tuple(_with_protocol(group, protocols) for group in table.groups)) for table in tables
    )


def _with_protocol(group: Group, protocols: Mapping[tuple[str, ...], Protocol]) -> Group:
    place = tuple(group.of.get(name, "") for name in ("task", "dataset", "view", "model"))
    found = protocols.get(place)
    return replace(group, protocol=found) if found is not None and found.fingerprint else group
