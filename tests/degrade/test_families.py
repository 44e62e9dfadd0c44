"""Labels, axes and families of conditions."""

from __future__ import annotations

from typing import Any

import pytest

from qbench.degrade.labels import family_of
from tests.degrade.every import CORRUPTIONS, EVERY, built, name_of

FAMILIES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"clean": {}}, "clean"),
    ({"jpeg": {"quality": 10}}, "jpeg"),
    ({"jpeg": {"quality": 30, "subsampling": "4:4:4", "progressive": True}}, "jpeg (4:4:4, progressive)"),
    ({"rejpeg": {"times": 3}}, "rejpeg"),
    ({"rejpeg": {"times": 2, "shift": 8}}, "rejpeg (shift 8)"),
    ({"webp": {"quality": 10}}, "webp"),
    ({"avif": {"quality": 20, "speed": 8}}, "avif (speed 8)"),
    ({"jpeg2000": {"psnr": 32.5}}, "jpeg2000"),
    ({"jpeg2000": {"ratio": 40}}, "jpeg2000"),
    ({"resize": {"scale": 0.5, "filter": "nearest"}}, "resize (nearest)"),
    ({"fog": {"severity": 2, "size": "cifar"}}, "fog (cifar)"),
    ({"contrast": {"severity": 2, "resave": True}}, "contrast (saved at JPEG 85)"),
    ({"awgn": {"sigma": 15}}, "awgn"),
    ({"motion": {"length": 9, "angle": 30}}, "motion (angle 30)"),
    ({"lowres": {"scale": 3, "up": "nearest"}}, "lowres (up nearest)"),
    ({"rain": {"density": "heavy"}}, "rain"),
    ({"lens": {"design": "doublet", "strength": 0.5}}, "lens(doublet)"),
    ({"lens": {"design": "doublet", "noise": False}}, "lens(doublet, no noise)"),
    ({"chain": {"steps": ["clean", {"jpeg": {"quality": 20}}, {"awgn": {"sigma": 5}}]}}, "clean → jpeg → awgn"),
    ({"jpeg": {"quality": {"any": [10, 20]}}}, "jpeg"),
    ({"motion": {"length": 9.0, "angle": {"between": [0.0, 180.0]}}}, "motion"),
    ({"resize": {"scale": {"between": [0.2, 0.5]}, "filter": "box"}}, "resize (box)"),
)  # fmt: skip


@pytest.mark.parametrize(("written", "family"), FAMILIES, ids=str)
def test_the_family_holds_modes_and_no_place_on_the_axis(written: dict[str, Any], family: str) -> None:
    assert family_of(name_of(written), built(written)) == family


LABELS: tuple[tuple[dict[str, Any], str, tuple[str, float] | None], ...] = (
    ({"jpeg": {"quality": 10}}, "jpeg@10", ("quality", 10)),
    ({"jpeg": {"quality": 10, "subsampling": "4:4:4"}}, "jpeg@10 (4:4:4)", ("quality", 10)),
    ({"jpeg": {"quality": 10, "progressive": True}}, "jpeg@10 (progressive)", ("quality", 10)),
    ({"jpeg": {"quality": 10, "subsampling": "4:4:4", "progressive": True}}, "jpeg@10 (4:4:4, progressive)",
     ("quality", 10)),
    ({"rejpeg": {"times": 2}}, "rejpeg×2", ("times", 2)),
    ({"rejpeg": {"times": 2, "shift": 8}}, "rejpeg×2 (shift 8)", ("times", 2)),
    ({"rejpeg": {"times": 2, "shift": {"dx": 4, "dy": 4}}}, "rejpeg×2 (shift 4,4)", ("times", 2)),
    ({"webp": {"quality": 5}}, "webp@5", ("quality", 5)),
    ({"webp": {"quality": 5, "method": 6}}, "webp@5 (method 6)", ("quality", 5)),
    ({"avif": {"quality": 5}}, "avif@5", ("quality", 5)),
    ({"avif": {"quality": 5, "speed": 8}}, "avif@5 (speed 8)", ("quality", 5)),
    ({"avif": {"quality": 5, "speed": 8, "subsampling": "4:4:4"}}, "avif@5 (4:4:4, speed 8)", ("quality", 5)),
    ({"jpeg2000": {"ratio": 20}}, "jpeg2000@20", ("ratio", 20)),
    ({"jpeg2000": {"psnr": 32.5}}, "jpeg2000@32.5dB", ("psnr", 32.5)),
    ({"jxl": {"quality": 5}}, "jxl@5", ("quality", 5)),
    ({"jxl": {"quality": 5, "effort": 9}}, "jxl@5 (effort 9)", ("quality", 5)),
    ({"heic": {"quality": 5}}, "heic@5", ("quality", 5)),
    ({"heic": {"quality": 5, "subsampling": "4:4:4"}}, "heic@5 (4:4:4)", ("quality", 5)),
    ({"shift": {"dx": 4, "dy": -4}}, "shift(4,-4)", None),
    ({"resize": {"scale": 0.5}}, "resize@0.5", ("scale", 0.5)),
    ({"resize": {"scale": 0.5, "filter": "box"}}, "resize@0.5 (box)", ("scale", 0.5)),
    ({"crop": {"border": 8}}, "crop@8", ("border", 8)),
    ({"haze": {"beta": 1.2}}, "haze(beta 1.2)", ("beta", 1.2)),
    ({"haze": {"beta": 0.6, "airlight": 1.0}}, "haze(beta 0.6, airlight 1)", ("beta", 0.6)),
    ({"rain": {"density": "light"}}, "rain(density light)", ("density", 0.03)),
    ({"rain": {"density": 0.05, "angle": 70}}, "rain(density 0.05, angle 70)", ("density", 0.05)),
    ({"lowlight": {"gain": 0.1, "photons": None}}, "lowlight(gain 0.1, photons None)", ("gain", 0.1)),
    ({"motion": {"length": 21, "angle": 45}}, "motion(length 21, angle 45)", ("length", 21)),
    ({"lens": {"design": "doublet"}}, "lens(doublet)", ("strength", 1)),
    ({"lens": {"design": "landscape", "strength": 0.5, "noise": False}}, "lens(landscape ×0.5, no noise)",
     ("strength", 0.5)),
)  # fmt: skip


@pytest.mark.parametrize(("written", "label", "axis"), LABELS, ids=str)
def test_a_label_tells_the_axis_and_what_is_not_as_usual(
    written: dict[str, Any], label: str, axis: tuple[str, float] | None
) -> None:
    condition = built(written)
    assert condition.label == label
    assert condition.axis == axis


@pytest.mark.parametrize("written", EVERY, ids=str)
def test_every_condition_has_a_family_that_begins_with_its_name(written: dict[str, Any]) -> None:
    name, condition = name_of(written), built(written)
    first = name if name != "chain" else "jpeg → awgn"
    assert condition.family.partition("(")[0].rstrip() == first


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severities_of_a_corruption_are_one_family_and_its_modes_are_others(name: str) -> None:
    families = {built({name: {"severity": severity}}).family for severity in range(1, 6)}
    assert families == {name}
    assert built({name: {"severity": 1, "mode": "parity"}}).family == f"{name} (parity)"


def test_a_condition_without_a_family_is_one_by_itself() -> None:
    class Mine:
        label, axis = "mine@3", ("strength", 3.0)

    assert family_of("mine", Mine()) == "mine"
