"""Peak memory of a run: with many samples, and with large pictures.

    OMP_NUM_THREADS=1 python -m benchmarks.memory [--cases few many large] [--as before|after] [--extra WORD ...]

Each case is one `qbench run` with one worker, in a process of its own. Its peak is the system's count (`ru_maxrss`):

* few, many: 500 and 20,000 drawn pictures of 32 x 32 pixels, a network of one layer, one quality of JPEG. At most 1.1
  is the aim for the peak of many over that of few.
* large: 32 drawn pictures of 2048 x 1024 pixels, seen whole, in batches of 2 under one quality of JPEG, through a
  segmentation network (LR-ASPP on MobileNetV3, drawn weights, 19 classes), direct and with AFD. At most 2.5 GB.

`idle` is a process that has imported what a run imports and builds nothing, `network` one in which that segmentation
network sees one ready batch: neither can a run go below. This process itself imports no torch: what
the system counts for a child starts with the peak of its parent."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
CASES = ("few", "many", "large")
GIGABYTE = 10**9
AIMS = {"many / few": "≤ 1.1", "large": "≤ 2.5 GB"}
COUNTS = {"few": 500, "many": 20_000, "large": 32}
NETWORK = "lraspp_mobilenet_v3_large"
OPTIONS = {"classes": 19, "pretrained": False}
QBENCH = "from qbench.cli import main; main()"
IDLE = "import torch, pandas, pyarrow.parquet, qbench.compute.shard, qbench.runs.run, qbench.cli.run"
BUILT = f"""
import torch
from qbench.models.segmentation.torchvision import TorchvisionSegmentation
from qbench.runtime import keep_freed_memory
keep_freed_memory()
torch.set_num_threads(1)
model = TorchvisionSegmentation({NETWORK!r}, **{OPTIONS!r}).build()
"""
BARE = """
pictures = torch.rand(2, 3, 1024, 2048).contiguous(memory_format=torch.channels_last)
with torch.inference_mode():
    model.predict(pictures)
"""
WEIGHTS = """
import sys
from safetensors.torch import save_file
from qbench.methods.afd import AfdOptions
from qbench.methods.afd.net import Afd
from qbench.models.initial import initialise
network = Afd(AfdOptions(), model.cut("D2").geometry(), "deployed")
initialise(network, 0)
save_file({name: value.contiguous() for name, value in network.state_dict().items()}, sys.argv[1])
"""


def suite(case: str, samples: int, side: tuple[int, int], weights: Path) -> dict[str, Any]:
    """The suite of a case, in JSON, which is YAML; `side` is height and width of the pictures in pixels."""
    dataset = {"name": "memory-pictures", "count": samples, "height": side[0], "width": side[1]}
    view = {"resize": None, "crop": None}
    task: dict[str, Any] = {"dataset": dataset, "view": view, "conditions": [{"jpeg": {"quality": 10}}]}
    if case == "large":
        methods = ["direct", {"afd": {"weights": str(weights)}}]
        task |= {
            "task": "segmentation",
            "models": [{f"torchvision-segmentation:{NETWORK}": OPTIONS}],
            "methods": methods,
        }
        dataset["masks"] = True
    else:
        task |= {"models": ["memory-tiny"], "methods": ["direct"]}
    engine = {"batch": 2 if case == "large" else 16}
    return {"suite": f"memory-{case}", "version": 1, "changelog": {1: "first"}, "engine": engine, "tasks": [task]}


def peak(command: Sequence[str], home: Path) -> int:
    """Bytes of the most memory that a command's process had at once. Raises RuntimeError where it fails."""
    environment = {**os.environ, "QBENCH_HOME": str(home), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as told:
        child = subprocess.Popen(command, stdout=told, stderr=told, env=environment)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            told.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed:\n{told.read().decode()[-4000:]}")
    return used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measured(case: str, samples: int, side: tuple[int, int], extra: Sequence[str] = ()) -> int:
    """Bytes of the peak of one run in an empty folder; `extra` are more words of its command."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        file, weights = home / "suite.yaml", home / "afd.safetensors"
        if case == "large":
            peak([sys.executable, "-c", BUILT + WEIGHTS, str(weights)], home)
        file.write_text(json.dumps(suite(case, samples, side, weights)), encoding="utf-8")
        run = [sys.executable, "-c", QBENCH, "run", str(file), "--out", str(home / "run"), "--workers", "1"]
        run += ["--device", "cpu", "--plugin", str(ROOT / "memory_plugin.py"), *extra]
        return peak(run, home)


def benchmark(cases: Sequence[str], extra: Sequence[str] = ()) -> dict[str, Any]:
    """Peaks in bytes and their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        scripts = {"idle": IDLE, "network": IDLE + "\n" + BUILT + BARE}
        peaks = {name: peak([sys.executable, "-c", script], Path(folder)) for name, script in scripts.items()}
    for case in cases:
        side = (1024, 2048) if case == "large" else (32, 32)
        peaks[case] = measured(case, COUNTS[case], side, extra)
        print(f"{case}: {peaks[case] / GIGABYTE:.2f} GB", file=sys.stderr, flush=True)
    return {
        "command": " ".join(
            ["OMP_NUM_THREADS=1 python -m benchmarks.memory --cases", *cases, *(["--extra", *extra] if extra else [])]
        ),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "samples": {case: COUNTS[case] for case in cases},
        "peak": peaks,
        **({"many / few": round(peaks["many"] / peaks["few"], 3)} if {"few", "many"} <= set(peaks) else {}),
    }


def table(result: Mapping[str, Mapping[str, Any]]) -> str:
    """A row a figure, a column a state of the engine."""
    rows = [("many / few", AIMS["many / few"], "{:.2f}")] + [
        (case, AIMS.get(case, ""), "{:.2f} GB") for case in ("idle", "network", *CASES)
    ]
    lines = [f"| figure | aim | {' | '.join(result)} |", "| --- " * (len(result) + 2) + "|"]
    for name, aim, form in rows:
        found = [state.get(name, state["peak"].get(name, 0) / GIGABYTE) for state in result.values()]
        lines.append(f"| {name} | {aim} | {' | '.join(form.format(value) if value else '' for value in found)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--as", dest="state", default="after", help="What the figures are kept as.")
    parser.add_argument(
        "--extra", nargs=argparse.REMAINDER, default=[], help="More words for `qbench run`; the last option."
    )
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "memory.json")
    given = parser.parse_args()
    kept = json.loads(given.out.read_text(encoding="utf-8")) if given.out.is_file() else {}
    kept[given.state] = benchmark(given.cases, given.extra)
    given.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(table(kept))


if __name__ == "__main__":
    main()
