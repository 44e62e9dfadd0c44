"""Code that nobody asked to run, and the plug-ins that somebody did ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.corpus.case import Arguments, Case, Said, plugin, run, suite, validate

TRAP = "from pathlib import Path\nPath({!r}).touch()\nraise ImportError('of the working directory')\n"
SHADOWS = ("numpy", "torch", "yaml", "qbench", "random", "joblib")
"""Names of modules that qbench and Python import."""


def _trapped(folder: Path) -> None:
    """The working directory has modules of those names, which leave a file RAN."""
    for name in SHADOWS:
        (folder / f"{name}.py").write_text(TRAP.format(str(folder / "RAN")))


def _nothing_ran(folder: Path, said: Said) -> None:
    assert not (folder / "RAN").exists(), said


def _here(make: Callable[[Path], Arguments]) -> Callable[[Path], Arguments]:
    def trapped(folder: Path) -> Arguments:
        _trapped(folder)
        return make(folder)

    return trapped


NEIGHBOUR = """\
import numpy, qbench
import {helper}

@qbench.method("{name}", site="image")
class Mine:
    def restore(self, images, context):
        import {late}
        return images * {helper}.FACTOR * {late}.FACTOR
"""


def _neighbours(folder: Path, name: str, *options: str) -> Arguments:
    """A plug-in that imports what lies beside it, at once and late, and a numpy.py that nobody means."""
    words = {"name": name, "helper": f"{name}_helper", "late": f"{name}_late"}
    home = folder / "home"
    home.mkdir()
    for word in ("helper", "late"):
        (home / f"{words[word]}.py").write_text("FACTOR = 1.0\n")
    (home / "numpy.py").write_text(TRAP.format(str(folder / "RAN")))
    file = plugin(home, f"{name}_plugin", NEIGHBOUR.format(**words))
    return run(folder, "--plugin", file, *options, methods=name)


def _two_homes(folder: Path) -> Arguments:
    """Two plug-ins, each with a file of the same name beside it that it imports."""
    options: list[str | Path] = []
    for home in ("a", "b"):
        (folder / home).mkdir()
        (folder / home / "corpus_both.py").write_text(f"NAME = {home!r}\n")
        options += ["--plugin", plugin(folder / home, f"corpus_both_{home}", "import corpus_both\n")]
    return ["validate", suite(folder), *options]


def _postscript(folder: Path) -> Arguments:
    """Pillow would hand it to Ghostscript, which runs programs."""
    (folder / "photos").mkdir()
    text = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 80 80\n(RAN) (w) file closefile showpage\n%%EOF\n"
    (folder / "photos" / "a.jpg").write_text(text)
    return run(folder, dataset="{name: photos, root: photos}")


CASES = [
    Case(
        "modules of the working directory beside the command",
        _here(lambda folder: ["validate", suite(folder)]),
        "suite 'broken' version 1 is valid",
        0,
        _nothing_ran,
        alone=True,
        env=(("PYTHONSAFEPATH", "1"),),
    ),
    Case(
        "modules of the working directory beside workers",
        _here(lambda folder: run(folder, "--workers", "2")),
        "written to",
        0,
        _nothing_ran,
    ),
    Case(
        "a plug-in imports what lies beside it",
        lambda folder: _neighbours(folder, "corpus-beside".replace("-", "_")),
        "written to",
        0,
        _nothing_ran,
    ),
    Case(
        "in workers too",
        lambda folder: _neighbours(folder, "corpus_beside_in_workers", "--workers", "2"),
        "written to",
        0,
        _nothing_ran,
    ),
    Case("two plug-ins with a file of one name beside them", _two_homes, "two plug-ins import a file corpus_both.py"),
    Case(
        "a module of the working directory as plug-in",
        _here(lambda folder: ["validate", suite(folder, more="plugins: [corpus_not_here]\n")]),
        "suite.yaml:10:1: plugin 'corpus_not_here' cannot be imported: ModuleNotFoundError",
        then=_nothing_ran,
    ),
    Case(
        "an object of Python in a suite",
        lambda folder: validate(folder, f"suite: !!python/object/apply:pathlib.Path.touch [{folder}/RAN]\n"),
        "the tag !!python/object/apply:pathlib.Path.touch; expected plain text, numbers, lists and mappings",
        then=_nothing_ran,
    ),
    Case(
        "a program of OpenMMLab without trust",
        lambda folder: [
            "validate",
            suite(folder, model=f"{{mmdetection: {{config: {plugin(folder, 'config', TRAP.format('RAN'))}}}}}"),
        ],
        "write `trust: true` beside it",
        then=_nothing_ran,
    ),
    Case("PostScript under the name of a picture", _postscript, "cells failed", 1, _nothing_ran),
]
