"""The conditions that a suite names, without its data and models."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from qbench import registry
from qbench.documents.construct import construct, entry_of, expanded
from qbench.documents.faults import validated
from qbench.documents.load import load_suite_document
from qbench.registry.named import Named
from qbench.suite.schema import Suite
from qbench.vocabulary import Condition


def conditions_of(file: Path) -> list[list[tuple[Named, Condition]]]:
    """The conditions of a suite file but `clean`, a list for each of its entries; those of two tasks once."""
    document = load_suite_document(file)
    suite = validated(Suite, document)
    registry.load_plugins(suite.plugins, ())
    rows, seen = [], set()
    for number, spec in enumerate(suite.tasks):
        for place, named in enumerate(spec.conditions):
            with document.at(("tasks", number, "conditions", place)):
                items = expanded(entry_of("condition", named), named)
                row = [(item, cast(Condition, construct("condition", item))) for item in items]
            fresh = [(item, built) for item, built in row if built.label not in seen and item.name != "clean"]
            seen |= {built.label for _, built in fresh}
            rows += [fresh] if fresh else []
    return rows
