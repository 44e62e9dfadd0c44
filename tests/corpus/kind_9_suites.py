"""Suites that gave a traceback, or an error without its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.corpus.case import Arguments, Case, suite, validate

START = "suite: s\nversion: 1\nchangelog: {1: x}\n"
TASKS = "tasks: [{dataset: {name: scenes, count: 1}, models: ['builtin:scenes'], conditions: [clean]}]\n"


def _line(text: str) -> Callable[[Path], Arguments]:
    """A good suite with one more line, which is its fourth."""
    return lambda folder: validate(folder, f"{START}{text}\n{TASKS}")


def _bytes(data: bytes) -> Callable[[Path], Arguments]:
    def make(folder: Path) -> Arguments:
        (folder / "suite.yaml").write_bytes(data)
        return ["validate", folder / "suite.yaml"]

    return make


def _extends(name: str, **files: str) -> Callable[[Path], Arguments]:
    def make(folder: Path) -> Arguments:
        for stem, text in files.items():
            (folder / f"{stem}.yaml").write_text(text)
        return validate(folder, f"{START}extends: {name}\n{TASKS}")

    return make


CASES = [
    Case(
        "a word that is no boolean", _line("title: !!bool maybe"), "suite.yaml:4:1: not valid YAML: 'maybe' is no bool"
    ),
    Case("a date that is none", _line("title: 2026-02-31"), "suite.yaml:4:1: this is read as a date; put it in quotes"),
    Case("a tag for a date", _line("title: !!timestamp nope"), "suite.yaml:4:1: this is read as a date"),
    Case("digits of another base", _line("seed: 0x_"), "suite.yaml:4:1: not valid YAML: '0x_' is no int: ValueError"),
    Case("an octal number", _line("seed: 0777"), "suite.yaml:4:1: 0777 is no plain decimal number; put it in quotes"),
    Case("a number of base 60", _line("seed: 1:30"), "suite.yaml:4:1: 1:30 is no plain decimal number"),
    Case(
        "a tag of Python",
        _line("title: !!python/object/apply:os.system ['touch RAN']"),
        "suite.yaml:4:1: not valid YAML for a suite or card: the tag !!python/object/apply:os.system; expected",
        then=lambda folder, said: _nothing_ran(folder),
    ),
    Case("bytes", _line("title: !!binary '@@@'"), "the tag !!binary; expected plain text, numbers, lists and mappings"),
    Case("a set", _line("title: !!set {a, b}"), "suite.yaml:4:1: not valid YAML for a suite or card: the tag !!set"),
    Case("an ordered map", _line("title: !!omap [a: 1]"), "the tag !!omap"),
    Case("a tag of its own", _line("title: !mine 1"), "the tag !mine"),
    Case("a bare tag", _line("seed: ! 1"), "the tag !; expected plain text"),
    Case(
        "a merge key",
        _line("engine: {<<: {batch: 2}}"),
        "suite.yaml:4:10: merge keys (`<<`) are not taken; write the keys",
    ),
    Case("a key twice", _line("seed: 1\nseed: 2"), "suite.yaml:5:1: key 'seed' stands here a second time; keep one"),
    Case("an anchor inside of itself", _line("plugins: &a [*a]"), "an alias stands inside of what it names"),
    Case(
        "an anchor that is not there",
        _line("plugins: *nowhere"),
        "suite.yaml:4:10: not valid YAML: found undefined alias",
    ),
    Case(
        "a tab",
        _line("engine:\n\tbatch: 2"),
        "suite.yaml:5:1: not valid YAML: found character that cannot start any token",
    ),
    Case("null as a key", _line("null: 1"), "suite.yaml:4:1: a key must be a word or a whole number, not None"),
    Case("true as a key", _line("on: 1"), "suite.yaml:4:1: a key must be a word or a whole number, not True"),
    Case(
        "a list as a key",
        _line("[a, b]: 1"),
        "suite.yaml:4:1: a key must be a word or a whole number, not a list or a map",
    ),
    Case("a number as a key", _line("1: x"), "suite.yaml:4:1: unknown key '1'"),
    Case(
        "UTF-16",
        _bytes((START + TASKS).encode("utf-16")),
        "suite.yaml:1:1: the file is UTF-16 or UTF-32; save it as UTF-8",
    ),
    Case(
        "UTF-16 without a mark",
        _bytes((START + TASKS).encode("utf-16-le")),
        r"suite.yaml:1:2: the character '\x00' cannot",
    ),
    Case(
        "Latin-1",
        _bytes(START.encode() + "title: caf\xe9\n".encode("latin-1")),
        "suite.yaml:4:11: the byte 0xe9 is no UTF-8 text; save the file as UTF-8",
    ),
    Case("a mark of UTF-8", _bytes(b"\xef\xbb\xbf" + (START + TASKS).encode()), "suite 's' version 1 is valid", 0),
    Case("a NUL", _line('title: "a\0b"'), r"suite.yaml:4:10: the character '\x00' cannot stand in a file of YAML"),
    Case("a NUL as an escape", _line('title: "a\\0b"'), r"suite.yaml:4:1: the character '\x00' cannot stand in a text"),
    Case(
        "half of a surrogate pair", _line('title: "\\ud800"'), "suite.yaml:4:11: not valid YAML: found invalid Unicode"
    ),
    Case(
        "a colour for the terminal",
        _line('title: "\\e[31m"'),
        r"suite.yaml:4:1: the character '\x1b' cannot stand in a text",
    ),
    Case(
        "a label of two lines",
        lambda folder: ["validate", suite(folder, conditions='{clean: {label: "a\\nb"}}')],
        r"a label is one line of printable characters, not 'a\nb'",
    ),
    Case(
        "a variable that is not set",
        _line("title: ${QBENCH_NO_SUCH}"),
        "${QBENCH_NO_SUCH} is not set; set it, or write",
    ),
    Case("a variable without a name", _line("title: '${}'"), "': expected a variable's name, such as ${DATA} or"),
    Case(
        "a variable inside of another", _line("title: '${A:-${B}}'"), "expected a variable's name, such as ${DATA} or"
    ),
    Case(
        "a variable that is no number", _line("seed: ${QBENCH_NO_SUCH:-x}"), "'seed': expected a whole number, not 'x'"
    ),
    Case(
        "a suite that extends itself",
        _extends("suite.yaml"),
        "suite.yaml:4:1: 'suite.yaml' itself extends another suite",
    ),
    Case(
        "two that extend each other",
        _extends("a.yaml", a="extends: suite.yaml\n"),
        "4:1: 'a.yaml' itself extends another",
    ),
    Case("an extended suite that is a folder", _extends("."), "is a folder; expected a file of YAML"),
    Case(
        "an extended suite that is not there",
        _extends("no.yaml"),
        "suite.yaml:4:1: {}/no.yaml cannot be read: No such file",
    ),
    Case(
        "an extended suite of a number",
        _extends("7"),
        "suite.yaml:4:1: `extends` takes the path of one suite file, not 7",
    ),
    Case("an extended suite of a very long name", _extends("x" * 5000), "cannot be read: File name too long"),
    Case("an extended suite that is broken", _extends("a.yaml", a="suite: [\n"), "{}/a.yaml:2:1: not valid YAML"),
    Case(
        "a name that no folder can have",
        lambda folder: validate(folder, f"{START}{TASKS}".replace("suite: s", f"suite: {'x' * 300}")),
        "suite.yaml:1:1: the suite's name names a folder: at most 100 bytes, not 300",
    ),
    Case("a folder as suite", lambda folder: ["validate", folder], "{} is a folder; expected a file of YAML"),
    Case("a name with a NUL as suite", lambda folder: ["validate", "a\0b"], "embedded null byte"),
    Case(
        "a name of half a pair as suite", lambda folder: ["validate", "\udc80"], r"\udc80 cannot be read: No such file"
    ),
    Case(
        "a root that no path can be",
        lambda folder: ["validate", suite(folder, dataset=f"{{name: photos, root: {'x' * 5000}}}")],
        "suite.yaml:6:5: ",
    ),
]


def _nothing_ran(folder: Path) -> None:
    assert not (folder / "RAN").exists()
