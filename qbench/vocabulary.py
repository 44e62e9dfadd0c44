"""The nouns that every room shares. Nothing here loads torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from qbench.draws import Draw
from qbench.errors import QbenchError, short

if TYPE_CHECKING:
    from torch import Tensor

Image: TypeAlias = NDArray[np.uint8]
"""uint8, height x width x 3, RGB."""
Facts: TypeAlias = Mapping[str, Any]
"""What a condition says of its draw: quality factors, bits per pixel, kernels. JSON-able."""
CropMode: TypeAlias = Literal["center", "padded", "squash", "border"]
"""How a picture comes to its size (see `qbench.data.views.View`)."""
INTERPOLATIONS = ("bilinear", "bicubic", "lanczos")
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Boxes:
    """Objects of a picture: what is there, or (with scores) what a detector found.

    Corners are in pixels from the picture's upper left corner, x1 and y1 on the far edge: a box of one pixel at the
    corner is (0, 0, 1, 1)."""

    corners: NDArray[np.float32]
    """[N, 4]: x0, y0, x1, y1."""
    labels: NDArray[np.int32]
    """[N]: class index from 0."""
    scores: NDArray[np.float32] | None = None
    """[N], of detections only."""
    crowd: NDArray[np.bool_] | None = None
    """[N], of what is there: regions that match any number of detections and ask for none (COCO's `iscrowd`)."""
    area: NDArray[np.float64] | None = None
    """[N] square pixels, of what is there: the object's own where its outline is known, else the box's."""


@dataclass(frozen=True)
class Sample:
    """One item of a dataset.

    `target` is a class index in classification; a mask, uint8 [H, W] of class indices with 255 to be ignored, in
    segmentation; Boxes in detection; in restoration the clean picture, or None where `image` itself is the clean one.
    None also where there is no label. `group` names what several samples have in common, such as a video or a
    patient; None where nothing is known of it."""

    id: str
    image: Image
    target: Any = None
    group: str | None = None


@dataclass(frozen=True)
class Manifest:
    """The samples of a dataset in order: their ids and, for each, a digest of all that decides its content."""

    ids: tuple[str, ...]
    digests: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What a user should know of how the data were read: what is left out, with counts. They decide nothing."""


class Dataset(Protocol):
    """Yields samples by index. Constructing one is cheap and reads nothing."""

    @property
    def label(self) -> str:
        """Its name in tables."""

    def manifest(self) -> Manifest:
        """Ids and content digests, in a fixed order. Raises DataError for no root, no samples or duplicate ids."""

    def load(self, index: int) -> Sample:
        """The sample at `index` of the manifest, decoded. Raises BadSample."""


class Task(Protocol):
    """What is predicted and how it is scored."""

    predict: str
    """The module that turns predictions into records (see `qbench.compute.predict.Scoring`)."""
    metrics: tuple[str, ...]
    shown: tuple[str, ...]
    """The metrics that tables show unless a suite asks for others."""
    records_what_is_asked: bool
    """Whether records hold only the scores that a suite asks for; their module then has `scoring(metrics)`."""


class Condition(Protocol):
    """A named chain of degradations, applied to a view."""

    @property
    def label(self) -> str:
        """Its name in tables: `clean`, `jpeg@10`, `rejpeg×3`."""

    @property
    def axis(self) -> tuple[str, float] | None:
        """The table axis that it is a point of: `("quality", 10)`, `("times", 3)`; None for `clean`."""

    @property
    def family(self) -> str:
        """The degradation that its axis belongs to: `jpeg`, `rejpeg (shift 8)`, `fog (parity)`; `clean` for none. A
        class without it is a family of its registered name."""

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        """The degraded image, of the same shape, and the facts of this draw."""


@dataclass
class Context:
    """What travels with a batch beside its images."""

    ids: tuple[str, ...]
    degraded: Tensor
    """[B, 3, H, W] in [0, 1]: the images before any help."""
    facts: tuple[Facts, ...]
    seed: int = 0
    """The suite's."""
    _computed: dict[str, Any] = field(default_factory=dict)

    def draw(self, operation: str, step: int = 0) -> list[np.random.Generator]:
        """A generator for each sample, keyed by (seed, operation, step, sample id), whatever the batch."""
        return [Draw(self.seed, name)(operation, step) for name in self.ids]

    def once(self, name: str, compute: Callable[[Tensor], T]) -> T:
        """`compute(degraded)`, kept under `name`: quality features are computed once, whoever asks."""
        if name not in self._computed:
            self._computed[name] = compute(self.degraded)
        found: T = self._computed[name]
        return found


class ImageMethod(Protocol):
    def restore(self, images: Tensor, context: Context) -> Tensor:
        """[B, 3, H, W] in [0, 1] to the same; any height and width."""


class FeatureMethod(Protocol):
    @property
    def at(self) -> str:
        """The site: a name that the model declares (D1 ... D4) or a module path."""

    def enhance(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        """Features at the site, and the images in [0, 1] exactly as the stem sees them, to features."""


@dataclass(frozen=True)
class InputConvention:
    """What a model's network expects; images reach the model in [0, 1] RGB and it does the rest itself.

    The network sees `(x * scale - mean) / std` per channel in `channels` order, at `size` x `size` pixels;
    `resize` is what its usual protocol scales to before the centre crop (None: no resizing), in the way of `crop_mode`
    (see `qbench.data.views.View`). Networks that take any size have no `size`: their view is the whole picture."""

    size: int | None
    resize: int | None
    channels: str = "RGB"
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bicubic"
    crop_mode: CropMode = "center"
    native: int | None = None
    """The side of the pictures that the network was made for, where its library tells; it may take no others."""

    def __post_init__(self) -> None:
        """Raises QbenchError for what no picture can be brought to."""
        for name in ("size", "resize", "native"):
            side = getattr(self, name)
            if side is not None and (isinstance(side, bool) or not isinstance(side, Integral) or side < 1):
                raise _unfit(name, side, "pixels, a number from 1 on, or None")
        if self.channels not in ("RGB", "BGR"):
            raise _unfit("channels", self.channels, "RGB or BGR")
        for name, known in (("interpolation", INTERPOLATIONS), ("crop_mode", get_args(CropMode))):
            if getattr(self, name) not in known:
                raise _unfit(name, getattr(self, name), f"one of {', '.join(known)}")
        if not _are_numbers((self.scale,), 1) or self.scale <= 0:
            raise _unfit("scale", self.scale, "a number above 0")
        if not _are_numbers(self.mean, 3):
            raise _unfit("mean", self.mean, "three numbers, one a channel")
        if not _are_numbers(self.std, 3) or min(self.std) <= 0:
            raise _unfit("std", self.std, "three numbers above 0, one a channel")


def _are_numbers(values: Any, count: int) -> bool:
    try:
        return len(values) == count and not isinstance(values, str) and all(isfinite(value) for value in values)
    except (TypeError, OverflowError):
        return False


def _unfit(name: str, value: Any, expected: str) -> QbenchError:
    return QbenchError(f"an InputConvention has {short(value)} for `{name}`; expected {expected}")
