"""In-sample and out-of-sample averages of restorers that were trained on some of a suite's degradations.

Run: python tools/fill_osr_page.py
It fills docs/methods/osr.md from the records in the folders of reports/ that the page's marks name. A method's name
there ends with what it was trained on, by the names of conditions: `osr (haze + noise)`. In-sample is the mean over
those conditions, out-of-sample the mean over the others but clean. Methods are compared with their suite's controls.
A mark `NAME` gets averages, `NAME matrix` every condition by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qbench.report.source import Loaded, load
from qbench.runs.run_info import CellResult
from qbench.stats.bootstrap import means
from qbench.stats.seeds import over_seeds, pairs

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "methods" / "osr.md"
NAME = re.compile(r"(?P<what>[\w ]+) \((?P<seen>[^)]*)\)")
MARK = re.compile(r"<!-- (?P<name>[\w-]+)(?P<matrix> matrix)?:begin -->")
DIRECT, CLEAN = "direct", "clean"
Numbers = NDArray[np.float64]
BySeed = Mapping[int, Mapping[str, Numbers]]
"""Train_seed to condition to one number a sample."""


def scores(loaded: Loaded, dataset: str, column: str) -> dict[str, dict[int, dict[str, Numbers]]]:
    """Method to train_seed to condition to [samples], for what is done on one dataset."""
    found: dict[str, dict[int, dict[str, Numbers]]] = {}
    for result in loaded.info.cells:
        cell = result.cell
        if cell.dataset.label == dataset and result.status == "done":
            values = np.asarray(loaded.records[cell.place][column], dtype=np.float64)
            by_seed = found.setdefault(cell.method.label, {})
            by_seed.setdefault(cell.train_seed, {})[cell.condition.label] = values
    return found


def regimes(cells: Sequence[CellResult]) -> list[str]:
    """What methods were trained on, in the order of the suite."""
    names = (NAME.fullmatch(result.cell.method.label) for result in cells)
    return list(dict.fromkeys(name["seen"] for name in names if name))


def mean_of(scores_of: Mapping[str, Numbers], conditions: Sequence[str]) -> Numbers:
    """[samples]: the mean over conditions."""
    mean: Numbers = np.mean([scores_of[name] for name in conditions], axis=0)
    return mean


def mean_and_spread(by_seed: BySeed, conditions: Sequence[str]) -> str:
    """The mean over samples, conditions and trainings, and its standard deviation over trainings."""
    found = np.array([mean_of(one, conditions).mean() for one in by_seed.values()])
    return f"{found.mean():.2f}" + (f" ± {found.std(ddof=1):.2f}" if len(found) > 1 else "")


def difference(own: BySeed, other: BySeed, conditions: Sequence[str], seed: int, dataset: str) -> str:
    """The mean difference over pairs of trainings, with its 95% interval over trainings and samples."""
    chosen = pairs(list(own), list(other))
    gaps = np.stack([mean_of(own[one], conditions) - mean_of(other[two], conditions) for one, two in chosen])
    values = gaps.mean(axis=0)[:, None]
    drawn = means(values, np.ones_like(values, dtype=np.bool_), seed, dataset)[:, 0]
    found = over_seeds(gaps.mean(axis=1), drawn, gaps.shape[1])
    return f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def compared_pairs(loaded: Loaded, regime: str) -> list[tuple[str, str]]:
    """Method and control, for what was trained on a regime, in the suite's order."""
    every = ((method, each.control) for each in loaded.info.controls for method in each.methods)
    return [(method, control) for method, control in every if method.endswith(f"({regime})")]


def what(method: str) -> str:
    """A method's name without what it was trained on."""
    return method.partition(" (")[0]


def table(loaded: Loaded, column: str = "psnr") -> str:
    """Markdown: for each dataset and regime the averages of direct and of all methods, and what controls say."""
    cells = loaded.info.cells
    lines = [["data", "trained on", "method", "in-sample", "out-of-sample"], ["---"] * 5]
    for dataset in dict.fromkeys(result.cell.dataset.label for result in cells):
        found = scores(loaded, dataset, column)
        degraded = conditions(found)
        for regime in regimes(cells):
            seen = regime.split(" + ")
            groups = [[c for c in degraded if c in seen], [c for c in degraded if c not in seen]]
            if not all(groups):
                continue
            methods = [DIRECT, *(name for name in found if name.endswith(f"({regime})"))]
            shown = {what(name): [mean_and_spread(found[name], group) for group in groups] for name in methods}
            for one, other in compared_pairs(loaded, regime):
                gaps = [difference(found[one], found[other], group, loaded.info.seed, dataset) for group in groups]
                shown[f"{what(one)} - {what(other)}"] = gaps
            lines += [[dataset, regime, name, *values] for name, values in shown.items()]
    return markdown(lines)


def conditions(found: Mapping[str, BySeed]) -> list[str]:
    """All but clean, in the suite's order."""
    return [name for name in found[DIRECT][min(found[DIRECT])] if name != CLEAN]


def matrix(loaded: Loaded, column: str = "psnr") -> str:
    """Markdown: a regime's control against direct and its method against the control, on each condition of the first
    dataset; in bold what was trained on."""
    dataset = loaded.info.cells[0].cell.dataset.label
    found = scores(loaded, dataset, column)
    degraded = conditions(found)
    lines = [["trained on", "difference", *degraded], ["---"] * (2 + len(degraded))]
    for regime in regimes(loaded.info.cells):
        for method, control in compared_pairs(loaded, regime):
            for one, other in ((control, DIRECT), (method, control)):
                gaps = {c: difference(found[one], found[other], [c], loaded.info.seed, dataset) for c in degraded}
                cells = [f"**{gap}**" if c in regime.split(" + ") else gap for c, gap in gaps.items()]
                lines.append([regime, f"{what(one)} - {what(other)}", *cells])
    return markdown(lines)


def markdown(lines: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def filled(page: str) -> str:
    """The page with each table between its marks, `<!-- NAME:begin -->` and `<!-- NAME:end -->`."""
    for mark in list(MARK.finditer(page)):
        begin = f"{mark[0]}\n"
        end = mark[0].replace(":begin", ":end")
        before, _, rest = page.partition(begin)
        after = rest.partition(end)[2]
        loaded = load(ROOT / "reports" / mark["name"], whole=True)
        page = f"{before}{begin}{(matrix if mark['matrix'] else table)(loaded)}{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")
