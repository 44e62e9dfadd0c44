"""One check of a run against a baseline: comparable, then figures, then verdicts and costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal, TypeAlias

from qbench.gate.comparable import Comparison, compare
from qbench.gate.figures import denominators, figures
from qbench.gate.flips import Flips, flips
from qbench.gate.rules import Rules
from qbench.gate.verdicts import Judged, judge, passes
from qbench.report.grid import Grids
from qbench.report.source import Loaded

Outcome: TypeAlias = Literal["pass", "regression", "not comparable"]
EXIT_CODES: dict[Outcome, int] = {"pass": 0, "regression": 1, "not comparable": 2}


@dataclass(frozen=True)
class Checked:
    """The result of a check."""

    outcome: Outcome
    comparison: Comparison
    judged: tuple[Judged, ...] = ()
    costs: tuple[str, ...] = ()
    """What a model and method need that they did not need before; each fails the gate."""
    flips: tuple[Flips, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.outcome]

    @property
    def blocking(self) -> list[Judged]:
        return [one for one in self.judged if one.blocks]


def check(before: Loaded, now: Loaded, rules: Rules, today: date) -> Checked:
    """`before` is the baseline; both hold all columns. Whatever cannot be compared never passes."""
    comparison = compare(before, now)
    if comparison.against:
        return Checked("not comparable", comparison)
    there, here = Grids(before), Grids(now)
    against = tuple(denominators(there, here))
    if against:
        return Checked("not comparable", replace(comparison, against=against))
    judged = tuple(judge(figures(there, here), rules, today))
    if not judged or here.faults:
        reasons = tuple(here.faults) or ("no figure of the baseline has a direction to be judged by",)
        return Checked("not comparable", Comparison(reasons, comparison.differ, comparison.only_now))
    costs = tuple(_costs(before, now, rules))
    outcome: Outcome = "pass" if passes(judged) and not costs else "regression"
    return Checked(outcome, comparison, judged, costs, tuple(flips(before, now)))


def judged_again(checked: Checked, rules: Rules, today: date) -> Checked:
    """The same check by other rules, with its figures as they are. Costs are judged as before."""
    if checked.outcome == "not comparable":
        return checked
    judged = tuple(judge((one.figure for one in checked.judged), rules, today))
    outcome: Outcome = "pass" if passes(judged) and not checked.costs else "regression"
    return replace(checked, outcome=outcome, judged=judged)


def _costs(before: Loaded, now: Loaded, rules: Rules) -> Iterator[str]:
    """Parameters and multiply-accumulates are exact; latency counts where the rules ask for it, over direct's."""
    there = {(record.model.label, record.method.label): record for record in before.efficiency}
    for record in now.efficiency:
        was = there.get((record.model.label, record.method.label))
        if was is None or was.size != record.size:
            continue
        where = f"{record.method.label} on {record.model.label}"
        for what, old, new in (
            ("parameters", was.parameters_total, record.parameters_total),
            ("multiply-accumulates", was.macs_total, record.macs_total),
        ):
            if new > old:
                yield f"{where}: {new:,} {what}, {old:,} before"
        if rules.latency is None or not was.direct_ms or not record.direct_ms:
            continue
        old_ratio, new_ratio = was.median_ms / was.direct_ms, record.median_ms / record.direct_ms
        if new_ratio > rules.latency * old_ratio:
            yield f"{where}: {new_ratio:.3g} times the latency of direct, {old_ratio:.3g} before"
