"""The built-in scenes: order-free draws, labels that agree with each other, natural spectra, no cheap label."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy import ndimage

from qbench.data.scenes import CLASSES, Scene, scene
from qbench.data.scenes.dataset import Scenes
from qbench.data.scenes.scene import PAIRS
from qbench.data.scenes.shapes import OUTLINES, REACH, outline
from qbench.data.scenes.textures import PATTERNS, texture
from qbench.errors import DataError

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "scenes_difficulty.py"
linear_probe = runpy.run_path(str(BENCHMARK))["linear_probe"]


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [scene("val", index) for index in range(72)]


def test_a_scene_depends_on_its_split_index_and_seed_only() -> None:
    forward = [scene("test", index).image for index in range(6)]
    for index in (5, 2, 0):
        np.testing.assert_array_equal(scene("test", index).image, forward[index])
    others = [scene("train", 0).image, scene("test", 0, seed=1).image, forward[1]]
    assert all((other != forward[0]).mean() > 0.5 for other in others)


def test_another_process_draws_the_same_pixels() -> None:
    code = "import sys; from qbench.data.scenes import scene; sys.stdout.buffer.write(scene('test', 3).image.tobytes())"
    pixels = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert pixels == scene("test", 3).image.tobytes()


@pytest.mark.parametrize("size", [128, 131, 200])
def test_types_and_shapes(size: int) -> None:
    drawn = scene("test", 1, size)
    assert drawn.image.shape == (size, size, 3)
    assert drawn.mask.shape == drawn.instances.shape == (size, size)
    assert drawn.image.dtype == drawn.mask.dtype == drawn.instances.dtype == np.uint8
    assert drawn.image.flags.c_contiguous


def test_no_scene_under_128_pixels() -> None:
    with pytest.raises(DataError, match="128"):
        scene("test", 0, 127)


def test_each_box_is_the_extent_of_its_objects_pixels(scenes: list[Scene]) -> None:
    for drawn in scenes:
        outlines = ndimage.find_objects(drawn.instances)
        assert len(outlines) == len(drawn.boxes) >= 1
        for number, (place, box) in enumerate(zip(outlines, drawn.boxes, strict=True), start=1):
            x0, y0, x1, y1, label = box
            assert (slice(y0, y1), slice(x0, x1)) == place
            assert set(np.unique(drawn.mask[drawn.instances == number])) == {label + 1}
        np.testing.assert_array_equal(drawn.mask == 0, drawn.instances == 0)


def test_the_label_is_the_class_of_the_largest_object(scenes: list[Scene]) -> None:
    for drawn in scenes:
        areas = np.bincount(drawn.instances.ravel(), minlength=len(drawn.boxes) + 1)[1:]
        assert drawn.boxes[int(areas.argmax())][4] == drawn.label
        assert areas.max() > 1.5 * np.delete(areas, areas.argmax()).max(initial=0)


def test_the_mask_is_where_the_colours_change(scenes: list[Scene]) -> None:
    """The picture's edges are stronger on the outlines that the mask draws than three pixels off them."""
    on, off = [], []
    for drawn in scenes:
        grey = drawn.image.astype(np.float64).mean(axis=2)
        steep = np.hypot(ndimage.sobel(grey, 0), ndimage.sobel(grey, 1))
        inside = drawn.mask > 0
        rim = inside ^ ndimage.binary_erosion(inside)
        near = ndimage.binary_dilation(rim, iterations=5) & ~ndimage.binary_dilation(rim, iterations=3)
        on.append(steep[rim].mean())
        off.append(steep[near].mean())
    assert np.mean(on) > 1.5 * np.mean(off)


def test_classes_are_balanced_and_not_in_order() -> None:
    labels = [scene("train", index).label for index in range(48)]
    assert Counter(labels) == dict.fromkeys(range(24), 2)
    assert labels[:24] != labels[24:] != sorted(labels[24:])


def test_shape_alone_and_texture_alone_leave_three_classes() -> None:
    assert len(set(CLASSES)) == len(set(PAIRS)) == 24
    assert set(Counter(t for t, _ in PAIRS).values()) == set(Counter(s for _, s in PAIRS).values()) == {3}


@pytest.mark.parametrize("name", OUTLINES)
def test_outlines_have_the_area_of_the_unit_disc_and_stay_in_reach(name: str) -> None:
    points = np.random.default_rng(0).uniform(-2, 2, (2, 400_000)).astype(np.float32)
    inside = outline(name, points[0], points[1]) < 0
    assert inside.mean() * 16 == pytest.approx(np.pi, rel=0.02)
    assert np.hypot(*points[:, inside]).max() < REACH


@pytest.mark.parametrize("name", PATTERNS)
def test_textures_have_one_strength(name: str) -> None:
    points = np.random.default_rng(1).uniform(-8, 8, (2, 200_000)).astype(np.float32)
    values = texture(name, points[0], points[1])
    assert values.dtype == np.float32
    assert values.mean() == pytest.approx(0, abs=0.04)
    assert values.std() == pytest.approx(1, abs=0.04)


def test_spectra_fall_as_in_natural_pictures(scenes: list[Scene]) -> None:
    """Power falls with about the square of the frequency (Field 1987: 1/f in amplitude)."""
    power = np.mean([_power(drawn.image) for drawn in scenes], axis=0)
    rows, columns = np.meshgrid(np.fft.fftfreq(128) * 128, np.fft.fftfreq(128) * 128, indexing="ij")
    radius = np.rint(np.hypot(rows, columns)).astype(int)
    rings = np.arange(2, 60)
    radial = ndimage.mean(power, radius, rings)
    slope = np.polyfit(np.log(rings), np.log(radial), 1)[0]
    assert -3.2 < slope < -1.6


def _power(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    grey = image.astype(np.float64).mean(axis=2)
    window = np.hanning(128)[:, None] * np.hanning(128)[None, :]
    power: NDArray[np.float64] = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2
    return power


def test_the_dataset_meets_its_manifest() -> None:
    data = Scenes(count=3, split="val")
    manifest = data.manifest()
    assert manifest.ids == ("val/000000", "val/000001", "val/000002")
    assert len(set(manifest.digests)) == 3
    assert manifest.digests != Scenes(count=3, split="val", size=160).manifest().digests
    sample, drawn = data.load(2), scene("val", 2)
    assert (sample.id, sample.target) == ("val/000002", drawn.label)
    np.testing.assert_array_equal(sample.image, drawn.image)
    np.testing.assert_array_equal(Scenes(split="val", target="mask").load(2).target, drawn.mask)


@pytest.mark.parametrize("wrong", [{"count": 0}, {"count": -1}, {"split": "dev"}, {"size": 64}, {"target": "caption"}])
def test_wrong_arguments_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Scenes(**wrong)  # type: ignore[arg-type]


@pytest.mark.slow
def test_colours_and_dct_energies_do_not_give_the_label_away() -> None:
    train = [scene("train", index) for index in range(1500)]
    test = [scene("test", index) for index in range(480)]
    assert linear_probe(train, test) <= 0.40


def test_the_probe_finds_what_lies_in_dct_energies() -> None:
    """The probe is no straw man: where the contrast of one frequency is the label, it reads it."""
    rng = np.random.default_rng(3)
    waves = [np.cos(np.pi * (np.arange(64) + 0.5) * k / 8) for k in (1, 3, 6)]

    def draw(label: int) -> Scene:
        image = 128 + 6 * waves[label][None, :, None] + rng.normal(0, 3, (64, 64, 3))
        empty = np.zeros((64, 64), dtype=np.uint8)
        return Scene(np.rint(image).astype(np.uint8), label, empty, (), empty)

    train, test = ([draw(i % 3) for i in range(n)] for n in (120, 60))
    assert linear_probe(train, test) > 0.9
