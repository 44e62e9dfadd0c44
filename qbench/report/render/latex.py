r"""A report's tables in LaTeX, for `\input`: needs the packages booktabs and graphicx."""

from __future__ import annotations

from qbench.report.leaderboard import Column, Group, Report, Table, Value
from qbench.report.render.text import interval, number, text_table

_MARKS = {"": "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"}
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "×": r"$\times$", "†": r"$^\dagger$", "±": r"$\pm$", "·": r"$\cdot$",
    "–": "--", "−": "$-$", "→": r"$\rightarrow$", "\u00a0": "~",
}  # fmt: skip


def page(report: Report) -> str:
    """All tables of the report, each group a `table` of its own."""
    head = f"% {_comment(report.title or report.suite)} (suite {_comment(report.suite)}, version {report.version})"
    needs = "% \\usepackage{booktabs,graphicx}"
    return "\n\n".join([f"{head}\n{needs}", *(table_text(table) for table in report.tables)]) + "\n"


def table_text(table: Table) -> str:
    if table.empty:
        return f"% {_comment(table.title)}: {_comment(table.empty)}"
    return "\n\n".join(group_text(table, group) for group in table.groups)


def group_text(table: Table, group: Group) -> str:
    laid_out = text_table(group)
    rows = [[escape(title), *(cell(value, column) for value, column in values)] for title, values in laid_out.lines]
    used = sorted({value.note for row in group.rows for value in row.values if value.note})
    notes = " ".join(f"{number}: {table.notes[number - 1]}." for number in used)
    remarks = escape(" ".join([notes, *table.remarks]).strip())
    body = [_line(row) for row in rows]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape(table.title)}: {escape(group.heading)}.}}",
            r"\resizebox{\textwidth}{!}{%",
            rf"\begin{{tabular}}{{l{'r' * len(laid_out.heads[1:])}}}",
            r"\toprule",
            _line([escape(heading) for heading in laid_out.heads]),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            rf"\par\smallskip\parbox{{\textwidth}}{{\footnotesize {remarks}}}",
            r"\end{table}",
        ]
    )


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def cell(value: Value, column: Column) -> str:
    text = _MARKS[value.mark].format(_minus(escape(number(value, column))))
    note = f"$^{{{value.note}}}$" if value.note else ""
    between = interval(value, column)
    return f"{text}{note} {{\\scriptsize {_minus(between)}}}" if between else f"{text}{note}"


def _minus(text: str) -> str:
    return text.replace("-", "$-$") if any(character.isdigit() for character in text) else text


def escape(text: str) -> str:
    """Text with LaTeX's special characters escaped, on one line."""
    return " ".join("".join(_SPECIAL.get(character, character) for character in text).split())


def _comment(text: str) -> str:
    return " ".join(text.split())
