"""Weights files: their digests, and loading a user's own file without running anything in it."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from qbench import files
from qbench.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

WRAPPERS = ("state_dict", "model_state_dict", "params_ema", "params", "model", "net")
"""Where training codes put the tensors of the network in a checkpoint, beside those of the optimiser."""


def sha256(file: Path) -> str:
    """Digest of a weights file, read once for each state of the file. Raises WeightsError when there is none."""
    try:
        return files.sha256(file)
    except OSError as error:
        raise WeightsError(f"weights {file} cannot be read: {error.strerror}; check `weights:`") from error


def read_state(file: Path) -> dict[str, Tensor]:
    """The tensors by name in a safetensors file, or in a PyTorch file of tensors only. Raises WeightsError."""
    import torch

    from qbench.models.base import read_safetensors

    if file.suffix == ".safetensors":
        return read_safetensors(file)
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        advice = "give safetensors or a state dictionary of plain tensors"
        raise WeightsError(f"weights {file} cannot be read: {error}; {advice}") from error
    found = state if isinstance(state, dict) else {}
    inner = (found[name] for name in WRAPPERS if isinstance(found.get(name), dict))
    return {str(name): value for name, value in next(inner, found).items() if isinstance(value, torch.Tensor)}


def load_any(net: nn.Module, file: Path, *, without: tuple[str, ...] = ()) -> None:
    """Load safetensors, or a PyTorch file that holds tensors only, into `net`, strictly. Raises WeightsError.

    Tensors whose names start with one of `without` are left out: parts that no prediction uses."""
    from qbench.models.base import check_state

    state = {name: tensor for name, tensor in read_state(file).items() if not name.startswith(without)}
    check_state(net, state, str(file))
    net.load_state_dict(state, strict=True)


def header(file: Path) -> Mapping[str, str]:
    """The free text entries in the header of a safetensors file. Raises WeightsError for another kind of file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            return dict(opened.metadata() or {})
    except FileNotFoundError:
        raise WeightsError(f"weights {file} do not exist") from None
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"weights {file} cannot be read as safetensors: {error}") from None
