"""Output that refuses characters or bytes: every verb does its work and leaves with its own exit code."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qbench.cli.streams import Outlet, outlets, say
from tests.conftest import TOY

COMMAND = [sys.executable, "-c", "from qbench.cli import main; main()"]


class Refusing(io.StringIO):
    """A stream whose reader is gone after so many writes."""

    def __init__(self, takes: int, code: int) -> None:
        super().__init__()
        self.takes, self.code = takes, code

    def write(self, text: str) -> int:
        if self.takes == 0:
            raise OSError(self.code, os.strerror(self.code))
        self.takes -= 1
        return super().write(text)


def test_after_a_refusal_nothing_more_is_written_and_nothing_is_raised() -> None:
    stream = Refusing(1, errno.EPIPE)
    outlet = Outlet(stream, "replace")
    for text in ("one", "two", "three"):
        assert outlet.write(text) == len(text)
    outlet.flush()
    assert stream.getvalue() == "one"
    assert outlet.refused is not None
    assert outlet.refused.errno == errno.EPIPE


def test_characters_that_an_encoding_lacks_are_replaced() -> None:
    raw = io.BytesIO()
    outlet = Outlet(io.TextIOWrapper(raw, "ascii"), "replace")
    outlet.write("rejpeg×3 é \udcff\n")
    outlet.flush()
    assert raw.getvalue() == b"rejpeg?3 ? ?\n"


def test_a_closed_stream_goes_nowhere_and_streams_are_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with outlets() as out:
        say("x")
        print("y")
    assert out.refused is None
    assert sys.stdout is None


def test_a_line_has_no_codes(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[31mb\nc")
    say("\x07", err=True)
    assert capsys.readouterr() == ("a\\x1b[31mb\\nc\n", "\\x07\n")


@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [
        ('"$@" > /dev/full', 3, "error: standard output: No space left on device; print elsewhere\n"),
        ('{ "$@"; echo $? >&2; } | head -n 1 > /dev/null', 0, "0\n"),
        ('"$@" >&-', 0, ""),
        ('"$@" > /dev/null 2> /dev/full', 0, ""),
    ],
)
def test_output_that_goes_wrong_leaves_no_traceback(shell: str, code: int, said: str) -> None:
    """`head` may have left before the first line or after it."""
    if not Path("/dev/full").exists():
        shell, code, said = '"$@" > /dev/null', 0, ""
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *COMMAND, "list", "conditions"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (code, said)


def test_a_fault_keeps_its_code_where_nothing_can_be_printed(tmp_path: Path) -> None:
    suite = tmp_path / "toy.yaml"
    suite.write_text(TOY.replace("direct", "durect", 1))
    shell = '"$@" > /dev/full 2>&1' if Path("/dev/full").exists() else '"$@" > /dev/null 2>&1'
    done = subprocess.run(["sh", "-c", shell, "sh", *COMMAND, "validate", str(suite)], check=False)
    assert done.returncode == 2
