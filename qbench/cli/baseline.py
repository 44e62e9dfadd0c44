"""What `qbench check` writes into a baseline: accepted regressions, and a new baseline."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from qbench.cli.streams import say
from qbench.errors import QbenchError, nearest
from qbench.storage.files import write_text

if TYPE_CHECKING:
    from qbench.gate.check import Checked
    from qbench.report.source import Loaded


def today() -> date:
    return datetime.now(UTC).date()


def left(baseline: Path) -> str:
    """What is said of a baseline that is not there, where an update of it was cut short."""
    from qbench.gate.update import aside

    old = aside(baseline, "old")
    return f"; an update of it was cut short: rename {old} to {baseline.name}" if old.exists() else ""


def check_words(accept: Sequence[str] | None, update: bool, reason: str | None, until: date | None) -> None:
    """Raise QbenchError for options that do not go together."""
    if accept and update:
        raise QbenchError("--accept keeps the baseline and --update replaces it; give one of them")
    if (accept or update) and not (reason and reason.strip()):
        raise QbenchError(f"--{'accept' if accept else 'update'} needs --reason: why may these figures change?")
    if reason is not None and not accept and not update:
        raise QbenchError("--reason says why a regression is accepted; name it with --accept, or give --update")
    if until is not None and not accept:
        raise QbenchError("--until says how long a regression is accepted; name it with --accept")


def accept_figures(file: Path, figures: Sequence[str], reason: str, until: date | None, checked: Checked) -> None:
    """Append acceptances to the rules in `file`. Raises QbenchError for a figure that the check does not have."""
    from qbench.gate.rules import Accepted, accepting, read_rules

    known = [" ".join(one.figure.name.split()) for one in checked.judged]
    accepted = [Accepted(figure=figure, reason=reason, accepted=today(), until=until) for figure in figures]
    for one in accepted:
        if one.figure not in known:
            raise QbenchError(f"--accept: the check has no figure {one.figure!r}{nearest(one.figure, known)}")
    for one in accepted:
        write_text(file, accepting(file, one))
        say(f"accepted in {file}: {one.figure}")
    read_rules(file)


def update_baseline(baseline: Path, now: Loaded, checked: Checked, reason: str) -> None:
    """Put a finished run in the place of the baseline that it was checked against. Raises QbenchError, StoreError."""
    from qbench.gate.update import Update, replace_baseline
    from qbench.runs import run_info

    update = Update(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        reason=" ".join(reason.split()),
        command=shlex.join(["qbench", *sys.argv[1:]]),
        outcome=checked.outcome,
        failed=[*(one.figure.name for one in checked.blocking), *checked.costs],
        replaced=run_info.read(baseline).digest,
        by=now.info.digest,
        made_by=now.info.command,
    )
    kept = replace_baseline(baseline, now, update)
    say(f"{baseline} is replaced; what it was checked as and why is noted in its updates.json")
    if kept:
        say(f"as before: {', '.join(kept)}; pages are rendered again by: qbench report {baseline} --out {baseline}")
