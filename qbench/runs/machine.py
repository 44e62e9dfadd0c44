"""What computes: the name of a processor or GPU."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path


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
