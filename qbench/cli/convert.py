"""`qbench convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qbench.cli.streams import say


def convert(
    checkpoint: Annotated[Path, typer.Argument(help="A .pth file of MMDetection or MMSegmentation.")],
    out: Annotated[Path, typer.Argument(help="The safetensors file to write.")],
) -> None:
    """Turn a checkpoint of OpenMMLab into safetensors.

    The file is a pickle: it is read under an allow-list, and one that asks for anything but tensors and plain data is
    refused, with nothing of it run. The names of the classes are kept in the header.

    Example:

        qbench convert rtmdet_tiny.pth rtmdet_tiny.safetensors
    """
    from qbench.errors import QbenchError

    if out.suffix != ".safetensors":
        raise QbenchError(f"{out} should end in .safetensors")
    from qbench.models.openmmlab.checkpoint import convert as converted

    network = converted(checkpoint, out)
    classes = f", {len(network.classes)} classes" if network.classes else ""
    say(f"{out}: {len(network.state)} tensors{classes}")
