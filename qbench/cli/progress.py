"""Progress of trainings, runs and copies: a bar with the time left, or a line now and then without a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from qbench.cli.streams import say
from qbench.errors import one_line

LINE_SECONDS = 30.0
DECAY = 0.98
LOOKED_AT = 1000
"""Files that are looked for at a time: those that are expected first."""


@contextmanager
def training(title: str, steps: int) -> Iterator[Callable[[str, int, Mapping[str, float]], None]]:
    """A function to call after every step with the stage, the steps done and the losses."""
    title, console = one_line(title), Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    means: dict[str, float] = {}
    with Progress(
        *columns, TextColumn("{task.fields[losses]}", markup=False), console=console, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(title, total=steps, losses="")
        printed = started = time.monotonic()
        first: int | None = None

        def report(stage: str, done: int, losses: Mapping[str, float]) -> None:
            nonlocal printed, first
            first = done - 1 if first is None else first
            for name, value in losses.items():
                means[name] = DECAY * means.get(name, value) + (1 - DECAY) * value
            shown = " ".join(f"{name} {means[name]:.4g}" for name in losses)
            progress.update(task, completed=done, description=f"{title} {stage}", losses=shown)
            now = time.monotonic()
            if not console.is_terminal and (now - printed > LINE_SECONDS or done == steps):
                printed = now
                speed = (done - first) / (now - started)
                left = (steps - done) / speed
                say(f"{title} {stage} {done}/{steps} {speed:.2f} steps/s, {left:.0f} s left; {shown}", err=True)

        yield report


@contextmanager
def counted(title: str) -> Iterator[Callable[[int, int], None]]:
    """A function to call with what is done and the total; without a terminal, a line now and then."""
    title = one_line(title)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(
        *columns, *times, console=console, disable=not console.is_terminal, speed_estimate_period=120
    ) as progress:
        task = progress.add_task(title, total=None)
        printed = time.monotonic()

        def report(done: int, total: int) -> None:
            nonlocal printed
            progress.update(task, completed=done, total=total)
            if not console.is_terminal and time.monotonic() - printed > LINE_SECONDS:
                printed = time.monotonic()
                say(f"{title}: {done} of {total}", err=True)

        yield report


@contextmanager
def watched(files: Sequence[tuple[Path, ...]], what: str) -> Iterator[None]:
    """Progress over the files that come into being inside, each at one of its places, whoever writes them; `what` they
    are stands before it."""
    if not files:
        yield
        return
    stop, left = threading.Event(), list(files)
    with counted(what) as report:

        def look() -> None:
            while left and not stop.wait(0.5):
                left[:LOOKED_AT] = [places for places in left[:LOOKED_AT] if not _is_there(places)]
                report(len(files) - len(left), len(files))

        report(0, len(files))
        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
            report(len(files) - sum(not _is_there(places) for places in left), len(files))


def _is_there(places: tuple[Path, ...]) -> bool:
    return any(place.exists() for place in places)
