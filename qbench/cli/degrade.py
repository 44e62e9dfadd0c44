"""`qbench degrade`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from qbench.cli.options import LARGEST, Limit, Plugin, tell
from qbench.cli.run import default_workers
from qbench.cli.streams import say
from qbench.runtime import MOST_WORKERS

NAME = 80
"""Characters of a label that name a folder."""


def degrade(
    source: Annotated[
        str,
        typer.Argument(metavar="SRC", help="A folder of pictures, or a dataset as in a suite: 'scenes: {count: 9}'."),
    ],
    destination: Annotated[
        Path, typer.Argument(metavar="DST", help="The folder to write; a copy that was stopped goes on.")
    ],
    condition: Annotated[
        list[str], typer.Option(help="As in a suite; a list of values makes a copy each. Repeatable.")
    ],
    seed: Annotated[int, typer.Option(min=0, help="What a suite's `seed` is: same seed, same pictures.")] = 0,
    resize: Annotated[
        int | None, typer.Option(min=1, max=LARGEST, help="Scale the short side to N pixels first.")
    ] = None,
    crop: Annotated[int | None, typer.Option(min=1, max=LARGEST, help="Then cut N x N pixels from the middle.")] = None,
    limit: Limit = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=MOST_WORKERS, help="Processes; the copy does not depend on it.")
    ] = None,
    plugin: Plugin = None,
) -> None:
    """Write a degraded copy of a dataset, with a table, so that other tools can use it.

    Pictures keep their places and become PNG files. `labels.csv` has a row for each: file, id, class, size, digest and
    the facts of its degradation (quality, bits per pixel, kernel ...); `manifest.json` says how the copy was made. A
    suite reads a copy with classes as `{name: csv, root: DST, id_column: id}`; a folder's pictures have none.

    Examples:

        qbench degrade photos/ photos-q10/ --condition "jpeg: {quality: 10}"

        qbench degrade "imagefolder: {root: photos}" photos-q10/ --condition "jpeg: {quality: 10}"

        qbench degrade "scenes: {count: 100}" out/ --condition "fog: {severity: [1, 3, 5]}"

        qbench degrade val/ val-c/ --resize 256 --crop 224 --condition "motion_blur: {severity: 3}"
    """
    from qbench import registry
    from qbench.cli.progress import counted
    from qbench.data.views import View
    from qbench.documents import inline
    from qbench.errors import QbenchError
    from qbench.pictures.copies import Copy, write_copy
    from qbench.registry.named import Named

    registry.load_plugins([], plugin or [])
    if resize and not crop:
        raise QbenchError("--resize needs --crop: pictures of one size come from both")
    is_folder = os.path.isdir(source)  # noqa: PTH112 -- a text that can be no path is no error
    named = Named(name="photos", params={"root": source}) if is_folder else inline.dataset(source)[0]
    copies = [pair for text in condition for pair in inline.conditions(text)]
    view = View(resize, crop) if crop else None
    bad = 0
    labels = [one.label or built.label for one, built in copies]
    for (one, _), label, below in zip(copies, labels, _folders(labels), strict=True):
        folder = destination / below
        copy = Copy(named, one, folder.absolute(), seed, view, limit, tuple(p.absolute() for p in plugin or ()))
        with counted(label) as watch:
            rows = write_copy(copy, workers or default_workers(1, "cpu"), watch, lambda note: tell([note]))
        errors = [row for row in rows if row["error"]]
        bad += len(errors)
        say(f"{folder}: {len(rows) - len(errors)} of {len(rows)} pictures, {label}")
        for row in errors[:3]:
            say(f"not read: {row['id']}: {row['error']}", err=True)
    if bad:
        raise typer.Exit(1)


def _folders(labels: Sequence[str]) -> list[str]:
    """A folder for each copy, by its label; one copy alone needs none. Names are short, and none is taken twice."""
    if len(labels) == 1:
        return ["."]
    names: list[str] = []
    for number, label in enumerate(labels, start=1):
        name = re.sub(r"[^\w.@+=-]+", "-", label).strip("-.")[:NAME]
        names.append(f"{name or 'copy'}-{number}" if not name or name in names else name)
    return names
