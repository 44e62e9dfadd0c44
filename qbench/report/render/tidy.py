"""A report as data: CSV with one line a number, and JSON. Accuracies and gains are fractions, rounded to 6 decimals.

Text is exact in JSON, with escapes for what is no printable character; in CSV it is made safe for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from qbench.errors import printable
from qbench.report.leaderboard import Column, Report, Table, Value

FIELDS = (
    "table", "task", "dataset", "view", "model", "family", "method", "oracle", "column", "unit", "value", "low", "high",
    "n", "bad", "seeds", "spread", "missing", "reason", "mark", "letters", "p", "holds", "bpp", "metric",
    "protocol",
)  # fmt: skip
_UNITS = {"percent": "fraction", "percent printed": "fraction", "points": "fraction"}


def rows(report: Report) -> Iterator[dict[str, Any]]:
    """One mapping of FIELDS for each number; None where there is nothing to say."""
    for table in report.tables:
        for group in table.groups:
            for row in group.rows:
                for column, value in zip(group.columns, row.values, strict=True):
                    of = {name: group.of.get(name, "") for name in ("task", "dataset", "view", "model", "family")}
                    who = {"table": table.name, **of, "method": row.method, "oracle": row.oracle}
                    protocol = group.protocol.fingerprint if group.protocol else ""
                    yield {**who, **_value(table, column, value), "metric": table.metric, "protocol": protocol}


def _value(table: Table, column: Column, value: Value) -> dict[str, Any]:
    return {
        "column": column.name,
        "unit": _UNITS.get(column.unit, column.unit),
        "value": _rounded(value.value),
        "low": _rounded(value.low),
        "high": _rounded(value.high),
        "n": value.n,
        "bad": value.bad,
        "seeds": value.seeds,
        "spread": _rounded(value.spread),
        "missing": value.missing,
        "reason": table.notes[value.note - 1] if value.note else "",
        "mark": value.mark,
        "letters": value.letters,
        "p": None if value.p is None else float(f"{value.p:.3g}"),
        "holds": None if value.p is None else value.holds,
        "bpp": _rounded(column.bpp),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6) + 0.0


def _protocols(report: Report) -> list[dict[str, Any]]:
    """Each fingerprint once, with how many methods and variants have been scored on its samples (0: not known)."""
    groups = (group.protocol for table in report.tables for group in table.groups if group.protocol)
    return [asdict(protocol) for protocol in dict.fromkeys(groups)]


def csv_text(report: Report) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in row.items()} for row in rows(report))
    return out.getvalue()


FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula."""


def cell(value: Any) -> Any:
    """A value as a cell: text is of printable characters, with an apostrophe in front where a spreadsheet would compute
    it. Numbers stay numbers."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def json_text(report: Report) -> str:
    data = {
        "suite": report.suite,
        "title": report.title,
        "version": report.version,
        "command": report.command,
        "environment": report.environment,
        "rows": list(rows(report)),
        "protocols": _protocols(report),
        "empty": {table.name: table.empty for table in report.tables if table.empty},
    }
    text = json.dumps(data, indent=1, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text) + "\n"
