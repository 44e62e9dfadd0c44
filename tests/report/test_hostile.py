"""Labels, titles, ids and error texts of any characters, in every format: read back by readers that are not ours."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from qbench.errors import one_line
from qbench.report.emit import write
from qbench.report.leaderboard import Column, Group, Report, Row, Table, Value
from qbench.report.render import latex, markdown, picture, terminal, tidy

HOSTILE = (
    "a&lt;b &amp; &#36; &copy", "$x$ and $y_1$", "$$", "~~struck~~", "~", "a|b||c", "\\|", "a\\", "\\",
    "`code`", "``", "`", "*em* **strong**", "_em_ __strong__", "[link](http://x.y)", "![picture](x.png)",
    "[bold]swallowed[/bold]", "[/]", "<script>alert(1)</script>", "<b>", "<!-- x -->", "<http://x.y>",
    "# heading", "a #", "#", "> quote", "- item", "+ item", "* item", "1. item", "12) item", "---", "- - -",
    "===", "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "＝1", "\t=1", "\r=1", "\n=1", "\x1b[31mred\x1b[0m",
    "\x1b]8;;http://x\x07y\x1b]8;;\x07", "a\x00b", "\x7f\x9b31m", "a\u202eb", "a\u2028b", "\ud800", "\udcff",
    "a\nb\r\nc", "  spaces   within  ", "%comment", "\\textbf{x}", "{", "}", "{}}", "^", "^^M", "a^b_c", "#1",
    "\\input{/etc/passwd}", "--flag", "a---b", "''quoted''", '"quoted"', "?`!`", "é ü č ő ß ø ł", "中文 テスト",
    "αβγ λ", "😀", "n̄", ":tada: :+1:", "https://a_b.c/*d*", "www.a_b.c", "{value}", "%s %d", "_hidden",
    "http://x.y/~z?a=1&b=2",
)  # fmt: skip


def page_of(label: str) -> Report:
    """A report that has the label wherever text may come from outside."""
    heads = (Column("clean", "clean", "percent", True), Column(label, label, "percent", True))
    values = (Value(0.5, 0.4, 0.6, 10), Value(None, missing="failed", note=1))
    rows = (Row(label, False, values), Row("direct", True, values[:1] * 2))
    group = Group({"dataset": label, "model": "net"}, heads, rows)
    table = Table("accuracy-by-quality", label, (group,), (label,), (label,), "", "top1", label, axis=label)
    turned = Table("classes", "Turned", (Group({"model": label}, heads, rows, lines="class"),), (label,))
    nothing = Table("none", label, (), empty=label)
    return Report("s", label, 1, f"qbench run {label}", (("data", label),), (table, turned, nothing), {"x": label})


def text_of(html: str) -> str:
    """What a reader sees of HTML."""
    for name, character in (("lt", "<"), ("gt", ">"), ("quot", '"'), ("amp", "&")):
        html = html.replace(f"&{name};", character)
    return html


@pytest.mark.parametrize("label", HOSTILE)
def test_markdown_is_read_as_it_was_written(label: str) -> None:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    html, seen = parser.render(markdown.page(page_of(label))), one_line(label)
    found = {
        "title": re.findall("<h1>(.*)</h1>", html), "table": re.findall("<h2>(.*)</h2>", html)[:1],
        "group": [text.removesuffix(" · net") for text in re.findall("<h3>(.*)</h3>", html)[:1]],
        "head": re.findall("<th[^>]*>(.*)</th>", html)[2:3], "row": re.findall("<td[^>]*>(.*)</td>", html)[:1],
        "note": re.findall("<ol>\n<li>(.*)</li>\n</ol>", html)[:1],
        "remark": re.findall("<sub>(.*)</sub></p>", html)[:1],
        "data": [text.removeprefix("data: ") for text in re.findall("<li>(data: .*)</li>", html)],
        "empty": re.findall("<p>(.*)</p>\n<h2>Provenance", html),
    }  # fmt: skip
    assert {name: [text_of(text) for text in texts] for name, texts in found.items()} == {
        name: [seen] for name in found
    }
    assert html.count("<table>") == 2
    assert not re.search("<(script|b|em|strong|a|img|s|hr|blockquote|h4)\\b", html)
    (command,) = re.findall('<pre><code class="language-sh">(.*)\n</code></pre>', html)
    assert text_of(command) == f"qbench run {printable(label)}"


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@pytest.mark.parametrize("label", HOSTILE)
def test_dollars_and_tildes_are_escaped_for_hosts_that_read_them(label: str) -> None:
    text = markdown.escape(label)
    assert not re.search(r"(?<!\\)(?:\\\\)*[$~<`*_\[\]|#]", text)
    assert all(c.isprintable() for c in text)


@pytest.mark.parametrize("label", HOSTILE)
def test_csv_is_read_back_and_no_cell_is_a_formula(label: str) -> None:
    lines = list(csv.DictReader(io.StringIO(tidy.csv_text(page_of(label)), newline="")))
    assert all(
        str(cell)[:1] not in set("=+-@\t\r\n＝") for line in lines for name, cell in line.items() if name != "value"
    )
    kept = printable(label)
    guarded = f"'{kept}" if kept[:1] in set("=+-@＝") else kept
    assert {lines[0][name] for name in ("dataset", "method")} == {guarded} == {lines[1]["column"], lines[1]["reason"]}
    assert lines[0]["value"] == "0.5"


def test_numbers_below_zero_stay_numbers_in_csv() -> None:
    group = Group({}, (Column("gain", "gain", "points"),), (Row("a", False, (Value(-0.5, -0.75, -0.25),)),))
    (line,) = csv.DictReader(io.StringIO(tidy.csv_text(Report("s", "", 1, "", (), (Table("t", "T", (group,)),)))))
    assert (line["value"], line["low"], line["high"]) == ("-0.5", "-0.75", "-0.25")


@pytest.mark.parametrize("label", HOSTILE)
def test_json_is_exact(label: str, tmp_path: Path) -> None:
    write(page_of(label), tmp_path, ("json",))
    data = json.loads((tmp_path / "report.json").read_bytes())
    assert (data["title"], data["rows"][0]["method"], data["rows"][1]["reason"]) == (label, label, label)


SAID = {
    r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textless{}": "<",
    r"\textgreater{}": ">", r"\textbar{}": "|", r"{\ttfamily\char34}": '"', r"\`{}": "`", "{[}": "[", "{]}": "]",
    "{*}": "*", "{}": "", r"\&": "&", r"\%": "%", r"\$": "$", r"\#": "#", r"\_": "_", r"\{": "{", r"\}": "}",
}  # fmt: skip


def read_latex(text: str) -> str:
    """ASCII text back from its commands, each of which stands for one character."""
    known = "|".join(re.escape(command) for command in sorted(SAID, key=len, reverse=True))
    rest = re.sub(known, "", text)
    assert not re.search(r"[\\&%$#_{}~^<>|\"\[\]*`]", rest), rest
    return re.sub(known, lambda found: SAID[found[0]], text)


@pytest.mark.parametrize("label", [label for label in HOSTILE if label.isascii()])
def test_latex_is_read_back(label: str) -> None:
    text = latex.escape(label)
    assert read_latex(text) == one_line(label)
    assert not re.search("--|''|,,|[?!]`", text)


@pytest.mark.parametrize("label", HOSTILE)
def test_latex_is_ascii_with_braces_and_dollars_in_pairs(label: str) -> None:
    text = re.sub(r"\\[\\&%$#_{}]", "", latex.escape(label))
    assert text.isascii()
    assert text.count("{") == text.count("}")
    assert text.count("$") % 2 == 0
    assert not any(line.startswith(("[", "*")) for line in latex.page(page_of(label)).splitlines())


def test_letters_that_latex_has_are_letters_and_others_their_numbers() -> None:
    assert latex.escape("é ß λ β") == r"\'{e} \ss{} $\lambda$ $\beta$"
    assert latex.escape("中😀") == r"\texttt{U+4E2D}\texttt{U+1F600}"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_of_hostile_labels_compiles(tmp_path: Path) -> None:
    text = "\n".join(latex.page(page_of(label)) for label in HOSTILE)
    packages = r"\documentclass{article}\usepackage{booktabs,graphicx}\extrafloats{500}\begin{document}"
    whole = f"{packages}{text.replace(chr(92) + 'end{table}', chr(92) + 'end{table}' + chr(92) + 'clearpage')}"
    (tmp_path / "page.tex").write_text(f"{whole}\n\\end{{document}}", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("label", HOSTILE)
def test_the_terminal_shows_markup_and_sends_no_codes(label: str) -> None:
    out = io.StringIO()
    terminal.show(page_of(label), Console(file=out, width=400, color_system=None, force_terminal=True))
    text = out.getvalue()
    assert all(c.isprintable() or c == "\n" for c in text)
    seen = " ".join(one_line(label).split())
    for line in (f"{seen} (suite s, version 1)", f"(1) {seen}", f"data: {seen}"):
        assert line in text.splitlines()
    assert sum(seen in line for line in text.splitlines()) >= 9


@pytest.mark.parametrize("label", ["$x$", "$\\bad$", "_hidden", "\x1b[31m", "$", "中", "{x}", "\ud800"])
def test_a_picture_is_drawn_of_any_label(label: str) -> None:
    assert picture.png(page_of(label)).startswith(b"\x89PNG")


def test_the_legend_names_methods_that_begin_with_an_underscore() -> None:
    from matplotlib.figure import Figure

    axes, report = Figure().subplots(), page_of("_hidden")
    picture._panel(axes, report.tables[0], report.tables[0].groups[0], ["_hidden", "direct"])
    assert [text.get_text().strip() for text in axes.get_legend().get_texts()] == ["_hidden", "direct"]
