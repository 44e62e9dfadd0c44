"""What a model gave, in words, for a task that needs something else."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qbench.errors import QbenchError
from qbench.models.outputs import described as in_parts
from qbench.vocabulary import Boxes


def tensor_of(output: Any, dims: int, task: str, needs: str) -> Tensor:
    """The output, if it is a tensor of `dims` dimensions of real numbers. Raises QbenchError that says what the task
    needs."""
    if isinstance(output, Tensor) and output.dim() == dims and not _unusual(output):
        return output
    raise misfit(output, task, needs)


def misfit(output: Any, task: str, needs: str) -> QbenchError:
    return QbenchError(f"the model gives {described(output)}, and {task} needs {needs}")


def described(output: Any) -> str:
    if isinstance(output, Tensor):
        return "a nested tensor" if output.is_nested else f"a {_unusual(output)}tensor of {[*output.shape]}"
    if isinstance(output, list | tuple) and output and all(isinstance(boxes, Boxes) for boxes in output):
        return "boxes" if all(boxes.scores is not None for boxes in output) else "boxes without scores"
    return in_parts(output)


def _unusual(output: Tensor) -> str:
    """What is unlike a plain tensor of real numbers, as a word before it; empty for one."""
    if output.is_complex():
        return "complex "
    if output.is_meta:
        return "valueless meta "
    if output.dtype == torch.bool:
        return "bool "
    if output.is_quantized:
        return "quantised "
    return "" if output.layout == torch.strided else "sparse "


def check_count(output: Any, targets: int, task: str) -> None:
    """Raise QbenchError for outputs of another number of pictures than there are targets."""
    if len(output) != targets:
        raise QbenchError(
            f"the model gives outputs for {len(output)} pictures of {targets}, and {task} needs one for each"
        )
