"""The verbs of `qbench`."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from qbench.cli.check import check
from qbench.cli.compare import compare
from qbench.cli.convert import convert
from qbench.cli.degrade import degrade
from qbench.cli.listing import list_names
from qbench.cli.plan import plan
from qbench.cli.preview import preview
from qbench.cli.report import report
from qbench.cli.run import run
from qbench.cli.store import store
from qbench.cli.train import train
from qbench.cli.validate import validate

EXIT_CODES = """
Exit codes: 0 all cells have records or are n/a with a reason; 1 some cells failed, or a check found a difference;
2 bad input (the message names file:line:col, what was expected and the nearest name); 3 the store or standard
output cannot be read or written (no space left, a damaged file); 130 stopped by Ctrl-C, the same command continues.
Any verb takes --debug, which shows the traceback behind an error.
"""

app = typer.Typer(
    name="qbench",
    help="What happens to a vision model when its pictures are degraded, and what helps.\n\n"
    "Start with: qbench run suites/jpeg.yaml",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"qbench {version('qbench')}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    pass


app.command()(run)
app.command()(plan)
app.command()(validate)
app.command("list")(list_names)
app.command()(report)
app.command()(compare)
app.command()(check)
app.command()(train)
app.command()(preview)
app.command()(degrade)
app.command()(convert)
app.add_typer(store, name="store")
