"""What a progress says where there is no terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from qbench.cli import progress


def test_files_are_counted_under_the_name_of_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", -1.0)
    files = [(tmp_path / name, tmp_path / "together" / name) for name in ("a", "b", "c")]
    (tmp_path / "together").mkdir()
    with progress.watched(files, "costs"):
        files[0][0].touch()
        files[2][1].touch()
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "costs: 0 of 3"
    assert said[-1] == "costs: 2 of 3"
    with progress.watched([], "records"):
        pass
    assert capsys.readouterr().err == ""


def test_a_title_is_neither_markup_nor_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", -1.0)
    with progress.counted("[bold]x[/]\x1b[31m") as report:
        report(1, 2)
    assert capsys.readouterr().err == "[bold]x[/]\\x1b[31m: 1 of 2\n"
