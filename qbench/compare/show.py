"""A comparison as text for a terminal, as Markdown, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from tabulate import tabulate

from qbench.compare.lines import Line
from qbench.errors import one_line, printable
from qbench.report.leaderboard import GAINS, Column, Unit, Value
from qbench.report.render.markdown import escape
from qbench.report.render.text import interval, number
from qbench.report.render.tidy import cell as plain_cell

LEVEL = 0.05
REMARK = (
    "difference: of the same samples, with its paired 95% interval. p: McNemar's mid-p for hits under one condition "
    "and training, else Student's t of the difference over its standard error. Holm: p adjusted for all {count} "
    "comparisons; better and worse hold at 5% of it. lost, won: samples that only the reference, or only the other "
    "side, gets right."
)
FIELDS = (
    "reference", "other", "task", "dataset", "view", "model", "method", "metric", "condition", "unit",
    "reference_score", "score", "difference", "low", "high", "p", "p_holm", "holds", "n", "lost", "won", "why",
    "remark",
)  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """What is shown of a comparison."""

    lines: Sequence[Line]
    command: str
    note: str = ""
    """What is said of all lines."""

    @property
    def is_any(self) -> bool:
        """Whether anything could be compared."""
        return any(line.is_compared for line in self.lines)


def verdict(line: Line) -> str:
    """`better` or `worse` than the reference where the difference holds, else nothing."""
    if not line.difference or line.adjusted is None or line.adjusted > LEVEL or line.higher_is_better is None:
        return ""
    return "better" if (line.difference > 0) == line.higher_is_better else "worse"


def _counts(line: Line) -> tuple[int | None, int | None]:
    """Of flips, of one training alone."""
    if len(line.flips) != 1:
        return None, None
    return len(line.flips[0].lost), len(line.flips[0].won)


def _number(value: float | None, unit: Unit) -> str:
    return "" if value is None else number(Value(value), Column("", "", unit))


def _row(line: Line) -> tuple[str, ...]:
    if not line.is_compared:
        return (line.condition, _number(line.before, line.unit), "", f"not compared: {line.why}")
    gain = GAINS.get(line.unit, line.unit)
    between = interval(Value(line.difference, line.low, line.high), Column("", "", gain))
    p, adjusted = ("" if value is None else f"{value:.2g}" for value in (line.p, line.adjusted))
    lost, won = ("" if count is None else str(count) for count in _counts(line))
    return (
        line.condition + (f" ({line.remark})" if line.remark else ""), _number(line.before, line.unit),
        _number(line.score, line.unit), f"{_number(line.difference, gain)} {between}".rstrip(), p, adjusted,
        verdict(line), "" if line.n is None else str(line.n), lost, won,
    )  # fmt: skip


def _groups(compared: Compared) -> Iterator[tuple[str, tuple[str, ...], list[Line]]]:
    """The lines of each two sides, place and metric, with a heading and the heads of their columns."""
    for (reference, other, spot), lines in groupby(
        compared.lines, key=lambda line: (line.reference, line.other, line.spot)
    ):
        heading = " · ".join(text for text in spot if text)
        heads = ("condition", reference, other, "difference", "p", "Holm", "holds", "n", "lost", "won")
        yield f"{other} against {reference}: {heading}", heads, list(lines)


def _notes(compared: Compared) -> list[str]:
    count = sum(line.adjusted is not None for line in compared.lines)
    return [text for text in (compared.note, REMARK.format(count=count) if count else "") if text]


def terminal(compared: Compared, with_flips: bool = False) -> str:
    parts = []
    for heading, heads, lines in _groups(compared):
        if not any(line.is_compared for line in lines):
            parts += [one_line(f"{heading}: not compared: {why}") for why in dict.fromkeys(line.why for line in lines)]
            continue
        rows = [[one_line(text) for text in _row(line)] for line in lines]
        table = tabulate(rows, [one_line(head) for head in heads], tablefmt="simple", disable_numparse=True)
        parts.append("\n".join([one_line(heading), table, *(_flips(lines) if with_flips else ())]))
    return "\n\n".join([*parts, *_notes(compared)]) + "\n"


def _flips(lines: Sequence[Line]) -> Iterator[str]:
    for flips in (flips for line in lines for flips in line.flips):
        for what, samples in (("lost", flips.lost), ("won", flips.won)):
            if samples:
                where = " / ".join(flips.cell)
                yield printable(one_line(f"{what} of {where}:")) + "".join(
                    f"\n  {printable(sample.id)}" for sample in samples
                )


def markdown(compared: Compared) -> str:
    parts = ["# Comparison", f"```sh\n{printable(compared.command)}\n```"]
    for heading, heads, lines in _groups(compared):
        rows = [[escape(text) for text in _row(line)] for line in lines]
        parts += [f"## {escape(heading)}", tabulate(rows, [escape(h) for h in heads], "pipe", disable_numparse=True)]
    return "\n\n".join([*parts, *map(escape, _notes(compared))]) + "\n"


def _plain(line: Line) -> dict[str, object]:
    lost, won = _counts(line)
    numbers = {"reference_score": line.before, "score": line.score, "difference": line.difference, "low": line.low,
               "high": line.high, "p": line.p, "p_holm": line.adjusted}  # fmt: skip
    return {
        "reference": line.reference, "other": line.other, **line.spot._asdict(), "condition": line.condition,
        "unit": line.unit, **numbers, "holds": verdict(line), "n": line.n, "lost": lost, "won": won, "why": line.why,
        "remark": line.remark,
    }  # fmt: skip


def csv_text(compared: Compared) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: plain_cell(value) for name, value in _plain(line).items()} for line in compared.lines)
    return out.getvalue()


def json_text(compared: Compared) -> str:
    """All of it, with the ids of flipped samples."""
    lines = [{**_plain(line), "flips": [asdict(flips) for flips in line.flips]} for line in compared.lines]
    plain = {"command": compared.command, "note": compared.note, "lines": lines}
    return json.dumps(plain, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


FORMATS: Mapping[str, tuple[str, Callable[[Compared], str]]] = {
    "md": ("compare.md", markdown), "json": ("compare.json", json_text), "csv": ("compare.csv", csv_text),
}  # fmt: skip
"""The files of a comparison, by format."""
