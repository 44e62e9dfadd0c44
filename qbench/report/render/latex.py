r"""A report's tables in LaTeX, for `\input`: needs the packages booktabs and graphicx."""

from __future__ import annotations

import re
import unicodedata

from qbench.errors import one_line
from qbench.report.leaderboard import Column, Group, Report, Table, Value
from qbench.report.render.text import interval, letters, number, text_table

_MARKS = {"": "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"}
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"{\ttfamily\char34}", "`": r"\`{}", "[": "{[}", "]": "{]}", "*": "{*}",
    "×": r"$\times$", "†": r"$^\dagger$", "±": r"$\pm$", "·": r"$\cdot$", "–": "--", "—": "---", "…": r"\ldots{}",
    "−": "$-$", "→": r"$\rightarrow$", "‘": "`", "’": "'", "“": "``", "”": "''", "ß": r"\ss{}", "æ": r"\ae{}",
    "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}",
    "²": "$^2$", "³": "$^3$", "°": r"$^\circ$", "µ": r"$\mu$", "λ": r"$\lambda$", "≤": r"$\leq$", "≥": r"$\geq$",
}  # fmt: skip
"""Brackets and stars in braces: at the front of a line of a table they would belong to the line before."""
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c",
}  # fmt: skip
"""The commands of accents that every font of LaTeX has, by the combining character."""
_GREEK = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "mu", "nu", "xi", "pi",
          "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega")  # fmt: skip
_LIGATURES = re.compile(r"(?<=-)-|(?<=')'|(?<=,),|(?<=[?!])`")


def page(report: Report) -> str:
    """All tables of the report, each group a `table` of its own."""
    head = f"% {one_line(report.title or report.suite)} (suite {one_line(report.suites)})"
    needs = "% \\usepackage{booktabs,graphicx}"
    return "\n\n".join([f"{head}\n{needs}", *(table_text(table) for table in report.tables)]) + "\n"


def table_text(table: Table) -> str:
    if table.empty:
        return f"% {one_line(table.title)}: {one_line(table.empty)}"
    return "\n\n".join(group_text(table, group) for group in table.groups)


def group_text(table: Table, group: Group) -> str:
    laid_out = text_table(group)
    rows = [[escape(title), *(cell(value, column) for value, column in values)] for title, values in laid_out.lines]
    used = sorted({value.note for row in group.rows for value in row.values if value.note})
    notes = " ".join(f"{number}: {table.notes[number - 1]}." for number in used)
    protocol = [group.protocol.text] if group.protocol else []
    remarks = escape(" ".join([notes, *table.remarks, *protocol]).strip())
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
    raised = letters(value, column)
    note = rf"$^{{\mathrm{{{raised}}}}}$" if raised else f"$^{{{value.note}}}$" if value.note else ""
    between = interval(value, column)
    return f"{text}{note} {{\\scriptsize {_minus(between)}}}" if between else f"{text}{note}"


def _minus(text: str) -> str:
    return text.replace("-", "$-$") if any(character.isdigit() for character in text) else text


def escape(text: str) -> str:
    """Text with LaTeX's special characters escaped, in ASCII on one line. A character that LaTeX's own fonts lack comes
    as its number: U+4E2D."""
    apart = _LIGATURES.sub(lambda found: f"\0{found[0]}", one_line(text))
    return "".join("{}" if character == "\0" else _character(character) for character in apart)


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isascii():
        return character
    letter, *accents = list(unicodedata.normalize("NFD", character))
    if letter.isascii() and letter.isalpha() and len(accents) == 1 and accents[0] in _ACCENTS:
        return rf"\{_ACCENTS[accents[0]]}{{{letter}}}"
    small = unicodedata.name(character, "").removeprefix("GREEK SMALL LETTER ").lower()
    return rf"$\{small}$" if small in _GREEK else rf"\texttt{{U+{ord(character):04X}}}"
