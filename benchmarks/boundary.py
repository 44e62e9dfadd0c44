"""What the boundary to plug-ins costs: copies, checks, and the process put back in order.

    OMP_NUM_THREADS=1 python -m benchmarks.boundary [--samples N] [--repetitions N]

The same suite runs with the boundary as it is and without it: nothing is copied or checked, and no call is a visit. In
`plug-ins` the dataset, the condition, the model and the methods are plug-ins; in `built-in` none is, so that what is
left are the visits. Runs take turns in one process with one thread, and the order is reversed in every second
repetition. Both ways give the same records. The ratio of the two times of a repetition is as noisy as the machine;
`share` is the part of the wall time of a run with the boundary that its visits and copies take, by a clock in each."""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image as Pillow
from torch import Tensor, nn

import qbench
from benchmarks.engine_suite import SITE_CHANNELS, Scale, write_pictures
from benchmarks.timing import UNITS, clock, ratios
from qbench.data.scenes import scene
from qbench.models.base import LoadedModel
from qbench.models.classification.timm import Timm
from qbench.models.initial import initialise
from qbench.process import visit
from qbench.registry import Entry
from qbench.runtime import fixed_threads
from qbench.vocabulary import Context, Facts, Image, Manifest, Sample

SIDE = 256
NETWORK = "mobilenetv2_100"
WAYS = ("with", "without")
VISITING = ("qbench.boundary", "qbench.compute.bench", "qbench.compute.predict")


@cache
def png(index: int) -> bytes:
    """A scene as a PNG file, drawn once."""
    buffer = io.BytesIO()
    Pillow.fromarray(scene("test", index, SIDE).image).save(buffer, "PNG")
    return buffer.getvalue()


@qbench.dataset("boundary-pictures", version=1)
class Pictures:
    """Scenes as PNG files in memory."""

    label = "pictures"

    def __init__(self, count: int) -> None:
        self._ids = tuple(f"picture {index}" for index in range(count))

    def manifest(self) -> Manifest:
        return Manifest(self._ids, self._ids)

    def load(self, index: int) -> Sample:
        with Pillow.open(io.BytesIO(png(index))) as opened:
            return Sample(self._ids[index], np.asarray(opened), index % 24)


@qbench.condition("boundary-jpeg", version=1)
class Jpeg:
    """One compression."""

    label, axis = "boundary-jpeg", None

    def apply(self, image: Image, draw: Any) -> tuple[Image, Facts]:
        buffer = io.BytesIO()
        Pillow.fromarray(image).save(buffer, "JPEG", quality=10)
        return np.asarray(Pillow.open(buffer)), {"quality": 10, "bytes": buffer.tell()}


@qbench.model("boundary-model", version=1)
class Model:
    """A small network of timm with drawn weights."""

    label = "boundary-model"
    sites = Timm(NETWORK, pretrained=False).sites

    def identity(self) -> Mapping[str, Any]:
        return {"version": 1}

    def build(self) -> LoadedModel:
        return Timm(NETWORK, pretrained=False).build()


@qbench.method("boundary-restore", site="image", version=1)
class Restore:
    """A small restorer: three layers, the first of 9 x 9 (SRCNN's layout)."""

    def setup(self, setup: Any) -> None:
        self.network = nn.Sequential(
            nn.Conv2d(3, 32, 9, padding=4), nn.ReLU(), nn.Conv2d(32, 16, 1), nn.ReLU(), nn.Conv2d(16, 3, 5, padding=2)
        ).eval()
        initialise(self.network, 0)

    def restore(self, images: Tensor, context: Context) -> Tensor:
        restored: Tensor = self.network(images) + context.degraded
        return restored.clamp(0, 1)


@qbench.method("boundary-enhance", site="feature", version=1)
class Enhance:
    """One 3 x 3 convolution over the features, and a look at the pictures."""

    at = "D2"

    def setup(self, setup: Any) -> None:
        self.network = nn.Conv2d(SITE_CHANNELS, SITE_CHANNELS, 3, padding=1).eval()
        initialise(self.network, 0)

    def enhance(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        enhanced: Tensor = features + self.network(features) * images.mean()
        return enhanced


def suite(row: str, samples: int, pictures: Path) -> dict[str, Any]:
    """The suite of a row as a mapping; built-in readers read the files in `pictures`."""
    view = {"resize": SIDE, "crop": 224, "interpolation": "bicubic"}
    if row == "plug-ins":
        task = {
            "dataset": {"name": "boundary-pictures", "count": samples}, "view": view, "models": ["boundary-model"],
            "conditions": ["clean", "boundary-jpeg"], "methods": ["direct", "boundary-restore", "boundary-enhance"],
        }  # fmt: skip
    else:
        task = {
            "dataset": {"name": "imagefolder", "root": str(pictures)}, "view": view,
            "models": [{f"timm:{NETWORK}": {"pretrained": False}}],
            "conditions": ["clean", {"jpeg": {"quality": 10}}, {"fog": {"severity": 3}}], "methods": ["direct"],
        }  # fmt: skip
    return {"suite": f"boundary-{row}", "tasks": [task]}


@contextmanager
def without() -> Iterator[None]:
    """Inside, plug-ins pass for qbench's own, and no call is a visit."""

    @contextmanager
    def pass_by(*_key: object) -> Iterator[None]:
        yield

    with ExitStack() as stack:
        stack.enter_context(patch.object(Entry, "builtin", True))
        for module in VISITING:
            stack.enter_context(patch(f"{module}.visit", pass_by))
        yield


@contextmanager
def clocked(spent: list[float]) -> Iterator[None]:
    """Inside, the seconds that visits and copies of tensors take are added to `spent`."""

    @contextmanager
    def visited(*key: object) -> Iterator[None]:
        start = time.perf_counter()
        with visit(*key):
            spent.append(time.perf_counter() - start)
            yield
            start = time.perf_counter()
        spent.append(time.perf_counter() - start)

    def copied(tensor: Tensor, **options: Any) -> Tensor:
        start = time.perf_counter()
        copy = clone(tensor, **options)
        spent.append(time.perf_counter() - start)
        return copy

    clone = Tensor.clone
    with ExitStack() as stack:
        stack.enter_context(patch.object(Tensor, "clone", copied))
        for module in VISITING:
            stack.enter_context(patch(f"{module}.visit", visited))
        yield


def share(given: Mapping[str, Any], folder: Path) -> float:
    """Of the wall time of one run, the part that the boundary takes."""
    spent: list[float] = []
    with clocked(spent):
        seconds, _ = timed(given, "with", folder)
    return round(sum(spent) / seconds["wall"], 4)


def timed(given: Mapping[str, Any], way: str, folder: Path) -> tuple[dict[str, float], list[float]]:
    """Seconds of a run in an empty folder, and the negative log-likelihoods that it records."""
    seconds: dict[str, float] = {}
    with without() if way == "without" else ExitStack(), clock(seconds):
        results = qbench.run(given, out=folder, device="cpu", strict=True)
    return seconds, results.records()["nll"].tolist()


def benchmark(row: str, samples: int, repetitions: int) -> dict[str, Any]:
    """The figures of a row. Raises AssertionError where the two ways give different records."""
    taken: list[dict[str, dict[str, float]]] = []
    with tempfile.TemporaryDirectory() as root, fixed_threads(1):
        folder = Path(root)
        write_pictures(folder / "pictures", Scale(samples=samples, picture=SIDE))
        given = suite(row, samples, folder / "pictures")
        timed(given, "with", folder / "warm-up")
        for number in range(repetitions):
            order = WAYS if number % 2 == 0 else WAYS[::-1]
            runs = {way: timed(given, way, folder / f"{number} {way}") for way in order}
            assert runs["with"][1] == runs["without"][1], "the boundary changes a record"
            taken.append({way: seconds for way, (seconds, _) in runs.items()})
        shares = sorted(share(given, folder / f"share {number}") for number in range(min(3, repetitions)))
    return {
        "command": f"OMP_NUM_THREADS=1 python -m benchmarks.boundary --samples {samples} --repetitions {repetitions}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "repetitions": repetitions,
        "seconds": {way: {unit: [one[way][unit] for one in taken] for unit in UNITS} for way in WAYS},
        "share": shares,
        "with / without": ratios(taken, "with", "without"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "boundary.json")
    given = parser.parse_args()
    result = {row: benchmark(row, given.samples, given.repetitions) for row in ("plug-ins", "built-in")}
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print("| suite | wall: median (quartiles) | processor: median (quartiles) | share |\n| --- | --- | --- | --- |")
    for row, found in result.items():
        cells = [f"{q['median']:.3f} ({q['low']:.3f}-{q['high']:.3f})" for q in found["with / without"].values()]
        print(f"| {row} | {cells[0]} | {cells[1]} | {found['share']} |")


if __name__ == "__main__":
    main()
