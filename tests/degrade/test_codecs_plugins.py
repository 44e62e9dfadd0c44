"""JPEG XL and HEIC against their plug-ins called directly; what they leave alone; and what is told where they miss."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from typing import Any

import numpy as np
import pytest
from PIL import features

from qbench.degrade.codecs import versions
from qbench.degrade.codecs.avif import Avif
from qbench.degrade.codecs.heic import Heic
from qbench.degrade.codecs.jpeg2000 import Jpeg2000
from qbench.degrade.codecs.jxl import Jxl
from qbench.degrade.codecs.versions import codec_version
from qbench.degrade.codecs.webp import Webp
from qbench.draws import Draw
from qbench.errors import ConditionError
from tests.conftest import ROOT
from tests.degrade.codec_files import heic_chroma, natural

DRAW = Draw(0, "x")


@pytest.fixture
def pillow_jxl() -> Any:
    return pytest.importorskip("pillow_jxl")


@pytest.fixture
def pillow_heif() -> Any:
    return pytest.importorskip("pillow_heif")


@pytest.fixture
def versions_anew() -> Iterator[None]:
    codec_version.cache_clear()
    yield
    codec_version.cache_clear()


@pytest.mark.parametrize("size", [(96, 128), (45, 61), (1, 1), (3, 17)])
@pytest.mark.parametrize("codec", [Jxl(1), Jxl(40), Jxl(95, 3)], ids=lambda codec: codec.label)
def test_jpeg_xl_has_the_bits_of_the_plug_in(codec: Jxl, size: tuple[int, int], pillow_jxl: Any) -> None:
    image = natural(*size)
    degraded, facts = codec.apply(image, DRAW)
    encoder = pillow_jxl.Encoder(
        mode="RGB", lossless=False, quality=codec.quality, decoding_speed=0, effort=codec.effort, use_container=False,
        use_original_profile=False, num_threads=2,
    )  # fmt: skip
    data = encoder(image.tobytes(), size[1], size[0], jpeg_encode=False)
    assert codec.encode(image) == data
    _, info, raw, *_ = pillow_jxl.Decoder(num_threads=1)(data)
    assert (info.height, info.width) == size
    assert np.array_equal(degraded, np.frombuffer(raw, np.uint8).reshape(image.shape))
    assert (facts["bytes"], facts["bpp"]) == (len(data), 8 * len(data) / (size[0] * size[1]))


@pytest.mark.parametrize("grey", [False, True])
def test_jpeg_xl_at_100_is_lossless(grey: bool, pillow_jxl: Any) -> None:
    image = natural(40, 50, grey=grey)
    assert np.array_equal(Jxl(100).apply(image, DRAW)[0], image)


@pytest.mark.parametrize("size", [(96, 128), (45, 61), (1, 1), (3, 17)])
@pytest.mark.parametrize("codec", [Heic(1), Heic(40), Heic(90, "4:4:4")], ids=lambda codec: codec.label)
def test_heic_has_the_bits_of_the_plug_in(codec: Heic, size: tuple[int, int], pillow_heif: Any) -> None:
    image = natural(*size)
    degraded, facts = codec.apply(image, DRAW)
    buffer = io.BytesIO()
    pillow_heif.encode(
        "RGB", (size[1], size[0]), image.tobytes(), buffer, quality=codec.quality,
        chroma={"4:2:0": 420, "4:4:4": 444}[codec.subsampling],
        enc_params={"x265:pools": "none", "x265:frame-threads": "1"},
    )  # fmt: skip
    assert codec.encode(image) == buffer.getvalue()
    assert np.array_equal(degraded, np.array(pillow_heif.read_heif(buffer).to_pillow()))
    assert facts["bytes"] == len(buffer.getvalue())
    assert facts["subsampling"] == heic_chroma(buffer.getvalue()) == codec.subsampling
    assert heic_chroma(codec.encode(image[..., 0])) == codec.apply(image[..., 0], DRAW)[1]["subsampling"] == "4:0:0"


SNAPSHOT = """
import json, sys
import numpy as np
from PIL import Image
from qbench import registry
from qbench.draws import Draw
from qbench.degrade.codecs.versions import VERSIONS, codec_version
registry.load_builtin()
said = [codec_version(name) for name in VERSIONS]
early = [name for name in sys.modules if name.split(".")[0] in ("pillow_heif", "_pillow_heif", "pillow_jxl")]
Image.init()
table = lambda: {"save": {k: v.__module__ for k, v in Image.SAVE.items()},
                 "open": {k: v[0].__module__ for k, v in Image.OPEN.items()}, "extensions": dict(Image.EXTENSION)}
before = table()
picture = np.zeros((16, 16, 3), np.uint8)
for name in ("jxl", "heic", "avif"):
    registry.get("condition", name).target(quality=50).apply(picture, Draw(0, "x"))
print(json.dumps({"early": early, "said": said, "before": before, "after": table()}))
"""


def test_the_plug_ins_load_when_used_and_leave_pillow_s_other_formats_alone(pillow_jxl: Any, pillow_heif: Any) -> None:
    done = subprocess.run([sys.executable, "-c", SNAPSHOT], cwd=ROOT, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["early"] == [], "neither the registry nor versions import a plug-in"
    assert all(version not in ("", "none") for version in report["said"])
    before, after = report["before"], report["after"]
    assert set(after["save"]) - set(before["save"]) == {"JXL"}
    for kind in before:
        assert {name: after[kind][name] for name in before[kind]} == before[kind]
    assert after["save"]["AVIF"] == after["open"]["AVIF"] == "PIL.AvifImagePlugin"


@pytest.mark.parametrize(
    ("codec", "module", "package"),
    [(Jxl(40), "pillow_jxl", "pillow-jxl-plugin"), (Heic(40), "pillow_heif", "pillow-heif")],
    ids=["jxl", "heic"],
)
def test_a_plug_in_that_is_missing_is_named_with_its_installation(
    codec: Any, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    expected = rf"^{codec.label} needs {package} \(.*\); pip install 'qbench\[codecs\]'$"
    with pytest.raises(ConditionError, match=expected):
        codec.apply(natural(8, 8), DRAW)


@pytest.mark.parametrize(
    ("codec", "feature", "library"),
    [(Webp(40), "webp", "libwebp"), (Avif(40), "avif", "libavif"), (Jpeg2000(ratio=5), "jpg_2000", "OpenJPEG")],
    ids=["webp", "avif", "jpeg2000"],
)
def test_a_pillow_without_the_codec_is_told(
    codec: Any, feature: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = features.check
    monkeypatch.setattr(features, "check", lambda name: name != feature and real(name))
    with pytest.raises(ConditionError, match=rf"^{codec.label} needs {library}, which this Pillow was built without"):
        codec.apply(natural(8, 8), DRAW)


def test_a_heif_without_an_encoder_is_told(pillow_heif: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pillow_heif, "libheif_info", lambda: {"HEIF": ""})
    with pytest.raises(ConditionError, match=r"^heic@40 needs a HEVC encoder"):
        Heic(40).apply(natural(8, 8), DRAW)


def test_versions_are_those_of_pillow_and_of_the_packages(versions_anew: None) -> None:
    assert codec_version("libwebp") == features.version("webp")
    assert codec_version("openjpeg") == features.version("jpg_2000")
    assert codec_version("libjpeg_turbo") == features.version("libjpeg_turbo")
    assert codec_version("libavif").startswith(f"{features.version('avif')} (aom ")
    with pytest.raises(KeyError):
        codec_version("mozjpeg9000")


def test_what_is_not_there_has_the_version_none(versions_anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(versions, "version", nothing)
    monkeypatch.setattr(features, "check", lambda name: False)
    monkeypatch.setattr(features, "version", lambda name: None)
    libraries = {"libjpeg_turbo", "libwebp", "openjpeg", "libavif", "pillow-jxl-plugin", "pillow-heif"}
    assert libraries <= set(versions.VERSIONS)
    assert {codec_version(name) for name in libraries} == {"none"}
