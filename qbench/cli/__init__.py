"""The command line: one small file a verb."""

from __future__ import annotations

import errno
import sys
from typing import Any

INTERRUPTED = 130


def main() -> None:
    """Run the command line. Errors a user can cause are one line, without a traceback unless `--debug` is given."""
    from qbench.cli.streams import outlets, say
    from qbench.errors import StoreError

    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    with outlets() as out:
        code = _run(debug)
        out.flush()
        if out.refused is not None and out.refused.errno != errno.EPIPE and code == 0:
            say(f"error: standard output: {out.refused.strerror}; print elsewhere", err=True)
            code = StoreError.exit_code
    if code:
        raise SystemExit(code)


def _run(debug: bool) -> int:
    """The exit code of the verb that the arguments name; its error is printed."""
    from qbench.cli.app import app
    from qbench.cli.streams import say

    try:
        code: Any = app(prog_name="qbench", standalone_mode=False)
    except Exception as error:
        if debug:
            raise
        return _failed(error)
    if code == INTERRUPTED:
        say("stopped; the same command continues where it was", err=True)
    return code if isinstance(code, int) else 0


def _failed(error: Any) -> int:
    """The exit code of an error, which is printed in one line."""
    from qbench.cli.streams import say
    from qbench.errors import QbenchError, StoreError, described, one_line

    if hasattr(error, "format_message"):
        return _misused(error)
    if isinstance(error, QbenchError):
        text, code = one_line(str(error)), error.exit_code
    elif isinstance(error, MemoryError):
        text, code = "there is not enough memory for this", StoreError.exit_code
    elif isinstance(error, OSError):
        text, code = f"{error.filename or 'system'}: {error.strerror or error}", StoreError.exit_code
    else:
        said = "qbench did not expect this: --debug shows where it comes from"
        text, code = f"{described(error)}; {said}", QbenchError.exit_code
    say(f"error: {text}", err=True)
    return code


def _misused(error: Any) -> int:
    """What typer and click say of arguments that no verb takes, in one line; the help where there are none."""
    from qbench.cli.streams import say
    from qbench.errors import one_line

    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        said = one_line(error.format_message()).rstrip(".")
        command = getattr(getattr(error, "ctx", None), "command_path", "qbench")
        say(f"error: {said}; `{command} --help` shows what it takes", err=True)
    return int(error.exit_code)
