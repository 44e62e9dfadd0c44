"""Errors that cross processes: as text, whatever class they have."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from qbench import errors
from qbench.errors import QbenchError, described


@dataclass(frozen=True)
class Told:
    """An error of another process."""

    kind: str
    """Its class among qbench's own; QbenchError for all others."""
    message: str
    trace: str

    @classmethod
    def of(cls, error: BaseException) -> Told:
        kinds = [base.__name__ for base in type(error).__mro__ if base.__module__ == errors.__name__]
        known = [kind for kind in kinds if kind != "BadTarget"]
        trace = "".join(traceback.format_exception(error))
        return cls(known[0] if known else "QbenchError", described(error), trace)

    def error(self) -> QbenchError:
        """The error again; its traceback there is a note of it."""
        error: QbenchError = getattr(errors, self.kind)(self.message)
        error.add_note(f"In another process:\n{self.trace}")
        return error
