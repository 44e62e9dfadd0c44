"""The command line: one small file a verb."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line. Errors a user can cause are one line, without a traceback unless `--debug` is given."""
    from qbench.cli.app import app
    from qbench.errors import QbenchError, StoreError, one_line

    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app()
    except SystemExit as leaving:
        if leaving.code == INTERRUPTED:
            print("stopped; the same command continues where it was", file=sys.stderr)
        raise
    except QbenchError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except OSError as error:
        if debug:
            raise
        print(one_line(f"error: {error.filename or 'system'}: {error.strerror or error}"), file=sys.stderr)
        raise SystemExit(StoreError.exit_code) from None
