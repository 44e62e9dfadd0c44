"""Pictures, stored states and tiny networks for the tests of segmentation models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

from tests.models.test_classifiers import randomised

SIZES = [(64, 64), (33, 47)]
TINY = {"hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4, "num_attention_heads": [1, 1, 2, 2], "num_labels": 4}


def pictures(height: int, width: int) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def seen(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    return (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


def same(predicted: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(predicted, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def stored(net: nn.Module, file: Path) -> Path:
    if file.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, file)
    else:
        torch.save({"state_dict": net.state_dict()}, file)
    return file


def folder(root: Path, **changes: Any) -> tuple[SegformerForSemanticSegmentation, Path]:
    """A tiny SegFormer, and the folder that transformers saves of it."""
    torch.manual_seed(0)
    net = randomised(SegformerForSemanticSegmentation(SegformerConfig(decoder_hidden_size=16, **{**TINY, **changes})))
    net.save_pretrained(root)
    SegformerImageProcessor(image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.25, 0.3]).save_pretrained(root)
    return net, root
