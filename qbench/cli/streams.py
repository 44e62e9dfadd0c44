"""What the command prints: any text on any terminal, and no fault of the output ends a verb in the middle."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast

from qbench.errors import printable


def say(text: str, *, err: bool = False) -> None:
    """Print one line, to standard error where `err`; what is no printable character comes as its escape."""
    print(printable(text), file=sys.stderr if err else sys.stdout)


class Outlet:
    """A text stream that takes all: characters that its encoding lacks are replaced, and after the first refusal (a
    closed pipe, a full disk) nothing more is written; `refused` is the error."""

    def __init__(self, stream: TextIO, errors: str) -> None:
        self._stream = stream
        self.refused: OSError | None = None
        with suppress(AttributeError, ValueError, OSError):
            cast(Any, stream).reconfigure(errors=errors)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self._do(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._do(self._stream.flush)

    def close(self) -> None:
        """Stays open: what is not qbench's does not end its output."""
        self.flush()

    def _do(self, what: Any, *arguments: str) -> None:
        if self.refused is None:
            try:
                what(*arguments)
            except OSError as error:
                self.refused = error
                self._drain()
            except ValueError as error:
                self.refused = OSError(errno.EBADF, str(error))

    def _drain(self) -> None:
        """Let what is still in the stream's buffer go nowhere, so that Python does not fail on it when it ends."""
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextmanager
def outlets() -> Iterator[Outlet]:
    """Standard output and error are outlets inside; gives that of standard output. One that is closed goes nowhere."""
    before = sys.stdout, sys.stderr
    out, err = (stream or Path(os.devnull).open("w", encoding="utf-8") for stream in before)  # noqa: SIM115
    outlet = Outlet(out, "replace")
    sys.stdout, sys.stderr = cast(TextIO, outlet), cast(TextIO, Outlet(err, "backslashreplace"))
    try:
        yield outlet
        outlet.flush()
    finally:
        sys.stderr.flush()
        sys.stdout, sys.stderr = before
