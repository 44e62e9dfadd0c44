"""What a run directory says of itself (`run.json`): the suite, its cells and where the numbers came from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["pending", "done", "n/a", "failed"]


class CellInfo(BaseModel):
    """One cell: task x dataset x view x condition x model x method x train_seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(description="Digest of everything that can change its records.")
    task: str
    dataset: str
    view: str
    condition: str
    axis: tuple[str, float] | None = Field(description="The table axis that the condition is a point of.")
    model: str
    method: str
    site: str
    oracle: bool
    train_seed: int
    samples: int = Field(description="Samples in the manifest, bad ones included: the denominator asked for.")
    status: Status
    reason: str = Field(default="", description="Why the cell is `n/a` or `failed`.")
    weights: str = Field(default="", description="sha256 of the method's weights, or empty.")


class RunInfo(BaseModel):
    """A run: everything that a report needs besides the records."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str
    title: str
    version: int
    seed: int
    command: str = Field(description="The command that makes these records again.")
    tables: tuple[str, ...]
    cells: tuple[CellInfo, ...]
    environment: Mapping[str, Any] = Field(description="Versions of libraries and codecs, device, threads, batch size.")


def read(run: Path) -> RunInfo:
    return RunInfo.model_validate_json((run / "run.json").read_text())
