"""Reprogramming a restorer by waves: an input transform, the restorer as it is, and an output transform."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from qbench.methods.osr import OsrOptions
from qbench.methods.osr.restorer import PlainRestorer
from qbench.models.initial import initialise


class Waves(nn.Module):
    """Pictures to amplitude and phase, each by a convolution of 1x1 across channels.

    Starts with the picture as its amplitude and, unless the phase is rectified, no phase."""

    def __init__(self, options: OsrOptions) -> None:
        super().__init__()
        self.amplitude = nn.Conv2d(3, options.channels, 1) if options.amplitude else None
        self.phase = nn.Conv2d(3, options.channels, 1) if options.phase else None
        rectified = options.phase and options.phase_act == "relu_bn"
        self.act = nn.Sequential(nn.BatchNorm2d(options.channels), nn.ReLU()) if rectified else nn.Identity()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """[B, 3, H, W] to amplitude and phase in radians, [B, C, H, W]; None where there is no phase."""
        amplitude = images if self.amplitude is None else self.amplitude(images)
        return amplitude, None if self.phase is None else self.act(self.phase(images))

    @torch.no_grad()
    def start(self, seed: int, turned: bool) -> None:
        """The phase starts at zero, or drawn (`turned`) where zero would have no gradient."""
        initialise(self, seed, zero=() if turned else ("phase",))
        if self.amplitude is not None:
            self.amplitude.weight.copy_(torch.eye(3).repeat(self.amplitude.out_channels // 3, 1)[:, :, None, None])


class Translation(nn.Module):
    """The ablation of the waves: pictures to pictures by three convolutions of 3x3, starting at the identity."""

    def __init__(self, options: OsrOptions) -> None:
        super().__init__()
        width = options.hidden // 4
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()
        )
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        return images + self.last(self.layers(images)), None

    def start(self, seed: int, turned: bool) -> None:
        initialise(self, seed, zero=("last",))


class Fusion(nn.Module):
    """Waves and the picture to the clear picture: two branches under gates that sum to one.

    The figure of the paper: (real, imaginary) to a wave, joined, to features u; the picture to features v; gates from
    their sum; the gated sum through a convolution. Sizes and the softmax are those of WaveMLP (CVPR 2022)."""

    def __init__(self, options: OsrOptions) -> None:
        super().__init__()
        hidden = options.hidden
        self.residual, self.pool = options.otf_residual, options.gate_pool
        self.waves = nn.Conv2d(2 * options.channels, hidden, 1)
        self.image = nn.Conv2d(3, hidden, 1)
        self.mix = nn.Conv2d(hidden, hidden, 1)
        self.gates = nn.Sequential(nn.Conv2d(hidden, hidden // 4, 1), nn.GELU(), nn.Conv2d(hidden // 4, 2 * hidden, 1))
        self.last = nn.Conv2d(hidden, 3, 3, padding=1)

    def forward(self, images: Tensor, real: Tensor, imaginary: Tensor) -> Tensor:
        """The picture [B, 3, H, W] and both parts of the wave [B, C, H, W], to [B, 3, H, W]."""
        u, v = self.waves(torch.cat((real, imaginary), 1)), self.image(images)
        mixed = self.mix(u + v)
        if self.pool:
            mixed = mixed.mean((2, 3), keepdim=True)
        of_u, of_v = torch.stack(self.gates(mixed).chunk(2, 1)).softmax(0)
        clear = cast(Tensor, self.last(of_u * u + of_v * v))
        return triples(real + imaginary).mean(1) + clear if self.residual else clear

    def start(self, seed: int) -> None:
        initialise(self, seed, zero=("last",) if self.residual else ())


def triples(waves: Tensor) -> Tensor:
    """[B, 3 N, H, W] to [B, N, 3, H, W]: what a restorer of colour pictures reads at once."""
    batch, _, height, width = waves.shape
    return waves.reshape(batch, -1, 3, height, width)


class Osr(nn.Module):
    """OSR-style reprogramming (arXiv 2403.05886) of a `restorer`, any module from [B, 3, H, W] in [0, 1] to the same.

    A = W_a x + b_a and theta = W_t x + b_t; the restorer reads R = A cos(theta) and M = A sin(theta), as pictures; its
    answers R' and M' give c = R' cos(theta) and s = M' sin(theta), whose sum is Re((R' + i M') exp(-i theta))."""

    def __init__(self, options: OsrOptions, restorer: nn.Module | None = None) -> None:
        super().__init__()
        plain = options.plain
        self.restorer = restorer or PlainRestorer(options.plan, options.block_bias, options.restorer_residual)
        self.input = None if plain else (Translation if options.translation == "image" else Waves)(options)
        self.output = None if plain or options.output == "none" else Fusion(options)
        self.turned = options.phase_act == "relu_bn" or options.output == "none"

    def start(self, seed: int) -> None:
        """First weights of the transforms, and of a restorer that is ours, as a function of the seed."""
        if isinstance(self.restorer, PlainRestorer):
            self.restorer.start(seed)
        if self.input is not None:
            self.input.start(seed, self.turned)
        if self.output is not None:
            self.output.start(seed)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] in [0, 1] to the same, not clamped; any height and width."""
        if self.input is None:
            return cast(Tensor, self.restorer(images))
        with torch.autocast(images.device.type, enabled=False):
            amplitude, phase = self.input(images)
            cos, sin = (torch.ones_like(amplitude), None) if phase is None else (phase.cos(), phase.sin())
        if self.output is None:
            return triples(self._restored(amplitude * cos)).mean(1)
        if sin is None:
            real = self._restored(amplitude)
            return cast(Tensor, self.output(images, real, torch.zeros_like(real)))
        both = self._restored(torch.cat((amplitude * cos, amplitude * sin)))
        real, imaginary = both.chunk(2)
        return cast(Tensor, self.output(images, real * cos, imaginary * sin))

    def _restored(self, waves: Tensor) -> Tensor:
        """Every three channels through the restorer: [B, C, H, W] to the same."""
        restored: Tensor = self.restorer(triples(waves).flatten(0, 1))
        return restored.reshape(waves.shape)
