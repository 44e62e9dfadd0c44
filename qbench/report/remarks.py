"""What stands below tables of scores: which intervals they have, and what their marks say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qbench.report.grid import Grid
from qbench.report.leaderboard import Group, Row
from qbench.report.metric import ShownMetric
from qbench.report.point import FEWEST


def under(metric: ShownMetric, grids: Sequence[Grid], groups: Sequence[Group]) -> Iterator[str]:
    """What stands below tables that compare no methods."""
    rows = [row for group in groups for row in group.rows]
    yield from of_intervals(metric, grids, rows)
    yield from of_oracles(rows)


def of_intervals(metric: ShownMetric, grids: Sequence[Grid], rows: Sequence[Row]) -> Iterator[str]:
    """Intervals, trainings, groups of samples, and numbers without an interval."""
    few = {dataset for dataset, count in _counts(grids).items() if count < FEWEST}
    values = [value for row in rows for value in row.values if value.value is not None]
    if any(grid.place.dataset not in few for grid in grids):
        wilson = "Wilson's score interval for one condition, " if metric.is_share else ""
        what = "averages and gains" if metric.is_share else "all scores"
        yield (
            f"In brackets: 95% intervals; {wilson}the {metric.bootstrap} bootstrap by sample ({metric.resamples:,} "
            f"resamples, the same for all methods) for {what}."
        )
    if any(value.spread is not None for value in values):
        yield (
            "±: standard deviation over trainings (train_seeds). Such numbers are means over them, and their intervals "
            "have the variance over trainings in them beside that over samples (Student's t)."
        )
    if not few and any(value.n and value.low is value.high is None for value in values):
        yield "Without brackets: all samples score alike, from which nothing follows for others."
    yield from of_groups(grids)


def of_groups(grids: Sequence[Grid]) -> Iterator[str]:
    """How many groups the samples of each dataset come from, where they come in some."""
    for dataset, count in _counts(grids).items():
        yield f"{dataset}: its samples come from {count} groups, such as videos or patients. " + (
            "Its intervals are the standard bootstrap by group, and comparisons count groups in place of samples."
            if count >= FEWEST
            else f"Fewer than {FEWEST} say too little of others, so that there are no intervals, stars or letters."
        )


def _counts(grids: Sequence[Grid]) -> dict[str, int]:
    return {grid.place.dataset: grid.resampling.groups.count for grid in grids if grid.resampling.groups}


def of_letters(rows: Sequence[Row]) -> Iterator[str]:
    """Letters, bold and underlined; nothing where no numbers were compared."""
    if any(value.letters for row in rows for value in row.values):
        yield (
            "Methods that share a letter are not told apart. Bold: the best, and those that are not told apart from "
            "it; underlined: the same among the rest. All pairs of methods in all columns of this table are compared "
            "on the same samples (Holm's procedure, 5%)."
        )


def of_oracles(rows: Sequence[Row]) -> Iterator[str]:
    if any(row.oracle for row in rows):
        yield "†: reads facts of the degradation that a real picture does not bring; is not ranked."
