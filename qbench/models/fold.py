"""Branches merged, and batch norms folded into the convolutions before them, for networks as they run."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection
from typing import cast

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from qbench.models.merge import merged


class _LayerTracer(fx.Tracer):
    """Keeps layers and norms whole, a norm that carries its activation too."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        childless = next(m.children(), None) is None
        return childless or isinstance(m, nn.BatchNorm2d) or super().is_leaf_module(m, module_qualified_name)


def for_inference(net: nn.Module, *, keep: Collection[str] = (), fold: bool = True) -> nn.Module:
    """`net` in eval mode with merged branches, folded norms, channels-last weights and no in-place activation.

    In-place activations would change the features of the site before them. Convolutions under the paths in `keep`
    are not folded: they are sites whose output a method asks for as it was trained."""
    net = merged(net.eval()) if fold else net.eval()
    for module in net.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    folded = fold_norms(net, keep=keep) if fold else net
    return folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def fold_norms(net: nn.Module, *, keep: Collection[str] = ()) -> nn.Module:
    """A copy of `net` in which each batch norm whose only input is a convolution's only use is folded into it.

    Module paths stay: a norm becomes an identity, or its activation where timm made it carry one. A network that
    torch.fx cannot trace comes back unchanged."""
    net = copy.deepcopy(net).eval()
    for conv_path, norm_path in _pairs(net):
        conv, norm = cast(nn.Conv2d, net.get_submodule(conv_path)), cast(nn.BatchNorm2d, net.get_submodule(norm_path))
        if conv_path not in keep:
            net.set_submodule(conv_path, fuse_conv_bn_eval(conv, norm))
            net.set_submodule(norm_path, _after(norm))
    return net


def _after(norm: nn.BatchNorm2d) -> nn.Module:
    activation = getattr(norm, "act", None)
    return activation if isinstance(activation, nn.Module) else nn.Identity()


def _pairs(net: nn.Module) -> list[tuple[str, str]]:
    try:
        graph = _LayerTracer().trace(net)
    except Exception:  # fx raises whatever the network's own code raises on a proxy
        return []
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    pairs = []
    for node in graph.nodes:
        source = node.args[0] if node.op == "call_module" and node.args else None
        if (
            isinstance(source, fx.Node)
            and source.op == "call_module"
            and len(source.users) == 1
            and isinstance(net.get_submodule(str(node.target)), nn.BatchNorm2d)
            and type(net.get_submodule(str(source.target))) is nn.Conv2d
            and calls[node.target] == calls[source.target] == 1
        ):
            pairs.append((str(source.target), str(node.target)))
    return pairs
