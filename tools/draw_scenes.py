"""Draws docs/scenes.png: built-in scenes, clean and degraded, a row each. Run: python tools/draw_scenes.py"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from qbench.data.scenes.dataset import Scenes
from qbench.degrade.clean import Clean
from qbench.degrade.jpeg import AnyOf, Jpeg, Rejpeg
from qbench.draws import Draw
from qbench.vocabulary import Condition

FILE = Path(__file__).resolve().parent.parent / "docs" / "scenes.png"
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
"""Pillow's own font has no ×."""
SCENES, GAP, MARGIN = 5, 4, 84


def picture() -> Pillow.Image:
    """A row a condition and a column a scene, the first ones of the test split, as the suites see them."""
    conditions: tuple[Condition, ...] = (Clean(), Jpeg(10), Jpeg(7), Rejpeg(5, AnyOf((25, 18, 15, 10, 7))))
    data = Scenes(count=SCENES)
    samples = [data.load(index) for index in range(SCENES)]
    step = data.size + GAP
    sheet = Pillow.new("RGB", (MARGIN + SCENES * step, len(conditions) * step), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.truetype(FONT, 14)
    for row, condition in enumerate(conditions):
        pen.text((4, row * step + data.size // 2), condition.label, fill="black", font=font, anchor="lm")
        for column, sample in enumerate(samples):
            degraded, _ = condition.apply(sample.image, Draw(0, sample.id))
            sheet.paste(Pillow.fromarray(np.asarray(degraded)), (MARGIN + column * step, row * step))
    return sheet


if __name__ == "__main__":
    picture().save(FILE, optimize=True)
    print(FILE)
