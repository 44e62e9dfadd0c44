"""Cutting a network at a feature site, and where the site's maps look in the image."""

from __future__ import annotations

import copy
import operator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from qbench.errors import NotApplicable


def cut(net: nn.Module, path: str) -> tuple[nn.Module, nn.Module]:
    """`net` as (front, back) around the output of module `path`, sharing its parameters.

    `back(features, x)` is given the front's input too, and may read its size. Traced with torch.fx, so that neither
    half repeats the other's work; a network that cannot be traced, or whose site is not the only bridge between the
    halves, is cut by hooks, and its back runs the front's work on `x` again."""
    traced = _traced_cut(net, path)
    return traced if traced is not None else (_HookFront(net, path), _HookBack(net, path))


class _LeafTracer(fx.Tracer):
    """Keeps the site whole, so that its output is one node, and layers whole: some branch on their input's size, and
    those that are `traced_whole` work with more than their input."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        inside = self._path.startswith(module_qualified_name + ".")
        layer = type(m).__module__.startswith("timm.layers") or next(m.children(), None) is None
        layer = layer or getattr(m, "traced_whole", False)
        return not inside and (
            module_qualified_name == self._path or layer or super().is_leaf_module(m, module_qualified_name)
        )


def _traced_cut(net: nn.Module, path: str) -> tuple[nn.Module, nn.Module] | None:
    try:
        graph = _LeafTracer(path).trace(net)
    except Exception:  # fx raises whatever the network's own code raises on a proxy
        return None
    nodes = list(graph.nodes)
    sites = [node for node in nodes if node.op == "call_module" and node.target == path]
    if len(sites) != 1:
        return None
    index = nodes.index(sites[0])
    before, after = set(nodes[: index + 1]), nodes[index + 1 :]
    needed = {used for node in after for used in node.all_input_nodes if used in before and used.op != "get_attr"}
    light = _light(nodes[:index])
    if needed - light != {sites[0]}:
        return None
    return _front(net, nodes[: index + 1], sites[0]), _back(net, nodes, sites[0], light | set(after))


_SIZES = {getattr, operator.getitem, operator.neg, operator.mod, operator.add, operator.sub, operator.floordiv}


def _light(nodes: list[fx.Node]) -> set[fx.Node]:
    """The input, and what is read off its size: the back does that again rather than run the whole front."""
    light: set[fx.Node] = set()
    for node in nodes:
        cheap = (node.op == "call_function" and node.target in _SIZES) or (node.op, node.target) == (
            "call_method",
            "size",
        )
        if node is nodes[0] or (cheap and light.issuperset(node.all_input_nodes)):
            light.add(node)
    return light


def _front(net: nn.Module, nodes: list[fx.Node], site: fx.Node) -> nn.Module:
    graph = fx.Graph()
    copied: dict[fx.Node, fx.Node] = {}
    for node in nodes:
        copied[node] = graph.node_copy(node, lambda old: copied[old])
    graph.output(copied[site])
    return _module(net, graph)


def _back(net: nn.Module, nodes: list[fx.Node], site: fx.Node, kept: set[fx.Node]) -> nn.Module:
    graph = fx.Graph()
    copied: dict[fx.Node, fx.Node] = {}
    copied[site] = graph.placeholder("features")
    copied[nodes[0]] = graph.placeholder("x")
    for node in nodes[1:]:
        if node in kept or node.op == "get_attr":
            copied[node] = graph.node_copy(node, lambda old: copied[old])
    return _module(net, graph)


def _module(net: nn.Module, graph: fx.Graph) -> nn.Module:
    half = fx.GraphModule(net, graph)
    half.graph.eliminate_dead_code()
    half.recompile()
    return half


class _Reached(Exception):
    def __init__(self, features: Tensor) -> None:
        super().__init__("site reached")
        self.features = features


class _HookFront(nn.Module):
    """The network up to the site, stopped there by a hook."""

    def __init__(self, net: nn.Module, path: str) -> None:
        super().__init__()
        self.net, self.path = net, path

    def forward(self, x: Tensor) -> Tensor:
        def stop(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            raise _Reached(output)

        handle = self.net.get_submodule(self.path).register_forward_hook(stop)
        try:
            self.net(x)
        except _Reached as reached:
            return reached.features
        finally:
            handle.remove()
        raise NotApplicable(f"the network's forward never reaches {self.path!r}")


class _HookBack(nn.Module):
    """The whole network on `x`, with the site's output replaced by `features`."""

    def __init__(self, net: nn.Module, path: str) -> None:
        super().__init__()
        self.net, self.path = net, path

    def forward(self, features: Tensor, x: Tensor) -> Tensor:
        handle = self.net.get_submodule(self.path).register_forward_hook(lambda *_: features)
        try:
            return cast(Tensor, self.net(x))
        finally:
            handle.remove()


@dataclass(frozen=True)
class Geometry:
    """A site's maps: channels, and the image coordinate (pixels) of the receptive-field centre of row/column i:
    `offset + stride * i`."""

    channels: int
    stride: float
    offset: float


def geometry(front: nn.Module, size: int) -> Geometry:
    """Measure a site's geometry at `size` x `size` from the support of the gradients of two inner features.

    Where the receptive field covers the picture (global pooling, very deep sites) the centres are spread evenly."""
    probe = copy.deepcopy(front).eval().to(torch.float64)
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, size, size, generator=generator, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        maps = cast(Tensor, probe(image))
        if maps.dim() != 4:
            raise NotApplicable(
                f"the site gives a tensor of {maps.dim()} dimensions; feature methods need [B, C, H, W]"
            )
        middle = maps.shape[-1] // 2
        supports = [_support(maps[0, :, maps.shape[-2] // 2, i], image) for i in (middle, middle + 1)]
    stride = float(supports[1][0] - supports[0][0])
    if supports[0][0] <= 0 or supports[1][1] >= size - 1 or stride <= 0:
        stride = size / maps.shape[-1]
        return Geometry(maps.shape[1], stride, (stride - 1) / 2)
    return Geometry(maps.shape[1], stride, sum(supports[0]) / 2 - stride * middle)


def _support(features: Tensor, image: Tensor) -> tuple[int, int]:
    (gradient,) = torch.autograd.grad(features.abs().sum(), image, retain_graph=True)
    columns = gradient.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
    if not len(columns):
        return 0, image.shape[-1]
    return int(columns[0]), int(columns[-1])
