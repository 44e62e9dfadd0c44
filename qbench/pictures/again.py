"""Degraded pictures of a run, made again from its data."""

from __future__ import annotations

from collections.abc import Sequence

from qbench.compute.bench import Workbench
from qbench.compute.cell import Cell, Source
from qbench.compute.prepare import degraded
from qbench.draws import Draw
from qbench.errors import DataError, foreign
from qbench.vocabulary import Image


class Again:
    """Makes what a cell's model was given, sample by sample."""

    def __init__(self, sources: Sequence[Source], seed: int) -> None:
        self._bench, self._seed = Workbench(sources, "cpu"), seed

    def __call__(self, cell: Cell, position: int, sample_id: str) -> Image:
        """The sample at a place of the dataset, after the view and the condition, before any method: uint8 [H, W, 3].

        Raises DataError where the data is not there or is not that of the run, and what building the dataset, the
        condition or the model raises."""
        what = f"sample {sample_id} of {cell.dataset.label} cannot be made again"
        with foreign(what, DataError):
            dataset = self._bench.dataset(cell)
            ids = dataset.manifest().ids
        if position >= len(ids) or ids[position] != sample_id:
            raise DataError(f"{what}: the dataset here has other samples than the run had")
        with foreign(what, DataError):
            sample = dataset.load(position)
            clean = cell.view.of(self._bench.model(cell).input).apply(sample.image)
            picture, _ = degraded(self._bench.condition(cell), clean, Draw(self._seed, sample.id))
        return picture
