"""Name the samples of committed reports by their ids and contents, where an older layout named them by their shards.

    QBENCH_DATA=FOLDER python tools/name_samples.py reports/*

Only names in `run.json` change, and only where the datasets of today's suites hold the very samples of the report: the
old name, made again from their ids and contents, must be the one that stands there. Says what became of each report."""

from __future__ import annotations

import sys
from os.path import expandvars
from pathlib import Path

from qbench.compute.cell import Source
from qbench.errors import DataError, QbenchError, foreign
from qbench.registry.create import create
from qbench.runs import run_info
from qbench.runs.plan import load_suite, shard_of, shard_size
from qbench.storage.files import digest
from qbench.suite.schema import EngineSpec

SUITES = Path(__file__).resolve().parent.parent / "suites"


def names(source: Source, engine: EngineSpec) -> tuple[str, str]:
    """What all samples of a dataset were called, and are called now."""
    params = {
        key: expandvars(value) if isinstance(value, str) else value for key, value in source.dataset.params.items()
    }
    with foreign(f"dataset {source.dataset.label!r} cannot be listed", DataError):
        manifest = create("dataset", source.dataset.model_copy(update={"params": params})).manifest()
    rows = list(zip(manifest.ids, manifest.digests, strict=True))[: source.samples]
    size = shard_size(engine, len(rows))
    shards = [shard_of(start, rows[start : start + size]).name for start in range(0, len(rows), size)]
    older = shards[0] if len(shards) == 1 else f"000000-{digest(shards)[:16]}"
    return older, shard_of(0, rows).name


def named(report: Path) -> str:
    """Name the samples of one report; what became of it."""
    info = run_info.read(report)
    suite, _ = load_suite(SUITES / f"{info.suite}.yaml")
    sources = []
    for source in info.sources:
        older, name = names(source, suite.engine)
        if source.whole.name not in (older, name):
            return f"left as it is: {source.dataset.label} holds other samples today"
        sources.append(source.model_copy(update={"whole": source.whole.model_copy(update={"name": name})}))
    if tuple(sources) == info.sources:
        return "named already"
    run_info.write(report, info.model_copy(update={"sources": tuple(sources)}))
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
