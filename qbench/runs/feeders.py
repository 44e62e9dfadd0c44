"""The two halves of the work in different processes: feeders prepare pictures, this process predicts.

torch's DataLoader hands out orders and brings pictures back in the same order. It deals orders to its processes in
turn, so the orders of as many windows as there are feeders take turns: each window stays with one feeder, which decodes
it once."""

from __future__ import annotations

import pickle
import signal
import threading
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice, repeat, zip_longest
from multiprocessing import current_process
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as OfTorch

from qbench import registry
from qbench.compute.bench import Workbench
from qbench.compute.cell import Cell, Settings, Source
from qbench.compute.prepare import Order, Prepared, Preparer, Window
from qbench.compute.shard import ShardWork, Step
from qbench.data.views import View
from qbench.errors import fault, foreign
from qbench.process import generators_kept
from qbench.runs import claims
from qbench.runs.execute import Job, bench_of, finished
from qbench.runs.told import Told
from qbench.runs.units import Finished, Unit
from qbench.runtime import fixed_threads, keep_freed_memory, new_processes

AHEAD = 2
"""Orders that each feeder has at once."""
Sent: TypeAlias = tuple[int, Window, View]
"""An order: the cell's number in the plan, the window and the view."""
Parcel: TypeAlias = tuple[Tensor, bytes]
"""The pixels of all batches of an order in a row, which are shared and not copied, and the rest."""


def stream(todo: Job, units: Iterable[Unit], feeders: int) -> Iterator[Finished]:
    """What came of each unit, as soon as its last pictures are through. Units are taken as feeders come to them.

    Raises QbenchError where a feeder ends on its own. None is left in the end."""
    settings = todo.plan.settings
    with fixed_threads(settings.threads), generators_kept(), Line(todo, units, feeders) as line:
        with _fed(todo, line, feeders) as parcels:
            for parcel in parcels:
                line.use(parcel)
                yield from line.finished()
        yield from line.finished()


@dataclass
class Begun:
    """A unit whose pictures are on their way."""

    unit: Unit
    held: tuple[int, ...]
    """Its cells that are left to this run."""
    claim: ExitStack
    """Gives them up."""
    work: ShardWork
    left: int
    """Steps that have not come yet."""


class Line:
    """The steps of units in the order in which they are sent to feeders and come back."""

    def __init__(self, todo: Job, units: Iterable[Unit], feeders: int) -> None:
        self._todo, self._units, self._feeders = todo, units, feeders
        self._numbers = {cell.place: number for number, cell in enumerate(todo.plan.cells)}
        self._sent: deque[tuple[Begun, Step] | None] = deque()
        self._begun: list[Begun] = []

    def __iter__(self) -> Iterator[Sent | None]:
        """Orders; None for nothing, in the turn of a feeder whose window has no more."""
        windows = self._windows()
        while some := list(islice(windows, self._feeders)):
            lists = [*some, *repeat([], self._feeders - len(some))]
            for step in chain.from_iterable(zip_longest(*lists)):
                self._sent.append(step)
                yield None if step is None else self._order(step[1].order)

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_error: object) -> None:
        """Give up what was begun and is not through."""
        for begun in self._begun:
            begun.claim.close()

    def _windows(self) -> Iterator[list[tuple[Begun, Step]]]:
        for unit in self._units:
            claim = ExitStack()
            held = claim.enter_context(claims.held(self._todo.runner, self._todo.plan, unit))
            cells = [self._todo.plan.cells[i] for i in held]
            work = ShardWork(cells, unit.shard, self._todo.plan.settings, bench_of(self._todo))
            begun = Begun(unit, held, claim, work, len(work.steps))
            self._begun.append(begun)
            for _, steps in groupby(work.steps, lambda step: step.order.window):
                yield [(begun, step) for step in steps]

    def _order(self, order: Order) -> Sent:
        return self._numbers[order.cell.place], order.window, order.view

    def use(self, parcel: Parcel | None) -> None:
        """Compute on what came for the first step that is waited for."""
        sent = self._sent.popleft()
        if sent is None or parcel is None:
            return
        begun, step = sent
        begun.left -= 1
        if begun.work.waits_for(step):
            prepared = unpacked(parcel)
            if isinstance(prepared, Told):
                begun.work.refuse(step, prepared.error())
            else:
                begun.work.add(step, prepared)

    def finished(self) -> Iterator[Finished]:
        """What came of units that wait for nothing more."""
        through = [begun for begun in self._begun if not begun.left]
        self._begun = [begun for begun in self._begun if begun.left]
        for begun in through:
            with begun.claim:
                done = finished(self._todo, begun.unit, begun.held, begun.work.outcomes())
            yield done


@contextmanager
def _fed(todo: Job, line: Line, feeders: int) -> Iterator[Iterator[Any]]:
    """Inside, what feeders prepare, in the order of the line."""
    plan = todo.plan
    feeder = Feeder(plan.cells, plan.sources, plan.settings, plan.plugins, plan.plugin_files)
    cannot = foreign("the processes that prepare pictures cannot begin")
    with new_processes(plan.settings.threads), cannot, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # it counts cores in its own way
        loader: Any = DataLoader(
            feeder, sampler=line, batch_size=None, collate_fn=_as_it_is, num_workers=feeders, prefetch_factor=AHEAD,
            multiprocessing_context="spawn", pin_memory=plan.settings.device.startswith("cuda"), worker_init_fn=_begin,
        )  # fmt: skip
        parcels: Any = iter(loader)
    with _ends_unseen():
        try:
            yield _each(parcels)
        finally:
            parcels._shutdown_workers()


def _each(parcels: Any) -> Iterator[Any]:
    while True:
        with foreign("a process that prepares pictures failed (too little memory?); the same command continues"):
            try:
                parcel = next(parcels)
            except StopIteration:
                return
        yield parcel


@contextmanager
def _ends_unseen() -> Iterator[None]:
    """Inside, a process that ends interrupts nothing: torch's handler would raise in the midst of a cell. A feeder that
    ends is seen when its pictures are waited for."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before)


def _as_it_is(parcel: Any) -> Any:
    return parcel


def _begin(_number: int) -> None:
    """What is prepared may take processes of its own, as it may where there are no feeders."""
    current_process().daemon = False
    keep_freed_memory()


class Feeder(OfTorch[Any]):
    """What a feeder knows, and what it makes of an order."""

    def __init__(
        self,
        cells: tuple[Cell, ...],
        sources: tuple[Source, ...],
        settings: Settings,
        plugins: tuple[str, ...],
        plugin_files: tuple[Path, ...],
    ) -> None:
        self._cells, self._sources, self._settings = cells, sources, settings
        self._plugins, self._plugin_files = plugins, plugin_files
        self._preparer: Preparer | None = None

    def __getitem__(self, sent: Sent | None) -> Parcel | None:
        """The pictures of an order; what it raises is told in their place."""
        if sent is None:
            return None
        number, window, view = sent
        try:
            with fixed_threads(self._settings.threads), generators_kept():
                return packed(self._prepare()(Order(self._cells[number], window, view)))
        except BaseException as error:
            return packed(Told.of(fault(error)))

    def _prepare(self) -> Preparer:
        if self._preparer is None:
            registry.load_plugins(self._plugins, self._plugin_files)
            self._preparer = Preparer(Workbench(self._sources, "cpu"), self._settings.seed)
        return self._preparer


def packed(given: Prepared | Told) -> Parcel:
    """Raises what pickling raises: in a feeder it would be lost later."""
    if isinstance(given, Told):
        return torch.empty(0, dtype=torch.uint8), pickle.dumps((given, []))
    arrays = [batch.images for batch in given.batches]
    pixels = torch.empty(sum(array.size for array in arrays), dtype=torch.uint8)
    start = 0
    for array in arrays:
        pixels[start : start + array.size] = torch.from_numpy(array).flatten()
        start += array.size
    rest = replace(given, batches=[replace(batch, images=None) for batch in given.batches])
    return pixels, pickle.dumps((rest, [array.shape for array in arrays]))


def unpacked(parcel: Parcel) -> Prepared | Told:
    """What `packed` gave to the pipe of one of this run's own feeders."""
    pixels, rest = parcel
    given, shapes = pickle.loads(rest)
    if isinstance(given, Told):
        return given
    parts = torch.split(pixels, [torch.Size(shape).numel() for shape in shapes])
    images = [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
    whole: Prepared = given
    return replace(whole, batches=[replace(b, images=i) for b, i in zip(whole.batches, images, strict=True)])
