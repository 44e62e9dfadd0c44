"""PSNR and SSIM against scikit-image, and on what has no ordinary answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from qbench.errors import QbenchError
from qbench.quality.pictures import grey, levels, luma, without_border
from qbench.quality.psnr import CAP, psnr
from qbench.quality.ssim import ssim
from tests.quality.pictures import Picture, constant, moved, noise, tensor, waves


def pairs() -> list[tuple[str, Picture, Picture]]:
    softer = np.clip(waves().astype(int) + np.random.default_rng(3).integers(-9, 10, (96, 128, 3)), 0, 255)
    return [
        ("noise against noise", noise(0), noise(1)),
        ("a little noise", waves(), softer.astype(np.uint8)),
        ("one pixel apart", waves(), moved(waves())),
        ("one level apart", constant(100), constant(101)),
        ("black and white", constant(0), constant(255)),
        ("flat against noise", constant(128), noise(2)),
        ("eleven pixels", noise(4, 11, 11), noise(5, 11, 11)),
        ("long and thin", noise(6, 11, 200), noise(7, 11, 200)),
    ]


def their_ssim(a: Picture, b: Picture) -> float:
    return float(
        structural_similarity(
            a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255,
            channel_axis=2 if a.ndim == 3 else None,
        )
    )  # fmt: skip


@pytest.mark.parametrize(("name", "a", "b"), pairs())
def test_agree_with_scikit_image(name: str, a: Picture, b: Picture) -> None:
    ours = levels(tensor(a)), levels(tensor(b))
    assert float(psnr(*ours)) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), abs=1e-9)
    assert float(ssim(*ours)) == pytest.approx(their_ssim(a, b), abs=1e-9)


@pytest.mark.parametrize(("name", "a", "b"), pairs())
def test_agree_with_scikit_image_on_luma(name: str, a: Picture, b: Picture) -> None:
    ours = luma(levels(tensor(a))), luma(levels(tensor(b)))
    theirs = rgb2ycbcr(a)[..., 0], rgb2ycbcr(b)[..., 0]
    assert float(psnr(*ours)) == pytest.approx(peak_signal_noise_ratio(*theirs, data_range=255), abs=1e-9)
    assert float(ssim(*ours)) == pytest.approx(their_ssim(*theirs), abs=1e-9)


def test_a_batch_is_its_pictures() -> None:
    a, b = [noise(seed) for seed in range(3)], [noise(seed + 10) for seed in range(3)]
    for measure in (psnr, ssim):
        together = measure(levels(tensor(*a)), levels(tensor(*b)))
        alone = [float(measure(levels(tensor(x)), levels(tensor(y)))) for x, y in zip(a, b, strict=True)]
        assert together.tolist() == pytest.approx(alone, abs=1e-12)


def test_identical_pictures_count_as_the_cap_and_means_stay_finite() -> None:
    """Only one level in a million pixels would come near it: no picture can count more than an identical one."""
    same, near = waves(), waves()
    near[0, 0, 0] ^= 1
    ours = psnr(levels(tensor(same, near, constant(7, 96, 128))), levels(tensor(same, same, constant(7, 96, 128))))
    assert ours.tolist()[0] == ours.tolist()[2] == CAP == 100
    assert ours[1] == pytest.approx(10 * math.log10(255**2 / mean_squared_error(same, near)))
    assert ours[1] < CAP
    assert math.isfinite(float(ours.mean()))
    huge = torch.zeros(1, 3, 1500, 1500, dtype=torch.float64)
    barely = huge.clone()
    barely[0, 0, 0, 0] = 1
    assert float(psnr(huge, barely)) == CAP
    assert float(ssim(levels(tensor(same)), levels(tensor(same)))) == pytest.approx(1, abs=1e-12)
    assert float(ssim(levels(tensor(constant(9))), levels(tensor(constant(9))))) == pytest.approx(1, abs=1e-12)


def test_pictures_below_the_window_have_no_ssim_but_a_psnr() -> None:
    a, b = levels(tensor(noise(0, 10, 40))), levels(tensor(noise(1, 10, 40)))
    assert torch.isnan(ssim(a, b)).all()
    one = levels(tensor(noise(0, 1, 1))), levels(tensor(noise(1, 1, 1)))
    assert float(psnr(*one)) == pytest.approx(peak_signal_noise_ratio(noise(0, 1, 1), noise(1, 1, 1), data_range=255))


def test_levels_are_those_of_a_file() -> None:
    images = torch.tensor([-0.2, 0.0, 0.4999 / 255, 0.5001 / 255, 127.6 / 255, 1.0, 1.7]).reshape(1, 1, 1, 7)
    assert levels(images).flatten().tolist() == [0, 0, 0, 1, 128, 255, 255]
    assert torch.equal(levels(tensor(noise(0)))[0].permute(1, 2, 0), torch.from_numpy(noise(0)).double())
    for wrong in (torch.nan, torch.inf):
        with pytest.raises(QbenchError, match="not finite"):
            levels(torch.full((1, 3, 4, 4), wrong))


def test_grey_rounds_the_weighted_sum() -> None:
    """Away from halves, which the sum's last bit decides, it is the plain formula."""
    picture = noise(8, 200, 200)
    exact = picture.astype(np.int64) @ [299, 587, 114]
    sure = exact % 1000 != 500
    ours = grey(levels(tensor(picture)))[0, 0].numpy()
    assert np.array_equal(ours[sure], np.round(exact / 1000)[sure])
    assert np.abs(ours - exact / 1000).max() <= 0.5


def test_borders_are_cut_on_every_side() -> None:
    picture = levels(tensor(noise(0)))
    assert torch.equal(without_border(picture, 0), picture)
    assert torch.equal(without_border(picture, 4), picture[..., 4:-4, 4:-4])
    with pytest.raises(QbenchError, match="crop_border 30 leaves nothing of a picture of 60x70"):
        without_border(picture, 30)
