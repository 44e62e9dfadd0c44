"""Time of the corruptions over that of imagecorruptions 1.1.2, and how far their pictures lie apart.

    OMP_NUM_THREADS=1 python -m benchmarks.corruptions [--repetitions N] [--names fog snow] [--scenes N]

Every corruption runs at every severity on one 224 x 224 scene, in three ways that take turns in one process with one
thread: the reference package, fast mode and parity mode. Ours are measured as the engine calls them: the condition's
`apply`, with its keyed draw, checks and facts. A call that takes less than a few milliseconds is repeated inside one
measurement. Outside every clock: imports, one warm-up call of each, in which tables, kernels and textures are built
(the reference has none), and seeding of the reference.

A ratio is the reference's time over ours, of sums over severities, in each repetition; given are the median and the
quartiles over the repetitions. Of the pictures the same run says: for parity mode the share of values within one grey
level of the reference under one random stream; for fast mode the differences of the statistics over the repetitions'
draws. It stops where parity is lost. `--scenes N` adds the accuracy of the built-in classifier on N scenes under fast
and parity mode."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.corruptions_reference import Pixels, Reference, compiled_glass_blur, reference
from qbench.data.scenes import scene
from qbench.degrade import condition
from qbench.degrade.corruptions import COMMON, EXTRA
from qbench.degrade.corruptions.base import Corruption
from qbench.degrade.corruptions.call import Call
from qbench.draws import Draw
from qbench.runs.machine import device_name

UNITS = ("wall", "processor")
WAYS = ("reference", "fast", "parity")
NAMES = (*COMMON, *EXTRA)
SEVERITIES = range(1, 6)
AIMS = {"grid 15x5": 40.0, "grid 15x5 without glass_blur": 6.0}
OWN_STREAM = ("impulse_noise",)
LONG_ENOUGH = 0.002
PACKAGES = ("numpy", "opencv-python-headless", "scipy", "pillow", "imagecorruptions", "scikit-image", "numba")
Times: TypeAlias = dict[tuple[str, int, str], list[dict[str, float]]]
"""Seconds of one call, a repetition each, by corruption, severity and way."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--names", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--scenes", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "corruptions.json")
    given = parser.parse_args()
    result = benchmark(given.names, given.repetitions)
    if given.scenes:
        from benchmarks.corruptions_accuracy import accuracies

        result["accuracy on scenes"] = accuracies(given.names, given.scenes)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(markdown(result))


def benchmark(names: Sequence[str], repetitions: int, side: int = 224) -> dict[str, Any]:
    """All figures. Raises AssertionError where parity mode and the reference disagree."""
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    load = os.getloadavg()[0]
    image = scene("test", 0, side).image
    try:
        with reference() as published:
            pictures = {name: compared(name, image, published, repetitions) for name in names}
            times = measured(image, names, published, repetitions)
            mended = published.mended
    finally:
        cv2.setNumThreads(threads)
    return {
        "command": f"OMP_NUM_THREADS=1 python -m benchmarks.corruptions --repetitions {repetitions}"
        + ("" if list(names) == list(NAMES) else f" --names {' '.join(names)}"),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(load),
        "picture": f"scene test/000000 at {side} x {side}",
        "repetitions": repetitions,
        "reference": {
            "package": "imagecorruptions 1.1.2 from PyPI, unmodified but for what follows",
            "mended": mended,
            "glass_blur": "runs as loops of Python, as published; nothing of it is compiled. `compiled glass_blur` is "
            "the same with its loops compiled by numba, the compilation outside the clock",
        },
        "speed-up": speedups(times, names),
        "milliseconds": milliseconds(times),
        "slower than the reference": losses(times, names),
        "pictures": pictures,
    }


def machine(load: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return {
        **found,
        "python": platform.python_version(),
        "device": device_name("cpu"),
        "threads": 1,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "load average before and after": [round(load, 1), round(os.getloadavg()[0], 1)],
    }


def ways(image: Pixels, name: str, severity: int, published: Reference) -> dict[str, Callable[[], object]]:
    """What is timed, by its name."""
    draw = Draw(0, "scene")
    conditions = {mode: condition(name, severity=severity, mode=mode) for mode in ("fast", "parity")}
    found: dict[str, Callable[[], object]] = {
        "reference": lambda: published(image, name, severity),
        "fast": lambda: conditions["fast"].apply(image, draw),
        "parity": lambda: conditions["parity"].apply(image, draw),
    }
    compiled = compiled_glass_blur(published) if name == "glass_blur" else None
    if compiled is not None:
        found["compiled"] = lambda: compiled(image, severity)
    return found


def measured(image: Pixels, names: Sequence[str], published: Reference, repetitions: int) -> Times:
    """Warm-up, then the repetitions; the ways take turns, in reversed order every second time."""
    cases = [(name, severity, ways(image, name, severity, published)) for name in names for severity in SEVERITIES]
    calls = {(name, severity, way): _calls(call) for name, severity, found in cases for way, call in found.items()}
    times: Times = {key: [] for key in calls}
    for repetition in range(repetitions):
        for name, severity, found in cases:
            for way in list(found)[:: 1 if repetition % 2 == 0 else -1]:
                np.random.seed(repetition)
                times[name, severity, way].append(clocked(found[way], calls[name, severity, way]))
        print(f"repetition {repetition + 1} of {repetitions}", file=sys.stderr, flush=True)
    return times


def _calls(call: Callable[[], object]) -> int:
    """So many that they fill a measurement; the first call builds tables and is not counted."""
    call()
    once = clocked(call, 1)["wall"]
    return min(20, int(LONG_ENOUGH / once) + 1)


def clocked(call: Callable[[], object], calls: int) -> dict[str, float]:
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(calls):
        call()
    return {"wall": (time.perf_counter() - wall) / calls, "processor": (time.process_time() - processor) / calls}


def compared(name: str, image: Pixels, published: Reference, repetitions: int) -> dict[str, Any]:
    """How far our pictures lie from the reference's; both modes, the worst of the severities."""
    within, statistics = [], []
    for severity in SEVERITIES:
        theirs, parity, fast = [], [], []
        for seed in range(2 if name == "glass_blur" else max(repetitions, 2)):
            np.random.seed(seed)
            theirs.append(published(image, name, severity))
            parity.append(followed(image, name, severity, partial(np.random.RandomState, seed)))
            fast.append(condition(name, severity=severity).apply(image, Draw(seed, "scene"))[0])
        within.append(float(np.mean([near(*pair) for pair in zip(theirs, parity, strict=True)])))
        statistics.append(difference(image, theirs, fast))
    if name not in OWN_STREAM:
        assert min(within) >= 0.999, f"{name}: parity mode is not within a level of the reference: {within}"
    return {
        "parity: share within 1 level, worst severity": None if name in OWN_STREAM else round(min(within), 5),
        "fast: statistics by severity": statistics,
    }


def followed(image: Pixels, name: str, severity: int, stream: Callable[[], np.random.RandomState]) -> Pixels:
    """A picture in parity mode, from a random stream of the reference's kind."""
    corruption = condition(name, severity=severity)
    assert isinstance(corruption, Corruption)
    call = Call(corruption.strengths["imagenet"][severity - 1], stream)
    return corruption.parity(image, call).astype(np.uint8)


def near(first: Pixels, second: Pixels) -> float:
    return float((np.abs(first.astype(int) - second) <= 1).mean())


def difference(image: Pixels, theirs: Sequence[Pixels], ours: Sequence[Pixels]) -> dict[str, Any]:
    """Mean and standard deviation of the change, the reference's and ours, with standard errors over the draws; and
    half the sum of absolute differences of the histograms of 32 ranges of levels."""
    figures = [np.array([_moments(one.astype(float) - image) for one in some]) for some in (theirs, ours)]
    errors = [found.std(0, ddof=1) / np.sqrt(len(found)) for found in figures]
    shares = [np.bincount(np.concatenate([one.ravel() >> 3 for one in some]), minlength=32) for some in (theirs, ours)]
    histograms = [counts / counts.sum() for counts in shares]
    return {
        **{
            what: {"reference": _rounded(figures[0][:, i].mean()), "fast": _rounded(figures[1][:, i].mean()),
                   "standard error of the difference": _rounded(np.hypot(errors[0][i], errors[1][i]))}
            for i, what in enumerate(("mean", "deviation"))
        },
        "histogram": _rounded(np.abs(histograms[0] - histograms[1]).sum() / 2),
    }  # fmt: skip


def _moments(change: NDArray[np.float64]) -> tuple[float, float]:
    return float(change.mean()), float(change.std())


def _rounded(value: float) -> float:
    return round(float(value), 4)


def total(times: Times, keys: Iterable[tuple[str, int]], way: str, unit: str) -> NDArray[np.float64]:
    """Seconds of a set of corruptions and severities, a repetition each."""
    return np.sum([[one[unit] for one in times[name, severity, way]] for name, severity in keys], axis=0)


def speedups(times: Times, names: Sequence[str]) -> dict[str, Any]:
    """The reference's time over ours: each corruption, then the grids of those that were measured."""
    rows: dict[str, Sequence[str]] = {name: [name] for name in names}
    common = [name for name in names if name in COMMON]
    if set(common) == set(COMMON):
        rows["grid 15x5"] = common
        rows["grid 15x5 without glass_blur"] = [name for name in common if name != "glass_blur"]
    if set(names) == set(NAMES):
        rows["all 19x5"] = names
    found: dict[str, Any] = {}
    for row, members in rows.items():
        keys = [(name, severity) for name in members for severity in SEVERITIES]
        for way in ("fast", "parity"):
            found.setdefault(row, {})[way] = {unit: _ratio(times, keys, "reference", way, unit) for unit in UNITS}
    if ("glass_blur", 1, "compiled") in times:
        keys = [("glass_blur", severity) for severity in SEVERITIES]
        found["compiled glass_blur"] = {
            way: {unit: _ratio(times, keys, "compiled", way, unit) for unit in UNITS} for way in ("fast", "parity")
        }
    return found


def _ratio(times: Times, keys: Sequence[tuple[str, int]], upper: str, lower: str, unit: str) -> dict[str, float]:
    return quartiles(total(times, keys, upper, unit) / total(times, keys, lower, unit))


def quartiles(values: NDArray[np.float64]) -> dict[str, float]:
    low, median, high = (round(float(value), 4) for value in np.quantile(values, [0.25, 0.5, 0.75]))
    return {"median": median, "low": low, "high": high, "iqr": round(high - low, 4)}


def milliseconds(times: Times) -> dict[str, dict[str, list[float]]]:
    """Median wall time of one call by corruption and way, at severities 1..5."""
    found: dict[str, dict[str, list[float]]] = {}
    for (name, _, way), taken in times.items():
        median = float(np.median([one["wall"] for one in taken]))
        found.setdefault(name, {}).setdefault(way, []).append(round(median * 1e3, 3))
    return found


def losses(times: Times, names: Sequence[str]) -> list[str]:
    """The corruptions and the single severities at which our median takes longer than the reference's."""
    found = []
    for way in ("fast", "parity"):
        for name in names:
            for label, severities in ((name, SEVERITIES), *((f"{name}/{s}", (s,)) for s in SEVERITIES)):
                ratio = _ratio(times, [(name, severity) for severity in severities], "reference", way, "wall")
                if ratio["median"] < 1:
                    found.append(f"{label} ({way}): {ratio['median']}")
    return found


def markdown(result: Mapping[str, Any]) -> str:
    """The ratios as a table, and below it what they hold for."""
    lines = ["| corruption | aim | fast: wall | fast: processor | parity: wall | parity: processor |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    for row, found in result["speed-up"].items():
        cells = ["{median:.1f} ({low:.1f}-{high:.1f})".format(**found[w][u]) for w in ("fast", "parity") for u in UNITS]
        aim = f"≥ {AIMS[row]:.0f}" if row in AIMS else ""
        lines.append(f"| {row} | {aim} | {' | '.join(cells)} |")
    told = ", ".join(f"{what} {value}" for what, value in result["machine"].items())
    slower = "; ".join(result["slower than the reference"]) or "none"
    return "\n".join(
        [*lines, "", f"`{result['command']}`, {result['date']}, {result['repetitions']} repetitions.",
         f"Slower than the reference: {slower}.", f"Machine: {told}."]
    )  # fmt: skip


if __name__ == "__main__":
    main()
