"""The efficiency table."""

from __future__ import annotations

from collections.abc import Sequence

from qbench.report.declared import table
from qbench.report.grid import DIRECT, Grids
from qbench.report.leaderboard import DASH, Column, Group, Row, Table, Value
from qbench.report.marks import marked
from qbench.runs.cost_record import EfficiencyRecord

NAME, TITLE = "efficiency", "Parameters, multiply-accumulates and latency of one picture"
COLUMNS = (
    Column("parameters_extra", "extra parameters, M", "parameters", False),
    Column("parameters_total", "parameters, M", "parameters", False),
    Column("macs_extra", "extra MACs, G", "macs", False),
    Column("macs_total", "MACs, G", "macs", False),
    Column("latency", "latency, ms", "ms", False),
    Column("overhead", "× direct", "ratio", False),
)


@table(NAME, order=40)
def efficiency(grids: Grids) -> list[Table]:
    """Rows are methods in the suite's order, grouped by model."""
    records = grids.loaded.efficiency
    if not records:
        return [Table(NAME, TITLE, (), empty="No efficiency was measured in this run.")]
    methods = list(dict.fromkeys(result.cell.method.label for result in grids.info.cells))
    groups = []
    for model in dict.fromkeys(record.model.label for record in records):
        here = sorted((r for r in records if r.model.label == model), key=lambda r: _position(r.method.label, methods))
        direct = next((r.median_ms for r in here if r.method.name == DIRECT), None)
        rows = [
            Row(record.method.label, record.method.oracle, _values(record, direct), record.method.name != DIRECT)
            for record in here
        ]
        size = " × ".join(map(str, here[0].size))
        groups.append(Group({"model": model, "size": f"{size} px"}, COLUMNS, marked(rows, COLUMNS)))
    return [Table(NAME, TITLE, tuple(groups), remarks=_remarks(records))]


def _position(method: str, methods: Sequence[str]) -> tuple[int, str]:
    return (methods.index(method) if method in methods else len(methods)), method


def _values(record: EfficiencyRecord, direct: float | None) -> tuple[Value, ...]:
    counts = (record.parameters_extra, record.parameters_total, record.macs_extra, record.macs_total)
    low, high = record.iqr_ms
    alone = record.direct_ms or direct
    ratio = Value(record.median_ms / alone) if alone else DASH
    return (*(Value(float(count)) for count in counts), Value(record.median_ms, low, high, n=record.repeats), ratio)


def _remarks(records: Sequence[EfficiencyRecord]) -> tuple[str, ...]:
    runs: dict[tuple[str, int, int], list[int]] = {}
    for record in records:
        runs.setdefault((record.device, record.threads, record.batch), []).append(record.repeats)
    measured = "; ".join(
        f"{device}, {threads} thread{'s' * (threads > 1)}, batch {batch}, {_range(repeats)} runs after a warm-up"
        for (device, threads, batch), repeats in sorted(runs.items())
    )
    together = all(record.direct_ms is not None for record in records)
    turns = " × direct: over the model alone, timed in turns with the method." if together else ""
    return (
        f"Deployed form, float32. Latency: median [quartiles] on {measured}.{turns}",
        "MACs: convolutions and matrix products at the model's input. extra: beyond the model itself. "
        "Best in bold, second underlined among the methods other than direct.",
    )


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"
