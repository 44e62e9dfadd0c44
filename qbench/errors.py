"""The errors that a user can cause, each one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and list indices that lead into the data of a file."""


@dataclass(frozen=True)
class Place:
    """Where in a file something was written; lines and columns count from 1."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class QbenchError(Exception):
    """Bad input or a bad environment. The command line prints it without a traceback and leaves with `exit_code`.

    `path` leads to the faulty value from the data that was at hand; whoever knows the file makes a `place` of it."""

    exit_code = 2

    def __init__(self, message: str, *, place: Place | None = None, path: KeyPath = ()) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.path = path

    def __str__(self) -> str:
        return one_line(f"{self.place}: {self.message}" if self.place else self.message)


class SuiteError(QbenchError):
    """A suite or card that cannot be understood."""


class DataError(QbenchError):
    """A dataset that cannot be used as a whole: no root, no samples, duplicate ids."""


class BadTarget(DataError):
    """A sample's target that the model's outputs cannot be compared with; `index` says which of its batch."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


class ConditionError(QbenchError):
    """A condition that cannot degrade this picture, or cannot run here: a codec or a texture that is missing."""


class BadSample(QbenchError):
    """One sample that cannot be read. It is recorded by id and never replaced."""


class WeightsError(QbenchError):
    """Weights that are missing, damaged or made for another network."""


class StoreError(QbenchError):
    """The store cannot be read or written."""

    exit_code = 3


class NotApplicable(QbenchError):
    """This method cannot help this model or dataset; its cell is `n/a` with this reason."""


@contextmanager
def below(*keys: str | int) -> Iterator[None]:
    """An error raised inside that has no place yet has these keys in front of its path afterwards."""
    try:
        yield
    except QbenchError as error:
        if error.place is None:
            error.path = (*keys, *error.path)
        raise


@contextmanager
def foreign(what: str, becomes: type[QbenchError] = QbenchError, *, path: KeyPath = ()) -> Iterator[None]:
    """Inside runs code that is not qbench's: a decoder, a parser, another library. Whatever it raises, SystemExit and
    what C code throws past Exception included, becomes one error of one line: `what`, and what was said.

    qbench's own errors and Ctrl-C pass. A generator is not left open inside: closing it looks like an error."""
    try:
        yield
    except QbenchError:
        raise
    except BaseException as error:
        raise becomes(f"{what}: {described(fault(error))}", path=path) from error


def fault(error: BaseException) -> BaseException:
    """The same error, whatever class of its own it has. Raises Ctrl-C itself, which is nobody's fault."""
    if type(error) is KeyboardInterrupt:
        raise error
    return error


def described(error: BaseException) -> str:
    """An error in one line of printable characters: its message where it is qbench's own, else its class too."""
    try:
        text = error.message if isinstance(error, QbenchError) else str(error)
    except BaseException as another:
        fault(another)
        text = "its text cannot be printed"
    text = one_line(text)
    if isinstance(error, QbenchError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def short(value: Any, most: int = 60) -> str:
    """A value as an error shows it: its repr, cut where it is long or cannot be made."""
    try:
        text = repr(value)
    except BaseException as error:
        fault(error)
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def one_line(text: str, most: int = 2000) -> str:
    """Text on one line of printable characters: white space is single spaces, and of very long text the middle is left
    out."""
    text = " ".join(text.split())
    if len(text) > most:
        text = f"{text[: most // 2]} ... {text[-most // 2 :]}"
    return printable(text)


def printable(text: str) -> str:
    r"""Text in which all that is no printable character (terminal codes, line ends, halves of surrogate pairs, marks
    that turn the direction of writing) comes as its escape: `\x1b`."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def nearest(name: str, names: Iterable[str]) -> str:
    """`" (did you mean 'x'?)"` for the closest of `names`, or an empty string."""
    near = closest(name, names)
    return f" (did you mean {near!r}?)" if near is not None else ""


def closest(name: str, names: Iterable[str], alike: float = 0.5) -> str | None:
    """The one of `names` that is most like `name`, in whatever case they are written; None where none is `alike`."""
    known = {other.lower(): other for other in names}
    matches = get_close_matches(name.lower(), known, n=1, cutoff=alike)
    return known[matches[0]] if matches else None
