"""Cells and the sources of their samples: plain data, which `run.json` holds as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_serializer

from qbench.data.views import ViewSpec
from qbench.registry.named import plain


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Item(_Frozen):
    """Something of the registry as a cell uses it."""

    name: str = Field(description="Its registered name, which says what it is.")
    params: dict[str, Any] = Field(default_factory=dict, description="Its parameters.")
    label: str = Field(description="Its name in tables; for showing alone.")

    @field_serializer("params")
    def _plain(self, params: dict[str, Any]) -> Any:
        """What Python gave as an object is text in JSON."""
        return plain(params)


class DatasetItem(Item):
    """A dataset, with what keys the resamples of its tables."""

    own_label: str = Field(description="What the dataset calls itself, whatever the suite calls it.")


class ConditionItem(Item):
    """A condition, with what tables group it by."""

    family: str = Field(description="The corruption or codec, with its mode; `clean` for untouched pictures.")
    axis: tuple[str, FiniteFloat] | None = Field(description="The table axis that it is a point of.")


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
    ids: str = Field(default="", exclude=True, description="Digest of its samples' ids; empty: not known.")


class Source(_Frozen):
    """A dataset of a task."""

    dataset: DatasetItem
    samples: int
    whole: Shard = Field(description="All of its samples.")
    shards: tuple[Shard, ...] = Field(default=(), exclude=True, description="Its slices, one after another; of a plan.")
    classes: tuple[str, ...] = Field(default=(), description="Names of classes by index, where a table is by class.")


class Cell(_Frozen):
    """task x dataset x view x condition x model x method x train_seed, and the key of its records.

    `run.json` holds it as it is, but for `parts`, `weights` and `not_applicable`."""

    key: str = Field(description="Digest of everything that can change its records.")
    parts: str = Field(default="", exclude=True, description="What the key is the digest of, as JSON.")
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

    @property
    def in_tables(self) -> tuple[str, ...]:
        """Where it stands in tables: no two cells of a run have the same."""
        degraded_and_helped = (self.condition.label, self.model.label, self.method.label, str(self.train_seed))
        return (self.task, self.dataset.label, self.view.label, *degraded_and_helped)


@dataclass(frozen=True)
class Settings:
    """What decides a result's bits besides the cell: part of every key."""

    seed: int
    batch: int
    threads: int
    device: str

    @property
    def in_key(self) -> dict[str, int | str]:
        """The settings as a key has them: of the device its kind alone (cpu, cuda, mps)."""
        return {**vars(self), "device": self.device.partition(":")[0]}
