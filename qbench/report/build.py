"""From a run to a report, and from a report to files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from qbench.report.leaderboard import Report
from qbench.report.render import latex, markdown, picture, tidy
from qbench.report.source import Loaded, load
from qbench.report.tables import classes
from qbench.report.tables.controls import against_controls
from qbench.report.tables.costs import NAME as EFFICIENCY
from qbench.report.tables.costs import efficiency
from qbench.report.tables.layouts import BY_CONDITION, CLEAN, LAYOUTS, layout
from qbench.report.tables.published import published
from qbench.report.tables.scores import accuracy
from qbench.runs.run_info import CellResult, RunInfo
from qbench.storage.files import atomic, write_text

Format = Literal["md", "tex", "csv", "json", "png"]
FORMATS: tuple[Format, ...] = ("md", "tex", "csv", "json", "png")
FILES: Mapping[Format, str] = {
    "md": "README.md", "tex": "report.tex", "csv": "report.csv", "json": "report.json", "png": "accuracy.png",
}  # fmt: skip
"""A report's file in each format; hosts of code show README.md when its folder is opened."""


def build(run: Path) -> Report:
    """The report of a run directory or an export. Raises StoreError that names the damaged file."""
    return report(load(run))


def report(loaded: Loaded) -> Report:
    """The tables that the suite asks for, and one by condition where some conditions fit in no other."""
    info = loaded.info
    names = [name for name in info.tables if name in LAYOUTS]
    if info.cells and all(result.cell.condition.family == CLEAN for result in info.cells):
        names = [BY_CONDITION]
    shown = [layout(name, loaded).shows for name in names]
    left = {
        result.cell.key
        for result in info.cells
        if LAYOUTS[BY_CONDITION].shows(result) and not any(s(result) for s in shown)
    }
    ordered = [table for name in names for table in accuracy(layout(name, loaded), loaded)]
    if left:
        ordered += accuracy(replace(LAYOUTS[BY_CONDITION], shows=lambda result: result.cell.key in left), loaded)
    if classes.NAME in info.tables:
        ordered += classes.by_class(loaded)
    ordered += against_controls(loaded)
    ordered += published(loaded)
    if EFFICIENCY in info.tables:
        ordered.append(
            efficiency(loaded.efficiency, list(dict.fromkeys(result.cell.method.label for result in info.cells)))
        )
    return Report(
        info.suite, info.title, info.version, info.command, _provenance(info), tuple(ordered), dict(info.environment)
    )


def _provenance(info: RunInfo) -> tuple[tuple[str, str], ...]:
    """Datasets with their denominators, cells by status, weights, and the environment, in a fixed order."""
    sizes = dict.fromkeys(
        (result.cell.dataset.label, result.cell.view.label, result.cell.samples) for result in info.cells
    )
    lines = [("data", f"{dataset}, {view}: {samples} samples") for dataset, view, samples in sizes]
    status = ", ".join(f"{count} {name}" for name, count in _count(info.cells).items())
    lines += [("cells", f"{len(info.cells)} ({status})"), ("seed", str(info.seed))]
    weights = dict.fromkeys(
        (result.cell.method.label, result.cell.model.label, result.cell.train_seed, result.cell.weights_sha256)
        for result in info.cells
        if result.cell.weights_sha256
    )
    lines += [
        ("weights", f"{method} on {model}, train_seed {seed}: sha256 {digest[:16]}")
        for method, model, seed, digest in weights
    ]
    if len(info.computed_by) > 1:
        lines.append(
            ("computed by several processors", f"{'; '.join(info.computed_by)}; last bits may differ between them")
        )
    return (*lines, *((name, _plain(value)) for name, value in sorted(info.environment.items())))


def _count(cells: Iterable[CellResult]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for result in cells:
        counts[result.status] = counts.get(result.status, 0) + 1
    return counts


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(each)}" for name, each in sorted(value.items()))
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def render(made: Report, form: Format, picture_file: str | None = None) -> str:
    """The report's text in a format; `picture_file` is what a Markdown page links to."""
    if form == "md":
        return markdown.page(made, picture_file)
    renderers = {"tex": latex.page, "csv": tidy.csv_text, "json": tidy.json_text}
    return renderers[form](made)


def write(made: Report, folder: Path, formats: Iterable[Format] = FORMATS) -> list[Path]:
    """Write FILES of these formats into `folder`; returns the files written.

    A report without a table over quality or times has no picture. Raises StoreError where the disk refuses."""
    formats = [form for form in FORMATS if form in set(formats)]
    drawn = "png" in formats and bool(picture.panels(made))
    written = []
    for form in formats:
        if form == "png":
            continue
        file = folder / FILES[form]
        write_text(file, render(made, form, FILES["png"] if drawn else None))
        written.append(file)
    if drawn:
        file = folder / FILES["png"]
        atomic(file, lambda temporary: picture.draw(made, temporary))
        written.append(file)
    return written
