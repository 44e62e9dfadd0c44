"""Cells and the sources of their samples: plain data, which `run.json` holds as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from qbench.data.views import ViewSpec
from qbench.suite.published import Shown
from qbench.suite.schema import Control


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Item(_Frozen):
    """Something of the registry as a cell uses it."""

    name: str = Field(description="Its registered name, which says what it is.")
    params: dict[str, Any] = Field(default_factory=dict, description="Its parameters, as JSON holds them.")
    label: str = Field(description="Its name in tables; for showing alone.")


class DatasetItem(Item):
    """A dataset, with what keys the resamples of its tables."""

    own_label: str = Field(description="What the dataset calls itself, whatever the suite calls it.")


class ConditionItem(Item):
    """A condition, with what tables group it by."""

    family: str = Field(description="The corruption or codec, with its mode; `clean` for untouched pictures.")
    axis: tuple[str, float] | None = Field(description="The table axis that it is a point of.")


class MethodItem(Item):
    """A method, with where it touches the model."""

    site: str = Field(description="none, image, feature or model.")
    oracle: bool = Field(default=False, description="Whether it reads facts that a real picture does not bring.")


class MetricItem(_Frozen):
    """A score that tables show."""

    name: str
    params: dict[str, Any] = Field(default_factory=dict)
    label: str = Field(default="", description="The suite's own name for it, or empty.")

    def __hash__(self) -> int:
        return hash((self.name, self.label))


class Shard(_Frozen):
    """A fixed slice of a manifest."""

    start: int
    stop: int
    name: str = Field(description="The start, and a digest of its samples' ids and contents.")


class Source(_Frozen):
    """A dataset of a task, sliced."""

    dataset: DatasetItem
    samples: int
    shards: tuple[Shard, ...]
    classes: tuple[str, ...] = Field(default=(), description="Names of classes by index, where a table is by class.")


class Cell(_Frozen):
    """task x dataset x view x condition x model x method x train_seed, and the key of its records.

    `run.json` holds it as it is, but for `weights` and `not_applicable`."""

    key: str = Field(description="Digest of everything that can change its records.")
    task: str
    source: int = Field(description="Which of the run's sources its samples come from.")
    dataset: DatasetItem
    view: ViewSpec
    condition: ConditionItem
    model: Item
    method: MethodItem
    train_seed: int
    samples: int = Field(description="Samples in the manifest, unreadable ones included.")
    weights: Path | None = Field(default=None, exclude=True, description="The method's weights on this machine.")
    weights_sha256: str = Field(default="", description="Digest of the method's weights, or empty.")
    metrics: tuple[MetricItem, ...] = Field(description="What tables show.")
    cost: str | None = Field(
        description="Digest of what decides the cost of model and method, but for pictures and machine; null: unknown."
    )
    not_applicable: str = Field(default="", exclude=True, description="Why it cannot be computed, known beforehand.")

    @property
    def place(self) -> str:
        """Tells its records from those of the same cell on another source, whose key may be the same."""
        return f"{self.key}/{self.source}"


@dataclass(frozen=True)
class Settings:
    """What decides a result's bits besides the cell: part of every key."""

    seed: int
    batch: int
    threads: int
    device: str


@dataclass(frozen=True)
class Plan:
    """Everything that a run will compute."""

    suite: str
    title: str
    version: int
    tables: tuple[str, ...]
    plugins: tuple[str, ...]
    plugin_files: tuple[Path, ...]
    settings: Settings
    max_bad: float
    sources: tuple[Source, ...]
    cells: tuple[Cell, ...]
    live: Mapping[str, Any] = field(default_factory=dict)
    """Live objects by registry name, given from Python; they stay in this process."""
    controls: tuple[Control, ...] = ()
    published: tuple[Shown, ...] = ()
