"""A new baseline in place of the old one, with what replaced what and why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from qbench.errors import QbenchError, StoreError
from qbench.gate.rules import FILE as RULES
from qbench.gate.rules import without_acceptances
from qbench.report.export import export
from qbench.report.source import EFFICIENCY, Loaded, load
from qbench.runs import run_info
from qbench.storage.files import write_text

FILE = "updates.json"
"""In a baseline: all of its updates, the last one at the end."""


@dataclass(frozen=True)
class Update:
    """One baseline that took the place of another."""

    when: str
    """ISO 8601, UTC."""
    reason: str
    command: str
    """What was typed."""
    outcome: str
    """Of the check of the new one against the old one."""
    failed: Sequence[str]
    """The figures that failed in it, and what cost more."""
    replaced: str
    """The digest of the `run.json` before."""
    by: str
    made_by: str
    """The command that makes the new records again."""


def replaceable(baseline: Path, now: Loaded) -> None:
    """Raise QbenchError where a baseline may not be replaced: it is no export, or the run is not finished."""
    if run_info.read(baseline).store:
        raise QbenchError(f"{baseline} is a run, whose records are not replaced; --update takes an export")
    left = [result for result in now.info.cells if result.status in ("pending", "failed")]
    if left:
        where = " / ".join(left[0].cell.in_tables)
        raise QbenchError(
            f"{len(left)} of {len(now.info.cells)} cells are pending or failed, such as {where}; "
            "a baseline is a finished run"
        )


def replace_baseline(baseline: Path, now: Loaded, update: Update) -> list[str]:
    """Put an export of `now` in the place of `baseline`, whose rules without their acceptances and whose other files
    stay. It is written beside it, read once, and then takes its name: the folder is never half of each.

    Returns the names of files that stayed as they were. Raises QbenchError as `replaceable`, and StoreError."""
    replaceable(baseline, now)
    baseline = baseline.resolve()
    fresh, old = aside(baseline, "new"), aside(baseline, "old")
    try:
        for folder in (fresh, old):
            shutil.rmtree(folder, ignore_errors=True)
        export(now, fresh)
        kept = _keep(baseline, fresh)
        before = json.loads((baseline / FILE).read_text()) if (baseline / FILE).is_file() else []
        write_text(fresh / FILE, json.dumps([*before, asdict(update)], indent=1, ensure_ascii=False) + "\n")
        load(fresh, whole=True)
        _swap(baseline, fresh, old)
    except (OSError, json.JSONDecodeError) as error:
        raise StoreError(f"{baseline} cannot be replaced and is as it was: {error}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return kept


def aside(baseline: Path, what: str) -> Path:
    """Where the old and the new folder lie while one takes the other's place."""
    return baseline.with_name(f".{baseline.name}.{what}")


def _keep(baseline: Path, fresh: Path) -> list[str]:
    """Copy what no export writes."""
    kept = []
    for file in sorted(baseline.iterdir()):
        is_of_export = file.name in (run_info.FILE, EFFICIENCY, FILE) or file.suffix == ".parquet"
        if is_of_export or not file.is_file():
            continue
        if file.name == RULES:
            write_text(fresh / RULES, without_acceptances(file))
        else:
            shutil.copy2(file, fresh / file.name)
            kept.append(file.name)
    return kept


def _swap(baseline: Path, fresh: Path, old: Path) -> None:
    baseline.rename(old)
    try:
        fresh.rename(baseline)
    except OSError:
        old.rename(baseline)
        raise
