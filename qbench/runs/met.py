"""Which methods have been scored on which samples: how often a test set was tried.

An empty file for each variant of a method, in a folder for each set of samples (`met/SAMPLES/METHOD-VARIANT` of a
store). They stay when records are cleaned away: what has met a test set has met it. To count them no file is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from qbench.errors import StoreError, foreign
from qbench.runs.planned import Plan
from qbench.runs.run_info import CellResult, Met
from qbench.storage.files import digest

FOLDER = "met"
_DIGITS = 16


def write_met(store: Path, plan: Plan, cells: Sequence[CellResult]) -> None:
    """Say which methods have records on which samples. Raises StoreError where the disk refuses."""
    done = (result.cell for result in cells if result.status == "done")
    found = {
        (plan.sources[cell.source].whole.name, f"{digest(cell.method.name)[:_DIGITS]}-{variant[:_DIGITS]}")
        for cell in done
        if (variant := plan.told[cell.in_tables].variant)
    }
    with foreign(f"which methods met the samples cannot be written into {store / FOLDER}", StoreError):
        for samples, name in sorted(found):
            file = store / FOLDER / samples / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()


def met(store: Path, samples: Iterable[str]) -> tuple[Met, ...]:
    """How many methods have met each set of samples; none where the store says nothing of it."""
    found = []
    for name in dict.fromkeys(samples):
        try:
            variants = [file.name for file in (store / FOLDER / name).iterdir() if not file.name.startswith(".")]
        except OSError:
            continue
        methods = {variant.partition("-")[0] for variant in variants}
        found.append(Met(samples=name, methods=len(methods), variants=len(variants)))
    return tuple(found)
