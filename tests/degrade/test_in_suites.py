"""Parameters of conditions in suites: lists become cells, wrong values are errors with a place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from qbench.degrade.codecs.avif import Avif
from qbench.degrade.codecs.jpeg2000 import Jpeg2000
from qbench.degrade.codecs.jxl import Jxl
from qbench.degrade.codecs.steps import Crop, Resize
from qbench.degrade.codecs.webp import Webp
from qbench.degrade.jpeg import Jpeg, Rejpeg
from qbench.draws import Draw
from qbench.errors import ConditionError, SuiteError
from qbench.runs.plan import Options, load_suite, make_plan
from tests.conftest import PLUGIN, TOY
from tests.degrade.codec_files import natural

DRAW = Draw(0, "x")


def test_a_picture_that_a_codec_cannot_hold_is_told() -> None:
    with pytest.raises(ConditionError, match=r"^webp@40 cannot code a picture of 1x16384 pixels: "):
        Webp(40).apply(np.zeros((1, 16384, 3), np.uint8), DRAW)
    with pytest.raises(ConditionError, match=r"^jpeg@40 cannot code a picture of 1x66000 pixels: "):
        Jpeg(40).apply(np.zeros((1, 66000, 3), np.uint8), DRAW)
    with pytest.raises(ConditionError, match=r"^rejpeg×2 cannot code a picture of 66000x1 pixels: "):
        Rejpeg(2).apply(np.zeros((66000, 1), np.uint8), DRAW)
    with pytest.raises(ConditionError, match=r"^jpeg2000@20 asks for 10 bytes for a picture of 8x8 pixels"):
        Jpeg2000(ratio=20).apply(natural(8, 8), DRAW)


@pytest.mark.parametrize(
    ("written", "column", "said"),
    [
        ("webp: {quality: 0}", 16, "a WebP quality lies in 1..100, not 0"),
        ("webp: {quality: 101}", 16, "a WebP quality lies in 1..100, not 101"),
        ("avif: {quality: 0}", 16, "an AVIF quality lies in 1..100, not 0"),
        ("avif: {quality: [40, 101]}", 16, "an AVIF quality lies in 1..100, not 101"),
        ("jxl: {quality: 0}", 15, "a JPEG XL quality lies in 1..100, not 0"),
        ("heic: {quality: 101}", 16, "a HEIC quality lies in 1..100, not 101"),
        ("jpeg: {quality: 101, progressive: true}", 16, "a JPEG quality lies in 1..100, not 101"),
        ("jpeg: {quality: [25, -7]}", 16, "a JPEG quality lies in 1..100, not -7"),
        ("rejpeg: {times: 2, quality: 0}", 28, "a JPEG quality lies in 1..100, not 0"),
        ("rejpeg: {times: 2, shift: 17}", 28, "the shift of rejpeg lies in 0..16, not 17"),
        ("jpeg2000: {ratio: 20, psnr: 30}", 9, "jpeg2000 takes either a ratio or a psnr"),
        ("jpeg: {quality: 10, subsampling: '4:1:1'}", 29, "'subsampling': input should be '4:2:0' or '4:4:4'"),
        ("resize: {scale: 0}", 18, "'scale': input should be greater than or equal to 0.02"),
        ("crop: {border: 0}", 16, "'border': input should be greater than or equal to 1"),
        ("shift: {dx: 65}", 17, "'dx': input should be less than or equal to 64"),
        ("jpeg2000: {ratio: .nan}", 20, "expected a finite number, not nan"),
        ("haze: {beta: -1}", 16, "'beta': input should be greater than or equal to 0"),
        ("lowres: {scale: 0}", 18, "'scale': input should be greater than or equal to 1"),
        ("rain: {density: 3}", 16, "'density': input should be 'light', 'medium' or 'heavy'"),
        ("lens: {design: dublet}", 16, "there is no lens 'dublet'"),
    ],
)
def test_a_bad_parameter_in_a_suite_is_told_with_its_place(
    written: str, column: int, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text(TOY.replace("jpeg: {quality: [25, 7]}", written, 1))
    with pytest.raises(SuiteError) as caught:
        make_plan(*load_suite(file), Options(device="cpu", plugin_files=(PLUGIN,)))
    assert said in str(caught.value)
    assert f"toy.yaml:11:{column}: " in str(caught.value)


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        (
            "jpeg: {quality: [25, 7], subsampling: ['4:2:0', '4:4:4']}",
            {"jpeg@25", "jpeg@7", "jpeg@25 (4:4:4)", "jpeg@7 (4:4:4)"},
        ),
        ("rejpeg: {times: [4, 5], shift: {dx: 4, dy: 4}}", {"rejpeg×4 (shift 4,4)", "rejpeg×5 (shift 4,4)"}),
        ("haze: {beta: [0.6, 1.8]}", {"haze(beta 0.6)", "haze(beta 1.8)"}),
        ("rain: {density: [light, 0.2]}", {"rain(density light)", "rain(density 0.2)"}),
        ("motion: {length: 9, angle: {between: [0, 180]}}", {"motion(length 9, angle 0–180)"}),
        ("lens: {design: [doublet, landscape]}", {"lens(doublet)", "lens(landscape)"}),
        ("{name: lens, design: [doublet, landscape]}", {"lens(doublet)", "lens(landscape)"}),
    ],
)
def test_a_suite_fans_lists_out_into_cells(written: str, labels: set[str], tmp_path: Path) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text(TOY.replace("jpeg: {quality: [25, 7]}", written, 1))
    plan = make_plan(*load_suite(file), Options(device="cpu", plugin_files=(PLUGIN,)))
    assert {cell.condition.label for cell in plan.cells} == {"clean", "rejpeg×2", "rejpeg×3", *labels}


def test_parameters_out_of_range_are_refused_by_the_classes() -> None:
    for make in (
        lambda: Webp(40, 7), lambda: Avif(40, 11), lambda: Avif(40, -1), lambda: Jxl(40, 0), lambda: Jxl(40, 10),
        lambda: Jpeg2000(ratio=1), lambda: Jpeg2000(psnr=5), lambda: Jpeg2000(), lambda: Jpeg2000(ratio=float("inf")),
        lambda: Rejpeg(2, 10, -1), lambda: Resize(float("nan")), lambda: Resize(5), lambda: Crop(65),
    ):  # fmt: skip
        with pytest.raises(ValidationError):
            make()
