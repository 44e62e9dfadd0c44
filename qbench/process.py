"""The state of the process around a call of foreign code: seeded before, put back after."""

from __future__ import annotations

import hashlib
import locale
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from qbench.errors import QbenchError, described, fault, short

_one_at_a_time = threading.RLock()
_here = threading.local()
"""`generators_kept`: whether whoever called a visit puts the generators back."""


@contextmanager
def visit(*key: object) -> Iterator[None]:
    """Inside, the global random generators are seeded by `key`. Afterwards the process is as it was: generators,
    default dtype and device, threads, gradients, autocast, determinism, hooks of all modules, numpy's and Python's
    warnings, Pillow's limits, working directory, environment, search path, output, locale and what Ctrl-C does. Other
    threads wait for their visits: the process has one state.

    Raises QbenchError in place of SystemExit and whatever else is no Exception: a plug-in does not end a run."""
    with _one_at_a_time:
        kept = getattr(_here, "generators_kept", False)
        restore = [_torch_state(), _python_state(), _interpreter_state(), _pillow_state()]
        if not kept:
            restore.append(_generators())
        _here.generators_kept = False
        _seed(key)
        try:
            yield
        except SystemExit as error:
            raise QbenchError(f"it asked the process to exit (sys.exit({short(error.code)}))") from error
        except BaseException as error:
            if isinstance(error, Exception):
                raise
            raise QbenchError(described(fault(error))) from error
        finally:
            _here.generators_kept = kept
            for put_back in restore:
                put_back()


@contextmanager
def generators_kept() -> Iterator[None]:
    """Inside, visits leave the global generators as they are in the end: they are put back once, at the end of this.
    That is most of what a visit costs, and only visits draw from them."""
    before = getattr(_here, "generators_kept", False)
    put_back = _generators()
    _here.generators_kept = True
    try:
        yield
    finally:
        _here.generators_kept = before
        put_back()


def _seed(key: tuple[object, ...]) -> None:
    words = hashlib.blake2b(repr(key).encode("utf-8", "backslashreplace"), digest_size=12).digest()
    number = int.from_bytes(words[:8], "little") >> 1
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.default_generator.manual_seed(number)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(number)
    np.random.seed(int.from_bytes(words[8:], "little"))
    random.seed(words)


def _generators() -> Callable[[], None]:
    """What puts the global random generators back into their present state."""
    torch = sys.modules.get("torch")
    of_python, of_numpy = random.getstate(), np.random.get_state()
    of_torch = None if torch is None else torch.get_rng_state()
    on_devices = torch.cuda.get_rng_state_all() if torch is not None and torch.cuda.is_initialized() else []

    def restore() -> None:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
        if torch is not None:
            torch.set_rng_state(of_torch)
        if torch is not None and on_devices:
            torch.cuda.set_rng_state_all(on_devices)

    return restore


def _torch_state() -> Callable[[], None]:
    """What puts the settings of torch back; nothing, where torch is not loaded."""
    torch = sys.modules.get("torch")
    if torch is None:
        return lambda: None
    settings = {setting: get() for setting, (get, _) in _torch_settings().items()}
    hooks = [(held, dict(held)) for held in _hooks_of_all_modules()]

    def restore() -> None:
        for setting, (get, put) in _torch_settings().items():
            if get() != settings[setting]:
                put(settings[setting])
        for held, before in hooks:
            if held != before:
                held.clear()
                held.update(before)

    return restore


@cache
def _hooks_of_all_modules() -> list[dict[Any, Any]]:
    """What torch runs around every module of the process."""
    import torch

    module = vars(torch.nn.modules.module)
    return [held for name, held in module.items() if name.startswith("_global_") and isinstance(held, dict)]


@cache
def _torch_settings() -> dict[str, tuple[Callable[[], Any], Callable[[Any], object]]]:
    """How the settings of torch that can move a number are read and written."""
    import torch

    def attribute(owner: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], object]]:
        return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)

    def autocast(kind: str) -> tuple[Callable[[], Any], Callable[[Any], object]]:
        return lambda: torch.is_autocast_enabled(kind), lambda on: torch.set_autocast_enabled(kind, on)

    backends, cuda = torch.backends, torch.backends.cuda
    return {
        "default device": (torch.get_default_device, torch.set_default_device),
        "dtype": (torch.get_default_dtype, torch.set_default_dtype),
        "threads": (torch.get_num_threads, torch.set_num_threads),
        "gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
        "autocast": autocast("cpu"),
        "autocast on GPUs": autocast("cuda"),
        "determinism": (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
        "precision of products": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        "oneDNN": (lambda: torch._C._get_mkldnn_enabled(), lambda on: torch._C._set_mkldnn_enabled(on)),
        "cuDNN's choice": attribute(backends.cudnn, "benchmark"),
        "cuDNN's precision": attribute(backends.cudnn, "allow_tf32"),
        "flash attention": (cuda.flash_sdp_enabled, cuda.enable_flash_sdp),
        "attention in little memory": (cuda.mem_efficient_sdp_enabled, cuda.enable_mem_efficient_sdp),
        "attention by products": (cuda.math_sdp_enabled, cuda.enable_math_sdp),
        "encoders in one step": (backends.mha.get_fastpath_enabled, backends.mha.set_fastpath_enabled),
    }


def _python_state() -> Callable[[], None]:
    environment, filters, faults = _environment(), warnings.filters[:], np.geterr()
    folder = _working_directory()

    def restore() -> None:
        np.seterr(**faults)
        if folder is not None and _working_directory() != folder:
            os.chdir(folder)
        if _environment() != environment:
            os.environ.clear()
            os.environ.update({os.fsdecode(name): os.fsdecode(value) for name, value in environment.items()})
        if warnings.filters != filters:
            warnings.filters[:] = filters  # type: ignore[index]
            warnings._filters_mutated()  # type: ignore[attr-defined]

    return restore


def _interpreter_state() -> Callable[[], None]:
    streams, paths = (sys.stdout, sys.stderr), sys.path[:]
    depth, places, silenced = sys.getrecursionlimit(), locale.setlocale(locale.LC_ALL), logging.root.manager.disable
    at_interrupt = signal.getsignal(signal.SIGINT)

    def restore() -> None:
        sys.stdout, sys.stderr = map(_open, streams)
        if sys.path != paths:  # what is added stays, behind what was there
            sys.path[:] = [*paths, *(path for path in sys.path if path not in paths)]
        if sys.getrecursionlimit() != depth:
            sys.setrecursionlimit(depth)
        if locale.setlocale(locale.LC_ALL) != places:
            locale.setlocale(locale.LC_ALL, places)
        if logging.root.manager.disable != silenced:
            logging.disable(silenced)
        if (
            at_interrupt not in (None, signal.getsignal(signal.SIGINT))
            and threading.current_thread() is threading.main_thread()
        ):
            signal.signal(signal.SIGINT, at_interrupt)

    return restore


def _open(stream: Any) -> Any:
    """The stream; one that was closed goes nowhere, for whoever writes into it later."""
    return Path(os.devnull).open("w", encoding="utf-8") if getattr(stream, "closed", False) else stream


def _environment() -> dict[Any, Any]:
    """As `os.environ` holds it, encoded; to decode every variable would take longer than all else in a visit."""
    return dict(vars(os.environ).get("_data", os.environ))


def _working_directory() -> str | None:
    """None where it has been removed."""
    try:
        return os.getcwd()  # noqa: PTH109 - a Path takes four times as long, and this runs around every call
    except FileNotFoundError:
        return None


def _pillow_state() -> Callable[[], None]:
    """Pillow's limits decide which files can be read."""
    from PIL import Image as Pillow
    from PIL import ImageFile

    limits = Pillow.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES

    def restore() -> None:
        Pillow.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = limits

    return restore
