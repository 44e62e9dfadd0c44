"""Checkpoints of OpenMMLab, read without running anything in them, and their conversion to safetensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qbench.errors import WeightsError, foreign
from qbench.models.base import read_safetensors
from qbench.models.files import asked_for, check_regular, header, unread
from qbench.models.state import check_dense, states_in
from qbench.storage import files

HARMLESS = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    "builtins.getattr",
    "numpy.ndarray",
    "numpy.dtype",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
)
"""What the frameworks' own training leaves in a checkpoint beside tensors and plain Python data: histories of its
losses, the methods that these name by `getattr`, and the arrays and scalars in them. None of it is wanted, and none of
it is built or looked up."""
DISTRIBUTED = "module."
"""What names begin with when the network was wrapped for several devices."""


class Ignored:
    """Stands where a harmless object would: it takes what the file says of it and keeps nothing."""

    def __init__(self, *_args: Any) -> None:
        pass

    def __setstate__(self, _state: Any) -> None:
        pass


@dataclass(frozen=True)
class Checkpoint:
    """The network's tensors by name, and the names of its classes where the file tells them."""

    state: dict[str, Tensor]
    classes: tuple[str, ...] = ()


def read_checkpoint(file: Path) -> Checkpoint:
    """A `.pth` file as mmengine writes it, or of plain tensors by name.

    Only tensors, plain Python data and stand-ins for HARMLESS names are made, whatever the file asks for. Raises
    WeightsError that names what else it asks for."""
    check_regular(file)
    try:
        with torch.serialization.safe_globals([(Ignored, name) for name in HARMLESS]):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises whatever its reader stumbles over
        if wanted := asked_for(error):
            raise WeightsError(
                f"checkpoint {file} asks for {wanted}, which is not among the harmless types of such a file; nothing "
                "of it was run. Save its `state_dict` alone where you trust it"
            ) from None
        raise WeightsError(f"checkpoint {file} cannot be read: {unread(error)}") from None
    return _checkpoint(content, file)


def read_converted(file: Path) -> Checkpoint:
    """A file that `convert` wrote, or any of safetensors. Raises WeightsError."""
    with foreign(f"weights {file}: `classes` in the header are no list of names", WeightsError):
        classes = json.loads(header(file).get("classes", "[]"))
    return Checkpoint(read_safetensors(file), _classes({"classes": classes}))


def convert(file: Path, out: Path) -> Checkpoint:
    """Write a checkpoint's tensors as safetensors, the class names in its header. Raises WeightsError, StoreError."""
    from safetensors.torch import save

    checkpoint = read_checkpoint(file)
    files.write_bytes(
        out, save(checkpoint.state, {"classes": json.dumps(checkpoint.classes)} if checkpoint.classes else None)
    )
    return checkpoint


def _checkpoint(content: Any, file: Path) -> Checkpoint:
    states = states_in(content)
    if not states:
        raise WeightsError(f"checkpoint {file} holds no `state_dict` of tensors")
    for name, value in states[0].items():
        check_dense(name, value, str(file))
    bare = {name.removeprefix(DISTRIBUTED): value.contiguous().clone() for name, value in states[0].items()}
    return Checkpoint(bare, _classes(content.get("meta")))


def _classes(meta: Any) -> tuple[str, ...]:
    """From version 3 of mmdet and 1 of mmseg they stand in `dataset_meta`, before in `CLASSES`."""
    dataset = meta.get("dataset_meta", meta) if isinstance(meta, dict) else None
    if not isinstance(dataset, dict):
        return ()
    given = next((value for key, value in dataset.items() if str(key).lower() == "classes"), None)
    named = isinstance(given, list | tuple) and all(isinstance(name, str) for name in given)
    return tuple(given) if given and named else ()
