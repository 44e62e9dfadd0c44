"""Renderers: each turns a report into the text of a file, or into the bytes of a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qbench.report.leaderboard import Report
from qbench.report.render import latex, markdown, picture, tidy


@dataclass(frozen=True)
class Renderer:
    """`file` is the name of what it makes; `render` gives nothing where a report has nothing to show in the format."""

    file: str
    render: Callable[[Report], str | bytes]


MARKDOWN, PICTURE = "md", "png"
RENDERERS: Mapping[str, Renderer] = {
    MARKDOWN: Renderer("README.md", markdown.page),
    "tex": Renderer("report.tex", latex.page),
    "csv": Renderer("report.csv", tidy.csv_text),
    "json": Renderer("report.json", tidy.json_text),
    PICTURE: Renderer("accuracy.png", picture.png),
}
"""By the name of their format. Hosts of code show README.md when its folder is opened."""
