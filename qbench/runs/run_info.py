"""What a run directory says of itself (`run.json`): the suite, its cells and where the numbers came from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from qbench.compute.cell import Cell, Source
from qbench.errors import StoreError, foreign
from qbench.runs import schema_version
from qbench.runs.json_file import read_json
from qbench.storage.files import Damaged, digest, write_text
from qbench.suite.published import Shown
from qbench.suite.schema import Control

FILE = "run.json"
FILE_NAME = re.compile(r"[\w-][\w.-]*")
"""What a key, the whole of a source or a cost may be called: it names a file."""
Status = Literal["pending", "done", "n/a", "failed"]


class CellResult(BaseModel):
    """A cell, and what came of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Cell
    status: Status
    reason: str = Field(default="", description="Why the cell is `n/a` or `failed`.")
    protocol: str = Field(
        default="",
        description="Digest of what its score is measured on and how, whatever the method; empty: not known.",
    )


class Met(BaseModel):
    """How many methods have been scored on a set of samples, as far as a store knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: str = Field(description="The name of the whole of a source.")
    methods: int = Field(ge=0, description="By registered name.")
    variants: int = Field(ge=0, description="Methods with their parameters and weights.")


class RunInfo(BaseModel):
    """A run: everything that a report needs besides the records."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(default=schema_version.RUN, description="Of this file; see docs/results.md.")
    suite: str
    title: str
    version: int
    seed: int = Field(ge=0)
    command: str = Field(description="The command that makes these records again.")
    tables: tuple[str, ...]
    store: str = Field(
        default="", description="Where its records lie: a folder, seen from this one; empty: an export's lie beside it."
    )
    costs: tuple[str, ...] = Field(default=(), description="Files of the store's `efficiency/` that it shows.")
    sources: tuple[Source, ...]
    cells: tuple[CellResult, ...] = Field(min_length=1)
    controls: tuple[Control, ...] = ()
    published: tuple[Shown, ...] = ()
    met: tuple[Met, ...] = Field(default=(), description="In an export: what the store knew when it was made.")
    computed_by: tuple[str, ...] = Field(
        default=(), description="Processors and GPUs that computed the records; none: the records do not say."
    )
    environment: Mapping[str, Any] = Field(description="Versions of libraries and codecs, device, threads, batch size.")
    digest: str = Field(default="", description="Of all other fields, whatever the layout; empty: the file has none.")

    @model_validator(mode="after")
    def _is_of_one_piece(self) -> Self:
        for number, source in enumerate(self.sources):
            if (source.whole.start, source.whole.stop) != (0, source.samples):
                raise ValueError(f"the whole of source {number} does not reach over its {source.samples} samples")
        places = set()
        for number, cell in enumerate(result.cell for result in self.cells):
            if not 0 <= cell.source < len(self.sources):
                raise ValueError(f"cell {number} is of source {cell.source}; there are {len(self.sources)}, from 0")
            if cell.samples != self.sources[cell.source].samples:
                raise ValueError(f"cell {number} has {cell.samples} samples, its source has others")
            if cell.in_tables in places:
                raise ValueError(f"cell {number} stands where another one does: {' / '.join(cell.in_tables)}")
            places.add(cell.in_tables)
        wholes = (source.whole.name for source in self.sources)
        for name in (*wholes, *(result.cell.key for result in self.cells), *self.costs):
            if not FILE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot name a file")
        return self


def read(run: Path) -> RunInfo:
    """The run's `run.json`. Raises StoreError where there is none or it is of another version, Damaged."""
    try:
        info = read_json(run / FILE, RunInfo, schema_version.RUN)
    except FileNotFoundError:
        raise StoreError(f"{run} is no run directory: it holds no {FILE}") from None
    if info.digest not in ("", _digest(info)):
        raise Damaged(run / FILE, "its checksum does not hold")
    return info


def store_of(run: Path, info: RunInfo, given: Path | None = None) -> Path:
    """Where the records of a run lie, or where the user says that they do."""
    return run / info.store if given is None else given


def seen_from(folder: Path, other: Path) -> str:
    """Another folder as a file in `folder` names it: one that is the same moves along with it."""
    folder, other = folder.absolute(), other.absolute()
    return "." if folder == other else str(other)


def write(run: Path, info: RunInfo) -> None:
    """Put `run.json` in place, with its digest. Raises StoreError."""
    with foreign(f"{run / FILE} cannot be written", StoreError):
        text = info.model_copy(update={"digest": _digest(info)}).model_dump_json(indent=1)
    write_text(run / FILE, f"{text}\n")


def _digest(info: RunInfo) -> str:
    return digest(info.model_dump(mode="json", exclude={"digest"}))
