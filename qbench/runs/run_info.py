"""What a run directory says of itself (`run.json`): the suite, its cells and where the numbers came from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qbench.compute.cell import Cell, Source
from qbench.errors import StoreError
from qbench.runs import schema_version
from qbench.suite.published import Shown
from qbench.suite.schema import Control

Status = Literal["pending", "done", "n/a", "failed"]


class CellResult(BaseModel):
    """A cell, and what came of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Cell
    status: Status
    reason: str = Field(default="", description="Why the cell is `n/a` or `failed`.")


class RunInfo(BaseModel):
    """A run: everything that a report needs besides the records."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(default=schema_version.RUN, description="Of this file; see docs/results.md.")
    suite: str
    title: str
    version: int
    seed: int
    command: str = Field(description="The command that makes these records again.")
    tables: tuple[str, ...]
    costs: tuple[str, ...] = Field(default=(), description="Files under `efficiency/` that belong to this run.")
    sources: tuple[Source, ...]
    cells: tuple[CellResult, ...]
    controls: tuple[Control, ...] = ()
    published: tuple[Shown, ...] = ()
    environment: Mapping[str, Any] = Field(description="Versions of libraries and codecs, device, threads, batch size.")


class _Versioned(BaseModel):
    schema_version: int | None = None


def read(run: Path) -> RunInfo:
    """The run's `run.json`. Raises StoreError where there is none, it is damaged or of another version."""
    file = run / "run.json"
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        raise StoreError(f"{run} is no run directory: it holds no run.json") from None
    try:
        schema_version.check(file, _Versioned.model_validate_json(text).schema_version, schema_version.RUN)
        return RunInfo.model_validate_json(text)
    except ValidationError as error:
        raise StoreError(f"{file} is damaged: {error.errors()[0]['msg']}") from None
