"""One report of several runs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from qbench.report.build import plain, report
from qbench.report.leaderboard import Report, Table
from qbench.report.merged import Apart, merged
from qbench.report.source import Loaded


def several(runs: Mapping[str, Loaded]) -> Report:
    """The leaderboards of several runs, by name. Whatever is told apart says why below its tables."""
    together = merged(runs)
    made = report(together.loaded)
    suites = dict.fromkeys(run.info.suite for run in runs.values())
    provenance = [line for line in made.provenance if line[0] != "seed"]
    return replace(
        made,
        suite=", ".join(suites),
        title=" and ".join(dict.fromkeys(run.info.title or run.info.suite for run in runs.values())),
        version=None,
        command=shlex.join(["qbench", "report", *runs]),
        tables=tuple(_with_reasons(table, together.apart) for table in made.tables),
        provenance=(*_runs(runs, together.loaded), *(("told apart", one.text) for one in together.apart), *provenance),
    )


def _runs(runs: Mapping[str, Loaded], together: Loaded) -> Iterator[tuple[str, str]]:
    """Each run with what it says of itself, and with that of its environment which not all runs have."""
    common = together.info.environment
    for name, run in runs.items():
        info = run.info
        own = [f"{key} {plain(value)}" for key, value in sorted(info.environment.items()) if key not in common]
        facts = [f"suite {info.suite}, version {info.version}, seed {info.seed}", f"{len(info.cells)} cells", *own]
        yield "run", f"{name}: {'; '.join(facts)}; made by: {info.command}"


def _with_reasons(table: Table, apart: Sequence[Apart]) -> Table:
    shown = {group.of.get("dataset", "") for group in table.groups}
    shown |= {row.method for group in table.groups for row in group.rows}
    reasons = tuple(one.text for one in apart if one.name in shown)
    return replace(table, remarks=(*table.remarks, *reasons))
