"""Where in a network modules are put, in any network of modules: found by running it once and watching."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from qbench.errors import NotApplicable, nearest

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
    """A module of a network, and what came out of it: `layout` says whether channels are the second or last dimension;
    `size` is what is neither picture nor channel: height and width, or tokens."""

    path: str
    channels: int
    layout: Layout
    size: tuple[int, ...]
    activation: bool


class After(nn.Module):
    """A module with another one behind it."""

    def __init__(self, inner: nn.Module, added: nn.Module) -> None:
        super().__init__()
        self.inner, self.added = inner, added

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.added(self.inner(*args, **kwargs))


def is_activation(module: nn.Module) -> bool:
    return type(module).__name__ in ACTIVATIONS


def observe(net: nn.Module, run: Callable[[], object], patterns: Sequence[str] = ()) -> list[Place]:
    """The activations of `net`, and the modules whose paths fit `patterns`, in the order in which `run` reaches them.

    `run` calls the network on PROBED pictures. Raises NotApplicable for a pattern that fits no module, a module that
    runs several times with different widths, one that gives no tensor [B, C, H, W], [B, N, C] or [B, C], and one that
    is given parts of pictures (windows, tiles) as if they were pictures."""
    named = {path: module for path, module in net.named_modules() if path}
    for pattern in patterns:
        if not any(fnmatchcase(path, pattern) for path in named):
            raise NotApplicable(f"no module of the network fits {pattern!r}{nearest(pattern, named)}")
    watch = _Watch()
    handles = [m.register_forward_hook(watch.layer) for m in named.values() if isinstance(m, nn.Linear | nn.Conv2d)]
    for path, module in named.items():
        wanted = any(fnmatchcase(path, pattern) for pattern in patterns)
        if wanted or is_activation(module):
            handles.append(module.register_forward_hook(watch.keeper(path, strict=wanted)))
    training = net.training
    try:
        with torch.no_grad():
            net.eval()
            run()
    finally:
        net.train(training)
        for handle in handles:
            handle.remove()
    return list(watch.found.values())


class _Watch:
    """What hooks saw; the last layer before a map tells how its channels lie."""

    def __init__(self) -> None:
        self.found: dict[str, Place] = {}
        self._last: nn.Module | None = None

    def layer(self, module: nn.Module, _inputs: object, _output: object) -> None:
        self._last = module

    def keeper(self, path: str, strict: bool) -> Callable[[nn.Module, object, object], None]:
        """A hook that keeps the place; one that cannot be a place is an error where it was asked for by name."""

        def keep(module: nn.Module, _inputs: object, output: object) -> None:
            problem = _problem(output)
            if problem:
                if strict:
                    raise NotApplicable(f"{path!r} {problem}")
                return
            assert isinstance(output, Tensor)
            layout = self._layout(output)
            channels = output.shape[-1 if layout == "last" else 1]
            before = self.found.pop(path, None)
            if before is not None and before.channels != channels:
                raise NotApplicable(
                    f"{path!r} runs with {before.channels} and with {channels} channels; add behind blocks instead "
                    "(`how: add` with their paths in `sites`)"
                )
            size = tuple(output.shape[1:-1] if layout == "last" else output.shape[2:])
            self.found[path] = Place(path, channels, layout, size, is_activation(module))

        return keep

    def _layout(self, output: Tensor) -> Layout:
        if output.dim() < 4:
            return "last"
        last = self._last
        rows = isinstance(last, nn.Linear) and last.out_features == output.shape[-1] != output.shape[1]
        return "last" if rows else "first"


def _problem(output: object) -> str:
    if not isinstance(output, Tensor) or output.dim() not in (2, 3, 4):
        return "gives no maps [B, C, H, W], tokens [B, N, C] or vectors [B, C]"
    if len(output) != PROBED:
        return f"sees {len(output)} parts of {PROBED} pictures, so that their quality cannot be told apart there"
    return ""


def fitting(places: Sequence[Place], patterns: Sequence[str]) -> list[Place]:
    """Those whose path fits one of the patterns."""
    return [place for place in places if any(fnmatchcase(place.path, pattern) for pattern in patterns)]


def stage_ends(places: Sequence[Place]) -> list[Place]:
    """The last of each run of places with maps of one size; vectors have none and are left out."""
    spread = [place for place in places if place.size]
    last = spread[-1:]
    return [place for place, after in pairwise(spread) if after.size != place.size] + last


def put(net: nn.Module, path: str, module: nn.Module, how: Literal["replace", "add"]) -> None:
    """`module` in the place of the one at `path`, or behind it; on its device and in its mode."""
    old = net.get_submodule(path)
    first = next(net.parameters(), None)
    if first is not None:
        module.to(first.device)
    module.train(net.training)
    net.set_submodule(path, module if how == "replace" else After(old, module))
