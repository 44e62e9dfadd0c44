"""The rules of a gate: what drop is a regression, what counts as equal, and which drops are accepted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from qbench.documents.faults import validated
from qbench.documents.load import load_yaml
from qbench.errors import QbenchError
from qbench.report.leaderboard import Unit

FILE = "gate.yaml"
"""Beside the records of a baseline."""
FLOORS: Mapping[Unit, float] = {"percent": 0.005, "db": 0.02}
SHARE_FLOOR = 0.001
"""The same for metrics of other units, as a share of the method's score."""
Kind: TypeAlias = Literal["average", "gain", "cell"]
"""A figure: the mean over the degraded conditions, that minus direct's, or one condition."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Published(_Strict):
    """A number of a paper, near which a figure must lie whatever it was before."""

    value: float = Field(description="In the metric's own scale: accuracies and mIoU as fractions.")
    within: float = Field(gt=0, description="How far the figure may lie from it, to both sides.")
    source: str = Field(default="", description="Where it is printed.")


class Limits(_Strict):
    """Limits of a figure, in its metric's own scale (accuracies and mIoU as fractions)."""

    margin: float | None = Field(
        default=None, gt=0,
        description="A drop smaller than that is none. Without it: the half-width of the interval, and the larger of "
        "that and the floor.",
    )  # fmt: skip
    floor: float | None = Field(
        default=None, ge=0,
        description="A drop below that is no regression, however sure it is. Default: half a point, 0.02 dB, else a "
        "thousandth of the score.",
    )  # fmt: skip
    relative_floor: float = Field(default=0.0, ge=0, lt=1, description="The same, as a share of the method's score.")
    min: float | None = Field(default=None, description="What the figure must reach; at most, where less is better.")
    ratio: float | None = Field(default=None, gt=0, description="What share of the figure before it must keep.")
    published: Published | None = Field(default=None, description="A paper's number that it must lie near.")


class Rule(Limits):
    """Limits for the figures that match; patterns as in `--only`."""

    kind: Kind | None = None
    metric: str = "*"
    dataset: str = "*"
    model: str = "*"
    method: str = "*"
    condition: str = "*"

    def fits(self, kind: str, names: dict[str, str]) -> bool:
        """`names`: metric, dataset, model, method and condition of a figure."""
        return self.kind in (None, kind) and all(fnmatchcase(text, getattr(self, key)) for key, text in names.items())


def _one_line(text: str) -> str:
    return " ".join(text.split())


Line: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_one_line)]
"""Text in which white space counts as single spaces."""


class Accepted(_Strict):
    """A regression that somebody has accepted."""

    figure: Line = Field(description="Its name, as the gate prints it.")
    reason: Line
    accepted: date
    until: date | None = Field(default=None, description="The last day on which it holds.")


class Rules(_Strict):
    """The first rule that fits a figure decides; without any, `default`."""

    version: Literal[1] = 1
    default: Limits = Limits()
    rules: tuple[Rule, ...] = ()
    inconclusive: Literal["fail", "warn"] = Field(
        default="fail", description="What an average or gain is that the samples cannot settle."
    )
    level: float = Field(default=0.05, gt=0, lt=0.5, description="How often all of a family may be wrong together.")
    latency: float | None = Field(
        default=None, gt=1, description="How many times its ratio to direct a method's latency may become."
    )
    accepted: tuple[Accepted, ...] = ()

    def limits(self, kind: str, names: dict[str, str]) -> Limits:
        return next((rule for rule in self.rules if rule.fits(kind, names)), self.default)

    def acceptance(self, figure: str) -> Accepted | None:
        """The latest word on a figure."""
        name = _one_line(figure)
        return next((one for one in reversed(self.accepted) if one.figure == name), None)


def read_rules(file: Path | None) -> Rules:
    """The rules in a file; the default ones without. Raises SuiteError with its place."""
    if file is None:
        return Rules()
    return validated(Rules, load_yaml(file))


def accepting(file: Path, one: Accepted) -> str:
    """The text of a rules file with one more acceptance at its end. Raises QbenchError where it ends otherwise."""
    text = file.read_text(encoding="utf-8") if file.exists() else "version: 1\n"
    lines = [
        f"  - figure: {_quoted(one.figure)}",
        f"    reason: {_quoted(one.reason)}",
        f"    accepted: '{one.accepted}'",
    ]
    lines += [f"    until: '{one.until}'"] if one.until else []
    head = [] if _acceptances(file, text) else ["accepted:"]
    return "\n".join([text.rstrip("\n"), *head, *lines]) + "\n"


def without_acceptances(file: Path) -> str:
    """The text of a rules file without the acceptances at its end, which spoke of another baseline. Raises QbenchError
    where it ends otherwise."""
    text = file.read_text(encoding="utf-8")
    return text[: len(text) - len(_acceptances(file, text))]


def _acceptances(file: Path, text: str) -> str:
    """The end of a rules file, from its acceptances on; empty where it has none."""
    found = re.search(r"^accepted:.*", text, re.MULTILINE | re.DOTALL)
    if found is None:
        return ""
    if re.search(r"^[^\s#-]", found[0].partition("\n")[2], re.MULTILINE):
        raise QbenchError(f"{file}: `accepted` is not its last key; move it to the end")
    return found[0]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
