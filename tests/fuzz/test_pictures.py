"""Damaged pictures through a reader: always a sample, or a bad one with a reason. QBENCH_FUZZ: the number of tries."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from qbench.data.masks import Masks
from qbench.data.readers import Photos
from qbench.errors import BadSample
from qbench.vocabulary import Sample

TRIES = int(os.environ.get("QBENCH_FUZZ", "60"))
KINDS = [
    ("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("PNG", "P"), ("PNG", "I;16"), ("PNG", "LA"),
    ("WEBP", "RGB"), ("AVIF", "RGB"), ("GIF", "P"), ("BMP", "RGB"), ("BMP", "1"), ("TIFF", "RGB"), ("PPM", "RGB"),
    ("JPEG2000", "RGB"),
]  # fmt: skip


def whole(kind: str, mode: str) -> bytes:
    """A picture of noise in a format."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    deep = Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    buffer = io.BytesIO()
    (deep if mode == "I;16" else Image.fromarray(noise).convert(mode)).save(buffer, kind)
    return buffer.getvalue()


WHOLE = {name: whole(*name) for name in KINDS}


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes with some of them set, cut out, put in or cut off; near the start more often, where headers are."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        reach = draw(st.sampled_from([24, 200, len(content)]))
        at = draw(st.integers(0, max(0, min(len(changed), reach) - 1)))
        how = draw(st.sampled_from(["set", "set", "set", "out", "in", "off"]))
        if how == "set" and changed:
            changed[at] = draw(st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255))
        elif how == "out":
            del changed[at : at + draw(st.integers(1, 9))]
        elif how == "in":
            changed[at:at] = draw(st.binary(min_size=1, max_size=9))
        elif how == "off":
            del changed[at:]
    return bytes(changed)


def checked(data: Photos | Masks) -> None:
    """Loads the one sample: it is as promised, or its error is one line that does not say when or where it was read."""
    try:
        sample = data.load(0)
    except BadSample as error:
        said = error.message
        if not said or not said.isprintable() or str(data.root) in said or " at 0x" in said:
            raise AssertionError(f"no line that is the same everywhere: {said!r}") from error
        return
    assert isinstance(sample, Sample)
    assert (sample.image.dtype, sample.image.ndim, sample.image.shape[2]) == (np.uint8, 3, 3)
    if isinstance(data, Masks):
        assert (sample.target.dtype, sample.target.shape) == (np.uint8, sample.image.shape[:2])


FUZZ = settings(deadline=None, max_examples=TRIES, suppress_health_check=list(HealthCheck), database=None)


@pytest.mark.filterwarnings("ignore::Warning")
@pytest.mark.parametrize("orientation", ["stored", "exif"])
def test_a_damaged_picture_is_a_sample_or_a_bad_one(tmp_path: Path, orientation: str) -> None:
    file = tmp_path / "a.jpg"

    @FUZZ
    @given(st.sampled_from(KINDS).flatmap(lambda name: damaged(WHOLE[name])))
    def check(content: bytes) -> None:
        file.write_bytes(content)
        checked(Photos(tmp_path, orientation=orientation))

    check()


@pytest.mark.filterwarnings("ignore::Warning")
def test_a_damaged_mask_is_a_sample_or_a_bad_one(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    (tmp_path / "images" / "a.png").write_bytes(WHOLE["PNG", "RGB"])
    file = tmp_path / "masks" / "a.png"

    @FUZZ
    @given(st.sampled_from([name for name in KINDS if name[1] != "RGB"]).flatmap(lambda name: damaged(WHOLE[name])))
    def check(content: bytes) -> None:
        file.write_bytes(content)
        checked(Masks(tmp_path))

    check()


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_what_is_not_damaged_is_a_sample(tmp_path: Path, kind: tuple[str, str]) -> None:
    (tmp_path / "a.jpg").write_bytes(WHOLE[kind])
    assert Photos(tmp_path).load(0).image.shape == (40, 48, 3)
