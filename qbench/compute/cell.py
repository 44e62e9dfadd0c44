"""Cells and where their samples come from: plain data that travels to workers by name only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qbench.data.views import ViewSpec
from qbench.registry.named import Named
from qbench.suite.published import Shown
from qbench.suite.schema import ControlSpec


@dataclass(frozen=True)
class Shard:
    """A fixed slice of a manifest; `name` holds its start and a digest of its samples' ids and contents."""

    start: int
    stop: int
    name: str


@dataclass(frozen=True)
class Source:
    """A dataset of a task, sliced."""

    dataset: Named
    samples: int
    shards: tuple[Shard, ...]
    classes: tuple[str, ...] = ()
    """Names of the dataset's classes by index, where a table asks for them and it has any."""


@dataclass(frozen=True)
class Cell:
    """task x dataset x view x condition x model x method x train_seed, and the key of its records."""

    key: str
    task: str
    source: int
    dataset: str
    view: ViewSpec
    condition: Named
    condition_label: str
    axis: tuple[str, float] | None
    model: Named
    model_label: str
    method: Named
    method_label: str
    site: str
    oracle: bool
    train_seed: int
    weights: Path | None
    weights_sha256: str
    metrics: tuple[Named, ...]
    """What the tables show of it."""
    cost: str
    """Digest of all that decides what its model and method cost, apart from the size of pictures and the machine."""
    not_applicable: str = ""


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
    controls: tuple[ControlSpec, ...] = ()
    published: tuple[Shown, ...] = ()
