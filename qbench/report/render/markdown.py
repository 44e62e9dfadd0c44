"""A report as a Markdown page (GitHub's dialect)."""

from __future__ import annotations

from tabulate import tabulate

from qbench.report.leaderboard import Column, Group, Report, Table, Value
from qbench.report.render.text import interval, number, text_table

_MARKS = {"": "{}", "best": "**{}**", "second": "<u>{}</u>"}


def page(report: Report) -> str:
    """The whole page; it links to the picture beside it, if there is one."""
    parts = [
        f"# {escape(report.title or report.suite)}",
        f"Suite `{report.suite}`, version {report.version}. Made by:",
        f"```sh\n{report.command}\n```",
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
    """`**77.0** [72.6, 80.8]`, or `n/a` with the number of its footnote."""
    text = _MARKS[value.mark].format(escape(number(value, column)))
    note = f" <sup>{value.note}</sup>" if value.note else ""
    between = interval(value, column)
    return f"{text}{note} {between}" if between else f"{text}{note}"


def escape(text: str) -> str:
    """Text with the characters that Markdown would take for markup escaped, on one line."""
    for character in "\\`*_<>|[]":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())
