"""What samples belong to, as their records say: videos, patients, whatever several of them have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qbench.report.columns import Records
from qbench.stats.bootstrap import Groups
from qbench.tasks.score import readable


def groups_of(cells: Sequence[Records]) -> Groups | None:
    """The groups of the samples that these cells share; None where no record names one.

    A sample that cannot be read has no group in that cell's records: another cell's say it. One that is read and has
    none is a group of its own, one that is never read counts nowhere."""
    columns = {id(records["group"]): np.asarray(records["group"], np.str_) for records in cells if "group" in records}
    named = [names for names in columns.values() if (names != "").any()]
    if not named:
        return None
    names = np.select([column != "" for column in named], named, "")
    found, of = np.unique(names, return_inverse=True)
    alone = (names == "") & np.logical_or.reduce([readable(records) for records in cells])
    if "" in found:
        of = np.maximum(of - 1, 0)
    first = int(of.max()) + 1
    of[alone] = first + np.arange(alone.sum())
    return Groups(of)
