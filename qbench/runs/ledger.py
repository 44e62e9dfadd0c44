"""What is known of each cell while a run goes on, and `run.json` kept up to date with it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from qbench.errors import StoreError
from qbench.keys.versions import library_versions
from qbench.runs import run_info, store
from qbench.runs.machine import device_name
from qbench.runs.planned import Plan
from qbench.runs.run_info import CellResult, RunInfo
from qbench.runs.units import Finished, Survey, Verdict

SECONDS = 5.0
"""`run.json` is written again no sooner than that, nor sooner than 50 times what writing it takes."""


class Ledger:
    """The cells of a run: done where all their shards are stored, pending where some are not yet."""

    def __init__(self, plan: Plan, run: Path, command: str, found: Survey) -> None:
        self._plan, self._run, self._command = plan, run, command
        self._stored = dict(found.stored)
        self._verdicts = {verdict.cell: verdict for verdict in found.verdicts}
        self._next = 0.0

    def add(self, finished: Finished) -> None:
        """Count what came of a unit; the first reason why a cell has no records is the one that is kept."""
        self._stored |= {(number, finished.shard): stored for number, stored in finished.stored.items()}
        for verdict in finished.verdicts:
            self._verdicts.setdefault(verdict.cell, verdict)
        if time.monotonic() > self._next:
            self.save()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Inside the run goes on; what ends it early finds `run.json` up to date, where the disk allows."""
        self.save()
        try:
            yield
        except BaseException:
            with suppress(StoreError):
                self.save()
            raise

    def save(self, **more: Any) -> RunInfo:
        """Write `run.json` as things stand, with `more` of its fields. Raises StoreError."""
        start = time.monotonic()
        info = self.info(**more)
        run_info.write(self._run, info)
        now = time.monotonic()
        self._next = now + max(SECONDS, 50 * (now - start))
        return info

    def info(self, **more: Any) -> RunInfo:
        """The run as things stand."""
        plan = self._plan
        cells = tuple(self._result(number) for number in range(len(plan.cells)))
        return RunInfo(
            suite=plan.suite,
            title=plan.title,
            version=plan.version,
            seed=plan.settings.seed,
            command=self._command,
            tables=plan.tables,
            controls=plan.controls,
            published=plan.published,
            sources=plan.sources,
            cells=cells,
            computed_by=self._computed_by(cells),
            environment=environment(plan),
            **more,
        )

    def _result(self, number: int) -> CellResult:
        cell = self._plan.cells[number]
        verdict = self._verdicts.get(number)
        shards = self._plan.sources[cell.source].shards
        if verdict is None and not all((number, shard.name) in self._stored for shard in shards):
            return CellResult(cell=cell, status="pending")
        verdict = verdict or self._over_limit(number)
        return (
            CellResult(cell=cell, status=verdict.status, reason=verdict.reason)
            if verdict
            else CellResult(cell=cell, status="done")
        )

    def _over_limit(self, number: int) -> Verdict | None:
        """A cell with more unusable samples than `max_bad` allows counts as failed."""
        cell, limit = self._plan.cells[number], self._plan.max_bad
        shards = self._plan.sources[cell.source].shards
        bad = sum(self._stored[number, shard.name].bad for shard in shards)
        if bad <= limit * cell.samples:
            return None
        with_bad = [shard for shard in shards if self._stored[number, shard.name].bad]
        first = store.first_error(self._run, cell.key, with_bad)
        share = f"{bad} of {cell.samples} samples cannot be used, more than max_bad {limit:g} allows"
        self._verdicts[number] = Verdict(number, "failed", f"{share}; first: {first}")
        return self._verdicts[number]

    def _computed_by(self, cells: tuple[CellResult, ...]) -> tuple[str, ...]:
        """The processors and GPUs that computed the records of the finished cells, as the records' files say."""
        done = {number for number, result in enumerate(cells) if result.status == "done"}
        return tuple(sorted({stored.computed_by for (number, _), stored in self._stored.items() if number in done}))


def environment(plan: Plan) -> Mapping[str, str | int]:
    """Versions, device and settings: the provenance of the numbers."""
    settings = plan.settings
    return {
        **library_versions(),
        "device": device_name(settings.device),
        "threads": settings.threads,
        "batch": settings.batch,
    }
