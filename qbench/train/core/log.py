"""The loss log of a training, as a table and as a picture."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence

import numpy as np


def table(log: Mapping[str, Sequence[float]]) -> bytes:
    """CSV: one row a step, one column a loss (weighted); empty where a stage lacks the loss."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = sorted(log)
    writer.writerow(["step", *names])
    for step, row in enumerate(zip(*(log[name] for name in names), strict=True), start=1):
        writer.writerow([step, *("" if math.isnan(value) else f"{value:.6g}" for value in row)])
    return stream.getvalue().encode()


def smooth(values: Sequence[float], window: int) -> list[float]:
    """The mean of the last `window` values at every step, gaps left out; shorter windows at the start."""
    array = np.asarray(values, dtype=float)
    there = np.isfinite(array)
    sums = np.cumsum(np.where(there, array, 0.0))
    counts = np.cumsum(there)
    sums[window:], counts[window:] = sums[window:] - sums[:-window], counts[window:] - counts[:-window]
    with np.errstate(invalid="ignore", divide="ignore"):
        return [float(value) for value in np.where(there, sums / counts, np.nan)]


def last(values: Sequence[float], window: int) -> float:
    """The running mean at the last step that has the loss; NaN where none has it."""
    return next((value for value in reversed(smooth(values, window)) if not math.isnan(value)), math.nan)


def picture(log: Mapping[str, Sequence[float]], title: str) -> bytes:
    """A PNG: each loss raw (pale) and as a running mean, on a log axis."""
    from matplotlib.figure import Figure  # slow to load, and needed at a training's end alone

    figure = Figure(figsize=(8, 4.5), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    steps = max((len(values) for values in log.values()), default=0)
    window = max(1, steps // 50)
    for number, name in enumerate(sorted(log)):
        colour = f"C{number}"
        places = range(1, len(log[name]) + 1)
        axes.plot(places, log[name], color=colour, alpha=0.2, linewidth=0.7)
        axes.plot(
            places, smooth(log[name], window), color=colour, linewidth=1.5, label=f"{name} (mean of {window} steps)"
        )
    if any(value > 0 for values in log.values() for value in values):
        axes.set_yscale("log")
    axes.set(xlabel="step", ylabel="weighted loss", title=title)
    axes.grid(visible=True, which="both", alpha=0.25)
    if log:
        axes.legend()
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": "qbench"})
    return stream.getvalue()
