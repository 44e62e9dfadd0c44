"""What all codecs share: a picture becomes a file's bytes, and the bytes become a picture."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from PIL import Image as Pillow
from PIL import features
from pydantic import AfterValidator

from qbench.degrade.codecs.versions import VERSIONS, codec_version
from qbench.degrade.labels import Degradation, with_modes
from qbench.degrade.picture import checked
from qbench.draws import Draw
from qbench.errors import ConditionError
from qbench.registry import condition
from qbench.vocabulary import Facts, Image

Subsampling = Literal["4:2:0", "4:4:4"]
"""Chroma at half the height and width, or at full size."""
GREY = "4:0:0"
"""The subsampling of a file without chroma."""


def in_range(quality: int, codec: str) -> int:
    """`quality`, if it lies in 1..100, in every codec, so that one list suits all; `codec` is named with its article.

    Some encoders take a quality of 0 too; it is refused, as 101 is. Raises ValueError."""
    if not 1 <= quality <= 100:
        raise ValueError(f"{codec} quality lies in 1..100, not {quality}")
    return quality


def quality_of(codec: str) -> AfterValidator:
    """`in_range` as a check of a pydantic field."""
    return AfterValidator(partial(in_range, codec=codec))


def chroma_mode(subsampling: Subsampling) -> str:
    """The subsampling where it is not the usual one, else nothing."""
    return subsampling if subsampling != "4:2:0" else ""


def rate(size: int, image: Image) -> dict[str, Any]:
    """Size of a file in bytes, with all its headers, and in bits per pixel of `image`."""
    return {"bytes": size, "bpp": 8 * size / (image.shape[0] * image.shape[1])}


def written(image: Image, kind: str, **options: Any) -> bytes:
    """The bytes that Pillow writes as format `kind`; grey [H, W] goes in as mode L."""
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(picture: Pillow.Image, grey: bool) -> Image:
    """uint8 [H, W, 3], or [H, W] where `grey`: luma (BT.601) if the file came back in colour."""
    mode = "L" if grey else "RGB"
    return np.asarray(picture if picture.mode == mode else picture.convert(mode))


class FileCodec(Degradation, ABC):
    """A condition that writes the picture as a file and reads it back.

    Facts: what the codec was asked for, `subsampling`, `codec` with its version, `bytes` and `bpp` of all the file."""

    library: ClassVar[str]
    """What decides its pixels, as `codec_version` knows it."""

    @property
    def label(self) -> str:
        """`jpeg@10 (4:4:4)`: the place on the axis, and the modes."""
        return with_modes(f"{self.name}@{self.axis[1]:g}", *self.modes)

    @property
    @abstractmethod
    def axis(self) -> tuple[str, float]: ...

    @abstractmethod
    def encode(self, image: Image) -> bytes:
        """The file, byte by byte. Raises ConditionError where the codec is missing or cannot code this picture."""

    @abstractmethod
    def decode(self, data: bytes, grey: bool) -> Image:
        """The picture in the file: uint8 [H, W, 3], or [H, W] where `grey`."""

    @abstractmethod
    def facts_of(self, image: Image) -> Facts:
        """What the codec was asked for, and the `subsampling` of a file of `image`."""

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        image = checked(image, self.label)
        with coding(image, self.label):
            data = self.encode(image)
            decoded = self.decode(data, image.ndim == 2)
        return decoded, {**self.facts_of(image), "codec": version_text(self.library), **rate(len(data), image)}


@contextmanager
def coding(image: Image, label: str) -> Iterator[None]:
    """Turns what a codec raises about a picture into a ConditionError that names the condition."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        size = "x".join(map(str, image.shape[:2]))
        raise ConditionError(f"{label} cannot code a picture of {size} pixels: {error}") from error


def needs_pillow_with(feature: str, library: str, label: str) -> None:
    """Raises ConditionError where Pillow was built without this codec."""
    if not features.check(feature):
        raise ConditionError(
            f"{label} needs {library}, which this Pillow was built without; install Pillow's own wheel (pip install -U "
            "--only-binary :all: pillow)"
        )


def version_text(library: str) -> str:
    """`libwebp 1.6.0`."""
    return f"{library} {codec_version(library)}"


T = TypeVar("T")


def codec(name: str, *, library: str, version: Callable[[], str | None]) -> Callable[[T], T]:
    """Declare a FileCodec as a condition, with the library that decides its pixels and what tells the library's version
    (None: it is not installed)."""

    def declare(target: T) -> T:
        for key, value in (("name", name), ("library", library)):
            setattr(target, key, value)
        VERSIONS[library] = version
        return condition(name, libraries=(library,))(target)

    return declare


def missing(label: str, package: str, error: ImportError) -> ConditionError:
    """What to do about a plug-in that cannot be imported, and why it cannot."""
    return ConditionError(f"{label} needs {package} ({error}); pip install 'qbench[codecs]'")
