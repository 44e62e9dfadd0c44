"""The form of CIFAR-10-C against what its authors' script `make_cifar_c.py` says."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from qbench.degrade.corruptions import COMMON, EXTRA
from qbench.degrade.corruptions.call import Call
from tests.degrade.every import corrupt, follow, parameters
from tests.degrade.test_corruptions import picture


def test_strengths_at_severities_1_and_5() -> None:
    ends = {
        "gaussian_noise": ((0.04,), (0.1,)), "shot_noise": ((500,), (50,)), "impulse_noise": ((0.01,), (0.07,)),
        "defocus_blur": ((0.3, 0.4), (1.5, 0.1)), "glass_blur": ((0.05, 1, 1), (0.4, 1, 2)),
        "motion_blur": ((6, 1), (9, 2.5)), "zoom_blur": ((1.06, 0.01), (1.26, 0.01)),
        "snow": ((0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8)),
        "frost": ((1, 0.2), (0.75, 0.45)), "fog": ((0.2, 3), (1.5, 1.75)), "brightness": ((0.05,), (0.3,)),
        "contrast": ((0.75,), (0.15,)), "pixelate": ((0.95,), (0.65,)), "jpeg_compression": ((80,), (40,)),
        "speckle_noise": ((0.06,), (0.2,)), "gaussian_blur": ((0.4,), (1,)), "saturate": ((0.3, 0), (2.5, 0.2)),
        "spatter": ((0.62, 0.1, 0.7, 0.7, 0.5, 0), (0.65, 0.1, 0.5, 0.68, 0.6, 1)),
        "elastic_transform": ((0, 0, 0.08), (0.1, 0.03, 0.03)),
    }  # fmt: skip
    assert {name: (parameters(name, 1, "cifar"), parameters(name, 5, "cifar")) for name in ends} == ends
    assert set(ends) == {*COMMON, *EXTRA}


def cut_in_the_middle(values: np.ndarray, zoom: float) -> np.ndarray:
    """The script's zoom: an enlarged middle, of which as much is trimmed on either side."""
    side = values.shape[0]
    kept = int(np.ceil(side / zoom))
    top = (side - kept) // 2
    enlarged = ndimage.zoom(values[top : top + kept, top : top + kept], (zoom, zoom, 1), order=1)
    trim = (enlarged.shape[0] - side) // 2
    return np.asarray(enlarged[trim : trim + side, trim : trim + side])


@pytest.mark.parametrize("side", [32, 96])
@pytest.mark.parametrize("severity", range(1, 6))
def test_zoom_blur_is_the_script_s(side: int, severity: int) -> None:
    image = picture(side, side)
    values = (image / 255).astype(np.float32)
    zooms = np.arange(1, (1.06, 1.11, 1.16, 1.21, 1.26)[severity - 1], 0.01)
    total = sum(cut_in_the_middle(values, zoom) for zoom in zooms) + values
    expected = (np.clip(total / (len(zooms) + 1), 0, 1) * 255).astype(np.uint8).astype(int)
    parity, fast = (corrupt(image, "zoom_blur", severity, size="cifar", mode=mode) for mode in ("parity", "fast"))
    assert (np.abs(parity - expected) <= 1).mean() > 0.999
    assert np.abs(fast - expected).mean() < 0.5


def test_snow_is_trimmed_on_both_sides_before_it_falls() -> None:
    """With the script's draws, a spread of one flake shows where the enlargement is cut."""
    image, severity = np.zeros((96, 96, 3), np.uint8), 4
    mean, spread, zoom, threshold, radius, sigma, share = parameters("snow", severity, "cifar")
    draws = np.random.RandomState(3)
    flakes = cut_in_the_middle(draws.normal(mean, spread, (96, 96))[..., None], zoom)[..., 0]
    flakes = np.clip(np.where(flakes < threshold, 0, flakes), 0, 1)
    angle = draws.uniform(-135, -45)
    from qbench.degrade.corruptions.parity.filters import moved

    fallen = np.round(moved(flakes.astype(np.float32), radius, sigma, angle) * 255) / 255
    expected = np.clip((1 - share) * 0.5 + fallen + np.rot90(fallen, 2), 0, 1) * 255
    call = Call(parameters("snow", severity, "cifar"), lambda: np.random.RandomState(3), "cifar")
    degraded = follow("snow", image, call)
    assert (np.abs(degraded[..., 0] - expected) <= 1).mean() > 0.999


@pytest.mark.parametrize("severity", range(1, 6))
def test_pixelate_takes_box_means_twice(severity: int) -> None:
    image, share = picture(32, 32), (0.95, 0.9, 0.85, 0.75, 0.65)[severity - 1]
    small = Image.fromarray(image).resize((int(32 * share), int(32 * share)), Image.Resampling.BOX)
    expected = np.asarray(small.resize((32, 32), Image.Resampling.BOX))
    for mode in ("fast", "parity"):
        assert np.array_equal(corrupt(image, "pixelate", severity, size="cifar", mode=mode), expected)


@pytest.mark.parametrize("mode", ["fast", "parity"])
def test_elastic_shears_by_the_script_s_reach(mode: str) -> None:
    """Severity 1 is the affine map alone: corners of a third of the side move by up to 0.08 of it."""
    side = 64
    columns = np.broadcast_to(np.arange(side) * 3, (side, side)).astype(np.uint8).copy()
    moves = []
    for seed in range(12):
        degraded = corrupt(columns, "elastic_transform", 1, seed=seed, size="cifar", mode=mode)  # type: ignore[arg-type]
        slopes = np.gradient(degraded[20:44, 20:44].astype(float), axis=1) / 3
        assert np.std(slopes) < 0.3, "one map for the whole picture"
        moves.append(np.abs(degraded.astype(float) - columns)[24:40, 24:40].mean() / 3)
    assert 0.2 < np.mean(moves) < 0.08 * side
