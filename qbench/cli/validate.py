"""`qbench validate`."""

from __future__ import annotations

from qbench.cli.options import Plugin, SuiteFile, tell
from qbench.cli.streams import say


def validate(suite: SuiteFile, plugin: Plugin = None) -> None:
    """Check a suite: keys, names, parameters, and that its data and weights are there."""
    from qbench.runs.plan import Options, load_suite, make_plan

    options = Options(plugin_files=tuple(plugin or ()))
    loaded, document = load_suite(suite)
    plan = make_plan(loaded, document, options)
    tell(plan.notes)
    unable = sum(1 for cell in plan.cells if cell.not_applicable)
    say(
        f"{suite}: suite {plan.suite!r} version {plan.version} is valid: {len(plan.cells)} cells over "
        f"{len(plan.sources)} datasets of {sum(s.samples for s in plan.sources)} samples, {unable} cells n/a"
    )
