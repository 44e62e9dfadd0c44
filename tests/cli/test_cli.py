"""The command line from end to end: in this process, and in one of its own where that matters."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from unittest.mock import patch

import pytest

from qbench.cli import main
from tests.conftest import PLUGIN

Suite = Callable[..., Path]


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, which knows nothing of this one's plug-ins."""
    command = [sys.executable, "-c", "from qbench.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def qbench(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same in this process: no second import of torch."""
    command = ["qbench", *map(str, arguments)]
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code = 0
    with patch.object(sys, "argv", command), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
    said = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(command, code, *said)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A toy run with two workers and a plug-in file: suite, run directory, output."""
    from tests.conftest import TOY

    folder = tmp_path_factory.mktemp("cli")
    suite = folder / "toy.yaml"
    suite.write_text(TOY)
    done = process("run", suite, "--out", folder / "run", "--own-store", "--workers", 2, "--plugin", PLUGIN)
    assert done.returncode == 0, done.stderr
    return suite, folder / "run", done.stdout


def test_run_ends_in_leaderboards_on_the_terminal_and_as_files(finished: tuple[Path, Path, str]) -> None:
    _, run, output = finished
    for word in ("direct", "median3", "damp", "clean"):
        assert word in output
    assert {file.name for file in (run / "report").iterdir()} == {
        "report.md",
        "report.tex",
        "report.csv",
        "report.json",
    }
    assert "| median3" in (run / "report" / "report.md").read_text()


def test_a_stored_run_prints_the_same_again(finished: tuple[Path, Path, str]) -> None:
    suite, run, output = finished
    again = qbench("run", suite, "--out", run, "--own-store", "--plugin", PLUGIN, "--device", "cpu")
    assert again.returncode == 0
    assert again.stdout == output


def test_a_stored_run_loads_neither_torch_nor_pandas(tmp_path: Path) -> None:
    suite = tmp_path / "jpeg.yaml"
    suite.write_text(
        "suite: bare\nversion: 1\nchangelog: {1: first}\ntasks:\n  - dataset: {name: scenes, count: 4}\n"
        "    models: ['builtin:scenes']\n    conditions: [clean]\n"
    )
    first = qbench("run", suite, "--out", tmp_path / "run", "--device", "cpu")
    assert first.returncode == 0, first.stderr
    code = (
        "import sys\nsys.argv = ['qbench', 'run', *sys.argv[1:]]\nfrom qbench.cli.app import app\n"
        "app(standalone_mode=False)\nsys.exit(bool({'torch', 'pandas'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(suite), "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_plan_tells_cells_shared_work_and_what_is_stored(finished: tuple[Path, Path, str], tmp_path: Path) -> None:
    suite, run, _ = finished
    stored = qbench("plan", suite, "--out", run, "--own-store", "--plugin", PLUGIN, "--device", "cpu")
    assert "cells: 15" in stored.stdout
    assert "stored: 15 of 15 cells" in stored.stdout
    fresh = qbench("plan", suite, "--out", tmp_path, "--plugin", PLUGIN, "--device", "cpu")
    assert "stored: 0 of 15 cells" in fresh.stdout
    assert "10 decodes, 50 degradations, 50 restorations and 50 stems for 150 predictions" in fresh.stdout
    assert "estimated time" in fresh.stdout


def test_only_and_limit_narrow_a_run(finished: tuple[Path, Path, str], tmp_path: Path) -> None:
    suite, _, _ = finished
    done = qbench(
        "run",
        suite,
        "--out",
        tmp_path,
        "--plugin",
        PLUGIN,
        "--limit",
        4,
        "--only",
        "method=d*",
        "--only",
        "condition=jpeg@7",
    )
    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / "run.json").read_text())["cells"]
    cells = [result["cell"] for result in cells]
    assert {(c["condition"]["label"], c["method"]["label"], c["samples"]) for c in cells} == {
        ("jpeg@7", "direct", 4),
        ("jpeg@7", "damp", 4),
    }


def test_validate_list_and_report(finished: tuple[Path, Path, str], tmp_path: Path) -> None:
    suite, run, _ = finished
    assert "is valid: 15 cells" in qbench("validate", suite, "--plugin", PLUGIN).stdout
    listed = qbench("list", "methods", "--plugin", PLUGIN).stdout
    for name in ("direct", "arcnn", "dncnn-small", "afd", "finetune", "median3"):
        assert name in listed
    reported = qbench("report", run, "--format", "md")
    assert reported.stdout == (run / "report" / "report.md").read_text()
    assert qbench("report", run, "--check", run / "report" / "report.md").returncode == 0


def test_a_fault_is_one_line_and_debug_shows_the_traceback(tmp_path: Path) -> None:
    suite = tmp_path / "bad.yaml"
    suite.write_text("suite: bad\nversion: 1\nchangelog: {1: first}\ntasks: []\n")
    plain = qbench("run", suite)
    assert plain.returncode == 2
    assert len(plain.stderr.strip().splitlines()) == 1
    assert "bad.yaml:4:1" in plain.stderr
    assert "Traceback" in process("run", suite, "--debug").stderr


def test_exit_codes(tmp_path: Path, finished: tuple[Path, Path, str]) -> None:
    suite, _, _ = finished
    broken = tmp_path / "broken.yaml"
    broken.write_text(suite.read_text().replace("damp]", "broken]"))
    failed = qbench("run", broken, "--out", tmp_path / "run", "--plugin", PLUGIN, "--limit", 4)
    assert failed.returncode == 1
    assert "out of luck" in failed.stderr
    assert qbench("report", tmp_path / "nothing").returncode == 3
    assert process("run", suite, "--out", tmp_path / "run").returncode == 2, "the plug-in was not given"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "{toy}", "--out", "{file}", "--plugin", str(PLUGIN)], 3, "--out {file} is a file; name a folder"),
        (
            ["run", "{toy}", "--plugin", "{broken}"],
            2,
            "{broken}:1:4: plugin file {broken} cannot be imported: SyntaxError",
        ),
        (
            ["run", "{toy}", "--only", "method=dmap", "--plugin", str(PLUGIN)],
            2,
            "(did you mean 'damp'?); there are: direct",
        ),
        (["train", "dncnn-small", "scenes", "--out", "{file}"], 3, "{file} cannot be written into"),
        (["degrade", "scenes: {{count: 2}}", "{file}", "--condition", "clean"], 3, "{file}: Not a directory"),
        (["preview", "--condition", "clean", "--out", "{file}/x.png"], 3, "x.png cannot be written"),
        (["list", "methods", "zzz*"], 2, "no method matches 'zzz*'"),
        (["list", "metods"], 2, "unknown kind 'metods' (did you mean 'methods'?)"),
    ],
)
def test_a_fault_is_one_line_with_the_documented_code(
    tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    from tests.conftest import TOY

    names = {name: str(tmp_path / f"{name}.py") for name in ("toy", "file", "broken")}
    for name, text in (("toy", TOY), ("file", "here"), ("broken", "x =\n")):
        Path(names[name]).write_text(text)
    done = qbench(*(argument.format(**names) for argument in arguments))
    assert done.returncode == code
    assert done.stderr.count("\n") == 1
    assert said.format(**names) in done.stderr


def test_a_plan_tells_why_a_cell_will_fail(tmp_path: Path, toy: Suite) -> None:
    lost = toy(("[toy]", "[{'timm:resnett18': {pretrained: false}}]"), ("direct, median3, damp", "direct"))
    told = qbench("plan", lost, "--out", tmp_path / "run", "--limit", 1, "--device", "cpu")
    assert (
        "estimated time: unknown, since a cell fails here: timm has no model 'resnett18' (did you mean" in told.stdout
    )
    broken = toy(("direct, median3, damp", "broken"))
    told = qbench("plan", broken, "--out", tmp_path / "run", "--limit", 1, "--device", "cpu", "--plugin", PLUGIN)
    assert "estimated time: unknown, since a cell fails here: RuntimeError: out of luck" in told.stdout


def test_list_takes_one_or_many_and_version_is_told() -> None:
    assert qbench("list", "method", "dir*").stdout == qbench("list", "methods", "dir*").stdout
    assert "direct" in qbench("list", "method", "dir*").stdout
    assert process("--version").stdout == f"qbench {version('qbench')}\n"


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_and_the_same_command_continues(tmp_path: Path, finished: tuple[Path, Path, str]) -> None:
    suite, run, output = finished
    arguments = [
        "run",
        str(suite),
        "--out",
        str(tmp_path / "run"),
        "--own-store",
        "--plugin",
        str(PLUGIN),
        "--workers",
        "2",
        "--device",
        "cpu",
    ]
    command = [sys.executable, "-c", "from qbench.cli import main; main()", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "run").rglob("*.parquet")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    if process.returncode == 130:
        assert "the same command continues" in errors
    else:
        assert process.returncode == 0, errors
    again = qbench(*arguments)
    assert again.returncode == 0, again.stderr
    assert again.stdout.replace(str(tmp_path / "run"), str(run)) == output
