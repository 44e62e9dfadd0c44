"""A contact sheet: what conditions do to one picture, each tile with its name and what it measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from qbench.draws import Draw
from qbench.errors import ConditionError, foreign
from qbench.vocabulary import Condition, Facts, Image

_QUIET = {"bpp", "bytes", "version"}
GAP, LINE = 8, 15
PAPER, INK, FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)


@dataclass(frozen=True)
class Tile:
    """A picture with the lines below it."""

    image: Image
    title: str
    caption: str


def tile(condition: Condition, label: str, image: Image, draw: Draw) -> Tile:
    """`image` under a condition; below it, PSNR to the clean picture in dB and the facts that fit on a line.

    Raises ConditionError for whatever the condition raises."""
    with foreign(f"condition {label}", ConditionError):
        degraded, facts = condition.apply(image, draw)
    near = psnr(image, degraded)
    return Tile(degraded, label, " · ".join([*([f"{near:.1f} dB"] if near < float("inf") else []), *_shown(facts)]))


def psnr(clean: Image, degraded: Image) -> float:
    """Peak signal-to-noise ratio over all values, dB; infinite for equal pictures."""
    error = float(np.mean((clean.astype(np.float64) - degraded.astype(np.float64)) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def _shown(facts: Facts) -> list[str]:
    words = [f"{facts['bpp']:.2f} bpp"] if "bpp" in facts else []
    for key, value in facts.items():
        if key not in _QUIET and isinstance(value, int | float) and not isinstance(value, bool):
            words.append(f"{key} {value:.3g}")
    return words[:3]


def sheet(rows: Sequence[Sequence[Tile]], size: int) -> Pillow.Image:
    """Rows of tiles, each scaled to fit `size` x `size` pixels (without smoothing where it grows)."""
    columns = max(len(row) for row in rows)
    step = size + GAP, size + GAP + 2 * LINE
    paper = Pillow.new("RGB", (columns * step[0] + GAP, len(rows) * step[1] + GAP), PAPER)
    pen = ImageDraw.Draw(paper)
    font, small = _font(12), _font(10)
    for y, row in enumerate(rows):
        for x, one in enumerate(row):
            left, top = GAP + x * step[0], GAP + y * step[1]
            paper.paste(_fitted(one.image, size), (left, top))
            pen.text((left, top + size + 2), _cut(one.title, font, size), INK, font)
            pen.text((left, top + size + 2 + LINE), _cut(one.caption, small, size), FAINT, small)
    return paper


def _fitted(image: Image, size: int) -> Pillow.Image:
    picture = Pillow.fromarray(image).convert("RGB")
    scale = size / max(picture.size)
    shape = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    way = Pillow.Resampling.NEAREST if scale >= 1 else Pillow.Resampling.LANCZOS
    return picture if shape == picture.size else picture.resize(shape, way)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """A font that has ×, → and –; it comes with matplotlib."""
    from matplotlib import get_data_path

    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def _cut(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
