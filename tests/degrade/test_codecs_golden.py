"""Recorded outputs of every codec and step: to the bit for the recorded version and machine, closely for others.

`python -m tests.degrade.test_codecs_golden` records anew."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qbench.degrade.codecs.avif import Avif
from qbench.degrade.codecs.heic import Heic
from qbench.degrade.codecs.jpeg2000 import Jpeg2000
from qbench.degrade.codecs.jxl import Jxl
from qbench.degrade.codecs.steps import Crop, Resize, Shift
from qbench.degrade.codecs.versions import VERSIONS, codec_version
from qbench.degrade.codecs.webp import Webp
from qbench.degrade.jpeg import Jpeg, Offset, Rejpeg
from qbench.draws import Draw

FILE = Path(__file__).with_name("golden_codecs.json")
DISPATCHED = ("pillow-jxl-plugin",)
"""libjxl computes in floats with the widest instructions of the processor: so that AMD and Intel round apart."""
CASES: dict[str, tuple[Any, str]] = {
    condition.label: (condition, library)
    for library, conditions in {
        "libjpeg_turbo": (Jpeg(10), Jpeg(10, "4:4:4"), Jpeg(10, progressive=True), Rejpeg(3), Rejpeg(3, shift=8),
                          Rejpeg(3, 20, Offset(4, 4))),
        "libwebp": (Webp(10), Webp(60, 6)),
        "libavif": (Avif(20), Avif(50, 9, "4:4:4")),
        "openjpeg": (Jpeg2000(ratio=25), Jpeg2000(psnr=30)),
        "pillow-jxl-plugin": (Jxl(20), Jxl(70, 4)),
        "pillow-heif": (Heic(20), Heic(50, "4:4:4")),
        "pillow": (Resize(0.5), Resize(0.3, "lanczos"), Crop(5)),
        "numpy": (Shift(3, -5),),
    }.items()
    for condition in conditions
}  # fmt: skip


def picture() -> np.ndarray:
    """80x96 of integers alone, the same on any machine: ramps, a disc, stripes and a hashed grain."""
    rows, columns = np.mgrid[:80, :96].astype(np.int64)
    grain = (rows * 7919 + columns * 104729 + rows * columns * 31) % 23
    disc = 70 * ((rows - 40) ** 2 + (columns - 30) ** 2 < 400)
    stripes = 50 * ((columns // 5 + rows // 9) % 2) * (columns > 60)
    planes = (rows + columns // 2 + disc, 2 * columns - rows + 60 + disc // 2, 200 - 2 * rows + stripes)
    return np.clip(np.dstack([plane + stripes + grain for plane in planes]), 0, 255).astype(np.uint8)


def installed(library: str) -> str:
    return codec_version(library) if library in VERSIONS else version(library)


def build(library: str) -> str:
    """Version and kind of machine: encoders decide by sums of floats, whose order may differ between processors."""
    return f"{installed(library)} on {platform.machine()}"


def outcome(condition: Any) -> dict[str, Any]:
    """Means of 16x16 blocks, the file's size, and a digest of all pixels, in colour and in grey."""
    found, facts = condition.apply(picture(), Draw(11, "golden"))
    grey, _ = condition.apply(picture()[..., 1].copy(), Draw(11, "golden"))
    blocks = found.reshape(5, 16, 6, 16, 3).mean(axis=(1, 3))
    text = hashlib.sha256(found.tobytes() + grey.tobytes()).hexdigest()
    return {"blocks": blocks.round(2).tolist(), "bytes": facts.get("bytes"), "pixels": text}


@pytest.mark.parametrize("label", CASES)
def test_outputs_are_as_recorded(label: str) -> None:
    condition, library = CASES[label]
    if installed(library) == "none":
        pytest.skip(f"{library} is not installed")
    recorded, found = json.loads(FILE.read_text())[label], outcome(condition)
    away, larger = np.abs(np.array(found["blocks"]) - recorded["blocks"]).max(), 1.0
    if recorded["bytes"]:
        larger = found["bytes"] / recorded["bytes"]
    if build(library) == recorded["build"] and library in DISPATCHED:
        assert away < 0.1
        assert abs(larger - 1) < 0.01
    elif build(library) == recorded["build"]:
        assert found["pixels"] == recorded["pixels"]
        assert found["bytes"] == recorded["bytes"]
    assert away < 6, "grey levels, over 16x16 pixels"
    assert abs(larger - 1) < 0.15


def test_every_recorded_output_is_tested() -> None:
    assert set(json.loads(FILE.read_text())) == set(CASES)


if __name__ == "__main__":
    now = {label: {"build": build(library), **outcome(one)} for label, (one, library) in CASES.items()}
    lines = ",\n".join(f"{json.dumps(label, ensure_ascii=False)}: {json.dumps(one)}" for label, one in now.items())
    FILE.write_text(f"{{\n{lines}\n}}\n")
