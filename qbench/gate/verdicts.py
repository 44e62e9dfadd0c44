"""From figures to verdicts, and from verdicts to pass or fail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import isnan
from typing import Literal, TypeAlias

from qbench.gate.figures import CELL, GAIN, Figure
from qbench.gate.rules import FLOORS, SHARE_FLOOR, Limits, Rules
from qbench.stats.holm import holm

Verdict: TypeAlias = Literal["identical", "improved", "regressed", "equivalent", "inconclusive"]
POWER = 0.9
"""How often the smallest drop that a gate speaks of is seen."""


@dataclass(frozen=True)
class Judged:
    """A figure with what became of it."""

    figure: Figure
    verdict: Verdict
    low: float
    high: float
    """The interval of the change, at the level of the figure's family."""
    smallest: float
    """The drop that these samples show in nine of ten cases."""
    blocks: bool
    """Whether it fails the gate."""
    why: str = ""
    """Why it blocks, or why it does not although it could."""


def judge(figures: Iterable[Figure], rules: Rules, today: date) -> list[Judged]:
    """The verdict of each figure. Averages and gains are one family, whose intervals hold together; single conditions
    are another, of which those block that are regressed under Holm's procedure too."""
    everything = list(figures)
    primary = [figure for figure in everything if figure.kind != CELL]
    cells = [figure for figure in everything if figure.kind == CELL]
    level = 1 - rules.level / max(1, sum(not figure.is_identical for figure in primary))
    judged = [_primary(figure, level, rules) for figure in primary]
    adjusted = holm([figure.difference.p() for figure in cells if not figure.is_identical])
    left = iter(adjusted)
    for figure in cells:
        p = 1.0 if figure.is_identical else float(next(left))
        judged.append(_cell(figure, p, rules))
    return [_accepted(one, rules, today) for one in judged]


def _primary(figure: Figure, level: float, rules: Rules) -> Judged:
    limits = rules.limits(figure.kind, figure.names)
    one = _judged(figure, level, limits)
    if one.verdict == "regressed":
        return replace(one, blocks=True, why="it regressed")
    unsettled = _unsettled(one)
    if one.verdict == "inconclusive" and rules.inconclusive == "fail":
        return replace(one, blocks=True, why=unsettled)
    bounded = _with_bounds(one, limits)
    return replace(one, why=unsettled) if one.verdict == "inconclusive" and not bounded.blocks else bounded


def _unsettled(one: Judged) -> str:
    if isnan(one.smallest):
        return f"{one.figure.difference.units} samples or groups of them are too few for an interval"
    return f"the samples do not settle it: they show drops from {one.smallest:.3g} on"


def _cell(figure: Figure, p: float, rules: Rules) -> Judged:
    limits = rules.limits(figure.kind, figure.names)
    one = _judged(figure, 1 - rules.level, limits)
    if one.verdict == "regressed" and p <= rules.level:
        return replace(one, blocks=True, why=f"it regressed (p = {p:.2g} among all cells)")
    return _with_bounds(one, limits)


def _judged(figure: Figure, level: float, limits: Limits) -> Judged:
    low, high = figure.difference.interval(level)
    reach = (high - low) / 2
    scale = abs(figure.scale)
    absolute = FLOORS.get(figure.unit, SHARE_FLOOR * scale) if limits.floor is None else limits.floor
    floor = max(absolute, limits.relative_floor * scale)
    margin = reach + max(reach, floor) if limits.margin is None else limits.margin
    return Judged(figure, _verdict(figure, low, high, margin, floor), low, high, _smallest(figure, reach), blocks=False)


def _verdict(figure: Figure, low: float, high: float, margin: float, floor: float) -> Verdict:
    if figure.is_identical:
        return "identical"
    if low > 0:
        return "improved"
    if high < 0 and -figure.change >= floor:
        return "regressed"
    return "equivalent" if low > -margin else "inconclusive"


def _smallest(figure: Figure, reach: float) -> float:
    from scipy.special import stdtrit

    return reach + float(stdtrit(figure.difference.freedom, POWER)) * figure.difference.error


def _with_bounds(one: Judged, limits: Limits) -> Judged:
    """A figure that does not regress blocks all the same where it lies beyond a bound of the rules."""
    figure = one.figure
    better = 1 if figure.higher_is_better else -1
    if limits.min is not None and better * figure.now < better * limits.min:
        return replace(one, blocks=True, why=f"it is {figure.now:.4g}; the rules ask for {limits.min:g}")
    if limits.ratio is not None and (kept := _kept(figure)) < limits.ratio:
        return replace(one, blocks=True, why=f"it kept {kept:.4g}; the rules ask for {limits.ratio:g}")
    printed = limits.published
    if printed is not None and abs(figure.now - printed.value) > printed.within:
        source = f" ({printed.source})" if printed.source else ""
        why = f"it is {figure.now:.4g}; published is {printed.value:g}{source}, and the rules allow {printed.within:g}"
        return replace(one, blocks=True, why=why)
    return one


def _kept(figure: Figure) -> float:
    """The share of the figure before that is left; all of what was no score, or no gain. A score of which less is
    better keeps half where it doubles."""
    better = 1 if figure.higher_is_better else -1
    part, whole = figure.now, figure.before
    if figure.kind == GAIN:
        part, whole = better * part, better * whole
    elif better < 0:
        part, whole = whole, part
    return part / whole if whole > 0 else 1.0


def _accepted(one: Judged, rules: Rules, today: date) -> Judged:
    accepted = rules.acceptance(one.figure.name)
    if not one.blocks or accepted is None:
        return one
    if accepted.until is not None and today > accepted.until:
        return replace(one, why=f"{one.why}; it was accepted until {accepted.until} ({accepted.reason})")
    return replace(one, blocks=False, why=f"{one.why}; accepted on {accepted.accepted}: {accepted.reason}")


def passes(judged: Sequence[Judged]) -> bool:
    return not any(one.blocks for one in judged)
