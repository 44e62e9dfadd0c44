"""Threads and memory of the process that computes."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

MOST_WORKERS = max(64, 4 * (os.cpu_count() or 1))
"""Processes that a run may ask for: more would only wait for each other."""
TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt (malloc.h)."""


@contextmanager
def fixed_threads(count: int) -> Iterator[None]:
    """One thread count inside, the caller's again afterwards: the count moves the last bits of a result."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def safe_path() -> Iterator[None]:
    """Inside, new Python processes do not look for modules in the working directory: `./numpy.py` is not theirs."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


def keep_freed_memory() -> None:
    """Let glibc reuse the large buffers of each step, which it would give back and get again page by page: measured,
    this saves 17-30 % of a training step, and 27-57 % of the processor time of restorers at 224 pixels.

    It holds for the whole process, so that only programs of their own and workers ask for it. Elsewhere than on glibc
    nothing happens."""
    if sys.platform != "linux":
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(MMAP_MAX, 0)
        set_option(TRIM_THRESHOLD, 2**31 - 1)
