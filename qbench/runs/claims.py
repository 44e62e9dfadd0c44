"""Several runners share a store's work: each claims a file before it makes it.

A claim is a file beside it, `.NAME.claim.1`, which only one can create; it holds its runner's id. A runner
beats: it touches `runners/ID` every few seconds. Where it has stopped, its claim `n` is stale, and whoever creates
`.claim.n+1` takes over. Nobody removes a live claim of another. Claims go when the file is in place or is not to be."""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qbench.errors import StoreError, foreign
from qbench.runs import store
from qbench.runs.planned import Plan

if TYPE_CHECKING:
    from qbench.runs.units import Unit

RUNNERS = "runners"
BEAT = 5.0
"""Seconds between two beats."""
STALE = 60.0
"""Seconds without a beat after which a runner has stopped, by the clock of the disk, which all runners share."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Runner:
    """Who computes: a run, with all of its processes."""

    store: Path
    id: str

    def take(self, file: Path) -> str:
        """Claim a file that is to be made. Empty where this succeeds; else the runner that holds it.

        What a killed runner left of the file under temporary names is removed. Raises StoreError."""
        with foreign(f"{file} cannot be claimed", StoreError):
            file.parent.mkdir(parents=True, exist_ok=True)
            number = 1
            while not self._won(file, number):
                number = max(claims_of(file), default=1)
                holder = self._holder(_claim(file, number))
                if holder:
                    return holder
                number = 1 if holder is None else number + 1
            for left in file.parent.glob(f".{file.name}.*"):
                left.unlink(missing_ok=True)
        return ""

    def _won(self, file: Path, number: int) -> bool:
        """Whether this runner created the claim of that number, and there is none above it: one that was stale may have
        been given up below one that is live."""
        if not _created(_claim(file, number), self.id):
            return False
        if max(claims_of(file), default=number) == number:
            return True
        _claim(file, number).unlink(missing_ok=True)
        return False

    def release(self, file: Path) -> None:
        """Give up this runner's claim of a file, after the stale ones below it."""
        claims = claims_of(file)
        own = [number for number, claim in claims.items() if _read(claim) == self.id]
        for number in [number for number in claims if own and number <= own[-1]]:
            claims[number].unlink(missing_ok=True)

    def holder(self, file: Path) -> str:
        """The live runner that holds a file, or an empty string."""
        claims = claims_of(file)
        return self._holder(claims[max(claims)]) or "" if claims else ""

    def _holder(self, claim: Path) -> str | None:
        """The runner whose live claim it is; empty where it is stale, None where it is gone."""
        try:
            name, made = claim.read_text(encoding="utf-8"), claim.stat().st_mtime
        except FileNotFoundError:
            return None
        if not name:
            return "a runner that just began" if abs(self._now() - made) <= STALE else ""
        return name if name == self.id or self.is_live(name) else ""

    def is_live(self, name: str) -> bool:
        """Whether a runner goes on: it has beaten at about the time when this one did; clocks may be set back."""
        file = self.store / RUNNERS / name
        try:
            beat = file.stat().st_mtime
        except OSError:
            return False
        return abs(self._now() - beat) <= STALE and not has_ended(file)

    def is_fresh(self, file: Path) -> bool:
        """Whether a file was written so short a time ago that its runner need not have stopped."""
        with suppress(OSError):
            return abs(self._now() - file.stat().st_mtime) <= STALE
        return False

    def _now(self) -> float:
        file = self.store / RUNNERS / self.id
        with suppress(FileNotFoundError):
            return file.stat().st_mtime
        file.touch()
        return file.stat().st_mtime


@contextmanager
def held(runner: Runner, plan: Plan, unit: Unit) -> Iterator[tuple[int, ...]]:
    """The cells of a unit that are left to this runner: neither another's, nor stored meanwhile. They are claimed while
    this goes on. Raises StoreError."""
    taken: dict[int, Path] = {}
    try:
        for number in unit.cells:
            key, whole = plan.cells[number].key, plan.sources[unit.source].whole.name
            file = store.shard_file(runner.store, key, unit.shard.name)
            if runner.take(file):
                continue
            if file.exists() or store.shard_file(runner.store, key, whole).exists():
                runner.release(file)
            else:
                taken[number] = file
        yield tuple(taken)
    finally:
        for file in taken.values():
            runner.release(file)


@contextmanager
def beating(store: Path) -> Iterator[Runner]:
    """A runner of this process that beats while this goes on. Raises StoreError."""
    folder = store / RUNNERS
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:64]
    runner = Runner(store, f"{host}-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    file = folder / runner.id
    with foreign(f"{file} cannot be written", StoreError):
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / f".{runner.id}"
        stream = new.open("w", encoding="utf-8")
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(json.dumps({"boot": _boot()}))
        stream.flush()
        new.rename(file)
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(BEAT):
            with suppress(OSError):
                file.touch()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        with stream:
            yield runner
    finally:
        stop.set()
        thread.join()
        with suppress(OSError):
            file.unlink()


def claims_of(file: Path) -> Mapping[int, Path]:
    """The claims of a file by number, in order."""
    found = {}
    with suppress(FileNotFoundError):
        for path in file.parent.glob(f".{file.stem}.claim.*"):
            number = path.name.rpartition(".")[2]
            if number.isdecimal():
                found[int(number)] = path
    return dict(sorted(found.items()))


def _claim(file: Path, number: int) -> Path:
    return file.with_name(f".{file.stem}.claim.{number}")


def _created(claim: Path, text: str) -> bool:
    """Whether this call made the claim: one caller can."""
    try:
        with claim.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        return False
    return True


def _read(claim: Path) -> str:
    with suppress(FileNotFoundError):
        return claim.read_text(encoding="utf-8")
    return ""


def has_ended(file: Path) -> bool:
    """Whether the runner of these beats is known to have ended, sooner than it is stale: on this machine, which has not
    started anew, nobody holds the lock that a runner holds as long as it lives."""
    try:
        with file.open("r+", encoding="utf-8") as stream:
            if json.load(stream).get("boot") != _boot() or not _boot():
                return False
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except (OSError, ValueError, AttributeError):
        return False


def _boot() -> str:
    """Tells this start of this machine from others; empty where the system does not say."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
