"""Where a rendered report goes: the terminal, standard output, or files."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from qbench.errors import QbenchError, printable
from qbench.report.leaderboard import Report
from qbench.report.render import MARKDOWN, PICTURE, RENDERERS
from qbench.storage.files import atomic

TERMINAL = "terminal"
NO_PICTURE = "no picture: the report has no table over an axis, such as accuracy-by-quality"


def write(
    report: Report, folder: Path, formats: Collection[str] = tuple(RENDERERS), page: str = RENDERERS[MARKDOWN].file
) -> list[Path]:
    """Write the files of these formats into `folder`; returns those written. `page` is the name of the Markdown page.

    A report without a table over an axis has no picture. Raises StoreError where the disk refuses, and, when all else
    is written, QbenchError where a picture cannot be drawn."""
    renderers = {form: renderer for form, renderer in RENDERERS.items() if form in formats}
    picture: str | bytes = b""
    fault = ""
    try:
        picture = RENDERERS[PICTURE].render(report) if PICTURE in formats else b""
    except QbenchError as error:
        fault = error.message
    report = replace(report, picture=RENDERERS[PICTURE].file if picture else "")
    written = []
    for form, renderer in renderers.items():
        content = picture if form == PICTURE else renderer.render(report)
        if content:
            file = folder / (page if form == MARKDOWN else renderer.file)
            _write(file, content)
            written.append(file)
    if fault:
        raise QbenchError(f"{fault}; all other formats are written to {folder}")
    return written


def _write(file: Path, content: str | bytes) -> None:
    whole = content.encode("utf-8") if isinstance(content, str) else content

    def write_to(temporary: Path) -> None:
        temporary.write_bytes(whole)

    atomic(file, write_to)


def emit(report: Report, formats: Collection[str], out: Path | None) -> None:
    """Files into `out` (all formats unless some are named), else text to standard output. Raises QbenchError, also for
    a picture that is asked for by name where there is nothing to draw."""
    if out is not None:
        files = write(report, out, formats or tuple(RENDERERS))
        sys.stdout.write("".join(f"{printable(str(file))}\n" for file in files))
        if (PICTURE in formats or not formats) and RENDERERS[PICTURE].file not in {file.name for file in files}:
            if formats:
                raise QbenchError(f"{NO_PICTURE}; leave --format png out")
            sys.stderr.write(f"{NO_PICTURE}\n")
    if TERMINAL in formats or (out is None and not formats):
        from rich.console import Console

        from qbench.report.render.terminal import show

        show(report, Console())
    if out is None:
        if PICTURE in formats:
            raise QbenchError("a picture cannot be printed; add --out FOLDER")
        for form, renderer in RENDERERS.items():
            if form in formats:
                sys.stdout.write(str(renderer.render(report)))
