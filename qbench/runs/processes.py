"""Units on several processes: one for each device or worker, which take them from one list."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, cast

from qbench.errors import QbenchError, foreign
from qbench.runs.execute import Job, compute
from qbench.runs.told import Told
from qbench.runs.units import Finished, Unit
from qbench.runtime import keep_freed_memory, new_processes

PATIENCE = 20.0
"""Seconds that a process may take to end its own processes."""


def spread(todo: Job, units: Sequence[Unit], devices: Sequence[str], feeders: int) -> Iterator[Finished]:
    """What came of each unit, from a process for each device; a device may be named several times.

    Raises what one of them raises, and QbenchError for one that ends on its own. None is left in the end."""
    context = get_context("spawn")
    taken = context.Value("q", 0)
    running: dict[Any, SpawnProcess] = {}
    try:
        with new_processes(todo.plan.settings.threads), foreign("the plan cannot be handed to other processes"):
            for device in devices:
                here, there = context.Pipe(duplex=False)
                given = (there, taken, todo.on(device, len(devices)), units, feeders)
                process = context.Process(target=_serve, args=given, name=f"qbench on {device}")
                process.start()
                running[here] = process
                there.close()
        yield from _results(dict(running))
    finally:
        _end(list(running.values()))


def _results(open_ones: dict[Any, SpawnProcess]) -> Iterator[Finished]:
    while open_ones:
        for connection in wait(list(open_ones)):
            try:
                message = cast(Any, connection).recv()
            except EOFError:
                raise QbenchError(_ended(open_ones[connection])) from None
            if message is None:
                del open_ones[connection]
            elif isinstance(message, Told):
                raise message.error()
            else:
                yield message


def _ended(process: SpawnProcess) -> str:
    process.join(PATIENCE)
    code = process.exitcode
    why = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
    return f"the process {process.name} {why} (too little memory?); the same command continues"


def _end(processes: Sequence[SpawnProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(PATIENCE)
        if process.is_alive():
            process.kill()
            process.join()


def _serve(back: Connection, taken: Any, todo: Job, units: Sequence[Unit], feeders: int) -> None:
    """The main function of a process."""
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep_freed_memory()
    with suppress(KeyboardInterrupt, BrokenPipeError):
        try:
            _choose(todo.plan.settings.device)
            for done in compute(todo, _next(taken, units), feeders):
                back.send(done)
            back.send(None)
        except Exception as error:
            back.send(Told.of(error))


def _next(taken: Any, units: Sequence[Unit]) -> Iterator[Unit]:
    """Units that no other process has taken, for as long as there are some."""
    while True:
        with taken.get_lock():
            number = taken.value
            taken.value = number + 1
        if number >= len(units):
            return
        yield units[number]


def _choose(device: str) -> None:
    """Let libraries that ask for no device use this one too."""
    if device.startswith("cuda:"):
        import torch

        torch.cuda.set_device(device)


def _stop(_number: int, _frame: object) -> None:
    """Unwind, once: as Ctrl-C does, which no error of a cell hides."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
