"""What computes: the devices of this machine, and the name of a processor or GPU."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from qbench.errors import QbenchError


def devices() -> list[str]:
    """What `--device` may name here. Loads torch."""
    import torch

    cuda = [f"cuda:{number}" for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)]
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def check_device(device: str) -> None:
    """Raise QbenchError for a device that this machine lacks, or that its torch cannot use."""
    if device == "cpu":
        return
    known = devices()
    if device not in known and f"{device}:0" not in known:
        raise QbenchError(f"--device {device} is not here: torch can use {', '.join(known)} on this machine")


@cache
def device_name(device: str) -> str:
    """The processor's name as the system tells it."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"cpu, {names[0] if names else platform.processor() or platform.machine()}"
