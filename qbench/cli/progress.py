"""Progress of a training: a bar with the time left, or a line now and then where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_SECONDS = 30.0
DECAY = 0.98


@contextmanager
def training(title: str, steps: int) -> Iterator[Callable[[str, int, Mapping[str, float]], None]]:
    """A function to call after every step with the stage, the steps done and the losses."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    means: dict[str, float] = {}
    with Progress(
        *columns, TextColumn("{task.fields[losses]}"), console=console, disable=not console.is_terminal
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
                console.print(
                    f"{title} {stage} {done}/{steps} {speed:.2f} steps/s, {left:.0f} s left; {shown}", soft_wrap=True
                )

        yield report


@contextmanager
def counted(title: str) -> Iterator[Callable[[int, int], None]]:
    """A function to call with what is done and the total; without a terminal, a line now and then."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=None)
        printed = time.monotonic()

        def report(done: int, total: int) -> None:
            nonlocal printed
            progress.update(task, completed=done, total=total)
            if not console.is_terminal and time.monotonic() - printed > LINE_SECONDS:
                printed = time.monotonic()
                console.print(f"{title}: {done} of {total}", soft_wrap=True)

        yield report
