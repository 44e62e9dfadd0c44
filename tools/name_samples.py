"""Name the samples of committed reports by their ids and contents, where an older layout named them by their shards.

    QBENCH_DATA=FOLDER python tools/name_samples.py reports/*

Only names in `run.json` change, and only where the datasets of today's suites hold the very samples of the report: the
old name, made again from their ids and contents, must be the one that stands there. Says what became of each report."""

from __future__ import annotations

import sys
from pathlib import Path

from qbench.compute.cell import Source
from qbench.errors import QbenchError
from qbench.runs import run_info
from qbench.runs.plan import Options, load_suite, make_plan
from qbench.storage.files import digest

SUITES = Path(__file__).resolve().parent.parent / "suites"


def by_shards(source: Source) -> str:
    """The older name of all samples of a dataset."""
    names = [shard.name for shard in source.shards]
    return names[0] if len(names) == 1 else f"000000-{digest(names)[:16]}"


def named(report: Path) -> str:
    """Name the samples of one report; what became of it."""
    info = run_info.read(report)
    plan = make_plan(*load_suite(SUITES / f"{info.suite}.yaml"), Options(device="cpu"))
    today = {name: source for source in plan.sources for name in (by_shards(source), source.whole.name)}
    unknown = [source.dataset.label for source in info.sources if source.whole.name not in today]
    if unknown:
        return f"other samples than today's: {', '.join(unknown)}"
    sources = tuple(
        source.model_copy(
            update={"whole": source.whole.model_copy(update={"name": today[source.whole.name].whole.name})}
        )
        for source in info.sources
    )
    if sources == info.sources:
        return "named already"
    run_info.write(report, info.model_copy(update={"sources": sources}))
    return "named"


def main() -> None:
    for report in map(Path, sys.argv[1:]):
        if (report / run_info.FILE).is_file():
            try:
                said = named(report)
            except QbenchError as error:
                said = f"left as it is: {error}"
            print(f"{report.name}: {said}")


if __name__ == "__main__":
    main()
