"""WebP, AVIF, JPEG 2000 and JPEG's variants against Pillow called directly, and against what their files say."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import AvifImagePlugin
from PIL import Image as Pillow

from qbench.degrade.codecs.avif import Avif
from qbench.degrade.codecs.jpeg2000 import Jpeg2000
from qbench.degrade.codecs.versions import codec_version
from qbench.degrade.codecs.webp import Webp
from qbench.degrade.jpeg import AnyOf, Jpeg, Rejpeg
from qbench.draws import Draw
from tests.degrade.codec_files import avif_chroma, jpeg2000_coding, jpeg_frame, natural, psnr
from tests.degrade.every import built, here
from tests.degrade.test_jpeg import LUMA

DRAW = Draw(0, "x")
CHROMA = [17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66,
          99, 99, 99, 99, 99, 99, *[99] * 32]  # fmt: skip
"""ITU-T T.81, table K.2, row by row."""
CASES: list[tuple[Any, str, dict[str, Any]]] = [
    (Jpeg(20, "4:4:4"), "JPEG", {"quality": 20, "subsampling": 0}),
    (Jpeg(20, progressive=True), "JPEG", {"quality": 20, "progressive": True}),
    (Jpeg(90, "4:4:4", True), "JPEG", {"quality": 90, "subsampling": "4:4:4", "progressive": True}),
    (Webp(1), "WEBP", {"quality": 1}),
    (Webp(35), "WEBP", {"quality": 35, "method": 4}),
    (Webp(100, 0), "WEBP", {"quality": 100, "method": 0}),
    (Avif(1), "AVIF", {"quality": 1, "max_threads": 1}),
    (Avif(40), "AVIF", {"quality": 40, "speed": 6, "max_threads": 1, "codec": "aom"}),
    (Avif(40, 9, "4:4:4"), "AVIF", {"quality": 40, "speed": 9, "max_threads": 1, "subsampling": "4:4:4"}),
]


def direct(image: np.ndarray, kind: str, **options: Any) -> tuple[np.ndarray, int]:
    """Pillow's own round trip of a colour picture, and the length of the file."""
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, format=kind, **options)
    length = len(buffer.getvalue())
    buffer.seek(0)
    return np.array(Pillow.open(buffer).convert("RGB")), length


@pytest.mark.parametrize("size", [(96, 128), (45, 61), (1, 1), (3, 17)])
@pytest.mark.parametrize(("codec", "kind", "options"), CASES, ids=lambda case: getattr(case, "label", ""))
def test_a_codec_has_the_bits_of_pillow_called_directly(
    codec: Any, kind: str, options: dict[str, Any], size: tuple[int, int]
) -> None:
    image = natural(*size)
    degraded, facts = codec.apply(image, DRAW)
    expected, length = direct(image, kind, **options)
    assert np.array_equal(degraded, expected)
    assert (facts["bytes"], facts["bpp"]) == (length, 8 * length / (size[0] * size[1]))
    assert facts["quality"] == [options["quality"]]
    assert len(codec.encode(image)) == length


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        (Jpeg2000(ratio=20), {"quality_mode": "rates", "quality_layers": [20]}),
        (Jpeg2000(ratio=1.5), {"quality_mode": "rates", "quality_layers": [1.5]}),
        (Jpeg2000(psnr=33), {"quality_mode": "dB", "quality_layers": [33]}),
    ],
    ids=lambda case: getattr(case, "label", ""),
)
def test_jpeg_2000_has_the_bits_of_pillow_called_directly(codec: Jpeg2000, options: dict[str, Any]) -> None:
    image = natural(93, 131)
    degraded, facts = codec.apply(image, DRAW)
    expected, length = direct(image, "JPEG2000", irreversible=True, mct=1, **options)
    assert np.array_equal(degraded, expected)
    assert facts["bytes"] == length
    assert jpeg2000_coding(codec.encode(image)) == (3, [(1, 1)] * 3, 1, 0)
    assert jpeg2000_coding(codec.encode(image[..., 0])) == (1, [(1, 1)], 0, 0)


@pytest.mark.parametrize("ratio", [5, 10, 50])
@pytest.mark.parametrize("grey", [False, True])
def test_a_jpeg_2000_ratio_is_the_ratio_of_the_files(ratio: int, grey: bool) -> None:
    image = natural(256, 256, grey=grey)
    _, facts = Jpeg2000(ratio=ratio).apply(image, DRAW)
    assert 0.9 * image.size / ratio < facts["bytes"] <= 1.02 * image.size / ratio
    assert facts["ratio"] == ratio


@pytest.mark.parametrize("goal", [25, 32, 40])
def test_a_jpeg_2000_psnr_is_met_in_grey(goal: int) -> None:
    image = natural(128, 128, grey=True)
    degraded, facts = Jpeg2000(psnr=goal).apply(image, DRAW)
    assert abs(psnr(degraded, image) - goal) < 1.5
    assert facts["psnr"] == goal


def test_the_tables_are_the_standard_s_scaled_as_the_ijg_does_for_all_qualities() -> None:
    image = natural(8, 8)
    for quality in range(1, 101):
        scale = 5000 // quality if quality < 50 else 200 - 2 * quality
        expected = [[min(max((v * scale + 50) // 100, 1), 255) for v in table] for table in (LUMA, CHROMA)]
        for codec in (Jpeg(quality), Jpeg(quality, "4:4:4"), Jpeg(quality, progressive=True)):
            for one, wanted in ((image, expected), (image[..., 0], expected[:1])):
                assert codec.apply(one, DRAW)[1]["quantisation"] == wanted
                with Pillow.open(io.BytesIO(codec.encode(one))) as stored:
                    assert list(stored.quantization.values()) == wanted  # type: ignore[attr-defined]
    drawn = Rejpeg(3, AnyOf((60, 9))).apply(image, DRAW)[1]
    assert drawn["quantisation"] == Jpeg(drawn["quality"][-1]).apply(image, DRAW)[1]["quantisation"]


WORST_TO_BEST: dict[str, tuple[str, list[float]]] = {
    "jpeg": ("quality", [5, 7, 10, 15, 18, 25, 30, 50, 75, 90]), "webp": ("quality", [5, 15, 30, 50, 70, 90]),
    "avif": ("quality", [5, 15, 30, 50, 70, 90]), "jxl": ("quality", [5, 20, 50, 80]),
    "heic": ("quality", [5, 20, 50, 80]), "jpeg2000, ratio": ("ratio", [80, 40, 20, 10, 5]),
    "jpeg2000, psnr": ("psnr", [22, 28, 34, 40]),
}  # fmt: skip


@pytest.mark.parametrize("case", WORST_TO_BEST)
def test_rate_and_likeness_grow_with_quality(case: str) -> None:
    name, (parameter, values) = case.partition(",")[0], WORST_TO_BEST[case]
    if not here({name: {}}):
        pytest.skip("the library of the codec is not installed")
    image = natural(96, 128)
    applied = [built({name: {parameter: value}}).apply(image, DRAW) for value in values]
    rates = [facts["bpp"] for _, facts in applied]
    assert rates == sorted(rates)
    assert len(set(rates)) == len(rates)
    likeness = [psnr(degraded, image) for degraded, _ in applied]
    assert likeness == sorted(likeness)


@pytest.mark.parametrize(
    ("codec", "kind", "factors"),
    [
        (Jpeg(30), "baseline", [(2, 2), (1, 1), (1, 1)]),
        (Jpeg(30, "4:4:4"), "baseline", [(1, 1)] * 3),
        (Jpeg(30, progressive=True), "progressive", [(2, 2), (1, 1), (1, 1)]),
        (Jpeg(30, "4:4:4", True), "progressive", [(1, 1)] * 3),
    ],
)
def test_a_jpeg_file_says_its_sampling_and_kind(codec: Jpeg, kind: str, factors: list[tuple[int, int]]) -> None:
    assert jpeg_frame(codec.encode(natural())) == (kind, factors)
    _, facts = codec.apply(natural(), DRAW)
    assert facts["subsampling"] == codec.subsampling
    assert facts["progressive"] == (kind == "progressive")
    assert jpeg_frame(codec.encode(natural(grey=True))) == (kind, [(1, 1)])
    assert codec.apply(natural(grey=True), DRAW)[1]["subsampling"] == "4:0:0"


def test_a_progressive_jpeg_has_the_baseline_s_pixels_in_another_file() -> None:
    for subsampling in ("4:2:0", "4:4:4"):
        plain, progressive = Jpeg(30, subsampling), Jpeg(30, subsampling, True)
        assert np.array_equal(plain.apply(natural(), DRAW)[0], progressive.apply(natural(), DRAW)[0])
        assert plain.encode(natural()) != progressive.encode(natural())


def test_files_say_their_chroma() -> None:
    assert avif_chroma(Avif(40, 9).encode(natural())) == "4:2:0"
    assert avif_chroma(Avif(40, 9, "4:4:4").encode(natural())) == "4:4:4"
    for chroma in ("4:2:0", "4:4:4"):
        grey = Avif(40, 9, chroma)
        assert avif_chroma(grey.encode(natural(grey=True))) == "4:0:0"
        assert grey.apply(natural(grey=True), DRAW)[1]["subsampling"] == "4:0:0"
        assert grey.apply(natural(), DRAW)[1]["subsampling"] == chroma
    assert Webp(40).encode(natural())[12:16] == b"VP8 ", "lossy, which is 4:2:0"


def test_full_chroma_keeps_small_patches_of_colour_better() -> None:
    patches = np.random.default_rng(0).integers(60, 200, (30, 30, 3), dtype=np.uint8)
    image = patches.repeat(3, axis=0).repeat(3, axis=1)
    for half, full in ((Jpeg(80), Jpeg(80, "4:4:4")), (Avif(70, 9), Avif(70, 9, "4:4:4"))):
        assert psnr(full.apply(image, DRAW)[0], image) > psnr(half.apply(image, DRAW)[0], image) + 3


def test_avif_has_the_same_bits_whatever_pillow_takes_for_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    image = natural(300, 320)
    data = Avif(40, 8).encode(image)
    pixels = Avif(40, 8).apply(image, DRAW)[0]
    for threads in (1, 3, 8):
        monkeypatch.setattr(AvifImagePlugin, "DEFAULT_MAX_THREADS", threads)
        assert Avif(40, 8).encode(image) == data
        assert np.array_equal(Avif(40, 8).apply(image, DRAW)[0], pixels), "nor does decoding depend on them"


def test_avif_is_written_in_one_thread() -> None:
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    written = {}
    for threads in (1, 2):
        buffer = io.BytesIO()
        Pillow.fromarray(image).save(buffer, "AVIF", quality=40, max_threads=threads)
        written[threads] = buffer.getvalue()
    assert Avif(40).encode(image) == written[1]
    if codec_version("libavif").startswith("1.4.2 (aom 3.14"):
        assert written[1] != written[2], "the reason for the pin; where it falls, the pin may fall"


def test_avif_is_pillow_s_even_where_another_package_took_the_format_over(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Avif(40, 9).encode(natural())

    def other(*_: object) -> None:
        raise AssertionError("another writer or reader was called")

    monkeypatch.setitem(Pillow.SAVE, "AVIF", other)
    monkeypatch.setitem(Pillow.OPEN, "AVIF", (other, other))
    degraded, facts = Avif(40, 9).apply(natural(), DRAW)
    assert Avif(40, 9).encode(natural()) == expected
    assert facts["codec"].startswith("libavif ")
    assert psnr(degraded, natural()) > 25


@pytest.mark.parametrize(
    "codec",
    [Jpeg(30), Jpeg(30, "4:4:4", True), Webp(30), Avif(30, 9), Jpeg2000(psnr=30)],
    ids=lambda codec: codec.label,
)
def test_grey_pictures_come_back_grey_and_alike(codec: Any) -> None:
    image = natural(grey=True)
    degraded, facts = codec.apply(image, DRAW)
    assert degraded.shape == image.shape
    assert psnr(degraded, image) > 26
    assert facts["bpp"] == 8 * len(codec.encode(image)) / image.size
