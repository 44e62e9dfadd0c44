"""The block DCT against scipy, Pillow's JPEG and its own inverse."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.fft import dctn

from qbench.methods.afd.dct import BlockDct, kernels, zigzag

FIRST_ZIGZAG = [(0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0), (4, 0)]


def pictures(count: int, height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).random((count, 3, height, width), dtype=np.float32))


def test_zigzag_is_the_order_of_the_standard() -> None:
    assert list(zigzag()[: len(FIRST_ZIGZAG)]) == FIRST_ZIGZAG
    assert zigzag()[-1] == (7, 7)
    assert len(set(zigzag())) == 64


def test_coefficients_are_those_of_scipy_block_by_block() -> None:
    dct, images = BlockDct(), pictures(2, 24, 32)
    coefficients = dct(images).numpy()
    planes = dct.planes(images).numpy()
    for plane, row, column in ((0, 0, 0), (1, 2, 3), (2, 1, 2)):
        block = planes[1, plane, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        expected = dctn(block, type=2, norm="ortho")
        got = coefficients[1, 64 * plane : 64 * plane + 64, row, column]
        np.testing.assert_allclose(got, [expected[v, u] for v, u in zigzag()], atol=2e-6)


def test_bases_are_orthonormal() -> None:
    bases = kernels().double().flatten(1)
    torch.testing.assert_close(bases @ bases.T, torch.eye(64, dtype=torch.float64), atol=1e-6, rtol=0)


def test_luma_is_that_of_pillow() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(rgb).convert("YCbCr")).astype(float)
    expected[..., 1:] -= 128
    planes = BlockDct().planes(torch.from_numpy(rgb).permute(2, 0, 1)[None] / 255)[0].permute(1, 2, 0) * 255
    assert np.abs(planes.numpy() - expected).max() < 1.01  # Pillow rounds to whole levels


def test_a_grey_picture_has_only_dc() -> None:
    coefficients = BlockDct()(torch.full((1, 3, 16, 16), 0.5))[0, :, 0, 0]
    assert coefficients[0].item() == pytest.approx(4.0, abs=1e-5)  # 8 x the level
    rest = torch.cat((coefficients[1:64], coefficients[64:]))
    assert rest.abs().max() < 1e-5


@pytest.mark.parametrize("quality", [10, 25])
def test_zeros_of_a_jpeg_lie_where_its_table_is_coarse(quality: int) -> None:
    """Coefficients that the encoder set to zero come back as zero but for rounding to 8 bits, in the same channels."""
    grey = np.random.default_rng(2).normal(128, 12, (64, 64)).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=quality)
    decoded = Image.open(buffer)
    table = np.array(decoded.quantization[0])  # Pillow gives the table in natural order
    steps = np.array([table[8 * v + u] for v, u in zigzag()])
    levels = torch.from_numpy(np.asarray(decoded).copy()).float().expand(3, -1, -1)[None] / 255
    luma = BlockDct()(levels)[0, 1:64].numpy() * 255
    away = np.abs(luma - np.round(luma / steps[1:, None, None]) * steps[1:, None, None])
    assert away.max() < 2.5  # every coefficient is a multiple of the step of its own channel
    order = np.random.default_rng(3).permutation(63)
    shuffled = steps[1:][order][:, None, None]
    assert np.abs(luma - np.round(luma / shuffled) * shuffled).max() > 10  # and of no other's


@pytest.mark.parametrize(("height", "width"), [(24, 24), (17, 30), (227, 227)])
def test_sides_are_padded_by_their_last_pixels(height: int, width: int) -> None:
    image = pictures(1, height, width)
    padded = np.pad(image.numpy(), ((0, 0), (0, 0), (0, -height % 8), (0, -width % 8)), mode="edge")
    torch.testing.assert_close(BlockDct()(image), BlockDct()(torch.from_numpy(padded)))
