"""The command line: one small file a verb."""

from __future__ import annotations

import sys
from typing import Any

INTERRUPTED = 130


def main() -> None:
    """Run the command line. Errors a user can cause are one line, without a traceback unless `--debug` is given."""
    from qbench.cli.app import app
    from qbench.errors import QbenchError, StoreError, one_line

    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        code = app(standalone_mode=False)
    except QbenchError as error:
        if debug:
            raise
        text, code = str(error), error.exit_code
    except OSError as error:
        if debug:
            raise
        text, code = f"{error.filename or 'system'}: {error.strerror or error}", StoreError.exit_code
    except Exception as error:
        if debug or not hasattr(error, "format_message"):
            raise
        text, code = _usage(error), QbenchError.exit_code
    else:
        text = ""
    if text:
        print(one_line(f"error: {text}"), file=sys.stderr)
    if code == INTERRUPTED:
        print("stopped; the same command continues where it was", file=sys.stderr)
    raise SystemExit(code)


def _usage(error: Any) -> str:
    """What is wrong with the words of a command: the parser's own errors, whose classes are not public. Nothing where
    the help was shown."""
    command = getattr(getattr(error, "ctx", None), "command_path", "qbench")
    said = str(error.format_message()).rstrip(".")
    return f"{said}; see `{command} --help`" if said else ""
