"""A picture of a report: accuracy over quality, number of compressions, rate and severity, with intervals as bands."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qbench.errors import foreign, one_line
from qbench.report.leaderboard import Group, Report, Table, Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCORES = ("percent", "db", "plain")
SUMMARIES = ("average", "rpc")
"""Columns that are no place on an axis."""
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Okabe and Ito's palette, told apart by colour-blind readers too."""
_MARKERS = "osD^vPX*"
ROOM = 45
"""Characters of all names below an axis that stand beside each other."""


def panels(report: Report) -> list[tuple[Table, Group]]:
    """What the picture draws; empty where the report has no table over an axis."""
    return [(table, group) for table in report.tables if table.axis for group in table.groups]


def png(report: Report) -> bytes:
    """The picture as PNG, without dates or versions inside: the same report gives the same bytes. Empty where the
    report has no table over an axis."""
    drawn = panels(report)
    if not drawn:
        return b""
    with foreign("no picture: matplotlib cannot draw it"):
        return _as_text(drawn)


def _as_text(drawn: Sequence[tuple[Table, Group]]) -> bytes:
    """Drawn with `$` and the like as the characters that they are."""
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False, "text.usetex": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        return _drawn(drawn)


def _drawn(drawn: Sequence[tuple[Table, Group]]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(dict.fromkeys((table.name, table.metric) for table, _ in drawn))
    by_name = {name: [(table, group) for table, group in drawn if (table.name, table.metric) == name] for name in names}
    high = max(len(groups) for groups in by_name.values())
    figure = Figure(figsize=(6.4 * len(names), 3.6 * high + 0.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(high, len(names), squeeze=False, sharey="row")
    methods = list(dict.fromkeys(row.method for _, group in drawn for row in group.rows))
    for index, name in enumerate(names):
        for level in range(high):
            if level < len(by_name[name]):
                _panel(axes[level][index], *by_name[name][level], methods)
            else:
                axes[level][index].set_axis_off()
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _panel(axes: Axes, table: Table, group: Group, methods: list[str]) -> None:
    shown = [i for i, column in enumerate(group.columns) if column.unit in SCORES]
    wanted = [i for i in shown if group.columns[i].name not in SUMMARIES]
    factor = 100.0 if group.columns[0].unit == "percent" else 1.0
    if any(column.bpp is not None for column in group.columns):
        _rates(axes, group, methods, factor)
    else:
        for row in group.rows:
            points = [(float(x), row.values[i]) for x, i in enumerate(wanted)]
            _curve(axes, points, row.method, methods.index(row.method), methods.index(row.method), factor)
        ticks = [one_line(group.columns[i].heading) for i in wanted]
        axes.set_xticks(range(len(wanted)), ticks)
        if sum(map(len, ticks)) > ROOM:
            axes.tick_params(axis="x", labelrotation=20, labelsize=8)
    axes.set_xlabel(one_line(table.axis))
    axes.set_ylabel(one_line(table.score))
    title = " · ".join(group.of[part] for part in ("dataset", "model", "family") if group.of.get(part))
    axes.set_title(one_line(title), fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="best")


def _rates(axes: Axes, group: Group, methods: list[str], factor: float) -> None:
    """A curve for each codec (its colour) and method (its marker)."""
    codecs = list(dict.fromkeys(column.family for column in group.columns if column.bpp is not None))
    for row in group.rows:
        for number, codec in enumerate(codecs):
            points = [
                (column.bpp, value)
                for column, value in zip(group.columns, row.values, strict=True)
                if column.bpp is not None and column.family == codec
            ]
            name = codec if len(group.rows) == 1 else f"{codec}, {row.method}"
            _curve(axes, sorted(points, key=lambda point: point[0]), name, number, methods.index(row.method), factor)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="x", which="both", labelsize=8)


def _curve(
    axes: Axes, points: Sequence[tuple[float, Value]], name: str, colour: int, marker: int, factor: float
) -> None:
    known: list[Any] = [(x, value) for x, value in points if value.value is not None]
    if not known:
        return
    look: dict[str, Any] = {"color": _COLOURS[colour % len(_COLOURS)], "marker": _MARKERS[marker % len(_MARKERS)]}
    xs = [x for x, _ in known]
    axes.plot(xs, [factor * v.value for _, v in known], markersize=4, label=_entry(name), **look)
    low, high = (
        [factor * (v.value if end is None else end) for v, end in ends]
        for ends in ([(v, v.low) for _, v in known], [(v, v.high) for _, v in known])
    )
    axes.fill_between(xs, low, high, color=look["color"], alpha=0.12, linewidth=0)


def _entry(name: str) -> str:
    """A name as the legend shows it: it would leave out one that begins with `_`."""
    return f" {one_line(name)}" if name.startswith("_") else one_line(name)
