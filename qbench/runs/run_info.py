"""What a run directory says of itself (`run.json`): the suite, its cells and where the numbers came from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qbench.errors import StoreError
from qbench.suite.published import Shown

Status = Literal["pending", "done", "n/a", "failed"]


class MetricInfo(BaseModel):
    """A score that tables show: its name, its parameters, and the suite's own label of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    params: dict[str, Any] = Field(default_factory=dict)
    label: str = ""

    def __hash__(self) -> int:
        return hash((self.name, self.label))


class CellInfo(BaseModel):
    """One cell: task x dataset x view x condition x model x method x train_seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(description="Digest of everything that can change its records.")
    task: str
    dataset: str
    source: int = Field(description="Which of the run's sources its samples come from.")
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
    metrics: tuple[MetricInfo, ...] = Field(default=(MetricInfo(name="top1"),), description="What tables show.")

    @property
    def place(self) -> str:
        """Tells its records from those of the same cell on another dataset, whose key may be the same."""
        return f"{self.key}/{self.source}"


class SourceInfo(BaseModel):
    """A sliced manifest: the names of its shards, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int
    shards: tuple[str, ...]
    classes: tuple[str, ...] = Field(default=(), description="Names of classes, where a table is by class.")


class ControlInfo(BaseModel):
    """A method that others (all, where none are named) are compared with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    control: str
    methods: tuple[str, ...] = ()


class RunInfo(BaseModel):
    """A run: everything that a report needs besides the records."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str
    title: str
    version: int
    seed: int
    command: str = Field(description="The command that makes these records again.")
    tables: tuple[str, ...]
    costs: tuple[str, ...] = Field(default=(), description="Files under `efficiency/` that belong to this run.")
    sources: tuple[SourceInfo, ...]
    cells: tuple[CellInfo, ...]
    controls: tuple[ControlInfo, ...] = ()
    published: tuple[Shown, ...] = ()
    environment: Mapping[str, Any] = Field(description="Versions of libraries and codecs, device, threads, batch size.")


def read(run: Path) -> RunInfo:
    """The run's `run.json`. Raises StoreError where there is none or it is damaged."""
    file = run / "run.json"
    try:
        return RunInfo.model_validate_json(file.read_text(encoding="utf-8"))
    except OSError:
        raise StoreError(f"{run} is no run directory: it holds no run.json") from None
    except ValidationError as error:
        raise StoreError(f"{file} is damaged: {error.errors()[0]['msg']}") from None
