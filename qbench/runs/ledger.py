"""What is known of each cell while a run goes on, and `run.json` kept up to date with it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from qbench.errors import StoreError
from qbench.keys.versions import library_versions
from qbench.runs import run_info
from qbench.runs import store as files
from qbench.runs.machine import device_name
from qbench.runs.planned import Plan
from qbench.runs.run_info import CellResult, RunInfo
from qbench.runs.store import Stored
from qbench.runs.units import Finished, Survey, Verdict

SECONDS = 5.0
"""`run.json` is written again no sooner than that, nor sooner than 50 times what writing it takes."""


class Ledger:
    """The cells of a run: done where the file of all their samples is in place, pending where it is not yet."""

    def __init__(self, plan: Plan, run: Path, store: Path, command: str, found: Survey) -> None:
        self._plan, self._run, self._store, self._command = plan, run, store, command
        self._whole: dict[int, Stored] = {}
        self._lacking = {
            number: {shard.name for shard in plan.sources[cell.source].shards} for number, cell in enumerate(plan.cells)
        }
        self._verdicts: dict[int, Verdict] = {}
        self._next = 0.0
        self.meet(found)

    def meet(self, found: Survey) -> None:
        """Count what the store holds, whoever put it there."""
        for number, shard in found.shards:
            self.stored(number, shard)
        for number, stored in found.whole.items():
            self.seal(number, stored)
        for verdict in found.verdicts:
            self._verdicts.setdefault(verdict.cell, verdict)

    def add(self, finished: Finished) -> None:
        """Count what came of a unit; the first reason why a cell has no records is the one that is kept."""
        for number, stored in finished.stored.items():
            self.stored(number, finished.shard)
            if finished.shard == self._plan.sources[self._plan.cells[number].source].whole.name:
                self.seal(number, stored)
        for verdict in finished.verdicts:
            self._verdicts.setdefault(verdict.cell, verdict)
        if time.monotonic() > self._next:
            self.save()

    def stored(self, number: int, shard: str) -> None:
        """Count a shard of a cell."""
        self._lacking[number].discard(shard)

    def seal(self, number: int, stored: Stored) -> None:
        """Count a cell as finished, or as failed where more of its samples than `max_bad` allows cannot be used."""
        self._whole[number] = stored
        self._lacking[number].clear()
        cell, limit = self._plan.cells[number], self._plan.max_bad
        if stored.bad > limit * cell.samples:
            first = files.first_error(self._store, cell.key, self._plan.sources[cell.source].whole)
            share = f"{stored.bad} of {cell.samples} samples cannot be used, more than max_bad {limit:g} allows"
            self._verdicts.setdefault(number, Verdict(number, "failed", f"{share}; first: {first}"))

    def full(self) -> list[int]:
        """Cells whose shards are all stored, one by one."""
        return [number for number, lacking in self._lacking.items() if not lacking and number not in self._whole]

    def unsettled(self) -> set[int]:
        """Cells without all records and without a reason."""
        return {number for number in self._lacking if number not in self._whole and number not in self._verdicts}

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
            cells=tuple(self._result(number) for number in range(len(plan.cells))),
            computed_by=self._computed_by(),
            store=run_info.seen_from(self._run, self._store),
            environment=environment(plan),
            **more,
        )

    def _result(self, number: int) -> CellResult:
        cell, verdict = self._plan.cells[number], self._verdicts.get(number)
        protocol = self._plan.told[cell.in_tables].protocol
        if verdict is not None:
            return CellResult(cell=cell, status=verdict.status, reason=verdict.reason, protocol=protocol)
        return CellResult(cell=cell, status="done" if number in self._whole else "pending", protocol=protocol)

    def _computed_by(self) -> tuple[str, ...]:
        """The processors and GPUs that computed the records of the finished cells, as the records' files say."""
        done = (stored for number, stored in self._whole.items() if number not in self._verdicts)
        return tuple(sorted({name for stored in done for name in stored.computed_by}))


def environment(plan: Plan) -> Mapping[str, str | int]:
    """Versions, device and settings: the provenance of the numbers."""
    settings = plan.settings
    return {
        **library_versions(),
        "device": device_name(settings.device),
        "threads": settings.threads,
        "batch": settings.batch,
    }
