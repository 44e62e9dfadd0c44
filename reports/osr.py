"""In-sample and out-of-sample averages of restorers that were trained on some of a suite's degradations.

Run: python reports/osr.py
It fills docs/methods/osr.md from the records in reports/osr and reports/osr-photos. A method's name there ends with
what it was trained on, by the names of conditions: `osr (haze + noise)`. In-sample is the mean over those conditions,
out-of-sample the mean over the others but clean; `osr` is compared with the `plain` restorer of the same regime."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qbench.engine.run_info import CellInfo
from qbench.report.source import Loaded, load
from qbench.stats.bootstrap import means
from qbench.stats.seeds import over_seeds, pairs

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "methods" / "osr.md"
NAME = re.compile(r"(?P<what>\w+) \((?P<seen>[^)]*)\)")
METHOD, CONTROL, DIRECT, CLEAN = "osr", "plain", "direct", "clean"
Numbers = NDArray[np.float64]
BySeed = Mapping[int, Mapping[str, Numbers]]
"""Train_seed to condition to one number a sample."""


def scores(loaded: Loaded, dataset: str, column: str) -> dict[str, dict[int, dict[str, Numbers]]]:
    """Method to train_seed to condition to [samples], for what is done on one dataset."""
    found: dict[str, dict[int, dict[str, Numbers]]] = {}
    for cell in loaded.info.cells:
        if cell.dataset == dataset and cell.status == "done":
            values = np.asarray(loaded.records[cell.place][column], dtype=np.float64)
            found.setdefault(cell.method, {}).setdefault(cell.train_seed, {})[cell.condition] = values
    return found


def regimes(cells: Sequence[CellInfo]) -> list[str]:
    """What methods were trained on, in the order of the suite."""
    names = (NAME.fullmatch(cell.method) for cell in cells)
    return list(dict.fromkeys(name["seen"] for name in names if name))


def mean_of(scores_of: Mapping[str, Numbers], conditions: Sequence[str]) -> Numbers:
    """[samples]: the mean over conditions."""
    mean: Numbers = np.mean([scores_of[name] for name in conditions], axis=0)
    return mean


def told(by_seed: BySeed, conditions: Sequence[str]) -> str:
    """The mean over samples, conditions and trainings, and its standard deviation over trainings."""
    found = np.array([mean_of(one, conditions).mean() for one in by_seed.values()])
    return f"{found.mean():.2f}" + (f" ± {found.std(ddof=1):.2f}" if len(found) > 1 else "")


def compared(own: BySeed, other: BySeed, conditions: Sequence[str], seed: int, dataset: str) -> str:
    """The mean difference over pairs of trainings, with its 95% interval over trainings and samples."""
    chosen = pairs(list(own), list(other))
    gaps = np.stack([mean_of(own[one], conditions) - mean_of(other[two], conditions) for one, two in chosen])
    values = gaps.mean(axis=0)[:, None]
    drawn = means(values, np.ones_like(values, dtype=np.bool_), seed, dataset)[:, 0]
    found = over_seeds(gaps.mean(axis=1), drawn, gaps.shape[1])
    return f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def table(folder: Path, column: str = "psnr") -> str:
    """Markdown: for each dataset and regime the averages of direct, control and method, and their difference."""
    loaded = load(folder, whole=True)
    cells = loaded.info.cells
    lines = [["data", "trained on", "method", "in-sample", "out-of-sample"], ["---"] * 5]
    for dataset in dict.fromkeys(cell.dataset for cell in cells):
        found = scores(loaded, dataset, column)
        degraded = [name for name in found[DIRECT][min(found[DIRECT])] if name != CLEAN]
        for regime in regimes(cells):
            seen = regime.split(" + ")
            groups = [[c for c in degraded if c in seen], [c for c in degraded if c not in seen]]
            if not all(groups):
                continue
            direct, control, method = (
                found[name] for name in (DIRECT, f"{CONTROL} ({regime})", f"{METHOD} ({regime})")
            )
            shown = {
                DIRECT: [told(direct, group) for group in groups],
                CONTROL: [told(control, group) for group in groups],
                METHOD: [told(method, group) for group in groups],
                f"{METHOD} - {CONTROL}": [compared(method, control, g, loaded.info.seed, dataset) for g in groups],
            }
            lines += [[dataset, regime, name, *values] for name, values in shown.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def filled(page: str) -> str:
    """The page with each table between its marks, `<!-- NAME:begin -->` and `<!-- NAME:end -->`."""
    for name in dict.fromkeys(re.findall(r"<!-- ([\w-]+):begin -->", page)):
        before, begin, rest = page.partition(f"<!-- {name}:begin -->\n")
        _, end, after = rest.partition(f"<!-- {name}:end -->")
        page = f"{before}{begin}{table(HERE / name)}{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")
