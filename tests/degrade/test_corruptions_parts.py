"""The steps of the corruptions against slow or independent implementations of them."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from qbench.degrade.corruptions import COMMON, EXTRA, colour, elastic, shapes
from qbench.degrade.corruptions.call import Call
from qbench.degrade.corruptions.fast import filters as fast_filters
from qbench.degrade.corruptions.fast.plasma import plasma as fast_plasma
from qbench.degrade.corruptions.parity import filters
from qbench.degrade.corruptions.parity.plasma import plasma as parity_plasma
from qbench.draws import Draw
from tests.degrade.every import corrupt, follow, make, parameters
from tests.degrade.test_corruptions import OWN_STREAM, picture

IMAGENET = {name: make(name, 1).strengths["imagenet"] for name in (*COMMON, *EXTRA)}
SIZES = [(33, 40), (57, 36), (64, 64)]


def swapped_one_by_one(values: np.ndarray, reach: int, moves: np.ndarray) -> np.ndarray:
    """Glass blur's shuffle as its script writes it: a tuple assignment of two views."""
    values, moves = values.copy(), iter(moves)
    for row in range(values.shape[0] - reach, reach, -1):
        for column in range(values.shape[1] - reach, reach, -1):
            right, down = next(moves)
            other = row + down, column + right
            values[row, column], values[other] = values[other], values[row, column]
    return values


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("reach", [1, 2, 3, 4])
def test_chains_of_copies_are_the_loop_of_the_script(size: tuple[int, int], reach: int) -> None:
    values = picture(*size)
    rows, columns = shapes.glass_visits(values.shape, reach)
    moves = np.random.default_rng(reach).integers(-reach, reach, (rows * columns, 2))
    sources = shapes.glass_sources(values.shape, reach, moves[:, 1] * size[1] + moves[:, 0])
    shuffled = values.reshape(-1, 3)[sources].reshape(values.shape)
    assert np.array_equal(shuffled, swapped_one_by_one(values, reach, moves))
    assert not np.array_equal(shuffled, values)


def test_a_true_swap_would_be_another_picture() -> None:
    """Copies leave fewer distinct pixels than swaps, which lose none."""
    values = np.arange(64 * 64 * 3, dtype=np.int64).reshape(64, 64, 3)
    rows, columns = shapes.glass_visits(values.shape, 2)
    moves = np.random.default_rng(0).integers(-2, 2, (rows * columns, 2))
    sources = shapes.glass_sources(values.shape, 2, moves[:, 1] * 64 + moves[:, 0])
    assert len(np.unique(sources)) < 0.8 * 64 * 64


@pytest.mark.parametrize("zoom", [1.01, 1.14, 1.3, 2.0, 2.25, 3.0, 4.5])
@pytest.mark.parametrize("size", SIZES)
def test_zooming_is_scipy_s(zoom: float, size: tuple[int, int]) -> None:
    values = picture(*size).astype(np.float32)
    kept = [int(np.ceil(side / zoom)) for side in size]
    top, left = ((side - keep) // 2 for side, keep in zip(size, kept, strict=True))
    expected = ndimage.zoom(values[top : top + kept[0], left : left + kept[1]], (zoom, zoom, 1), order=1)
    whole = filters.zoomed(values, zoom, "none")
    assert whole.shape == expected.shape
    assert np.abs(whole - expected).max() < 0.01
    assert np.array_equal(filters.zoomed(values, zoom, "first"), whole[: size[0], : size[1]])
    first = [(length - side) // 2 for length, side in zip(whole.shape, size, strict=False)]
    middle = whole[first[0] : first[0] + size[0], first[1] : first[1] + size[1]]
    assert np.allclose(filters.zoomed(values, zoom, "middle"), middle, atol=1e-3)


@pytest.mark.parametrize("angle", [-45.0, -20.0, 0.0, 31.0, 45.0, -90.0, -135.0])
def test_a_line_is_the_mean_of_shifted_pictures(angle: float) -> None:
    image = picture(70, 62)
    taps = shapes.line(10, 3, angle, image.shape)
    assert sum(weight for _, _, weight in taps) == pytest.approx(1)
    assert taps[0][:2] == (0, 0)
    weights = np.array([weight for _, _, weight in taps])
    assert np.allclose(weights / weights[0], np.exp(-(np.arange(21) ** 2) / 18))
    far = taps[-1]
    assert np.hypot(far[0], far[1]) == pytest.approx(20, abs=1)
    assert np.degrees(np.arctan2(-far[0], -far[1])) == pytest.approx(angle, abs=2.5)
    expected = sum(
        weight * ndimage.shift(image.astype(float), (down, right, 0), order=0, mode="nearest")
        for down, right, weight in taps
    )
    assert np.abs(filters.moved(image, 10, 3, angle) - expected).max() < 1e-3
    assert np.abs(fast_filters.moved(image, 10, 3, angle) / 128 - expected).max() < 0.03


def test_a_line_that_leaves_the_picture_stops() -> None:
    taps = shapes.line(20, 15, 0, (32, 32))
    assert len(taps) == 32
    assert sum(weight for _, _, weight in taps) < 0.98


@pytest.mark.parametrize(("radius", "edge"), IMAGENET["defocus_blur"])
def test_the_disk_is_round_and_nearly_of_sum_1(radius: float, edge: float) -> None:
    kernel = shapes.disk(radius, edge)
    assert kernel.shape[0] % 2 == 1
    assert np.allclose(kernel, kernel.T)
    assert np.allclose(kernel, kernel[::-1])
    assert kernel.sum() == pytest.approx(1, abs=0.02)
    half = kernel.shape[0] // 2
    distance = np.hypot(*np.mgrid[-half : half + 1, -half : half + 1])
    assert (kernel[distance > radius + 2] < 1e-6).all()
    inside = kernel[distance < radius - 2]
    assert np.allclose(inside, inside[0])
    assert inside[0] == pytest.approx(1 / (np.pi * radius**2), rel=0.1)


def test_brightness_and_saturation_are_those_of_colorsys() -> None:
    image = picture(32, 32)
    cases = [(name, severity) for name in ("brightness", "saturate") for severity in range(1, 6)]
    for name, severity in cases:
        c = IMAGENET[name][severity - 1]
        expected = np.empty(image.shape)
        for place in np.ndindex(32, 32):
            hue, saturation, value = colorsys.rgb_to_hsv(*(image[place] / 255))
            if name == "brightness":
                value = min(value + c[0], 1)
            else:
                saturation = min(saturation * c[0] + c[1], 1)
            expected[place] = np.array(colorsys.hsv_to_rgb(hue, saturation, value)) * 255
        for mode in ("fast", "parity"):
            degraded = corrupt(image, name, severity, mode=mode)
            assert (np.abs(degraded + 0.5 - expected) < 0.51).mean() > 0.98, (name, severity, mode)
            assert np.abs(degraded + 0.5 - expected).max() < 1.51, (name, severity, mode)


def test_grey_and_black_pixels_keep_their_hue_of_0_in_hsv() -> None:
    image = np.repeat(np.arange(256, dtype=np.uint8), 12).reshape(64, 48)[..., None].repeat(3, 2)
    for name in ("brightness", "saturate"):
        for severity in range(1, 6):
            parity, fast = (corrupt(image, name, severity, mode=mode).astype(int) for mode in ("parity", "fast"))
            assert np.abs(parity - fast).max() <= 1
    reddish = corrupt(image, "saturate", 5)
    assert (reddish[..., 0] == image[..., 0]).all()
    assert (reddish[30:, :, 1] < image[30:, :, 1]).all()


@pytest.mark.parametrize("size", [(224, 224), (32, 32), (33, 57), (61, 32), (45, 600), (257, 499), (100, 60)])
@pytest.mark.parametrize("severity", range(1, 6))
def test_pixelate_is_pillow_s(size: tuple[int, int], severity: int) -> None:
    for image in (picture(*size), picture(*size, grey=True)):
        share = (0.6, 0.5, 0.4, 0.3, 0.25)[severity - 1]
        small = Image.fromarray(image).resize((int(size[1] * share), int(size[0] * share)), Image.Resampling.BOX)
        expected = np.asarray(small.resize((size[1], size[0]), Image.Resampling.NEAREST))
        assert np.array_equal(corrupt(image, "pixelate", severity, mode="parity"), expected)
        apart = np.abs(corrupt(image, "pixelate", severity).astype(int) - expected)
        assert apart.max() <= (size[0] > 2 * size[1]), "rows come first in Pillow where a picture is tall"


@pytest.mark.parametrize("kind", ["fast", "parity"])
def test_clouds_are_fractal_and_periodic(kind: str) -> None:
    """A slower decay leaves more power in fine detail, and opposite borders fit together."""
    fine = []
    for decay in (3.0, 2.0, 1.4):
        if kind == "fast":
            clouds = [fast_plasma(128, decay, np.random.default_rng(s)) for s in range(6)]
        else:
            clouds = [parity_plasma(128, decay, np.random.RandomState(s)) for s in range(6)]
        for cloud in clouds:
            assert cloud.shape == (128, 128)
            assert cloud.min() == 0
            assert cloud.max() == 1
        seam = np.mean([np.abs(c[:, 0] - c[:, -1]).mean() for c in clouds])
        inner = np.mean([np.abs(np.diff(c, axis=1)).mean() for c in clouds])
        assert seam < 2.5 * inner
        power = np.mean([np.abs(np.fft.fft2(c)) ** 2 for c in clouds], 0)
        fine.append(power[32:97, 32:97].sum() / power.ravel()[1:].sum())
    assert fine == sorted(fine)
    assert fine[-1] > 10 * fine[0]


def test_the_first_steps_of_a_cloud_are_diamond_and_square() -> None:
    """A 4 x 4 map by hand, from the same draws."""
    draws = np.random.RandomState(5)
    size, decay, wibble = 4, 2.0, 100.0
    heights = np.zeros((size, size))
    step = size
    while step > 1:
        half = step // 2
        at = range(0, size, step)
        jitter = [draws.uniform(-wibble, wibble, (len(at), len(at))) * wibble for _ in range(3)]

        def corner(row: int, column: int) -> float:
            return float(heights[row % size, column % size])

        for i, row in enumerate(at):
            for j, column in enumerate(at):
                square = sum(corner(row + a, column + b) for a in (0, step) for b in (0, step))
                heights[row + half, column + half] = square / 4 + jitter[0][i, j]
        for i, row in enumerate(at):
            for j, column in enumerate(at):
                above = corner(row, column) + corner(row, column + step)
                above += corner(row + half, column + half) + corner(row - half, column + half)
                beside = corner(row, column) + corner(row + step, column)
                beside += corner(row + half, column + half) + corner(row + half, column - half)
                heights[row, column + half] = above / 4 + jitter[1][i, j]
                heights[row + half, column] = beside / 4 + jitter[2][i, j]
        step, wibble = half, wibble / decay
    heights -= heights.min()
    assert np.allclose(parity_plasma(4, decay, np.random.RandomState(5)), heights / heights.max())


def test_codecs_of_opencv_and_pillow_agree() -> None:
    image = picture(64, 80)
    for severity in range(1, 6):
        fast, parity = (corrupt(image, "jpeg_compression", severity, mode=m).astype(int) for m in ("fast", "parity"))
        assert np.abs(fast - parity).mean() < 0.2
        for other in (1, 5):
            if other != severity:
                assert np.abs(corrupt(image, "jpeg_compression", other) - parity).mean() > 1


def test_elastic_moves_by_what_its_table_says() -> None:
    """A ramp shows its displacement: its deviation is that of smoothed uniform values, a / sqrt(3) / (2 sqrt(pi) s)."""
    side, severity = 200, 3
    ramp = np.broadcast_to(np.arange(side, dtype=np.uint8), (side, side)).copy()
    displacement, sigma, _ = parameters("elastic_transform", severity, "imagenet")
    expected = displacement * side / np.sqrt(3) / (2 * np.sqrt(np.pi) * sigma * side)
    for mode in ("fast", "parity"):
        moved = [corrupt(ramp, "elastic_transform", severity, seed=s, mode=mode).astype(float) - ramp for s in range(6)]
        spread = np.std([one[20:-20, 20:-20] for one in moved])
        assert spread == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("size", [(48, 64), (65, 40)])
def test_displacements_are_smoothed_uniform_values(size: tuple[int, int]) -> None:
    drawn = np.random.default_rng(0).integers(0, 1 << 16, size, dtype=np.uint16)
    uniform = (drawn / 65535 * 2 - 1) * 0.06 * size[0]
    expected = ndimage.gaussian_filter(uniform, (0.05 * size[0], 0.05 * size[1]), mode="reflect", truncate=3)
    assert np.allclose(elastic._displacements(drawn, 0.06, 0.05), expected, atol=1e-4)
    assert np.allclose(elastic._displacements(drawn, 0.06, 0.0), uniform, atol=1e-4)


@pytest.mark.parametrize("mode", ["fast", "parity"])
def test_snow_falls_twice_once_turned_by_half(mode: str) -> None:
    flat = np.full((60, 76, 3), 20, np.uint8)
    degraded = corrupt(flat, "snow", 4, mode=mode).astype(int)  # type: ignore[arg-type]
    assert np.abs(degraded - degraded[::-1, ::-1]).max() <= 1
    assert degraded.std() > 5


@pytest.mark.parametrize("mode", ["fast", "parity"])
def test_two_corruptions_of_one_sample_draw_apart(mode: str) -> None:
    flat = np.full((64, 64, 3), 128, np.uint8)
    first, second = (
        corrupt(flat, name, 1, mode=mode).astype(float).ravel()  # type: ignore[arg-type]
        for name in ("gaussian_noise", "speckle_noise")
    )
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_fast_saturation_tables_follow_the_definition() -> None:
    table = colour._stretch(5, 0.1).reshape(256, 256)
    assert table[200, 20] == pytest.approx((0.1 * 5 + 0.1) * 200 / 20, abs=1e-3)
    assert table[200, 190] == pytest.approx(200 / 190, abs=1e-3)
    assert table[200, 0] == pytest.approx(20, abs=0.01)


@pytest.mark.parametrize("size", [(48, 71), (96, 33)])
def test_parity_holds_for_other_sizes_against_the_package_itself(size: tuple[int, int]) -> None:
    pytest.importorskip("skimage")
    pytest.importorskip("cv2")
    try:
        from benchmarks.corruptions_reference import reference

        context = reference()
        published = context.__enter__()
    except ImportError as error:
        pytest.skip(f"the reference package is not installed: {error}")
    image = picture(*size)
    try:
        for name in IMAGENET:
            for severity in (1, 3, 5):
                np.random.seed(9)
                expected = published(image, name, severity)
                call = Call(parameters(name, severity, "imagenet"), lambda: np.random.RandomState(9))
                degraded = follow(name, image, call)
                if name in OWN_STREAM:
                    continue
                assert (np.abs(degraded.astype(int) - expected) <= 1).mean() >= 0.999, (name, severity)
    finally:
        context.__exit__(None, None, None)


def test_a_condition_s_picture_is_the_plain_function_s() -> None:
    image = picture()
    condition = make("snow", 3)
    assert np.array_equal(condition.apply(image, Draw(5, "s"))[0], corrupt(image, "snow", 3, seed=5, sample_id="s"))
