"""A check as text for a terminal, as Markdown for a job's summary, as JSON, and as JUnit XML."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from math import isnan
from xml.etree import ElementTree as Xml

from tabulate import tabulate

from qbench.errors import one_line, printable
from qbench.gate.check import Checked
from qbench.gate.figures import CELL
from qbench.gate.verdicts import Judged
from qbench.report.leaderboard import GAINS, Column, Unit, Value
from qbench.report.render.markdown import escape
from qbench.report.render.text import number

HEADS = ("figure", "verdict", "before", "now", "change", "interval", "n", "shows drops from")
MOST = 20
"""Samples that flipped, of each cell, that are named on a terminal and in a summary."""


def _number(value: float, unit: Unit) -> str:
    return number(Value(value), Column("", "", unit))


def _row(one: Judged) -> tuple[str, ...]:
    figure, unit = one.figure, one.figure.unit
    gain = GAINS.get(unit, unit)
    scale = gain if figure.kind == "gain" else unit
    interval = "" if isnan(one.low) else f"[{_number(one.low, gain)}, {_number(one.high, gain)}]"
    return (
        one_line(figure.name), one.verdict, _number(figure.before, scale), _number(figure.now, scale),
        _number(figure.change, gain), interval, str(figure.n),
        "" if figure.is_identical or isnan(one.smallest) else _number(one.smallest, gain).lstrip("+"),
    )  # fmt: skip


def _shown(checked: Checked) -> list[Judged]:
    """Averages and gains, and of single conditions those that changed for sure or block."""
    return [one for one in checked.judged if one.figure.kind != CELL or one.blocks or one.verdict == "regressed"]


def _head(checked: Checked) -> str:
    count = len(checked.judged)
    same = sum(one.figure.is_identical for one in checked.judged)
    texts = {
        "pass": f"pass: {count} figures, {same} of them from identical predictions",
        "regression": f"regression: {len(checked.blocking) + len(checked.costs)} of {count} figures and costs fail",
        "not comparable": f"not comparable: {len(checked.comparison.against)} reasons",
    }
    return texts[checked.outcome]


def _reasons(checked: Checked) -> Iterator[str]:
    yield from (f"not comparable: {text}" for text in checked.comparison.against)
    yield from (f"fails: {one.figure.name}: {one.why}" for one in checked.blocking)
    yield from (f"fails: {text}" for text in checked.costs)
    yield from (f"note: {one.figure.name}: {one.why}" for one in checked.judged if one.why and not one.blocks)
    yield from (f"differs: {text}" for text in checked.comparison.differ)
    if checked.comparison.only_now:
        cells = checked.comparison.only_now
        yield f"not checked: {len(cells)} cells that the baseline does not have, such as {cells[0]}"
    for flip in checked.flips:
        where = " / ".join(flip.cell)
        for what, samples in (("lost", flip.lost), ("won", flip.won)):
            names = ", ".join(sample.id for sample in samples[:MOST])
            if samples:
                yield f"{what}: {len(samples)} samples of {where}: {names}{', ...' if len(samples) > MOST else ''}"


def terminal(checked: Checked) -> str:
    rows = [_row(one) for one in _shown(checked)]
    table = tabulate(rows, HEADS, tablefmt="simple", disable_numparse=True) if rows else ""
    lines = [printable(one_line(text)) for text in _reasons(checked)]
    return "\n".join([*([table, ""] if table else []), *lines, _head(checked)]) + "\n"


def markdown(checked: Checked) -> str:
    rows = [[escape(text) for text in _row(one)] for one in _shown(checked)]
    table = tabulate(rows, HEADS, tablefmt="pipe", disable_numparse=True) if rows else ""
    lines = "\n".join(f"* {escape(text)}" for text in _reasons(checked))
    parts = [f"## {escape(_head(checked))}", table, lines]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_json(checked: Checked) -> str:
    """All of it, with every flipped sample and its facts."""
    plain = {
        "outcome": checked.outcome,
        "exit_code": checked.exit_code,
        **asdict(checked.comparison),
        "costs": list(checked.costs),
        "figures": [_plain(one) for one in checked.judged],
        "flips": [asdict(flip) for flip in checked.flips],
    }
    return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(one: Judged) -> Mapping[str, object]:
    figure = one.figure
    facts = {
        name: getattr(figure, name) for name in ("kind", "metric", "task", "dataset", "model", "method", "condition")
    }
    numbers = {name: _finite(value) for name, value in (
        ("before", figure.before), ("now", figure.now), ("change", figure.change), ("low", one.low), ("high", one.high),
        ("smallest_drop_shown", one.smallest), ("p", figure.difference.p()),
    )}  # fmt: skip
    verdict = {"n": figure.n, "verdict": one.verdict, "blocks": one.blocks, "why": one.why}
    return {"figure": figure.name, **facts, **numbers, **verdict}


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def junit(checked: Checked) -> str:
    """A test case for each figure and each reason why runs cannot be compared."""
    suite = Xml.Element("testsuite", name="qbench check")
    for text in checked.comparison.against:
        case = Xml.SubElement(suite, "testcase", classname="comparable", name=_xml(text))
        Xml.SubElement(case, "error", message=_xml(text))
    for one in checked.judged:
        case = Xml.SubElement(suite, "testcase", classname=one.figure.kind, name=_xml(one.figure.name))
        Xml.SubElement(case, "system-out").text = _xml("  ".join(_row(one)[1:]))
        if one.blocks:
            Xml.SubElement(case, "failure", message=_xml(one.why))
    for text in checked.costs:
        case = Xml.SubElement(suite, "testcase", classname="cost", name=_xml(text))
        Xml.SubElement(case, "failure", message=_xml(text))
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    return Xml.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """XML has no place for control characters."""
    return printable(one_line(text))


FORMATS: Mapping[str, tuple[str, Callable[[Checked], str]]] = {
    "json": ("check.json", as_json), "junit": ("check.xml", junit), "md": ("check.md", markdown),
}  # fmt: skip
"""The files of a check, by format."""
