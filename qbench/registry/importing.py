"""Running a user's own Python while it is imported."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qbench.errors import Place, QbenchError, described

_IMPORTLIB = Path(importlib.__file__).parent


@contextmanager
def importing(what: str, advice: str = "", file: Path | None = None) -> Iterator[None]:
    """Inside, whatever the code of `what` raises becomes one QbenchError with the place that it comes from, at least
    that of its `file`.

    `advice` is for a module that is not there."""
    start = Place(file, 1, 1) if file is not None else None
    try:
        yield
    except QbenchError as error:
        error.place = error.place or _raised_at(error) or start
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        message = f"{type(error).__name__}: {error.msg}" if isinstance(error, SyntaxError) else described(error)
        end = f"; {advice}" if advice and isinstance(error, ImportError) else ""
        raise QbenchError(f"{what} cannot be imported: {message}{end}", place=_raised_at(error) or start) from error


def _raised_at(error: BaseException) -> Place | None:
    """Where a file does not parse, or the innermost place that ran in the folder of the code that was imported."""
    if isinstance(error, SyntaxError) and error.filename:
        return Place(Path(error.filename), max(error.lineno or 1, 1), max(error.offset or 1, 1))
    frames = [(Path(frame.filename), frame) for frame in traceback.extract_tb(error.__traceback__)]
    ran = [
        (file, frame)
        for file, frame in frames
        if file.is_file() and not file.is_relative_to(_IMPORTLIB) and file.parent != Path(__file__).parent
    ]
    if not ran:
        return None
    folder = ran[0][0].parent
    file, frame = next((file, frame) for file, frame in reversed(ran) if file.is_relative_to(folder))
    return Place(file, frame.lineno or 1, (frame.colno or 0) + 1)
