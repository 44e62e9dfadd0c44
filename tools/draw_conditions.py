"""Draws docs/conditions.png: a built-in scene under the built-in conditions. Run: python tools/draw_conditions.py"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from qbench.data.scenes.dataset import Scenes
from qbench.degrade import condition
from qbench.draws import Draw
from qbench.pictures.sheet import sheet, tile

FILE = Path(__file__).resolve().parent.parent / "docs" / "conditions.png"
SCENE, COLUMNS, SIZE = 11, 7, 128
CORRUPTIONS = (
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "defocus_blur", "gaussian_blur", "glass_blur",
    "motion_blur", "zoom_blur", "snow", "frost_procedural", "fog", "spatter", "brightness", "contrast", "saturate",
    "elastic_transform", "pixelate", "jpeg_compression",
)  # fmt: skip
OTHERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("jpeg", {"quality": 10}), ("rejpeg", {"times": 3, "quality": 15, "shift": 7}), ("webp", {"quality": 5}),
    ("avif", {"quality": 15}), ("jpeg2000", {"ratio": 70.0}), ("haze", {"beta": 1.5}), ("rain", {"density": "medium"}),
    ("lowlight", {"gain": 0.15}), ("motion", {"length": 13.0, "angle": 30.0, "curvature": 60.0}),
    ("defocus", {"radius": 3.0}), ("blur", {"sigma": 2.0}), ("awgn", {"sigma": 25.0}), ("poisson", {"peak": 30.0}),
    ("poisson-gauss", {"peak": 60.0, "sigma": 4.0}), ("lowres", {"scale": 4.0}), ("lens", {"design": "doublet"}),
    ("lens", {"design": "doublet-as-built"}), ("lens", {"design": "landscape"}),
    ("lens", {"design": "landscape-as-built"}),
    ("chain", {"steps": [{"resize": {"scale": 0.6}}, {"jpeg": {"quality": 40}}, {"webp": {"quality": 30}}]}),
)  # fmt: skip


def picture() -> Pillow.Image:
    """ImageNet-C's corruptions at severity 3, then codecs, weather, sensors, lenses and a chain."""
    clean = Scenes(count=SCENE + 1).load(SCENE)
    named: list[tuple[str, dict[str, Any]]] = [("clean", {}), *((name, {"severity": 3}) for name in CORRUPTIONS)]
    built = [condition(name, **parameters) for name, parameters in (*named, *OTHERS)]
    tiles = [tile(each, each.label, clean.image, Draw(0, clean.id)) for each in built]
    return sheet([tiles[start : start + COLUMNS] for start in range(0, len(tiles), COLUMNS)], SIZE)


if __name__ == "__main__":
    picture().save(FILE, optimize=True)
    print(FILE)
