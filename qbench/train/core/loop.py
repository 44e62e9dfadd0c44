"""The loop: order of steps, averages, checkpoints, logs. A recipe says what is trained, on what, by which losses."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from torch import nn

from qbench.draws import keyed
from qbench.errors import QbenchError, foreign
from qbench.process import visit
from qbench.train.core.batches import Ahead, Batch
from qbench.train.core.checkpoint import State
from qbench.train.core.recipe import Recipe, Stage

CHECKPOINT_SECONDS = 60.0


class Stopped(QbenchError):
    """The user asked to stop; everything so far is in the checkpoint."""

    exit_code = 130


Report = Callable[[str, int, Mapping[str, float]], None]
"""Called after every step with the stage's name, the steps done in all, and the losses."""


def train(
    recipe: Recipe,
    checkpoint: Path,
    digest: str,
    report: Report,
    *,
    seconds: float = CHECKPOINT_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> State:
    """Run all stages, from the checkpoint on where there is one; the result does not depend on where it was stopped.

    What torch draws in a step (dropout, stochastic depth) depends on `digest`, stage and step alone.
    Raises Stopped after Ctrl-C, QbenchError for a loss that is not finite or a checkpoint of another recipe."""
    state = State.load(checkpoint, digest, recipe)
    done = sum(stage.steps for stage in recipe.stages[: state.stage])
    with _interrupts() as interrupted, torch.random.fork_rng():
        started, saved = clock(), clock()
        for number in range(state.stage, len(recipe.stages)):
            stage = recipe.stages[number]
            if state.is_new(number):
                stage.begin()
            state.enter(number, stage)
            stage.prepare()
            with ExitStack() as stack:
                roles = {name: stack.enter_context(Ahead(make, stage.steps)) for name, make in stage.roles.items()}
                for i in range(state.step, stage.steps):
                    losses = _visited(stage, {name: role(i) for name, role in roles.items()}, i, digest)
                    state.advance(stage, losses)
                    report(stage.name, done + i + 1, losses)
                    if interrupted.is_set() or clock() - saved > seconds:
                        state.seconds += clock() - started
                        state.save(checkpoint, stage)
                        started = saved = clock()
                    if interrupted.is_set():
                        raise Stopped(f"stopped after step {done + i + 1}; the same command continues from there")
            state.finish(stage)
            done += stage.steps
        state.seconds += clock() - started
    return state


def _visited(stage: Stage, batches: Mapping[str, Batch], i: int, digest: str) -> dict[str, float]:
    """One step, whoever declared the recipe: what it raises is an error of one line that names the step."""
    with foreign(f"step {i + 1} of {stage.name}"), visit(digest, stage.name, i):
        torch.manual_seed(int(keyed(0, f"{digest}/{stage.name}", i, "torch").integers(2**63)))
        return _step(stage, batches, i)


def _step(stage: Stage, batches: Mapping[str, Batch], i: int) -> dict[str, float]:
    """One step: all gradients first, then all updates, so that several optimisers may share one forward pass."""
    losses = stage.step(batches, i)
    values = {name: float(value.detach()) for name, value in losses.items()}
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if bad:
        raise QbenchError(
            f"loss {bad[0]!r} is not finite in step {i + 1} of {stage.name}: lower `lr` or set `clip_norm`"
        )
    followed = [
        (optimiser, [losses[name] for name in (optimiser.losses or tuple(losses))])
        for optimiser in stage.optimisers.values()
    ]
    for optimiser, terms in followed:
        parameters = optimiser.parameters
        optimiser.torch.zero_grad(set_to_none=True)
        torch.stack(terms).sum().backward(  # type: ignore[no-untyped-call]
            inputs=parameters, retain_graph=len(followed) > 1
        )
    for optimiser, _ in followed:
        if optimiser.clip_norm is not None:
            nn.utils.clip_grad_norm_(optimiser.parameters, optimiser.clip_norm)
        for group in optimiser.torch.param_groups:
            group["lr"] = group["initial_lr"] * optimiser.rate(i)
        optimiser.torch.step()
    return values


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; a second one stops at once. Only the main thread can listen."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def stop(_signal: int, _frame: object) -> None:
        event.set()
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, stop)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, previous)
