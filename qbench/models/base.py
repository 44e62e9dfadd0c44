"""A model ready to run: [0, 1] RGB in, logits out, cut at a feature site where a method asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from qbench.errors import NotApplicable, QbenchError, WeightsError, described, nearest
from qbench.models.cut import Geometry, cut, geometry
from qbench.models.detection.objects import as_boxes
from qbench.models.files import load_any, safetensors_of
from qbench.models.outputs import usual
from qbench.models.state import check_values
from qbench.vocabulary import Boxes, Context, InputConvention

USUAL = 224
"""Pixels of a side, for what must be measured at some size of networks that take any."""


class Beside(Protocol):
    """What modules inside a network must know of the pictures beside its own input, such as their quality."""

    @property
    def networks(self) -> Sequence[nn.Module]:
        """What it computes with, for its cost to be counted."""

    def __call__(self, net: nn.Module, images: Tensor, context: Context | None) -> AbstractContextManager[None]:
        """Inside, `net` runs on these images: [B, 3, H, W] in [0, 1]. What was computed for a context is not again."""


OwnLosses: TypeAlias = Callable[[nn.Module, Tensor, Sequence[Boxes]], Mapping[str, Tensor]]


def finite(values: Tensor, whose: str) -> Tensor:
    """The values. Raises QbenchError where one is not finite: what follows might leave it out without a word."""
    if not bool(values.sum().isfinite()) and not bool(values.isfinite().all()):  # the sum is cheaper, and may overflow
        raise QbenchError(f"{whose} are not finite")
    return values


def _other_type(net: nn.Module, given: torch.dtype) -> str:
    """The type of numbers of weights that are of another than `given`; empty where there are none."""
    types = (parameter.dtype for parameter in net.parameters() if parameter.is_floating_point())
    return next((str(one) for one in types if one != given), "")


@dataclass(frozen=True)
class LoadedModel:
    """A network in eval mode with its input convention and its named feature sites (name -> module path)."""

    net: nn.Module
    input: InputConvention
    sites: Mapping[str, str]
    decode: Callable[[Any, Tensor], Any] = usual
    """From what the network gives, and the images in [0, 1], to its task's prediction: logits [B, classes] in
    classification, logits [B, classes, H, W] at the images' size in segmentation, a list of `Boxes` in detection, and
    pictures [B, 3, H, W] in [0, 1] in restoration. By default the part that has a usual name. Lists of `boxes`,
    `labels` and `scores` become Boxes."""
    own_losses: OwnLosses | None = None
    """The losses that a network comes with, by name: of the network in training mode, normalised images and the objects
    in them."""

    beside: Beside | None = None
    """Gives modules inside the network what they must know of the pictures beside its input, for each batch."""
    names: tuple[str, ...] = ()
    """What its classes are called, by index; empty where it does not know."""
    classes: int | None = None
    """How many classes it tells apart, where that is known without a picture; 0: none, it gives features."""

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """All networks that a prediction runs through."""
        return (self.net, *(self.beside.networks if self.beside is not None else ()))

    def given(self, images: Tensor, context: Context | None = None) -> AbstractContextManager[None]:
        """Inside, the network's modules know what they must of these images in [0, 1] (see `Beside`)."""
        return nullcontext() if self.beside is None else self.beside(self.net, images, context)

    @contextmanager
    def seeing(self, images: Tensor, context: Context | None = None) -> Iterator[None]:
        """As `given`. Raises QbenchError where the network fails on images of another size than it was made for."""
        height, width = images.shape[-2:]
        try:
            with self.given(images, context):
                yield
        except Exception as error:
            native = self.input.native
            if isinstance(error, RuntimeError) and (other := _other_type(self.net, images.dtype)):
                raise QbenchError(
                    f"the network has {other} weights and is given {images.dtype} pictures; call net.float() "
                    f"({described(error)})"
                ) from error
            if isinstance(error, QbenchError) or native is None or (height, width) == (native, native):
                raise
            advice = "leave `size` out of its `input`, and `crop` out of the view"
            if self.input.size is None:
                advice = f"give its `input` that, `{{size: {native}, resize: {native}}}`"
            raise QbenchError(
                f"the network cannot take pictures of {height} x {width} pixels; it was made for {native} x {native}: "
                f"{advice} ({described(error)})"
            ) from error

    def normalise(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] in [0, 1] RGB to what the network expects (`(x * scale - mean) / std`, channel order)."""
        if self.input.channels == "BGR":
            images = images.flip(1)
        mean = torch.tensor(self.input.mean, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
        std = torch.tensor(self.input.std, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
        return (images * self.input.scale).sub_(mean).div_(std)

    def predict(self, images: Tensor, context: Context | None = None) -> Any:
        """[B, 3, H, W] in [0, 1] to the task's prediction; `context` is the one that travels with the batch, if any."""
        with self.seeing(images, context):
            return as_boxes(self.net, self.decode(self.net(self.normalise(images)), images), images)

    def logits(self, images: Tensor, context: Context | None = None) -> Tensor:
        """[B, 3, H, W] in [0, 1] to [B, classes]."""
        return cast(Tensor, self.predict(images, context))

    def path(self, site: str) -> str:
        """The module path of a site: a declared name, or a path of the network. Raises NotApplicable."""
        target = self.sites.get(site, site)
        paths = {name for name, _ in self.net.named_modules() if name}
        if target not in paths:
            declared = [name for name, path in self.sites.items() if path in paths]
            known = ", ".join(declared) or "none"
            near = nearest(site, [*declared, *paths])
            raise NotApplicable(f"the model has no site {site!r}{near}; declared sites: {known}")
        return target

    def cut(self, site: str) -> Cut:
        """The network in two halves at a site; `back(front(x), x)` has the bits of `logits(x)`."""
        front, back = cut(self.net, self.path(site))
        return Cut(self, front, back)


@dataclass(frozen=True)
class Cut:
    """A model cut at one site."""

    model: LoadedModel
    _front: nn.Module
    _back: nn.Module

    def front(self, images: Tensor, context: Context | None = None) -> Tensor:
        """[B, 3, H, W] in [0, 1] to the features at the site, [B, C, h, w]."""
        with self.model.seeing(images, context):
            return cast(Tensor, self._front(self.model.normalise(images)))

    def back(self, features: Tensor, images: Tensor, context: Context | None = None) -> Any:
        """Features at the site, and the images that they come from, to the task's prediction."""
        with self.model.seeing(images, context):
            given = self.model.decode(self._back(features, self.model.normalise(images)), images)
            return as_boxes(self.model.net, given, images)

    def geometry(self) -> Geometry:
        """Channels and receptive-field centres of the site at the model's own input size (or 224 where it has none)."""
        size = self.model.input.size or USUAL
        with self.model.given(torch.zeros(1, 3, size, size)):
            return geometry(self._front, size)


def read_safetensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name. Raises WeightsError."""
    with safetensors_of(file):
        return load_file(file)


def load_weights(net: nn.Module, file: Path) -> None:
    """Load a file of weights into `net`, strictly. Raises WeightsError that names the first misfit."""
    load_any(net, file)


def check_state(net: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Raise WeightsError unless `state` has exactly the names and shapes of `net`."""
    check_tensors(net.state_dict(), state, source, type(net).__name__)


def check_tensors(expected: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str, owner: str) -> None:
    """Raise WeightsError unless `state` has exactly the names and shapes of `expected`, the tensors of `owner`, and
    values that it can have."""
    missing, extra = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing or extra:
        text = "; ".join(
            f"{len(names)} {what}, first {names[0]!r}"
            for names, what in ((missing, "missing"), (extra, "unknown"))
            if names
        )
        raise WeightsError(f"weights {source} do not fit {owner}: {text}")
    for name, value in expected.items():
        if value.shape != state[name].shape:
            raise WeightsError(
                f"weights {source} do not fit {owner}: {name!r} is {tuple(state[name].shape)}, "
                f"expected {tuple(value.shape)}"
            )
    check_values(expected, state, source, owner)
