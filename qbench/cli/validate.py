"""`qbench validate`."""

from __future__ import annotations

from typing import Annotated

import typer

from qbench.cli.options import Plugin, SuiteFile


def validate(
    suite: SuiteFile,
    plugin: Plugin = None,
    data: Annotated[bool, typer.Option(help="Look at the datasets and weights too, not only at the file.")] = True,
) -> None:
    """Check a suite: keys, names, parameters, and that its data and weights are there."""
    from qbench.engine.plan import Options, check_names, load_suite, make_plan

    options = Options(plugin_files=tuple(plugin or ()))
    loaded, document = load_suite(suite, options)
    if not data:
        check_names(loaded, document, options)
        typer.echo(f"{suite}: suite {loaded.suite!r} version {loaded.version} is valid (data not looked at)")
        return
    plan = make_plan(loaded, document, options)
    unable = sum(1 for cell in plan.cells if cell.not_applicable)
    typer.echo(
        f"{suite}: suite {plan.suite!r} version {plan.version} is valid: {len(plan.cells)} cells over "
        f"{len(plan.sources)} datasets of {sum(s.samples for s in plan.sources)} samples, {unable} cells n/a"
    )
