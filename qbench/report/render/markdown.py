"""A report as a Markdown page (GitHub's dialect)."""

from __future__ import annotations

import re

from tabulate import tabulate

from qbench.errors import one_line, printable
from qbench.report.leaderboard import Column, Group, Report, Table, Value
from qbench.report.render.text import interval, letters, number, text_table

_MARKS = {"": "{}", "best": "**{}**", "second": "<u>{}</u>"}


def page(report: Report) -> str:
    """The whole page; it links to the picture beside it, if there is one."""
    parts = [
        f"# {escape(report.title or report.suite)}",
        f"Suite {code(report.suite)}{'' if report.version is None else f', version {report.version}'}. Made by:",
        block(report.command),
        *(table_text(table) for table in report.tables),
    ]
    if report.picture:
        parts.append(f"## Accuracy as a picture\n\n![Accuracy of each method]({report.picture})")
    lines = [f"* {escape(name)}: {escape(text)}" for name, text in report.provenance]
    parts.append("## Provenance\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def table_text(table: Table) -> str:
    """One table with its groups, footnotes and remarks."""
    parts = [f"## {escape(table.title)}"]
    if table.empty:
        return "\n\n".join([*parts, escape(table.empty)])
    for group in table.groups:
        parts += [f"### {escape(group.heading)}", group_text(group)]
        parts += [f"<sub>{escape(group.protocol.text)}</sub>"] if group.protocol else []
    if table.notes:
        parts.append("\n".join(f"{number}. {escape(text)}" for number, text in enumerate(table.notes, start=1)))
    parts.append("<sub>" + " ".join(escape(remark) for remark in table.remarks) + "</sub>")
    return "\n\n".join(parts)


def group_text(group: Group) -> str:
    laid_out = text_table(group)
    rows = [[escape(title), *(cell(value, column) for value, column in values)] for title, values in laid_out.lines]
    align = ("left", *("right" for _ in laid_out.heads[1:]))
    heads = [escape(heading) for heading in laid_out.heads]
    return tabulate(rows, heads, tablefmt="pipe", disable_numparse=True, colalign=align)


def cell(value: Value, column: Column) -> str:
    """`**77.0** <sup>a</sup> [72.6, 80.8]`, or `n/a` with the number of its footnote."""
    text = _MARKS[value.mark].format(escape(number(value, column)))
    raised = letters(value, column) or value.note
    note = f" <sup>{raised}</sup>" if raised else ""
    between = interval(value, column)
    return f"{text}{note} {between}" if between else f"{text}{note}"


_SPECIAL = r"\\`*_<>|\[\]#$~"
_MARKUP = re.compile(
    rf"[{_SPECIAL}]"
    r"|&(?=#?\w+;)"  # an entity
    r"|:(?=[\w+-]+:)"  # an emoji
    rf"|:(?=//\S*[{_SPECIAL}])|(?<=www)\.(?=\S*[{_SPECIAL}])"  # an address, which would show the escapes in it
    r"|^[-+](?=\s|[-+]|$)|(?P<number>^\d+(?=[.)](?:\s|$)))"  # a list or a rule
)


def escape(text: str) -> str:
    """Text with the characters that Markdown would take for markup escaped, of printable characters on one line."""
    return _MARKUP.sub(lambda found: f"{found[0]}\\" if found["number"] else f"\\{found[0]}", one_line(text))


def code(text: str) -> str:
    """Text as it is, in printable characters, as code within a line."""
    fence = _fence(text, 1)
    apart = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{apart}{printable(text)}{apart}{fence}"


def block(text: str) -> str:
    """Text as it is, in printable characters, as a block of shell code."""
    fence = _fence(text, 3)
    return f"{fence}sh\n{printable(text)}\n{fence}"


def _fence(text: str, least: int) -> str:
    """More backticks than the text has in a row."""
    return "`" * max([least, *(len(run) + 1 for run in re.findall("`+", text))])
