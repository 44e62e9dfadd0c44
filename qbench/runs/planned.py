"""Everything that a run will compute, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qbench.compute.cell import Cell, Settings, Source
from qbench.suite.published import Shown
from qbench.suite.schema import Control


@dataclass(frozen=True)
class Told:
    """What a cell is compared and counted by."""

    protocol: str
    """Digest of what its score is measured on and how, whatever the method."""
    variant: str
    """Digest of its method with parameters, weights and, of a plug-in, code."""


@dataclass(frozen=True)
class Plan:
    """A suite, expanded."""

    suite: str
    title: str
    version: int
    tables: tuple[str, ...]
    plugins: tuple[str, ...]
    plugin_files: tuple[Path, ...]
    settings: Settings
    devices: tuple[str, ...]
    """What computes, all of the kind of the settings' device; how many there are decides no number."""
    max_bad: float
    sources: tuple[Source, ...]
    cells: tuple[Cell, ...]
    told: Mapping[tuple[str, ...], Told]
    """Of each cell, by its place in tables."""
    live: Mapping[str, Any] = field(default_factory=dict)
    """Live objects by registry name, given from Python; they stay in this process."""
    controls: tuple[Control, ...] = ()
    published: tuple[Shown, ...] = ()
    own_pictures: str = ""
    """Why no other process can prepare the pictures; empty where one can."""
    notes: tuple[str, ...] = ()
    """What a user should know of how the data were read, a line for each dataset that says something."""
