"""Weights files: their digests, and loading a user's own file without running anything in it."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from qbench.errors import WeightsError
from qbench.storage import files

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
    except Exception as error:  # a damaged pickle raises whatever its reader stumbles over
        advice = "give safetensors or a state dictionary of plain tensors"
        raise WeightsError(f"weights {file} cannot be read: {unread(error)}; {advice}") from error
    content = state if isinstance(state, dict) else {}
    inner = (content[name] for name in WRAPPERS if isinstance(content.get(name), dict))
    return {str(name): value for name, value in next(inner, content).items() if isinstance(value, torch.Tensor)}


def unread(error: Exception) -> str:
    """Why torch did not read a file, in a few words; it would advise to run what is in it."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if wanted := asked_for(error):
        return f"it asks for {wanted}, which is not run"
    if "TorchScript" in str(error):
        return "it is an archive of TorchScript"
    return "it is damaged, or no file of PyTorch"


def asked_for(error: Exception) -> str | None:
    """What a pickle that was refused asks for besides tensors and plain data."""
    wanted = re.search(r"GLOBAL (\S+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
    return wanted[1] if wanted else None


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
