"""What decides the networks of QDMR: the published plan and two small ones. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PlanName = Literal["release", "tiny-64", "tiny-32"]


@dataclass(frozen=True)
class Shape:
    """The sizes of all networks of one plan."""

    widths: tuple[int, ...]
    """Channels at full size, and after each halving; the last is the width of the features."""
    groups: int
    """Of the group norms."""
    codes: int
    code_width: int
    stacks: int
    """Residual Swin blocks (RSTB) of the bottleneck."""
    blocks: int
    """Transformer blocks in each of them."""
    heads: int
    window: int
    mlp: int
    """Width of a block's two linear layers over that of the features."""
    judge: int
    """First width of the discriminators."""

    @property
    def factor(self) -> int:
        """Pixels of the picture for one place of the features."""
        return 1 << (len(self.widths) - 1)

    @property
    def width(self) -> int:
        return self.widths[-1]

    @property
    def multiple(self) -> int:
        """Sides of pictures are padded to multiples of it: whole windows of attention."""
        return self.factor * self.window


PLANS: dict[str, Shape] = {
    "release": Shape((64, 128, 256, 256), 32, 1024, 512, stacks=4, blocks=6, heads=8, window=8, mlp=4, judge=64),
    "tiny-64": Shape((16, 32, 64, 64), 8, 64, 32, stacks=2, blocks=2, heads=4, window=4, mlp=2, judge=16),
    "tiny-32": Shape((16, 32, 32), 8, 64, 16, stacks=1, blocks=2, heads=4, window=4, mlp=2, judge=8),
}
"""`release` is the authors' (their code at ce107ef); the small ones are this project's and keep every mechanism."""
