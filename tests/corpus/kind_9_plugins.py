"""Plug-ins whose files, decorators and constructors gave a traceback, or an error without its place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.corpus.case import Arguments, Case, plugin, suite


def _plugin(name: str, text: str, **words: str) -> Callable[[Path], Arguments]:
    """A suite that uses what a plug-in file declares."""
    return lambda folder: ["validate", suite(folder, **words), "--plugin", plugin(folder, name, text)]


def _file(make_file: Callable[[Path], object], name: str = "mine.py") -> Callable[[Path], Arguments]:
    def make(folder: Path) -> Arguments:
        make_file(folder / name)
        return ["validate", suite(folder), "--plugin", folder / name]

    return make


def _declared(number: int, decorator: str, body: str = "class Mine: pass") -> Callable[[Path], Arguments]:
    return _plugin(f"declared_{number}", f"import qbench\n\n{decorator}\n{body}\n")


def _raising(number: int, statement: str) -> Callable[[Path], Arguments]:
    text = (
        f"import sys, qbench\n\nclass Silent(Exception):\n    def __str__(self): raise ValueError\n\n"
        f"@qbench.method('raising-{number}', site='image')\nclass Mine:\n    def __init__(self): {statement}\n"
        f"    def restore(self, images, context): return images\n"
    )
    return _plugin(f"raising_{number}", text, methods=f"raising-{number}")


SIGNATURES = """
import qbench

@qbench.condition("needs-a-share")
class NeedsAShare:
    label, axis = "a", None
    def __init__(self, *rest, share, **others): self.share = share
    def apply(self, image, draw): return image, {}

@qbench.condition("axis-of-three")
class AxisOfThree:
    label, axis = "b", (1, 2, 3)
    def apply(self, image, draw): return image, {}

@qbench.condition("label-that-raises")
class LabelThatRaises:
    axis = None
    @property
    def label(self): raise KeyError("no label yet")
    def apply(self, image, draw): return image, {}

@qbench.method("no-restore", site="image")
class NoRestore:
    pass

@qbench.dataset("no-list")
class NoList:
    label = "c"
    def manifest(self): raise SystemExit("no list")
    def load(self, index): raise NotImplementedError
"""


def _odd(number: int, **words: str) -> Callable[[Path], Arguments]:
    """The same classes under names of their own: N-name."""
    text = SIGNATURES.replace('("', f'("odd-{number}-')
    return _plugin(f"odd_{number}", text, **words)


def _twice(folder: Path) -> Arguments:
    """In one process the plug-ins of other cases are known too, but each of these names stands in this file alone."""
    files = []
    for name in ("twice_a", "twice_b"):
        text = f"import qbench\n\n@qbench.model('corpus-twice')\nclass {name.title()}: pass\n"
        files += ["--plugin", plugin(folder, name, text)]
    return ["validate", suite(folder), *files]


CASES = [
    Case(
        "a constructor that lacks a key",
        _raising(1, "{}['nothing']"),
        "suite.yaml:9:15: method 'raising-1': KeyError: 'nothing'",
    ),
    Case("a constructor that exits", _raising(2, "sys.exit(0)"), "suite.yaml:9:15: method 'raising-2': SystemExit: 0"),
    Case(
        "a constructor's error without text",
        _raising(3, "raise Silent"),
        "'raising-3': Silent: its text cannot be printed",
    ),
    Case(
        "a constructor without end",
        _raising(4, "self.__init__()"),
        "method 'raising-4': RecursionError: maximum recursion",
    ),
    Case("a constructor's error of many lines", _raising(5, r"raise OSError('a\n\x1b[2Jb')"), r"OSError: a \x1b[2Jb"),
    Case(
        "a parameter that is not given",
        _odd(1, conditions="odd-1-needs-a-share"),
        "condition 'odd-1-needs-a-share' needs the parameter 'share'",
    ),
    Case(
        "any other parameter is taken",
        _odd(2, conditions="{odd-2-needs-a-share: {share: 1, colour: 2}}"),
        "is valid: 1 cells",
        0,
    ),
    Case(
        "an axis of three",
        _odd(3, conditions="odd-3-axis-of-three"),
        "`axis` is a name and a number, or None, not (1, 2, 3)",
    ),
    Case(
        "a label that raises",
        _odd(4, conditions="odd-4-label-that-raises"),
        "'odd-4-label-that-raises': KeyError:",
    ),
    Case(
        "a method without its function",
        _odd(5, methods="odd-5-no-restore"),
        "suite.yaml:9:15: method 'odd-5-no-restore' has no `restore`; a method at the site 'image' has `restore(...)`",
    ),
    Case("a dataset that exits", _odd(6, dataset="odd-6-no-list"), "no list"),
    Case(
        "a decorator without its name",
        _declared(1, "@qbench.model"),
        "declared_1.py:3:2: a model is declared under a name, such as @qbench.model('mine'), not under <class",
    ),
    Case(
        "a name that is a number",
        _declared(2, "@qbench.model(7)"),
        "declared_2.py:3:2: a model is declared under a name",
    ),
    Case("an empty name", _declared(3, "@qbench.model('')"), "the name of a model is of letters, digits"),
    Case(
        "a name with a space",
        _declared(4, "@qbench.model('a b')"),
        "declared_4.py:3:2: the name of a model is of letters",
    ),
    Case("a name with a line end", _declared(5, r"@qbench.model('a\n')"), r"`:*` for what follows a colon, not 'a\n'"),
    Case("a name that leads out", _declared(6, "@qbench.method('../x', site='image')"), "not '../x'"),
    Case(
        "a site that there is not",
        _declared(7, "@qbench.method('mine-7', site=['image'])"),
        "the site is one of none, image",
    ),
    Case("a method without a site", _declared(8, "@qbench.method('mine-8')"), "keyword-only argument: 'site'"),
    Case(
        "a function in place of a class",
        _declared(9, "@qbench.method('mine-9', site='image')", "def restore(x): pass"),
        "declared_9.py:3:2: method 'mine-9' is declared on <function restore",
    ),
    Case(
        "a parameter without a name",
        _declared(10, "@qbench.model('mine-10')", "class A:\n    def __init__(self, a, /): pass"),
        "model 'mine-10': a suite gives parameters by name, and 'a' takes none",
    ),
    Case(
        "a text in place of names",
        _declared(11, "@qbench.dataset('mine-11', whole='classes')"),
        "declared_11.py:3:2: dataset 'mine-11': `whole` is a list of names, such as whole=['a'], not 'classes'",
    ),
    Case("a name declared twice", _twice, "model 'corpus-twice' is declared twice: in"),
    Case(
        "a plug-in file that is a folder", _file(Path.mkdir), "mine.py is not a file of Python source; expected NAME.py"
    ),
    Case("a plug-in file that is a pipe", _file(os.mkfifo), "mine.py is not a file of Python source; expected NAME.py"),
    Case("a plug-in file that is compiled", _file(Path.touch, "mine.pyc"), "mine.pyc is not a file of Python source"),
    Case("a plug-in file that is not there", _file(lambda file: None), "plugin file {}/mine.py does not exist"),
    Case("a plug-in file that is empty", _file(Path.touch, "empty_plugin.py"), "is valid: 1 cells", 0),
    Case("a plug-in file of NULs", _file(lambda file: file.write_bytes(bytes(9))), "{}/mine.py:1:1: plugin file"),
    Case(
        "a plug-in file of another encoding",
        _file(lambda file: file.write_bytes(b"x = '\xe9'\n")),
        "cannot be imported: SyntaxError",
    ),
    Case(
        "a plug-in file that calls itself", _file(lambda file: file.write_text("def f(): f()\nf()\n")), "RecursionError"
    ),
    Case(
        "a plug-in file that leaves",
        _file(lambda file: file.write_text("raise SystemExit\n")),
        "{}/mine.py:1:1: plugin",
    ),
]
