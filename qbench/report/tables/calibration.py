"""Calibration and selective prediction of classifiers: how far their confidence can be relied on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qbench.compute.cell import MetricItem
from qbench.report.declared import table
from qbench.report.grid import Grid, Grids, is_clean
from qbench.report.leaderboard import Column, Group, Row, Table, Value
from qbench.report.notes import Notes
from qbench.report.remarks import of_groups, of_oracles
from qbench.report.source import columns_of
from qbench.report.tables.worst import mean, one
from qbench.suite.schema import CALIBRATION
from qbench.tasks.classification.metrics import CALIBRATION as METRICS

TITLE = "Calibration and selective prediction"
TASK = "classification"
SHORT = {"ece": "ECE (%)", "ace": "adaptive ECE (%)", "brier": "Brier score", "nll": "NLL (nats)", "aurc": "AURC (%)"}
ITEMS = tuple(MetricItem(name=name) for name in METRICS)


@table(CALIBRATION, order=8)
def calibration(grids: Grids) -> list[Table]:
    """A group for each model and dataset of classification: every score on clean pictures, and its mean over the
    degraded conditions."""
    own = _with_metrics(grids)
    notes = Notes()
    by_place = zip(*(own.of(TASK, item) for item in ITEMS), strict=True)
    places = list(by_place)
    if not places:
        return [Table(CALIBRATION, TITLE, (), empty="No cell of this run is of classification.")]
    groups = tuple(_group(of_metrics, notes) for of_metrics in places)
    rows = [row for group in groups for row in group.rows]
    remarks = (*_REMARKS, *of_groups([first for first, *_ in places]), *of_oracles(rows))
    return [Table(CALIBRATION, TITLE, groups, tuple(notes.texts), remarks)]


def _with_metrics(grids: Grids) -> Grids:
    """The same records, scored by the metrics of this table, whichever the suite asks for."""
    cells = tuple(
        result.model_copy(update={"cell": result.cell.model_copy(update={"metrics": ITEMS})})
        for result in grids.info.cells
        if result.cell.task == TASK
    )
    info = grids.info.model_copy(update={"cells": cells})
    return Grids(replace(grids.loaded, info=info), faults=grids.faults)


def _group(of_metrics: Sequence[Grid], notes: Notes) -> Group:
    first = of_metrics[0]
    clean = [condition for condition in first.conditions if is_clean(condition)][:1]
    degraded = [condition for condition in first.conditions if not is_clean(condition)]
    parts = [*(["clean"] if clean else []), *(["degraded"] if degraded else [])]
    columns = tuple(
        Column(f"{grid.metric.name} {part}", f"{SHORT[grid.metric.name]}, {part}", grid.metric.unit, False)
        for grid in of_metrics
        for part in parts
    )
    absent = first.loaded.absent.get(TASK, ())
    rows = []
    for method in first.methods():
        values = []
        for grid in of_metrics:
            if set(columns_of(grid.metric.item) or ()) & set(absent):
                why = notes.number(f"{SHORT[grid.metric.name]}: these records were made before it was recorded")
                values += [Value(None, missing="n/a", note=why)] * len(parts)
                continue
            values += [one(grid, method, condition, notes) for condition in clean]
            values += [mean(grid, method, degraded, notes)] if degraded else []
        rows.append(Row(method.label, method.oracle, tuple(values)))
    return Group(first.place.titled(), columns, tuple(rows))


_REMARKS = (
    "Lower is better everywhere. degraded: mean of the degraded conditions. ECE: expected calibration error of the "
    "predicted label in 15 equal bins of confidence (arXiv 1706.04599); adaptive ECE: in 15 bins of equally many "
    "samples (arXiv 1508.05154); NLL: negative log likelihood; AURC: area under the risk-coverage curve, the share of "
    "wrong labels among the most confident samples, mean over how many are kept (arXiv 1705.08500).",
    "In brackets: 95% intervals by the bootstrap over samples: percentile for Brier score and NLL, which are means, "
    "and standard for the others, which few samples move upwards.",
)
