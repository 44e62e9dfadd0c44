"""What lies in a store is believed only where it is as it was written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from qbench.compute.cell import Shard
from qbench.errors import DataError, QbenchError, StoreError
from qbench.runs import execute, store
from qbench.storage import sealed
from qbench.storage.files import Damaged, digest, set_aside
from qbench.storage.sealed import MARK, open_sealed, write_sealed
from tests.corpus.case import here

COLUMNS = {"id": ["a", "b"], "rank": np.array([0, 3], np.int32), "error": ["", "no picture"]}
SHARD = Shard(start=0, stop=2, name="000000-ab", ids=digest(["a", "b"]))


def test_every_flipped_bit_is_seen(tmp_path: Path) -> None:
    """Of the data, of the footer and of the checksum itself."""
    file = tmp_path / "file.parquet"
    write_sealed(file, pa.table(COLUMNS), {"key": "k"})
    content, missed = file.read_bytes(), []
    with file.open("r+b", buffering=0) as stream:
        for at, byte in enumerate(content):
            for bit in range(8):
                os.pwrite(stream.fileno(), bytes([byte ^ 1 << bit]), at)
                try:
                    open_sealed(file)
                    missed.append((at, bit))
                except Damaged:
                    pass
            os.pwrite(stream.fileno(), bytes([byte]), at)
    assert missed == []
    assert open_sealed(file).read().equals(pa.table(COLUMNS))


def test_every_length_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "file.parquet"
    write_sealed(file, pa.table(COLUMNS), {"key": "k"})
    content = file.read_bytes()
    for end in range(len(content)):
        file.write_bytes(content[:end])
        with pytest.raises(Damaged):
            open_sealed(file)
    file.write_bytes(content + b"PAR1")
    with pytest.raises(Damaged):
        open_sealed(file)


def test_a_file_that_lies_as_it_lay_is_verified_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it has lain for a while: until then it may change without a new time stamp."""
    file, verified = tmp_path / "file.parquet", []
    write_sealed(file, pa.table(COLUMNS), {"key": "k"})
    digest_of = sealed._digest
    monkeypatch.setattr(sealed, "_digest", lambda *given: verified.append(1) or digest_of(*given))
    for _ in range(2):
        open_sealed(file)
    assert len(verified) == 2
    monkeypatch.setattr("time.time_ns", lambda: int((time.time() + 3600) * 1e9))
    for _ in range(3):
        assert open_sealed(file).read().equals(pa.table(COLUMNS))
    assert len(verified) == 3
    content = bytearray(file.read_bytes())
    content[20] ^= 1
    file.write_bytes(content)
    os.utime(file, (1, 1))
    with pytest.raises(Damaged, match="checksum"):
        open_sealed(file)


def test_records_may_hold_the_mark_of_the_checksum(tmp_path: Path) -> None:
    columns = {"id": [MARK.decode() + "0" * 32] * 2, MARK.decode(): [1, 2]}
    write_sealed(tmp_path / "f", pa.table(columns), {"key": "k"})
    assert open_sealed(tmp_path / "f").read().to_pydict() == columns


def test_a_shard_says_whose_records_it_holds(tmp_path: Path) -> None:
    stored = store.write_records(tmp_path, "k1", SHARD, store.table_of(COLUMNS), ("a processor",))
    assert store.look(tmp_path, "k1", SHARD) == stored == store.Stored(("a processor",), bad=1)
    assert store.look(tmp_path, "k2", SHARD) is None
    file = store.shard_file(tmp_path, "k1", SHARD.name)
    for key, shard, said in (
        ("k2", SHARD, "it holds shard 000000-ab of cell k1"),
        ("k1", SHARD.model_copy(update={"name": "000002-cd"}), "it holds shard 000000-ab of cell k1"),
        ("k1", SHARD.model_copy(update={"ids": digest(["a", "c"])}), "other samples than the dataset has now"),
        ("k1", SHARD.model_copy(update={"stop": 3}), "it holds 2 records of 3 samples"),
    ):
        copy = store.shard_file(tmp_path, key, shard.name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
        with pytest.raises(Damaged, match=said):
            store.look(tmp_path, key, shard)


def test_samples_that_changed_while_a_run_went_on_are_not_stored(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="others than when the run started"):
        store.write_records(tmp_path, "k", SHARD, store.table_of({**COLUMNS, "id": ["a", "x"]}), ())
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_stored_is_an_error_of_one_line() -> None:
    for values in ([1, "a"], ["\ud800", ""], [object(), object()], ["a"]):
        with pytest.raises(QbenchError, match="its records cannot be stored: ") as raised:
            store.table_of({**COLUMNS, "group": values})
        assert "\n" not in raised.value.message


def test_what_is_set_aside_takes_no_place_of_another(tmp_path: Path) -> None:
    file = tmp_path / "f"
    names = []
    for text in ("one", "two", "three"):
        file.write_text(text)
        names.append(set_aside(file).name)
    assert names == ["f.damaged", "f.damaged.2", "f.damaged.3"]
    assert (tmp_path / "f.damaged").read_text() == "one"
    with pytest.raises(StoreError, match="cannot be set aside"):
        set_aside(file)


def test_without_semaphores_one_process_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def no_room() -> None:
        raise OSError(28, "No space left on device")

    assert execute.can_share(said.append)
    monkeypatch.setattr("multiprocessing.Lock", no_room)
    assert not execute.can_share(said.append)
    assert said[0].endswith("OSError: [Errno 28] No space left on device; one process does all the work")
    assert len(said) == 1


SLOW = '''
import time
import qbench

@qbench.method("slow", site="image")
class Slow:
    """Waits."""

    def restore(self, images, context):
        time.sleep(60)
        return images
'''
SUITE = """
suite: killed
version: 1
changelog: {1: first}
engine: {shard: 4}
tasks:
  - {dataset: {name: scenes, count: 4}, models: ["builtin:scenes"], conditions: [clean], methods: [direct]}
  - {dataset: {name: scenes, count: 5, label: others}, models: ["builtin:scenes"], conditions: [clean], methods: [slow]}
tables: [accuracy-by-condition]
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_stopped_says_what_is_done_and_what_is_pending(tmp_path: Path, ending: signal.Signals) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "suite.yaml").write_text(SUITE)
    often = "from qbench.runs import ledger; ledger.SECONDS = 0\nfrom qbench.cli import main; main()"
    arguments = ["run", "suite.yaml", "--plugin", "slow.py", "--out", "run", "--device", "cpu", "--workers", "1"]
    started = subprocess.Popen([sys.executable, "-c", often, *arguments], cwd=tmp_path, stderr=subprocess.DEVNULL)
    file, end = tmp_path / "run" / "run.json", time.monotonic() + 60
    while not (file.exists() and '"status": "done"' in file.read_text()) and started.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    started.send_signal(ending)
    assert started.wait(30) in {-9, 130}
    assert [result["status"] for result in json.loads(file.read_text())["cells"]] == ["done", "pending"]
    said = here(["report", str(tmp_path / "run"), "--format", "csv"], tmp_path)
    assert said.code == 0
    assert said.err == (
        "1 of 2 cells are pending; to go on: qbench run suite.yaml --plugin slow.py --out " + f"{tmp_path / 'run'}\n"
    )
    direct, slow = (line for line in said.out.splitlines() if ",clean," in line)
    assert ",direct," in direct
    assert "pending" in slow
