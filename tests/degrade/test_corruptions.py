"""The corruptions against stored outputs of the reference package, and the contract of conditions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

from qbench.degrade import degrade
from qbench.degrade.corruptions import COMMON, EXTRA, textures
from qbench.degrade.corruptions.call import Call
from qbench.degrade.jpeg import jpeg
from qbench.draws import Draw
from qbench.errors import ConditionError
from tests.degrade.every import CORRUPTIONS, built, corrupt, follow, make, parameters

try:
    textures._installed()
    HAS_FROST = True
except ConditionError:
    HAS_FROST = False
HERE = tuple(name for name in CORRUPTIONS if name != "frost" or HAS_FROST)
OWN_STREAM = ("impulse_noise",)
"""The reference draws from a generator that nobody can seed."""


def picture(height: int = 40, width: int = 52, seed: int = 0, grey: bool = False) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(3, height, width, 3))
    scales = [gaussian_filter(layer, (sigma, sigma, 0)) * sigma for layer, sigma in zip(noise, (1, 3, 9), strict=True)]
    values = np.clip(120 + 55 * sum(scales), 0, 255).astype(np.uint8)
    return values[..., 1].copy() if grey else values


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    folder = shared / "data" / "golden" / "imagenet-c-coffee"
    if not folder.is_dir():
        pytest.skip(f"no stored outputs of the reference at {folder}")
    return folder


def stored(folder: Path, name: str) -> np.ndarray:
    with Image.open(folder / f"{name}.png") as file:
        return np.asarray(file)


def followed(image: np.ndarray, name: str, severity: int, seed: int) -> np.ndarray:
    return follow(name, image, Call(parameters(name, severity, "imagenet"), lambda: np.random.RandomState(seed)))


def test_the_stored_outputs_are_of_these_corruptions(golden: Path) -> None:
    index = json.loads((golden / "index.json").read_text())
    cases = {(case["corruption"], case["severity"]) for case in index["cases"]}
    assert cases == {(name, severity) for name in (*COMMON, *EXTRA) for severity in range(1, 6)}
    assert index["numpy_seed"] == 20261121


@pytest.mark.parametrize("name", [*(n for n in (*COMMON, *EXTRA) if n not in (*OWN_STREAM, "jpeg_compression"))])
@pytest.mark.parametrize("severity", range(1, 6))
def test_parity_is_within_a_level_of_the_reference(golden: Path, name: str, severity: int) -> None:
    if name not in HERE:
        pytest.skip("the textures of frost are not installed")
    image = stored(golden, "input")
    degraded = corrupt(image, name, severity, seed=5, sample_id="any", mode="parity", numpy_seed=20261121)
    apart = np.abs(degraded.astype(int) - stored(golden, f"{name}-{severity}"))
    assert (apart <= 1).mean() >= 0.999
    assert apart.mean() < 0.01


@pytest.mark.parametrize("severity", range(1, 6))
def test_jpeg_is_near_the_reference_whatever_the_codec(golden: Path, severity: int) -> None:
    image, expected = stored(golden, "input"), stored(golden, f"jpeg_compression-{severity}")
    for mode in ("fast", "parity"):
        degraded = corrupt(image, "jpeg_compression", severity, mode=mode)
        assert np.abs(degraded.astype(int) - expected).mean() < 0.5
    assert np.array_equal(degraded, jpeg(image, (25, 18, 15, 10, 7)[severity - 1])[0])


@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("mode", ["fast", "parity"])
def test_impulses_are_as_many_as_the_reference_s(golden: Path, severity: int, mode: Any) -> None:
    """Counts of one stored picture and of ours are binomial: 4.5 standard deviations."""
    image, expected = stored(golden, "input"), stored(golden, f"impulse_noise-{severity}")
    for seed in range(3):
        degraded = corrupt(image, "impulse_noise", severity, seed=seed, mode=mode)
        changed = degraded != image
        assert set(np.unique(degraded[changed])) <= {0, 255}
        for value in (0, 255):
            ours, theirs = ((other == value) & (image != value) for other in (degraded, expected))
            share = theirs.sum() / theirs.size
            assert abs(int(ours.sum()) - int(theirs.sum())) < 4.5 * np.sqrt(2 * share * (1 - share) * theirs.size)


def test_the_stream_of_the_reference_is_numpy_s_after_its_seed_whatever_the_sample() -> None:
    image = picture()
    noise = np.random.RandomState(7).normal(size=image.shape, scale=0.18)
    expected = (np.clip(image / 255 + noise, 0, 1) * 255).astype(np.uint8)
    for seed, sample in ((0, ""), (3, "a")):
        ours, facts = degrade(
            image, "gaussian_noise", seed=seed, sample_id=sample, severity=3, mode="parity", numpy_seed=7
        )
        assert np.array_equal(ours, expected)
        assert facts == {"mode": "parity", "reference": "imagecorruptions 1.1.2", "numpy_seed": 7}
    assert not np.array_equal(corrupt(image, "gaussian_noise", 3, mode="parity", numpy_seed=8), expected)
    assert not np.array_equal(corrupt(image, "gaussian_noise", 3, mode="parity"), expected)


@pytest.mark.parametrize(
    ("mode", "seed", "said"), [("fast", 0, "numpy_seed is for `mode: parity`"), ("parity", -1, "greater than or equal"),
                               ("parity", 2**32, "less than 4294967296")]
)  # fmt: skip
def test_a_seed_of_the_reference_is_for_parity_mode_and_one_of_numpy_s(mode: str, seed: int, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        corrupt(picture(), "fog", 1, mode=mode, numpy_seed=seed)


def test_a_wrong_strength_or_stream_is_seen_in_the_comparison(golden: Path) -> None:
    image = stored(golden, "input")
    for name in ("gaussian_noise", "glass_blur", "fog", "elastic_transform"):
        expected = stored(golden, f"{name}-2").astype(int)
        for wrong in (followed(image, name, 3, 20261121), followed(image, name, 2, 20261122)):
            assert (np.abs(wrong - expected) <= 1).mean() < 0.999


@pytest.mark.parametrize("mode", ["fast", "parity"])
@pytest.mark.parametrize("size", ["imagenet", "cifar"])
def test_severities_grow(mode: Any, size: Any) -> None:
    """The mean distance to the picture rises from severity 1 to 5."""
    image = picture(72, 72, seed=4)
    for name in HERE:
        apart = [
            np.mean([np.abs(corrupt(image, name, s, seed=k, mode=mode, size=size).astype(float) - image).mean()
                     for k in range(2)]) for s in (1, 5)
        ]  # fmt: skip
        mixed = name in {"frost", "frost_procedural", "elastic_transform", "saturate"}  # their kind changes too
        assert apart[1] > (0.5 if mixed else 1) * apart[0], name


def test_labels_and_axes_tell_the_variants_apart() -> None:
    assert make("fog", 4).label == "fog/4"
    assert make("fog", 4).axis == ("severity", 4.0)
    assert make("fog", 4, "parity").label == "fog/4 (parity)"
    assert built({"fog": {"severity": 4, "mode": "parity", "numpy_seed": 7}}).label == "fog/4 (parity, numpy seed 7)"
    assert make("fog", 4, "fast", "cifar").label == "fog/4 (cifar)"
    assert make("fog", 4, resave=True).label == "fog/4 (saved at JPEG 85)"
    labels = {make(n, s, m, z, r).label for n in CORRUPTIONS for s in range(1, 6) for m in ("fast", "parity")
              for z in ("imagenet", "cifar") for r in (False, True)}  # fmt: skip
    assert len(labels) == 20 * 5 * 8


@pytest.mark.parametrize("grey", [False, True])
def test_resaving_is_a_jpeg_of_quality_85(tmp_path: Path, grey: bool) -> None:
    image = picture(64, 48, grey=grey)
    Image.fromarray(corrupt(image, "contrast", 2)).save(tmp_path / "x.jpg", quality=85)
    with Image.open(tmp_path / "x.jpg") as file:
        assert np.array_equal(corrupt(image, "contrast", 2, resave=True), np.asarray(file))


@pytest.mark.parametrize(("key", "value"), [("mode", "slow"), ("size", "mnist"), ("resave", "perhaps"), ("level", 2)])
def test_other_parameters_are_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=key):
        built({"snow": {"severity": 1, key: value}})


def test_frost_without_its_photographs_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textures.importlib.util, "find_spec", lambda name: None)
    for mode in ("fast", "parity"):
        with pytest.raises(ConditionError, match=r"pip install --no-deps imagecorruptions.*frost_procedural"):
            corrupt(picture(), "frost", 1, mode=mode)
        assert corrupt(picture(), "frost_procedural", 1, mode=mode).shape == (40, 52, 3)


@pytest.mark.skipif(not HAS_FROST, reason="the textures of frost are not installed")
def test_facts_trace_the_ice_and_the_mode() -> None:
    image = picture()
    photographed, drawn = (make(n, 2).apply(image, Draw(0, "a"))[1] for n in ("frost", "frost_procedural"))
    assert len(photographed["textures"]) == 32
    assert "textures" not in drawn
    assert drawn["ice"] == 1
    assert photographed["version"] == drawn["version"] == 1
    assert {photographed["texture"], drawn["texture"]} <= {1, 2, 3, 4, 5}
    assert make("frost", 2, "parity").apply(image, Draw(0, "a"))[1]["reference"] == "imagecorruptions 1.1.2"
    assert -45 <= make("motion_blur", 2).apply(image, Draw(0, "a"))[1]["angle"] <= 45


@pytest.mark.parametrize("mode", ["fast", "parity"])
def test_five_of_the_six_textures_are_drawn_as_in_the_reference(mode: Any) -> None:
    condition, image = make("frost_procedural", 1, mode), picture(32, 32)
    drawn = [condition.apply(image, Draw(0, str(i)))[1] for i in range(80)]
    assert {one["texture"] for one in drawn} == {1, 2, 3, 4, 5}
    assert len({(one["top"], one["left"]) for one in drawn}) > 70


@pytest.mark.parametrize(("name", "low", "high"), [("motion_blur", -45, 45), ("snow", -135, -45)])
@pytest.mark.parametrize("mode", ["fast", "parity"])
def test_angles_are_uniform_in_the_reference_s_range(name: str, low: float, high: float, mode: Any) -> None:
    condition, image = make(name, 1, mode), picture(32, 32)
    angles = np.sort([condition.apply(image, Draw(0, str(i)))[1]["angle"] for i in range(300)])
    shares = (angles - low) / (high - low)
    assert np.abs(shares - (np.arange(300) + 0.5) / 300).max() < 0.095, "Kolmogorov and Smirnov, p = 0.01"
