"""Where in a network modules are put, in any network of modules: found by running it once and watching."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from itertools import zip_longest
from typing import Any, Literal, TypeAlias, cast

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


@dataclass(frozen=True)
class Output:
    """What a module gave in one run: its shape, () for what is no tensor, and whether the last layer that ran before
    it ended gives rows as wide as the shape's last dimension."""

    shape: tuple[int, ...]
    rows: bool

    @property
    def square(self) -> bool:
        """Whether these are maps [B, N, H, N] after rows of N, whose layout their shape cannot tell."""
        return len(self.shape) == 4 and self.rows and self.shape[1] == self.shape[-1]

    @property
    def problem(self) -> str:
        """Why modules cannot be put here; empty where they can."""
        if len(self.shape) not in (2, 3, 4):
            return "gives no maps [B, C, H, W], tokens [B, N, C] or vectors [B, C]"
        if self.shape[0] != PROBED:
            return f"sees {self.shape[0]} parts of {PROBED} pictures, so that their quality cannot be told apart there"
        return ""

    def layout(self, narrow: Output | None) -> Layout:
        """`narrow`: of the same run on narrower pictures, where it is known."""
        if self.square:
            return "last" if narrow is None or narrow.shape[-1] == self.shape[-1] else "first"
        return "last" if len(self.shape) < 4 or self.rows else "first"


Outputs: TypeAlias = Mapping[str, Sequence[Output]]
"""By path, those of all runs of a module; in the order in which the modules ran last."""


def observe(
    net: nn.Module, run: Callable[[], object], patterns: Sequence[str] = (), every: bool = False
) -> list[Place]:
    """The activations of `net`, and the modules whose paths fit `patterns` (or `every` one, the network itself under
    the path "" too), in the order in which `run` has last been through with them.

    `run` calls the network on PROBED pictures. Raises NotApplicable for a pattern that fits no module, and for a module
    that a pattern names and that gives no tensor [B, C, H, W], [B, N, C] or [B, C], or is given parts of pictures
    (windows, tiles) as if they were pictures; without a pattern, such modules are no places."""
    modules = {path: module for path, module in net.named_modules() if path}
    for pattern in patterns:
        if not any(fnmatchcase(path, pattern) for path in modules):
            raise NotApplicable(f"no module of the network fits {pattern!r}{nearest(pattern, modules)}")
    named = {path for path in modules if any(fnmatchcase(path, pattern) for pattern in patterns)}
    watched = [path for path, module in modules.items() if every or path in named or is_activation(module)]
    outputs = _outputs(net, run, [*watched, ""] if every else watched)
    narrow: Outputs = {}
    if any(output.square for runs in outputs.values() for output in runs):
        narrow = _outputs_on_narrow_pictures(net, run, watched)
    places = []
    for path, runs in outputs.items():
        layouts = [output.layout(other) for output, other in zip_longest(runs, narrow.get(path, ())[: len(runs)])]
        problem = next((output.problem for output in runs if output.problem), "")
        if len({layout for layout, output in zip(layouts, runs, strict=True) if len(output.shape) == 4}) > 1:
            problem = problem or "runs with its channels in the second dimension and in the last one"
        if problem and path in named:
            raise NotApplicable(f"{path!r} {problem}")
        if not problem:
            places.append(_place(path, is_activation(net.get_submodule(path)), runs, layouts))
    return places


def _outputs(net: nn.Module, run: Callable[[], object], paths: Sequence[str]) -> Outputs:
    outputs: dict[str, list[Output]] = {}
    width: int | None = None

    def layer(module: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal width
        if output.dim() > 2:  # what a vector goes through, such as a step's embedding, lays out no maps
            width = _row_width(module)

    def keep(path: str, _module: nn.Module, _inputs: object, output: object) -> None:
        shape = tuple(output.shape) if isinstance(output, Tensor) else ()
        outputs[path] = [*outputs.pop(path, []), Output(shape, bool(shape) and shape[-1] == width)]

    with ExitStack() as hooks, torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Linear | nn.LayerNorm | nn.Conv2d):
                hooks.callback(module.register_forward_hook(layer).remove)
        for path in paths:
            hooks.callback(net.get_submodule(path).register_forward_hook(partial(keep, path)).remove)
        hooks.callback(net.train, net.training)
        net.eval()
        run()
    return outputs


def _outputs_on_narrow_pictures(net: nn.Module, run: Callable[[], object], paths: Sequence[str]) -> Outputs:
    """What `paths` give for pictures half as wide: rows stay as wide as they were, maps become narrower. Nothing is
    known of a network that refuses such pictures."""

    def narrow(_module: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return tuple(map(_half, args)), {name: _half(value) for name, value in kwargs.items()}

    handle = net.register_forward_pre_hook(narrow, with_kwargs=True)
    try:
        return _outputs(net, run, paths)
    except Exception:  # a network's own code raises whatever it likes on a size that it cannot take
        return {}
    finally:
        handle.remove()


def _half(value: Any) -> Any:
    return value[..., : value.shape[-1] // 2] if isinstance(value, Tensor) and value.dim() == 4 else value


def _row_width(layer: nn.Module) -> int | None:
    """Width of the rows that a linear layer or a norm of rows gives."""
    if isinstance(layer, nn.LayerNorm):
        return layer.normalized_shape[-1]
    return layer.out_features if isinstance(layer, nn.Linear) else None


def _place(path: str, activation: bool, runs: Sequence[Output], layouts: Sequence[Layout]) -> Place:
    parts = [_parts(output.shape, layout) for output, layout in zip(runs, layouts, strict=True)]
    last = max(range(len(parts)), key=lambda i: (bool(parts[i][1]), i))  # maps before vectors, later before earlier
    widths = tuple(dict.fromkeys(channels for channels, _ in parts))
    by_dimensions = {len(output.shape): layout for output, layout in zip(runs, layouts, strict=True)}
    return Place(path, parts[last][0], layouts[last], parts[last][1], activation, widths, by_dimensions)


def _parts(shape: tuple[int, ...], layout: Layout) -> tuple[int, tuple[int, ...]]:
    """Channels and size."""
    return (shape[-1], shape[1:-1]) if layout == "last" else (shape[1], shape[2:])


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
