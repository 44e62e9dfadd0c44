"""Threads and memory of the process that computes."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import ModuleType

MOST_WORKERS = max(64, 4 * (os.cpu_count() or 1))
"""Processes that a run may ask for: more would only wait for each other."""
THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip
"""Variables that libraries read for the number of their threads."""
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
"""Parameters of glibc's mallopt (malloc.h)."""
LARGE_BUFFER, MAPPED = 2**25, 65_536
"""Bytes from which a buffer may be mapped by itself, the most that mallopt takes; and how many may be, its default."""


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
    with _environment(PYTHONSAFEPATH="1"):
        yield


@contextmanager
def new_processes(threads: int) -> Iterator[None]:
    """Inside, processes that are started compute with so many threads, do not run the caller's script again, leave
    Ctrl-C to this one, which ends them, and are as under `safe_path`."""
    main, count = sys.modules["__main__"], str(threads)
    resource_tracker.ensure_running()  # to start it unblocks signals
    with safe_path(), _environment(**dict.fromkeys(THREADS, count)):
        sys.modules["__main__"] = ModuleType("__main__")
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            sys.modules["__main__"] = main
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_for_networks(device: str, processes: int) -> float:
    """Bytes that the networks of one of so many processes may take: half of the device's memory, or its share of half
    of the machine's. Infinite where the system does not say."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_properties(device).total_memory / 2 / processes
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2 / processes
    except (AttributeError, OSError, ValueError):
        return math.inf


def keep_freed_memory() -> None:
    """Let glibc reuse the large buffers of each step, which it would give back and get again page by page: measured,
    this saves 17-30 % of a training step, and 27-57 % of the processor time of restorers at 224 pixels.

    It holds for the whole process, so that only programs of their own and workers ask for it. Elsewhere than on glibc
    nothing happens."""
    _mallopt({MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1})


def free_large_buffers() -> None:
    """From now on let glibc give a buffer of LARGE_BUFFER bytes back when it is freed: those of large pictures do not
    fit each other, and would pile up. Elsewhere than on glibc nothing happens."""
    _mallopt({MMAP_MAX: MAPPED, MMAP_THRESHOLD: LARGE_BUFFER})


def _mallopt(options: Mapping[int, int]) -> None:
    if sys.platform != "linux":
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, value in options.items():
            set_option(option, value)
