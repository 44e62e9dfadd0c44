from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from fake_run import FakeRun
from rich.console import Console

from qbench.report.build import build
from qbench.report.emit import write
from qbench.report.leaderboard import Column, Group, Report, Row, Table, Value
from qbench.report.render import latex, markdown, terminal, tidy
from qbench.report.render.text import number

NASTY = r"a&b%c$d#e_f{g}h~i^j\k<l>m|n*o`p"


def make(folder, *, title="A fake run", bad=()):
    generator = np.random.default_rng(0)
    run = FakeRun(60, title=title)
    for index, method in enumerate(("direct", "a_1", "best&co")):
        for condition in ("clean", "jpeg@25", "jpeg@10", "rejpeg×1", "rejpeg×2"):
            run.cell(method, condition, (generator.random(60) < 0.1 + 0.4 * index).astype(int), bad=bad)
        run.cost(method, 10.0 + index, extra=1000 * index)
    run.cell("known", "jpeg@25", np.ones(60, dtype=int), oracle=True)
    run.cell("none", "jpeg@25", status="n/a", reason=f"no site {NASTY}")
    return run.write(folder)


@pytest.fixture
def report(tmp_path):
    return build(make(tmp_path / "run", title=NASTY, bad=[2]))


def cells_of(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_markdown_marks_denominators_and_notes(report):
    page = markdown.page(replace(report, picture="accuracy.png"))
    first = re.split("^## ", page, flags=re.M)[1]
    rows = {cells_of(line)[0]: cells_of(line) for line in first.splitlines() if line.startswith("| ")}
    assert {len(cells) for cells in rows.values()} == {7}
    assert rows["best&co"][2].startswith("**")
    assert rows["a\\_1"][2].startswith("<u>")
    assert rows["best&co"][4].startswith("**")
    assert "<sup>a</sup> [" in rows["best&co"][4]
    assert re.fullmatch(r"\*\*\d+\.\d\*\* \[\d+\.\d, \d+\.\d\]", rows["best&co"][2])
    assert re.fullmatch(r"\+\d+\.\d\\\* \[[+-]\d+\.\d, [+-]\d+\.\d\]", rows["best&co"][5])
    assert rows["direct"][-1] == "59/60 (1 bad)"
    assert "known†" in rows
    assert rows["none"][2] == "n/a <sup>1</sup>"
    assert "\n1. none on net: no site " in first
    assert "](accuracy.png)" in page
    assert "](accuracy.png)" not in markdown.page(report)


def test_markdown_tells_where_numbers_come_from(report):
    page = markdown.page(report)
    data = "data, no resizing, centre crop 8: 60 samples"
    for said in ("Suite `fake`, version 3", "qbench run fake.yaml", "torch: 2.13.0", data):
        assert said in page


def test_escapes():
    assert latex.escape(r"\_%&$#{}~^") == (r"\textbackslash{}\_\%\&\$\#\{\}\textasciitilde{}\textasciicircum{}")
    assert latex.escape("rejpeg×3 †") == r"rejpeg$\times$3 $^\dagger$"
    assert markdown.escape("a_b|c\nd") == "a\\_b\\|c d"


def strip_escapes(text):
    return re.sub(r"\\[&%$#_{}]", "", re.sub(r"(?m)^%.*$", "", text))


def test_latex_is_well_formed(report):
    page = strip_escapes(latex.page(report).replace(r"\resizebox{\textwidth}{!}{%", r"\resizebox{\textwidth}{!}{"))
    page = page.replace(r"\\", "")
    assert page.count("{") == page.count("}")
    assert page.count("$") % 2 == 0
    assert not set("%#_<>|~") & set(page.replace("{!}", ""))
    assert page.isascii()
    begins, ends = (re.findall(rf"\\{word}{{(\w+)}}", page) for word in ("begin", "end"))
    assert sorted(begins) == sorted(ends)
    for body in re.findall(r"\\begin{tabular}{(l\w+)}(.*?)\\end{tabular}", page, flags=re.S):
        lines = [line for line in body[1].splitlines() if " & " in line]
        assert {line.count(" & ") + 1 for line in lines} == {len(body[0])}
    assert r"\textbf{" in page
    assert r"\underline{" in page


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(report, tmp_path):
    (tmp_path / "tables.tex").write_text(latex.page(report), encoding="utf-8")
    packages = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
    (tmp_path / "page.tex").write_text(packages + r"\input{tables}\end{document}", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_csv_and_json_hold_the_tables_numbers(report):
    rows = list(csv.DictReader(io.StringIO(tidy.csv_text(report))))
    data = json.loads(tidy.json_text(report))["rows"]
    values = [v for t in report.tables for g in t.groups for r in g.rows for v in r.values]
    assert len(rows) == len(data) == len(values)
    for line, entry, value in zip(rows, data, values, strict=True):
        for name in ("value", "low", "high"):
            expected = getattr(value, name)
            assert (line[name] == "") == (expected is None)
            assert entry[name] == (None if expected is None else pytest.approx(expected, abs=1e-6))
            assert expected is None or float(line[name]) == pytest.approx(expected, abs=1e-6)
        assert line["n"] == ("" if value.n is None else str(value.n))
        assert line["mark"] == value.mark
    assert next(line["reason"] for line in rows if line["missing"] == "n/a").endswith(NASTY)


def shown(report, width):
    out = io.StringIO()
    terminal.show(report, Console(file=out, width=width, color_system=None, force_terminal=True))
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 60, 70, 100, 130, 160])
def test_terminal_fits_and_shows_every_number(report, width):
    text = shown(report, width)
    assert max(map(len, text.splitlines())) <= max(width, 60)
    for table in report.tables:
        for group in table.groups:
            for row in group.rows:
                for value, column in zip(row.values, group.columns, strict=True):
                    if column.unit == "percent" and value.value is not None:
                        assert f"{100 * value.value:.1f}" in text
                        assert f"[{100 * value.low:.1f}, {100 * value.high:.1f}]" in text


def beside(pairs, methods, turned=False):
    """A table of figures in pairs, ours and a paper's, of which each is another number."""
    columns = tuple(Column(f"{i}{who}", f"jpeg@{i}, {who}", "percent") for i in range(pairs)
                    for who in ("ours", "published"))  # fmt: skip
    rows = tuple(
        Row(name, False, tuple(Value((100 * row + i) / 1e4, 0.1, 0.2) for i in range(2 * pairs)))
        for row, name in enumerate(methods)
    )
    group = Group({"model": "net"}, columns, rows, "condition" if turned else "")
    return Report("fake", "", 1, "", (), (Table("published", "Beside", (group,)),))


@pytest.mark.parametrize("width", [80, 112, 200])
@pytest.mark.parametrize("turned", [False, True])
def test_a_wide_table_comes_in_parts_that_all_name_their_lines(width, turned):
    methods = [f"method-{i}" for i in range(10 if turned else 12)]
    report = beside(5, methods, turned)
    text = shown(report, width)
    assert max(map(len, text.splitlines())) <= width
    (group,) = report.tables[0].groups
    titles = [column.heading for column in group.columns] if turned else methods
    heads = methods if turned else [column.heading for column in group.columns]
    parts = [part.splitlines() for part in re.split(r"\n *\n", text.strip()) if "───" in part]
    assert (len(parts) == 1) == (width == 200)
    assert max(map(len, parts[0])) - max(map(len, parts[-1])) < 0.5 * width
    for part in parts:
        assert [title for title in titles if any(line.startswith(f" {title} ") for line in part)] == titles
    words = " ".join(line for part in parts for line in part[: next(i for i, x in enumerate(part) if "───" in x)])
    assert all(words.count(word) >= sum(word in head for head in heads) for head in heads for word in head.split())
    for row in group.rows:
        for value in row.values:
            assert re.search(rf"(?<![\d.]){100 * value.value:.1f}\b", text)


def test_a_long_name_is_not_cut_off():
    name = "a-method-whose-label-is-longer-than-the-whole-terminal-is-wide-or-nearly-so"
    text = shown(beside(2, [name]), 60)
    assert sum(line.startswith(f" {name} ") for line in text.splitlines()) == 4
    assert all(" 10.0…20.0 " in line for line in text.splitlines() if "…" in line)


def test_the_same_records_give_the_same_bytes(tmp_path):
    run = make(tmp_path / "run")
    for out in ("one", "two"):
        write(build(run), tmp_path / out)
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert files == ["README.md", "accuracy.png", "report.csv", "report.json", "report.tex"]
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize(
    ("unit", "value", "shown"),
    [
        ("percent", 0.6275, "62.8"), ("percent", 0.62749, "62.7"), ("points", -0.0125, "-1.3"),
        ("points", -1e-6, "0.0"), ("db gain", -0.004, "0.00"), ("db gain", -0.006, "-0.01"),
        ("plain gain", 1e-5, "0.000"),
    ],
)  # fmt: skip
def test_halves_go_away_from_zero_and_zero_has_no_sign(unit, value, shown):
    assert number(Value(value), Column("x", "x", unit)) == shown
