"""Text from outside (labels, titles, class names, ids, error texts) that a terminal or a file format would act on."""

from __future__ import annotations

import copy
import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from markdown_it import MarkdownIt

from tests.conftest import ROOT
from tests.corpus.case import Arguments, Case, Said, picture, suite, validate

RUN = ROOT / "reports" / "weather"
FILES = ("README.md", "report.tex", "report.csv", "report.json")


def relabelled(label: str) -> Callable[[Path], Arguments]:
    """Report a stored run whose title, dataset, model, first method, clean condition and a reason are `label`."""

    def make(folder: Path) -> Arguments:
        shutil.copytree(RUN, folder / "run")
        file = folder / "run" / "run.json"
        info = json.loads(file.read_text("utf-8"))
        info["title"], info["digest"] = label, ""
        first = info["cells"][0]["cell"]["method"]["label"]
        for result in info["cells"]:
            cell = result["cell"]
            cell["dataset"]["label"] = cell["model"]["label"] = label
            for item, name in (("method", first), ("condition", "clean")):
                if cell[item]["label"] == name:
                    cell[item]["label"] = label
        lost = copy.deepcopy(info["cells"][0]) | {"status": "n/a", "reason": label}
        lost["cell"] |= {"key": "0", "method": lost["cell"]["method"] | {"label": "lost"}}
        info["cells"].append(lost)
        file.write_text(json.dumps(info), encoding="utf-8")
        return ["report", folder / "run", "--out", folder / "out", "--format", "terminal", *formats()]

    return make


def formats() -> list[str]:
    return [word for form in ("md", "tex", "csv", "json") for word in ("--format", form)]


def written(seen: str, cell: str, latex: str) -> Callable[[Path, Said], None]:
    """What is written: `seen` by a reader of the terminal and of Markdown, `cell` in CSV, `latex` in LaTeX."""

    def then(folder: Path, said: Said) -> None:
        texts = {name: (folder / "out" / name).read_bytes().decode() for name in FILES}
        assert all(c.isprintable() or c == "\n" for c in said.out + "".join(texts.values()))
        html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(texts["README.md"])
        for name, character in (("lt", "<"), ("gt", ">"), ("quot", '"'), ("amp", "&")):
            html = html.replace(f"&{name};", character)
        for text in (f"<h1>{seen}</h1>", f'<td style="text-align:left">{seen}</td>', f"lost on {seen}: {seen}</li>"):
            assert text in html
        assert f"lost on {seen}: {seen}" in said.out
        lines = list(csv.DictReader(io.StringIO(texts["report.csv"], newline="")))
        assert (lines[0]["method"], lines[0]["dataset"], lines[0]["model"]) == (cell, cell, cell)
        assert f"\n{latex} & " in texts["report.tex"]
        rows = json.loads(texts["report.json"])["rows"]
        info = json.loads((folder / "run" / "run.json").read_text("utf-8"))
        assert rows[0]["method"] == info["title"]

    return then


def case(name: str, label: str, seen: str, cell: str, latex: str) -> Case:
    return Case(name, relabelled(label), f"{seen} (suite ", 0, written(seen, cell, latex))


def plain(name: str, label: str, latex: str | None = None, cell: str | None = None) -> Case:
    """A label of printable characters, which a reader sees as it is."""
    return case(name, label, label, label if cell is None else cell, label if latex is None else latex)


def classes(folder: Path) -> Arguments:
    for name in ("=1+1", "a[bold]\x1b[31m"):
        picture(folder / "data" / name / "one.png")
    file = suite(folder, dataset=f"{{name: imagefolder, root: {folder / 'data'}}}", methods="direct")
    return ["plan", file, "--out", folder / "run", "--only", "condition=\x1b[31m"]


CASES = [
    case("terminal codes", "\x1b[31mred\x1b[0m\x07", *["\\x1b[31mred\\x1b[0m\\x07"] * 2,
         r"\textbackslash{}x1b{[}31mred\textbackslash{}x1b{[}0m\textbackslash{}x07"),
    case("line ends and tabs", "a\nb\r\n\tc", "a b c", "a\\nb\\r\\n\\tc", "a b c"),
    case("a null byte and a delete", "a\x00b\x7f", *["a\\x00b\\x7f"] * 2, r"a\textbackslash{}x00b\textbackslash{}x7f"),
    case("a mark that turns the direction of writing", "a\u202eb", *["a\\u202eb"] * 2, r"a\textbackslash{}u202eb"),
    plain("a formula", "=cmd|' /C calc'!A0", r"=cmd\textbar{}' /C calc'!A0", "'=cmd|' /C calc'!A0"),
    plain("a formula that begins with a sign", "-1+1", cell="'-1+1"),
    plain("a formula that begins with plus", "+1+1", cell="'+1+1"),
    plain("a formula that begins with at", "@SUM(A1)", cell="'@SUM(A1)"),
    plain("markup of the terminal", "[bold]x[/bold] [/]", "{[}bold{]}x{[}/bold{]} {[}/{]}"),
    plain("entities", "&lt;b&gt; &amp;amp;", r"\&lt;b\&gt; \&amp;amp;"),
    plain("mathematics", "$x_1$ and $$y$$", r"\$x\_1\$ and \$\$y\$\$"),
    plain("struck through", "~~x~~ ~y~", r"\textasciitilde{}\textasciitilde{}x\textasciitilde{}\textasciitilde{} "
          r"\textasciitilde{}y\textasciitilde{}"),
    plain("bars and backslashes", "a|b\\|c\\", r"a\textbar{}b\textbackslash{}\textbar{}c\textbackslash{}"),
    plain("code and emphasis", "`a` *b* __c__ ```", r"\`{}a\`{} {*}b{*} \_\_c\_\_ \`{}\`{}\`{}"),
    plain("HTML", "<script>x</script>", r"\textless{}script\textgreater{}x\textless{}/script\textgreater{}"),
    plain("a heading", "# a #", r"\# a \#"),
    plain("a list", "- a", "- a", "'- a"),
    plain("a numbered list", "1. a"),
    plain("a quotation", "> a", r"\textgreater{} a"),
    plain("a link", "[a](http://b_c.d)", r"{[}a{]}(http://b\_c.d)"),
    plain("commands of LaTeX", "\\input{x} ^^M 5% #1", r"\textbackslash{}input\{x\} \textasciicircum{}"
          r"\textasciicircum{}M 5\% \#1"),
    plain("letters that LaTeX's fonts lack", "é 中 😀", r"\'{e} \texttt{U+4E2D} \texttt{U+1F600}"),
    Case("terminal codes in a pattern", classes, r"--only condition=\x1b[31m: suite 'broken' has no such condition"),
    Case("terminal codes in a key", lambda folder: validate(folder, 'suite: x\n"\\e[31mtasks": 1\n'), r"\x1b[31mtasks"),
    Case("terminal codes in a name", lambda folder: ["validate", suite(folder, methods='"\\e[31mdirect"')],
         r"the character '\x1b' cannot stand in a text of a suite or card"),
    Case("terminal codes in a name to list", lambda folder: ["list", "methods", "\x1b[2J"],
         r"no method matches '\x1b[2J'"),
    Case("terminal codes in a file's name", lambda folder: ["plan", "a\x1b]0;x\x07.yaml"],
         r"a\x1b]0;x\x07.yaml cannot be read"),
]  # fmt: skip
