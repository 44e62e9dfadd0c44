"""A picture of a report: accuracy over quality and over the number of compressions, with intervals as bands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qbench.report.model import Group, Report, Row, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = {"accuracy-by-quality": "quality factor (from light to strong)", "accuracy-by-times": "number of compressions"}
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Okabe and Ito's palette, told apart by colour-blind readers too."""
_MARKERS = "osD^vPX*"


def panels(report: Report) -> list[tuple[Table, Group]]:
    """What the picture draws; empty where the report has no table over quality or times."""
    return [(table, group) for table in report.tables if table.name in SHOWN for group in table.groups]


def draw(report: Report, file: Path) -> None:
    """Write the picture as PNG, without dates or versions inside: the same report gives the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = panels(report)
    names = list(dict.fromkeys(table.name for table, _ in found))
    by_name = {name: [(table, group) for table, group in found if table.name == name] for name in names}
    high = max((len(each) for each in by_name.values()), default=1)
    figure = Figure(figsize=(6.4 * max(1, len(names)), 3.6 * high + 0.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(high, max(1, len(names)), squeeze=False, sharey="row")
    methods = list(dict.fromkeys(row.method for _, group in found for row in group.rows))
    for index, name in enumerate(names):
        for level in range(high):
            if level < len(by_name[name]):
                _panel(axes[level][index], *by_name[name][level], methods)
            else:
                axes[level][index].set_axis_off()
    figure.savefig(file, format="png", metadata={"Software": None})


def _panel(axes: Axes, table: Table, group: Group, methods: list[str]) -> None:
    wanted = [i for i, column in enumerate(group.columns) if column.unit == "percent" and column.name != "average"]
    for row in group.rows:
        _curve(axes, row, wanted, methods.index(row.method))
    axes.set_xticks(range(len(wanted)), [group.columns[i].heading for i in wanted])
    axes.set_xlabel(SHOWN[table.name])
    axes.set_ylabel("top-1 accuracy, %")
    title = " · ".join(group.of[part] for part in ("dataset", "model", "family") if group.of.get(part))
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower left")


def _curve(axes: Axes, row: Row, wanted: list[int], style: int) -> None:
    points: list[Any] = [(x, row.values[i]) for x, i in enumerate(wanted) if row.values[i].value is not None]
    if not points:
        return
    colour, marker = _COLOURS[style % len(_COLOURS)], _MARKERS[style % len(_MARKERS)]
    xs = [x for x, _ in points]
    axes.plot(xs, [100 * v.value for _, v in points], color=colour, marker=marker, markersize=4, label=row.method)
    low, high = [100 * v.low for _, v in points], [100 * v.high for _, v in points]
    axes.fill_between(xs, low, high, color=colour, alpha=0.12, linewidth=0)
