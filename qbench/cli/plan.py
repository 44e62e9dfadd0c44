"""`qbench plan`."""

from __future__ import annotations

from collections import Counter

from qbench.cli.options import Device, Limit, Only, Out, OwnStore, Plugin, Store, SuiteFile, tell
from qbench.cli.streams import say
from qbench.errors import QbenchError
from qbench.storage.home import run_directory, store_folder


def plan(
    suite: SuiteFile,
    out: Out = None,
    limit: Limit = None,
    only: Only = None,
    device: Device = "auto",
    plugin: Plugin = None,
    store: Store = None,
    own_store: OwnStore = False,
) -> None:
    """Show what a run would do: cells, shared work, what is stored already, and the time it will take here."""
    from qbench.runs import execute
    from qbench.runs.claims import Runner
    from qbench.runs.plan import Options, load_suite, make_plan
    from qbench.runs.units import missing_units, survey

    options = Options(limit, tuple(only or ()), device, tuple(plugin or ()))
    loaded, document = load_suite(suite)
    planned = make_plan(loaded, document, options)
    tell(planned.notes)
    run = run_directory(out, planned.suite)
    records = store_folder(store, own_store, run)
    found = survey(planned, records)
    units, verdicts = missing_units(planned, found), found.verdicts
    say(f"suite {planned.suite} version {planned.version}, run directory {run}, store {records}")
    for source in planned.sources:
        say(f"  {source.dataset.label}: {source.samples} samples in {len(source.shards)} shards")
    for facet in ("model", "condition", "method"):
        counts = Counter(getattr(cell, facet).label for cell in planned.cells)
        say(f"  {facet}s: {', '.join(counts)}")
    say(f"cells: {len(planned.cells)}, of which {len(verdicts)} n/a")
    for reason, count in Counter(verdict.reason for verdict in verdicts).items():
        say(f"  n/a in {count}: {reason}")
    begun = {number for number, _ in found.shards} | found.covered.keys()
    say(f"stored: {len(found.whole)} of {len(planned.cells) - len(verdicts)} cells, and parts of {len(begun)} more")
    for damaged in found.damaged:
        say(f"{damaged.message}; a run sets it aside and makes it anew", err=True)
    if not units:
        return
    from qbench.runs.estimate import seconds, shared_work

    bench = execute.bench_of(execute.job(planned, run, Runner(records, "")))
    try:
        work = shared_work(planned, units, bench)
        say(
            f"shared work: {work.decodes} decodes, {work.degradations} degradations, {work.restorations} restorations "
            f"and {work.stems} stems for {work.predictions} predictions"
        )
        estimate = f"{_duration(seconds(planned, units, bench))} on one worker, from one timed batch of each kind here"
    except QbenchError as error:
        estimate = f"unknown, since a cell fails here: {error.message}"
    say(f"estimated time: {estimate}")


def _duration(value: float) -> str:
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
