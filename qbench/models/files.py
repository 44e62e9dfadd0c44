"""Weights files: their digests, and loading a user's own file without running anything in it."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from qbench.errors import WeightsError, foreign
from qbench.storage import files

if TYPE_CHECKING:
    from torch import Tensor, nn


def sha256(file: Path) -> str:
    """Digest of a weights file, read once for each state of the file. Raises WeightsError when there is none."""
    with foreign(f"weights {file} cannot be read", WeightsError):
        check_regular(file)
        try:
            return files.sha256(file)
        except OSError as error:
            raise WeightsError(f"weights {file} cannot be read: {error.strerror}; check `weights:`") from error


def check_regular(file: Path) -> None:
    """Raise WeightsError for a pipe or device, which a reader would wait for."""
    with foreign(f"weights {file} cannot be read", WeightsError):  # a name may be too long to look for
        if file.exists() and not file.is_file() and not file.is_dir():
            raise WeightsError(f"weights {file} are no file, but a pipe or device; check `weights:`")


def read_state(file: Path) -> dict[str, Tensor]:
    """The tensors by name in a safetensors file, or in a PyTorch file of tensors only: of several states the one that
    the network is most likely to be in. Raises WeightsError."""
    return next(iter(read_states(file)), {})


def read_states(file: Path) -> list[dict[str, Tensor]]:
    """Every state in such a file, the likeliest first. Raises WeightsError."""
    import torch

    from qbench.models.base import read_safetensors
    from qbench.models.state import states_in

    check_regular(file)
    if file.suffix == ".safetensors":
        return [read_safetensors(file)]
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises whatever its reader stumbles over
        advice = "give safetensors or a state dictionary of plain tensors"
        raise WeightsError(f"weights {file} cannot be read: {unread(error)}; {advice}") from error
    return states_in(content)


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
    """Load safetensors, or a PyTorch file that holds tensors only, into `net`, strictly (see `qbench.models.state`).

    Tensors whose names start with one of `without` are left out: parts that no prediction uses. Raises WeightsError."""
    from qbench.models.state import fitting

    state = fitting(net.state_dict(), read_states(file), str(file), type(net).__name__, without=without)
    with foreign(f"weights {file} do not fit {type(net).__name__}", WeightsError):
        net.load_state_dict(state, strict=True)


def header(file: Path) -> Mapping[str, str]:
    """The free text entries in the header of a safetensors file. Raises WeightsError for another kind of file."""
    from safetensors import safe_open

    with safetensors_of(file), safe_open(file, framework="numpy") as opened:
        return dict(opened.metadata() or {})


@contextmanager
def safetensors_of(file: Path) -> Iterator[None]:
    """Inside, a safetensors file is read. Raises WeightsError."""
    check_regular(file)
    with foreign(f"weights {file} cannot be read as safetensors", WeightsError):
        if not file.exists():
            raise WeightsError(f"weights {file} do not exist")
        yield
