"""What each run uses of a store: a small file for each run directory, written when the run starts."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from qbench.errors import StoreError, foreign
from qbench.runs import run_info, schema_version
from qbench.runs.json_file import read_json
from qbench.runs.planned import Plan
from qbench.storage.files import Damaged, State, digest, state_of, write_text

FOLDER = "runs"


class Samples(BaseModel):
    """Names of files of a source's records: of all samples, and of its shards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    whole: str
    shards: tuple[str, ...]


class Uses(BaseModel):
    """A run and its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = schema_version.USES
    folder: str = Field(description="Of the run, seen from the store.")
    host: str = Field(description="The machine on which this folder is.")
    suite: str
    sources: tuple[Samples, ...]
    cells: tuple[tuple[str, int], ...] = Field(description="Key and source of each.")
    costs: tuple[str, ...] = ()

    def files(self) -> set[tuple[str, str]]:
        """Key and name of each file of finished cells that the run needs."""
        return {(key, self.sources[source].whole) for key, source in self.cells}

    def working_files(self) -> set[tuple[str, str]]:
        """Key and name of each file of a shard that the run made or will make."""
        return {(key, shard) for key, source in self.cells for shard in self.sources[source].shards}


def write_uses(store: Path, run: Path, plan: Plan, costs: Sequence[str]) -> None:
    """Say what a run uses. Raises StoreError where the disk refuses."""
    folder = run_info.seen_from(store, run)
    sources = tuple(
        Samples(whole=source.whole.name, shards=tuple(shard.name for shard in source.shards)) for source in plan.sources
    )
    cells = tuple((cell.key, cell.source) for cell in plan.cells)
    host = socket.gethostname()
    with foreign(f"what {run} uses cannot be written into {store}", StoreError):
        file = store / FOLDER / f"{digest([folder, host])}.json"
        said = Uses(folder=folder, host=host, suite=plan.suite, sources=sources, cells=cells, costs=tuple(costs))
        text = said.model_dump_json()
    write_text(file, text)


def finished_files(store: Path, key: str) -> set[str]:
    """Names of the files of all samples of a cell that runs say they need; one may be a shard of another run."""
    found: set[str] = set()
    for file in (store / FOLDER).glob("*.json"):
        state = state_of(file)
        found |= _finished_files(file, state).get(key, set()) if state is not None else set()
    return found


@lru_cache(maxsize=4096)
def _finished_files(file: Path, _state: State) -> Mapping[str, set[str]]:
    """By key; read once for each state of the file. Files that do not hold name nothing."""
    names: dict[str, set[str]] = {}
    with suppress(FileNotFoundError, StoreError):
        for key, name in read_uses(file).files():
            names.setdefault(key, set()).add(name)
    return names


def read_uses(file: Path) -> Uses:
    """Raises FileNotFoundError, Damaged, and StoreError for a file of another version."""
    uses = read_json(file, Uses, schema_version.USES)
    are_there = all(0 <= source < len(uses.sources) for _, source in uses.cells)
    if file.stem != digest([uses.folder, uses.host]) or not are_there:
        raise Damaged(file, "it is not of the run that its name says")
    return uses
