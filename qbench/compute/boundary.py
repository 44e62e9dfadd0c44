"""The boundary to methods and models that are not qbench's: what they are lent, and what they may give back.

What a plug-in sees are copies, and what it gives is checked here. The entries that qbench declares itself are lent the
originals; tests see that they write into none of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._C import DisableTorchFunctionSubclass

from qbench.boundary import what_came
from qbench.errors import QbenchError, short
from qbench.models.base import LoadedModel
from qbench.process import visit
from qbench.vocabulary import Context, Facts, InputConvention

T = TypeVar("T")
OVERSHOOT = 0.5
"""How far restored values may lie outside of [0, 1]: a filter overshoots at edges, and 0-255 is another scale."""


def _are_texts(values: Any) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, str) for value in values)


PARTS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "net": (lambda net: isinstance(net, nn.Module), "a torch.nn.Module"),
    "input": (lambda given: isinstance(given, InputConvention), "a qbench.vocabulary.InputConvention"),
    "sites": (
        lambda sites: isinstance(sites, Mapping) and _are_texts([*sites, *sites.values()]),
        "a mapping from names to module paths",
    ),
    "decode": (callable, "a function of what the network gives and the pictures"),
    "own_losses": (lambda losses: losses is None or callable(losses), "a function or None"),
    "beside": (lambda beside: beside is None or callable(beside), "a qbench.models.base.Beside or None"),
    "names": (_are_texts, "a tuple of texts"),
    "classes": (
        lambda count: count is None or (isinstance(count, int) and not isinstance(count, bool) and count >= 0),
        "a number from 0 on, or None",
    ),
}
"""What the parts of a model must be, and that in words."""


class LentContext:
    """A context's copy for one method: made when it is looked at, and seen by nobody else."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._computed: dict[str, Any] = {}
        self.ids, self.seed = context.ids, context.seed
        self.draw = context.draw

    @cached_property
    def degraded(self) -> Tensor:
        return self._context.degraded.clone()

    @cached_property
    def facts(self) -> tuple[Facts, ...]:
        return copy.deepcopy(self._context.facts)

    def once(self, name: str, compute: Callable[[Tensor], T]) -> T:
        """As `Context.once`, for this method alone."""
        if name not in self._computed:
            self._computed[name] = compute(self._context.degraded.clone())
        value: T = self._computed[name]
        return value


class ForeignMethod:
    """A method of a plug-in at the image or feature site: lent copies, and checked in what it gives."""

    def __init__(self, method: Any, name: str) -> None:
        self.method = method
        self._who = f"method {name!r} ({type(method).__qualname__})"
        self.network = getattr(method, "network", None)

    @property
    def at(self) -> str:
        """The site. Raises QbenchError for a method without one."""
        with visit(self._who, "at"):
            site = getattr(self.method, "at", None)
        if not isinstance(site, str):
            raise QbenchError(f"{self._who} has {what_came(site)} for `at`; expected the name of a site, such as 'D2'")
        return str(site)

    def restore(self, images: Tensor, context: Context) -> Tensor:
        """A copy of what the method gives, whose memory may be that of its next answer.

        Raises QbenchError for anything but pictures of the same size, float32 in [0, 1]."""
        restored = self.method.restore(images.clone(), LentContext(context))
        pictures = _tensor_like(restored, images, self._who, "restore").clone()
        low, high = map(float, pictures.aminmax())
        if low < -OVERSHOOT or high > 1 + OVERSHOOT:
            raise QbenchError(f"{self._who}: restore gave values from {low:g} to {high:g}; expected pictures in [0, 1]")
        return pictures

    def enhance(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        """What the method gives, which is used before it is asked again.

        Raises QbenchError for anything but features of the same shape and type."""
        enhanced = self.method.enhance(features.clone(), images.clone(), LentContext(context))
        return _tensor_like(enhanced, features, self._who, "enhance")


def _tensor_like(value: Any, given: Tensor, who: str, call: str) -> Tensor:
    """The value as a plain tensor. Raises QbenchError for one that is not as `given`."""
    with DisableTorchFunctionSubclass():
        if isinstance(value, Tensor) and value.layout == torch.strided and not value.is_nested:
            value = value.detach().as_subclass(Tensor)
        if isinstance(value, Tensor) and what_came(value) == what_came(given):
            return value
    raise QbenchError(f"{who}: {call} gave {what_came(value)}; expected {what_came(given)}")


def checked_model(model: Any, who: str) -> LoadedModel:
    """The model of a plug-in: what it runs beside its network sees copies of the pictures. Raises QbenchError for
    anything but a LoadedModel in eval mode."""
    if not isinstance(model, LoadedModel):
        raise QbenchError(f"{who} gave {what_came(model)}; expected a qbench.models.base.LoadedModel")
    for name, (fits, words) in PARTS.items():
        part = getattr(model, name)
        if not fits(part):
            raise QbenchError(f"{who} gave a model with {short(part)} for `{name}`; expected {words}")
    for name, tensor in (*model.net.named_parameters(), *model.net.named_buffers()):
        if tensor.is_meta:
            raise QbenchError(
                f"{who} gave a network whose {name!r} is on the device meta and holds no values; load them"
            )
    training = [name or "the network" for name, module in model.net.named_modules() if module.training]
    if training:
        text = f"{who} gave a network in training mode ({training[0]}): its predictions would depend on the batch"
        raise QbenchError(f"{text}; call net.eval()")
    decode, beside = model.decode, None if model.beside is None else LentBeside(model.beside)
    return replace(
        model,
        sites=dict(model.sites),
        names=tuple(model.names),
        decode=lambda output, images: decode(output, images.clone()),
        beside=beside,
    )


def steady(model: LoadedModel, who: str) -> LoadedModel:
    """The same model, which raises QbenchError once its network is not what it is now: in training mode, or with other
    values. What it gives would depend on the pictures that it saw before."""
    versions = {name: _version(parameter) for name, parameter in model.net.named_parameters()}
    buffers = {name: buffer.detach().clone() for name, buffer in model.net.named_buffers() if _is_plain(buffer)}

    def changed() -> Iterator[str]:
        yield from (f"{name or 'the network'} to training mode" for name, m in model.net.named_modules() if m.training)
        now = dict(model.net.named_parameters())
        yield from (repr(name) for name in versions if name in now and _version(now[name]) != versions[name])
        for name, buffer in model.net.named_buffers():
            if name in buffers and not _alike(buffer, buffers[name]):
                yield repr(name)

    def decode(output: Any, images: Tensor) -> Any:
        if what := next(changed(), ""):
            raise QbenchError(
                f"{who} changed {what} while it predicted; its predictions would depend on what it saw before"
            )
        return model.decode(output, images)

    return replace(model, decode=decode)


def _is_plain(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and not tensor.is_quantized


def _version(tensor: Tensor) -> int:
    """Counts how often it was written into; torch does not count this for tensors made in inference mode."""
    return 0 if tensor.is_inference() else tensor._version


def _alike(now: Tensor, copied: Tensor) -> bool:
    """Whether a buffer has the values that it had; one of another shape or type is a cache for other pictures."""
    if now.shape != copied.shape or now.dtype != copied.dtype or now.device != copied.device:
        return True
    return torch.equal(now, copied) or bool(now.isnan().any())


class LentBeside:
    """What a plug-in's model gives to modules inside its network, lent copies (see `qbench.models.base.Beside`)."""

    def __init__(self, beside: Any) -> None:
        self._beside = beside

    @property
    def networks(self) -> Sequence[nn.Module]:
        networks: Sequence[nn.Module] = self._beside.networks
        return networks

    def __call__(self, net: nn.Module, images: Tensor, context: Context | None) -> AbstractContextManager[None]:
        lent = None if context is None else LentContext(context)
        given: AbstractContextManager[None] = self._beside(net, images.clone(), lent)
        return given
