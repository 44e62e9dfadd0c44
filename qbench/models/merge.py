"""The form in which networks run that train in several branches, RepVGG, MobileOne and others of timm."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

BRANCHED = (
    "repvgg", "mobileone", "fastvit", "repvit", "repghostnet", "ghostnetv3", "lcnetv2", "nextvit", "iformer", "levit",
    "tiny_vit", "shvit", "efficientvit_m", "efficientvim",
)  # fmt: skip
"""Starts of the names of timm's networks with a merged form."""
_FORMS = ("fuse", "reparameterize", "switch_to_deploy")


def branched(name: str) -> bool:
    """Whether timm's network of this name (`tu-` before it or not) runs in another form than it trains in."""
    return name.removeprefix("tu-").startswith(BRANCHED)


def merged(net: nn.Module) -> nn.Module:
    """A copy of `net`, in eval mode, with the branches and norms of its timm modules merged as each knows how to, so
    that it computes the same with fewer parameters; other networks come back as they are.

    Module paths of blocks stay, those of the branches inside them go. Every parameter can be trained."""
    if not any(type(m).__module__.startswith("timm.") and any(hasattr(m, f) for f in _FORMS) for m in net.modules()):
        return net
    from timm.utils import reparameterize_model  # type: ignore[attr-defined]

    # timm detaches whatever else a merged block holds, such as its attention.
    deployed: nn.Module = reparameterize_model(net.eval())
    return deployed.eval().requires_grad_(True)
