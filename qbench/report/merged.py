"""Several runs as one: what was measured on the same samples in the same way stands together, all else is told apart
by the name of its run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from qbench.compute.cell import Cell, Source
from qbench.report.columns import Records, same_records
from qbench.report.grid import identity
from qbench.report.source import Loaded, columns_of
from qbench.runs.cost_record import EfficiencyRecord
from qbench.runs.run_info import CellResult, Met, RunInfo
from qbench.suite.schema import Control

T = TypeVar("T")
PlaceKey = tuple[str, ...]
"""Task, dataset, view and model, by label."""


@dataclass(frozen=True)
class Apart:
    """A dataset or a method of a run under a name of its own."""

    name: str
    run: str
    why: str

    @property
    def text(self) -> str:
        return f"{self.name}: of {self.run}, told apart because {self.why}."


@dataclass(frozen=True)
class Merged:
    """Several runs as one, and what of them is told apart."""

    loaded: Loaded
    apart: tuple[Apart, ...]


@dataclass
class _Merging:
    sources: list[Source] = field(default_factory=list)
    seeds: dict[PlaceKey, int] = field(default_factory=dict)
    """Of the run that a place comes from."""
    cells: dict[PlaceKey, list[CellResult]] = field(default_factory=dict)
    records: dict[str, Records] = field(default_factory=dict)
    costs: dict[tuple[str, str], EfficiencyRecord] = field(default_factory=dict)
    controls: list[Control] = field(default_factory=list)
    apart: dict[tuple[str, str], Apart] = field(default_factory=dict)


def merged(runs: Mapping[str, Loaded]) -> Merged:
    """One run of several, by name; its suite's facts are those of the first.

    Cells stand at one place where they agree in labels, samples, seed, model, conditions and, as far as runs know it,
    protocol; a run's place that does not agree gets its run's name. So does a method that has other parameters, weights
    or predictions than the one of its name that is there; what is the same in two runs stands there once."""
    merging = _Merging()
    for number, (name, run) in enumerate(runs.items()):
        _add(merging, number, name, run)
    infos = [run.info for run in runs.values()]
    first = infos[0]
    update = {
        "tables": _union(info.tables for info in infos),
        "sources": tuple(merging.sources),
        "cells": tuple(result for here in merging.cells.values() for result in here),
        "controls": tuple(dict.fromkeys(merging.controls)),
        "published": tuple({shown.name: shown for info in infos for shown in info.published}.values()),
        "met": _met(infos),
        "computed_by": _union(info.computed_by for info in infos),
        "environment": _common([info.environment for info in infos]),
        "digest": "",
    }
    info = RunInfo(**{**dict(first), **update})
    loaded = Loaded(info, merging.records, tuple(merging.costs.values()))
    return Merged(loaded, tuple(merging.apart.values()))


def _add(merging: _Merging, number: int, name: str, run: Loaded) -> None:
    places: dict[PlaceKey, list[CellResult]] = {}
    for result in run.info.cells:
        places.setdefault(_place(result.cell), []).append(result)
    renamed: dict[tuple[str, str], str] = {}
    for here in places.values():
        numbered = [_numbered(merging, run, result, number) for result in here]
        new = {given.cell.place: run.records[was.cell.place] for given, was in zip(numbered, here, strict=True)
               if was.cell.place in run.records}  # fmt: skip
        placed = _placed(merging, name, run.info.seed, numbered)
        named = _named(merging, name, placed, new)
        renamed |= {(one.cell.model.label, one.cell.method.label): other.cell.method.label
                    for one, other in zip(placed, named, strict=True)}  # fmt: skip
        _keep(merging, run.info.seed, named, new)
    for cost in run.efficiency:
        label = renamed.get((cost.model.label, cost.method.label), cost.method.label)
        method = cost.method.model_copy(update={"label": label})
        merging.costs.setdefault((cost.model.label, label), cost.model_copy(update={"method": method}))
    labels = {method: label for (_, method), label in renamed.items()}
    merging.controls += [_control(control, labels) for control in run.info.controls]


def _place(cell: Cell) -> PlaceKey:
    return (*cell.in_tables[:3], cell.model.label)


def _numbered(merging: _Merging, run: Loaded, result: CellResult, number: int) -> CellResult:
    """The cell with the place of its source among all, and with a key that no other run's cell has."""
    source = run.info.sources[result.cell.source]
    alike = [index for index, one in enumerate(merging.sources) if _same_source(one, source)]
    if not alike:
        alike = [len(merging.sources)]
        merging.sources.append(source)
    cell = result.cell.model_copy(update={"source": alike[0], "key": f"{result.cell.key}.{number}"})
    return result.model_copy(update={"cell": cell})


def _same_source(one: Source, other: Source) -> bool:
    facts = ((s.whole.name, s.samples, s.classes, s.dataset.own_label) for s in (one, other))
    return next(facts) == next(facts)


def _placed(merging: _Merging, name: str, seed: int, here: Sequence[CellResult]) -> list[CellResult]:
    """The cells of one place where they can stand: beside those of other runs, or under their run's name."""
    task, dataset, *rest = _place(here[0].cell)
    why = ""
    for there in [place for place in merging.cells if place[0] == task and place[2:] == tuple(rest)]:
        if there[1] == dataset or there[1].startswith(f"{dataset} ("):
            against = _against(merging, there, seed, here)
            if not against:
                return [_with(result, "dataset", there[1]) for result in here]
            why = why or against
    if not why:
        return list(here)
    own = f"{dataset} ({name})"
    merging.apart.setdefault((own, name), Apart(own, name, why))
    return [_with(result, "dataset", own) for result in here]


def _against(merging: _Merging, place: PlaceKey, seed: int, here: Sequence[CellResult]) -> str:
    """Why cells cannot stand at a place; empty where they can."""
    there = {result.cell.condition.label: result for result in merging.cells[place]}
    first, new = merging.cells[place][0].cell, here[0].cell
    if first.source != new.source:
        return "its samples are others"
    if merging.seeds[place] != seed:
        return f"its degradations are drawn from the seed {seed}, those of the others from {merging.seeds[place]}"
    if (first.model.name, first.model.params) != (new.model.name, new.model.params):
        return "its model is another"
    for result in here:
        other = there.get(result.cell.condition.label)
        if other is None:
            continue
        condition, known = result.cell.condition, other.cell.condition
        if (condition.name, condition.params) != (known.name, known.params):
            return f"its condition {condition.label} has other parameters"
        if result.protocol and other.protocol and result.protocol != other.protocol:
            return "its protocol is another (the model's weights or preprocessing, a codec, or the metrics)"
    return ""


def _named(
    merging: _Merging, name: str, here: Sequence[CellResult], records: Mapping[str, Records]
) -> list[CellResult]:
    """The cells of one place. A method that differs from the one that has its name there gets its run's name."""
    place = _place(here[0].cell)
    named = {}
    for label in dict.fromkeys(result.cell.method.label for result in here):
        there = [result for result in merging.cells.get(place, ()) if result.cell.method.label == label]
        mine = [result for result in here if result.cell.method.label == label]
        why = next(_differ(merging, there, mine, records), "") if there else ""
        named[label] = f"{label} ({name})" if why else label
        if why:
            merging.apart.setdefault((named[label], name), Apart(named[label], name, why))
    return [_with(result, "method", named[result.cell.method.label]) for result in here]


def _differ(
    merging: _Merging, there: Sequence[CellResult], here: Sequence[CellResult], records: Mapping[str, Records]
) -> Iterator[str]:
    """In what a method differs from another of its name."""
    known = {(result.cell.condition.label, result.cell.train_seed): result for result in there}
    if identity(there[0].cell.method) != identity(here[0].cell.method):
        yield "its method has other parameters"
    weights = {result.cell.train_seed: result.cell.weights_sha256 for result in there}
    for result in here:
        cell = result.cell
        if weights.get(cell.train_seed, cell.weights_sha256) != cell.weights_sha256:
            yield "its method has other weights"
        other = known.get((cell.condition.label, cell.train_seed))
        if other is None or not other.status == result.status == "done":
            continue
        if not _same(cell, records[cell.place], merging.records[other.cell.place]):
            yield "its method has other predictions"


def _same(cell: Cell, one: Records, other: Records) -> bool:
    """Whether the metrics of a cell read the same of every sample; all that both have where they do not say what."""
    names = [columns_of(metric) for metric in cell.metrics]
    wanted = one.keys() & other.keys() if None in names else {name for of in names for name in of or ()}
    return same_records(one, other, wanted)


def _keep(merging: _Merging, seed: int, here: Sequence[CellResult], records: Mapping[str, Records]) -> None:
    """Take the cells in; one that is done takes the place of one that is not."""
    place = _place(here[0].cell)
    merging.seeds.setdefault(place, seed)
    there = {result.cell.in_tables: result for result in merging.cells.get(place, ())}
    for result in here:
        other = there.get(result.cell.in_tables)
        if other is None or (other.status != "done" and result.status == "done"):
            there[result.cell.in_tables] = result
            if result.cell.place in records:
                merging.records[result.cell.place] = records[result.cell.place]
    merging.cells[place] = list(there.values())


def _with(result: CellResult, what: str, label: str) -> CellResult:
    item = getattr(result.cell, what).model_copy(update={"label": label})
    return result.model_copy(update={"cell": result.cell.model_copy(update={what: item})})


def _control(control: Control, labels: Mapping[str, str]) -> Control:
    methods = tuple(labels.get(method, method) for method in control.methods)
    return control.model_copy(update={"control": labels.get(control.control, control.control), "methods": methods})


def _union(given: Iterable[Sequence[T]]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(one for several in given for one in several))


def _met(infos: Sequence[RunInfo]) -> tuple[Met, ...]:
    """By samples, what the store knew that knew of most."""
    found: dict[str, Met] = {}
    for one in (met for info in infos for met in info.met):
        if one.samples not in found or one.variants > found[one.samples].variants:
            found[one.samples] = one
    return tuple(found.values())


def _common(environments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all say alike."""
    first, *others = environments
    return {name: value for name, value in first.items() if all(name in o and o[name] == value for o in others)}
