"""QuARF's block: groups of channels, each through convolutions of several sizes, mixed as the picture's quality asks.

Gao et al., QuARF: Quality-Adaptive Receptive Fields for Degraded Image Perception, AAAI 2025."""

from __future__ import annotations

import hashlib
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.draws import keyed
from qbench.errors import NotApplicable
from qbench.methods.adaptive import QualityAdaptive
from qbench.methods.quarf.experts import DILATIONS, Expert, Kind

Gates = Literal["quality", "uniform"]
Routing = Literal["soft", "hard", "soft-then-hard"]


class Quarf(QualityAdaptive):
    """[B, C, H, W] to the same: sum over experts of gate times expert, for each group of channels.

    The router makes `count` gates a group from the standardised quality features, layer-normed without weights: the
    softmax of the `top` largest logits, with noise of a learned size on them when training. `soft` runs all experts
    and mixes them; `hard` runs one a picture and group; `soft-then-hard` trains softly and runs hard. `gates: uniform`
    has no router, and `zeroed` one that knows only the mean quality: the controls. `index` tells the blocks of a
    network apart, so that each draws noise of its own."""

    def __init__(
        self, channels: int, dimension: int, *, experts: Kind = "dilated", groups: int = 4, count: int = 4,
        top: int = 4, own_experts: bool = False, gates: Gates = "quality", routing: Routing = "soft",
        straight_through: bool = True, noisy: bool = True, zeroed: bool = False, seed: int = 0,
        index: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(dimension, zeroed)
        if channels % groups:
            raise NotApplicable(f"{channels} channels cannot be split into {groups} equal groups; set `groups`")
        if not 1 <= top <= count <= len(DILATIONS):
            raise NotApplicable(f"`top` {top} and `count` {count}: 1 <= top <= count <= {len(DILATIONS)}")
        self.groups, self.top, self.routing, self.own_experts = groups, top, routing, own_experts
        self.straight_through, self.noisy, self.seed, self.index = straight_through, noisy, seed, index
        width = channels // groups
        self.experts = nn.ModuleList(Expert(experts, place, width, groups, own_experts) for place in range(count))
        self.logits = nn.Linear(dimension, groups * count) if gates == "quality" else None
        self.spread = nn.Linear(dimension, groups * count) if gates == "quality" and noisy else None
        self.last_gates: Tensor | None = None
        """Of the last forward pass, [B, groups, count]: for logs and for losses of the gates."""

    @property
    def reads_quality(self) -> bool:
        return super().reads_quality and self.logits is not None

    def forward(self, x: Tensor) -> Tensor:
        logits = self._logits(x)
        gates = self.gates_of(logits)
        self.last_gates = gates if self.training else gates.detach()
        if self.routing == "hard" or (self.routing == "soft-then-hard" and not self.training):
            return self._hard(x, logits)
        mixed = torch.zeros_like(x)
        for place, expert in enumerate(self.experts):
            weight = gates[:, :, place].repeat_interleave(x.shape[1] // self.groups, dim=1)
            mixed = mixed + weight[:, :, None, None].to(x.dtype) * expert(x)
        return mixed

    def __getstate__(self) -> dict[str, Any]:
        """Copies begin without gates: those of a training hang on its graph, and tensors that do cannot be copied."""
        return {**self.__dict__, "last_gates": None}

    def gates_of(self, logits: Tensor) -> Tensor:
        """Logits [B, groups, count] to weights that sum to one over the experts; all but the `top` largest are zero, of
        equal ones the first are kept."""
        if self.top < logits.shape[2]:
            others = logits.sort(dim=2, descending=True, stable=True).indices[:, :, self.top :]
            logits = logits.scatter(2, others, -torch.inf)
        return logits.float().softmax(dim=2)

    def _logits(self, x: Tensor) -> Tensor:
        """[B, groups, count]."""
        if self.logits is None:
            return x.new_zeros(len(x), self.groups, len(self.experts), dtype=torch.float32)
        quality = self.quality_for(x)
        seen = F.layer_norm(quality, (self.dimension,)) if self.dimension > 1 else quality
        seen = seen.to(self.logits.weight.dtype)
        logits = cast(Tensor, self.logits(seen)).float()
        if self.training and self.spread is not None:
            features = quality if self.reads_quality else x.float().mean((2, 3))
            spread = F.softplus(cast(Tensor, self.spread(seen)).float())
            logits = logits + self._noise(features, logits.shape[1]) * spread
        return logits.reshape(len(x), self.groups, len(self.experts))

    def _noise(self, features: Tensor, count: int) -> Tensor:
        """[B, count] from N(0, 1), drawn by the pictures' own features [B, N]: a training that goes on draws the same,
        and no picture's noise depends on the others of its batch. All pictures of a control have one quality; the means
        of their maps tell them apart."""
        # The step need not be a key: crops and degradations, and with them the features, change from step to step. Only
        # a picture that is met again just as it was, in a set without either, is met with the noise that it had.
        rows = features.detach().float().cpu().contiguous().numpy()
        names = (hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest() for row in rows)
        draws = (keyed(self.seed, "quarf/noise", self.index, name) for name in names)
        drawn = [draw.standard_normal(count, dtype="float32") for draw in draws]
        return torch.stack([torch.from_numpy(row) for row in drawn]).to(features.device)

    def _hard(self, x: Tensor, logits: Tensor) -> Tensor:
        """One expert a picture and group; the others do not run. The gate is one in value; with `straight_through` its
        gradient is that of the largest softmax over its own value, so that the router learns."""
        chosen = logits.argmax(dim=2)
        # One copy of the maps by group, so that what an expert takes lies together.
        parts = x.contiguous().reshape(len(x) * self.groups, -1, *x.shape[2:])
        out = torch.empty_like(parts)
        group_of = torch.arange(self.groups, device=x.device).expand(len(x), -1)
        for place, expert in enumerate(self.experts):
            assert isinstance(expert, Expert)
            for group in range(self.groups) if self.own_experts else (0,):
                here = (chosen == place) & (group_of == group) if self.own_experts else chosen == place
                rows = here.flatten().nonzero().flatten()
                if len(rows):
                    out.index_copy_(0, rows, expert.of(parts.index_select(0, rows), group).to(out.dtype))
        if self.straight_through and self.training:
            gate = logits.float().softmax(dim=2).amax(dim=2)
            out = out * (gate / gate.detach()).flatten()[:, None, None, None].to(out.dtype)
        return out.reshape(x.shape)

    def importance(self) -> Tensor:
        """The squared coefficient of variation of the experts' summed gates in the last batch, the mean over groups
        (Shazeer et al., arXiv 1701.06538, equation 6): zero where all experts are used alike."""
        assert self.last_gates is not None
        load = self.last_gates.sum(dim=0)
        return (load.var(dim=1, unbiased=False) / load.mean(dim=1).square()).mean()


class Plain(nn.Module):
    """The control without experts: one 3x3 convolution, [B, C, H, W] to the same, at the cost of the block's four."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Expert("dilated", 0, channels, 1, own_weights=True)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(x))
