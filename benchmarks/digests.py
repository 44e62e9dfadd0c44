"""What the digests of a dataset's files cost when they are asked for again.

    python -m benchmarks.digests [--files N] [--repetitions N]

A folder a class of small files is asked for its manifest: with an empty home, where every file is read, and again with
the digests that are kept. Beside it stands what cannot be saved: listing the folders, and one `stat` of each file."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from benchmarks.report_speed import quartiles
from qbench.data.readers import ImageFolder
from qbench.storage.files import SETTLED
from qbench.storage.home import VARIABLE

FOLDERS, BYTES = 100, 3000
OUT = Path(__file__).parent / "results" / "digests.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    result = benchmark(given.files, given.repetitions)
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(text(result))


def benchmark(files: int, repetitions: int) -> dict[str, dict[str, float]]:
    """Quartiles of seconds, and of the ratio of the second manifest to listing and looking at the files."""
    taken: dict[str, list[float]] = {"first": [], "again": [], "bare": []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "pictures"
        _write(root, files)
        for number in range(repetitions):
            with patch.dict(os.environ, {VARIABLE: f"{folder}/home{number}"}):
                first, again = (
                    _timed(lambda: ImageFolder(root).manifest(), taken[name]) for name in ("first", "again")
                )
                assert first == again
            _timed(lambda: [file.stat() for _, file, _ in ImageFolder(root)._rows], taken["bare"])
    ratios = {"first": taken["first"], "again": taken["again"]}
    over = {
        f"{name} over bare": [a / b for a, b in zip(part, taken["bare"], strict=True)] for name, part in ratios.items()
    }
    return {"files": {"count": files, "bytes": BYTES}, **{name: quartiles(v) for name, v in (taken | over).items()}}


def _write(root: Path, files: int) -> None:
    """The files, and a wait until their digests may be kept."""
    for number in range(FOLDERS):
        (root / f"class {number:03d}").mkdir(parents=True)
    for number in range(files):
        (root / f"class {number % FOLDERS:03d}" / f"{number:06d}.png").write_bytes(os.urandom(BYTES))
    time.sleep(SETTLED / 1e9 + 0.1)


def _timed(call: Callable[[], object], seconds: list[float]) -> object:
    start = time.perf_counter()
    made = call()
    seconds.append(time.perf_counter() - start)
    return made


def text(result: dict[str, dict[str, float]]) -> str:
    first, again = (result[f"{name} over bare"] for name in ("first", "again"))
    return (
        f"Listing {result['files']['count']:,} files and looking at each once is 1; their digests are "
        f"{first['median']:.1f} ({first['low']:.1f}-{first['high']:.1f}) the first time and "
        f"{again['median']:.1f} ({again['low']:.1f}-{again['high']:.1f}) again."
    )


if __name__ == "__main__":
    main()
