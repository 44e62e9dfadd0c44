"""What a QDMR training is measured on at its end: both domains' validation pictures, the codebook, the generator."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from qbench.methods.qdmr.codebook import usage
from qbench.train.core.batches import Batch
from qbench.train.recipes.common import MEASURED
from qbench.train.recipes.qdmr.fields import FieldBatches, Photographs
from qbench.train.recipes.qdmr.training import Training

CROPS = 8
"""Of every validation picture, as long as that makes no more than MEASURED: few photographs still give many places."""


@torch.no_grad()
def measured(training: Training) -> dict[str, float]:
    """PSNR in dB of restored and of untouched validation pictures in both domains (the target's only where it is
    simulated), perplexity and used part of the codebook, and how far mean colours are apart; {} without that role."""
    if "validation" not in training.parts.samples:
        return {}
    for module in training.players.modules().values():
        module.eval()
    values: dict[str, float] = {}
    for role in ("source", "target") if "target" in training.parts.mixes else ("source",):
        values |= _restored(training, role)
    return values | (_generated(training) if training.players.vqgan is not None else {})


def _batches(training: Training, role: str, of: str) -> Iterator[Batch]:
    """Validation pictures (or `of` another role) as photographs of the role's domain."""
    parts = training.parts
    mix = parts.mixes["target"] if role == "target" else parts.mix
    photographs = Photographs(parts.samples[of], mix, parts.seed, f"validation/{role}")
    size = min(16, len(photographs))
    make = FieldBatches(photographs, parts.spec.crop, size, parts.seed, "measure", parts.device)
    return (make(step) for step in range(max(1, min(MEASURED, CROPS * len(photographs)) // size)))


def _restored(training: Training, role: str) -> dict[str, float]:
    net = training.players.net
    restored, untouched, indices = [], [], []
    for batch in _batches(training, role, "validation"):
        passed = net.passed(batch.degraded)
        restored.append(_psnr(passed.pictures.clamp(0, 1), batch.clean))
        untouched.append(_psnr(batch.degraded, batch.clean))
        if passed.codes is not None:
            indices.append(passed.codes.indices)
    values = {f"psnr {role}": _mean(restored), f"psnr {role} untouched": _mean(untouched)}
    if indices:
        perplexity, used = usage(torch.cat(indices), net.shape.codes)
        values |= {f"perplexity {role}": float(perplexity), f"codes used {role}": float(used)}
    return values


def _generated(training: Training) -> dict[str, float]:
    """How far the mean colour of source pictures, and of what is generated from them, is from that of target pictures
    of the same scenes: mean absolute difference of the channels. Real targets are the target role's own pictures."""
    simulated = "target" in training.parts.mixes
    source = [batch.degraded for batch in _batches(training, "source", "validation")]
    if simulated:
        target = [batch.degraded for batch in _batches(training, "target", "validation")]
    else:
        make = training.batches("target", "measure", len(source[0]))
        target = [make(step).degraded for step in range(len(source))]
    generated = [training.players.autoencoder(images)[0].clamp(0, 1) for images in source]
    at = _colours(target)
    return {
        "colour source to target": float((_colours(source) - at).abs().mean()),
        "colour generated to target": float((_colours(generated) - at).abs().mean()),
    }


def _colours(batches: list[Tensor]) -> Tensor:
    return torch.cat(batches).mean((0, 2, 3))


def _psnr(pictures: Tensor, clean: Tensor) -> Tensor:
    return -10 * (pictures - clean).square().mean((1, 2, 3)).clamp_min(1e-10).log10()


def _mean(values: list[Tensor]) -> float:
    return float(torch.cat(values).mean())
