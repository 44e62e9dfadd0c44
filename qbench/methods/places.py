"""Where in a network modules are put, in any network of modules: found by running it once and watching."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from qbench.errors import NotApplicable, QbenchError, nearest

Layout = Literal["first", "last"]
ACTIVATIONS = {
    "ReLU", "ReLU6", "LeakyReLU", "GELU", "GELUTanh", "QuickGELU", "GELUActivation", "NewGELUActivation", "SiLU",
    "SiLUActivation", "Swish", "Hardswish", "HardSwish", "HardSwishMe", "SwishMe", "ELU", "Mish", "PReLU",
}  # fmt: skip
"""Classes of activations by name: timm, transformers and others have their own of the same names as torch's."""
PROBED = 2
"""Pictures in the run that is watched: a place whose maps are not of as many sees windows, not pictures."""


@dataclass(frozen=True)
class Place:
    """A module of a network, and what came out of it when it ran last: `layout` says whether channels are the second or
    last dimension; `size` is what is neither picture nor channel: height and width, or tokens.

    `widths` are all numbers of channels that it ran with: torchvision's bottlenecks have one ReLU for two. `layouts`
    says by the number of dimensions where the channels lay in each run."""

    path: str
    channels: int
    layout: Layout
    size: tuple[int, ...]
    activation: bool
    widths: tuple[int, ...]
    layouts: Mapping[int, Layout]


class After(nn.Module):
    """A module with another one behind it."""

    def __init__(self, inner: nn.Module, added: nn.Module) -> None:
        super().__init__()
        self.inner, self.added = inner, added

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.added(self.inner(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        """What the network reads of its own module, it reads of the one inside."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "inner" or name.startswith("__"):  # a copy of it is made as Python asks, not as what is inside
                raise
            return getattr(self.inner, name)


class ByWidth(nn.Module):
    """One module for each number of channels that its input comes with; `layouts` as of `Place`."""

    traced_whole = True
    """A tracer cannot look inside: what runs depends on the input's shape (see `qbench.models.cut`)."""

    def __init__(self, modules: Mapping[int, nn.Module], layouts: Mapping[int, Layout]) -> None:
        super().__init__()
        self.of = nn.ModuleDict({str(width): module for width, module in modules.items()})
        self.layouts = dict(layouts)

    def forward(self, x: Tensor) -> Tensor:
        width = x.shape[-1 if self.layouts.get(x.dim()) == "last" else 1]
        if str(width) not in self.of:
            raise QbenchError(f"an input {list(x.shape)} has none of the widths that were seen: {', '.join(self.of)}")
        return cast(Tensor, self.of[str(width)](x))


def is_activation(module: nn.Module) -> bool:
    return type(module).__name__ in ACTIVATIONS


def set_apart(net: nn.Module) -> None:
    """Give each path its own activation where one without weights stands at several, as in diffusers' older U-Nets:
    else those after the first would be left as they are."""
    seen: set[int] = set()
    for path, module in list(net.named_modules(remove_duplicate=False)):
        if is_activation(module) and not list(module.parameters()):
            if id(module) in seen:
                net.set_submodule(path, copy.deepcopy(module))
            seen.add(id(module))


def observe(
    net: nn.Module, run: Callable[[], object], patterns: Sequence[str] = (), every: bool = False
) -> list[Place]:
    """The activations of `net`, and the modules whose paths fit `patterns` (or `every` one), in the order in which
    `run` has last been through with them.

    `run` calls the network on PROBED pictures. Raises NotApplicable for a pattern that fits no module, and a module
    asked for by a pattern that gives no tensor [B, C, H, W], [B, N, C] or [B, C], or is given parts of pictures
    (windows, tiles) as if they were pictures; without a pattern, such modules are no places."""
    named = {path: module for path, module in net.named_modules() if path}
    for pattern in patterns:
        if not any(fnmatchcase(path, pattern) for path in named):
            raise NotApplicable(f"no module of the network fits {pattern!r}{nearest(pattern, named)}")
    strict = {path for path in named if any(fnmatchcase(path, pattern) for pattern in patterns)}
    kept = [path for path, module in named.items() if every or path in strict or is_activation(module)]
    watch = _watched(net, run, kept, strict)
    if watch.doubtful:
        watch = _on_narrow_pictures(net, run, kept, watch)
    return [place for path, place in watch.found.items() if path not in watch.unfit]


def _watched(net: nn.Module, run: Callable[[], object], kept: Sequence[str], strict: set[str]) -> _Watch:
    watch, training = _Watch(net, strict), net.training
    with ExitStack() as hooks, torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Linear | nn.LayerNorm | nn.Conv2d):
                hooks.callback(module.register_forward_hook(watch.layer).remove)
        for path in kept:
            hooks.callback(net.get_submodule(path).register_forward_hook(watch.keeper(path)).remove)
        hooks.callback(net.train, training)
        net.eval()
        run()
    return watch


def _on_narrow_pictures(net: nn.Module, run: Callable[[], object], kept: Sequence[str], watch: _Watch) -> _Watch:
    """Settle the layout of maps as wide as they have channels by what changes when pictures are half as wide; networks
    that refuse such pictures are taken at their last linear layer's word."""

    def narrow(_module: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return tuple(map(_half, args)), {name: _half(value) for name, value in kwargs.items()}

    handle = net.register_forward_pre_hook(narrow, with_kwargs=True)
    try:
        with suppress(Exception):  # a network's own code raises whatever it likes on a size that it cannot take
            other = _watched(net, run, kept, set())
            for path in watch.doubtful:
                watch.settle(path, other.last_shape.get(path))
    finally:
        handle.remove()
    return watch


def _half(value: Any) -> Any:
    return value[..., : value.shape[-1] // 2] if isinstance(value, Tensor) and value.dim() == 4 else value


class _Watch:
    """What hooks saw; the last layer before a map tells how its channels lie."""

    def __init__(self, net: nn.Module, strict: set[str]) -> None:
        self.net, self.strict = net, strict
        self.found: dict[str, Place] = {}
        self.unfit: set[str] = set()
        self.doubtful: set[str] = set()
        """Paths of maps [B, N, H, N] after a layer of rows of N: their layout cannot be told from their shape."""
        self.last_shape: dict[str, tuple[int, ...]] = {}
        """Of the last maps at each path."""
        self._last: nn.Module | None = None

    def layer(self, module: nn.Module, _inputs: object, output: Tensor) -> None:
        if output.dim() > 2:  # what a vector goes through, such as a step's embedding, lays out no maps
            self._last = module

    def keeper(self, path: str) -> Callable[[nn.Module, object, object], None]:
        """A hook that keeps the place; one that cannot be a place is an error where it was asked for by name."""

        def keep(module: nn.Module, _inputs: object, output: object) -> None:
            problem = _problem(output)
            if problem:
                self._refuse(path, problem)
                return
            assert isinstance(output, Tensor)
            if output.dim() == 4:
                self.last_shape[path] = tuple(output.shape)
            self.found[path] = self._place(path, output, self.found.pop(path, None))

        return keep

    def _refuse(self, path: str, problem: str) -> None:
        if path in self.strict:
            raise NotApplicable(f"{path!r} {problem}")
        self.unfit.add(path)

    def _place(self, path: str, output: Tensor, before: Place | None) -> Place:
        layout = self._layout(path, output, None if before is None else before.layouts.get(output.dim()))
        channels, size = _parts(tuple(output.shape), layout)
        widths = {channels: None} if before is None else {**dict.fromkeys(before.widths), channels: None}
        layouts = {**({} if before is None else before.layouts), output.dim(): layout}
        if before is not None and before.size and not size:  # a vector after maps: the place is that of the maps
            channels, layout, size = before.channels, before.layout, before.size
        activation = is_activation(self.net.get_submodule(path))
        return Place(path, channels, layout, size, activation, tuple(widths), layouts)

    def _layout(self, path: str, output: Tensor, before: Layout | None) -> Layout:
        """`before`: that of earlier runs, whose word holds where the shape of this one says nothing."""
        if output.dim() < 4:
            return "last"
        rows = _width(self._last) == output.shape[-1]
        if rows and output.shape[1] == output.shape[-1]:
            self.doubtful.add(path)
            return before or "last"
        layout: Layout = "last" if rows else "first"
        if before not in {None, layout} and path not in self.doubtful:
            self._refuse(path, "runs with its channels in the second dimension and in the last one")
        return layout

    def settle(self, path: str, narrower: tuple[int, ...] | None) -> None:
        """`narrower`: the shape of the last run of the place on narrower pictures."""
        place, shape = self.found[path], self.last_shape[path]
        if narrower is None or shape[-1] == narrower[-1]:
            return
        channels, size = _parts(shape, "first")
        layouts: dict[int, Layout] = {**place.layouts, 4: "first"}
        self.found[path] = replace(place, channels=channels, layout="first", size=size, layouts=layouts)


def _width(layer: nn.Module | None) -> int | None:
    """Of the rows that a linear layer or a norm of rows gives."""
    if isinstance(layer, nn.LayerNorm):
        return layer.normalized_shape[-1]
    return layer.out_features if isinstance(layer, nn.Linear) else None


def _parts(shape: tuple[int, ...], layout: Layout) -> tuple[int, tuple[int, ...]]:
    """Channels and size."""
    return (shape[-1], shape[1:-1]) if layout == "last" else (shape[1], shape[2:])


def _problem(output: object) -> str:
    if not isinstance(output, Tensor) or output.dim() not in (2, 3, 4):
        return "gives no maps [B, C, H, W], tokens [B, N, C] or vectors [B, C]"
    if len(output) != PROBED:
        return f"sees {len(output)} parts of {PROBED} pictures, so that their quality cannot be told apart there"
    return ""


def fitting(places: Sequence[Place], patterns: Sequence[str]) -> list[Place]:
    """Those whose path fits one of the patterns."""
    return [place for place in places if any(fnmatchcase(place.path, pattern) for pattern in patterns)]


def put(net: nn.Module, path: str, module: nn.Module, how: Literal["replace", "add"]) -> None:
    """`module` in the place of the one at `path`, or behind it; on its device and in its mode."""
    old = net.get_submodule(path)
    first = next(net.parameters(), None)
    if first is not None:
        module.to(first.device)
    module.train(net.training)
    net.set_submodule(path, module if how == "replace" else After(old, module))
    _step_by_step(net, path)


def _step_by_step(net: nn.Module, path: str) -> None:
    """Let torch's transformer layers around `path` run their own modules: in evaluation they call a fused kernel that
    knows no other activation than the one that they were made with."""
    while path:
        path = path.rpartition(".")[0]
        around = net.get_submodule(path)
        if isinstance(around, nn.TransformerEncoderLayer):
            around.activation_relu_or_gelu = 0
        if isinstance(around, nn.TransformerEncoder):
            around.use_nested_tensor = False
