"""Run directories in which something is damaged, swapped or not qbench's: told in a line, set aside by the next run."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from qbench.compute.cell import Shard
from qbench.runs.store import write_records
from qbench.storage.sealed import open_sealed, write_sealed
from tests.corpus.case import Arguments, Case, Said, here, run

WORDS = {"conditions": "clean, {jpeg: {quality: 7}}"}
TABLES = "tables: [accuracy-by-quality, efficiency]\n"
Change = Callable[[Path], object]


@cache
def whole() -> Path:
    """A run of two cells of two shards each, made once; it is copied and never changed."""
    folder = Path(tempfile.mkdtemp(prefix="qbench-corpus-"))
    said = here([str(word) for word in run(folder, more=TABLES, **WORDS)], folder)
    assert said.code == 0, said.err
    return folder / "run"


def copied(folder: Path, change: Change) -> Path:
    """A copy of the run with something changed in it."""
    shutil.copytree(whole(), folder / "run")
    change(folder / "run")
    return folder / "run"


def report(change: Change) -> Callable[[Path], Arguments]:
    return lambda folder: ["report", copied(folder, change)]


def again(change: Change) -> Callable[[Path], Arguments]:
    """The same command once more."""

    def make(folder: Path) -> Arguments:
        copied(folder, change)
        return run(folder, more=TABLES, **WORDS)

    return make


def records(run: Path) -> list[Path]:
    """A file of each cell, or of each shard of those that are not finished, cell by cell."""
    return sorted(run.glob("records/*/*/*.parquet"))


def unfinished(change: Change = lambda run: None) -> Change:
    """With the records of each cell in files of its shards, as they lie while a run goes on."""

    def taken_apart(run: Path) -> None:
        for file in records(run):
            sealed, start = open_sealed(file), 0
            for name, rows in json.loads(sealed.facts["shards"]):
                shard, table = Shard(start=start, stop=start + rows, name=name), sealed.read().slice(start, rows)
                write_records(run, sealed.facts["key"], shard, table, ("a processor",), sealed.facts["parts"])
                start += rows
            file.unlink()
        change(run)

    return taken_apart


def killed(run: Path) -> None:
    """What a runner leaves that was killed: a claim of a shard, and a temporary file of another."""
    unfinished()(run)
    one, two, *_ = records(run)
    one.with_name(f".{one.stem}.claim.1").write_text("gone-1-0")
    two.with_name(f".{two.name}.{'0' * 32}").write_bytes(two.read_bytes()[:99])
    one.unlink(), two.unlink()


def of_shard(change: Change) -> Change:
    return lambda run: change(records(run)[0])


def of_json(change: Callable[[dict[str, Any]], object], name: str = "run.json", kept: bool = False) -> Change:
    """Of a JSON file of the run, as data; the digest is `kept`, or goes."""

    def rewrite(run: Path) -> None:
        (file,) = run.glob(name)
        data = json.loads(file.read_text())
        change(data)
        if not kept:
            data.pop("digest", None)
        file.write_text(json.dumps(data))

    return rewrite


def swap_keys(data: dict[str, Any]) -> None:
    one, other = (result["cell"] for result in data["cells"][:2])
    one["key"], other["key"] = other["key"], one["key"]


def flip(file: Path, at: int) -> None:
    """One bit of the byte `at` so many bytes from an end."""
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def flipped(at: int) -> Change:
    return of_shard(lambda file: flip(file, at))


def replaced(make: Change) -> Change:
    """Something else in the place of a shard's file."""

    def put(file: Path) -> None:
        file.unlink()
        make(file)

    return of_shard(put)


def sealed_again(columns: Mapping[str, Any], **facts: str) -> Change:
    """Other columns or facts under a right checksum."""

    def rewrite(file: Path) -> None:
        sealed = open_sealed(file)
        table = sealed.read()
        for name, values in columns.items():
            table = table.set_column(table.column_names.index(name), name, pa.array(values))
        write_sealed(file, table, {**sealed.facts, **facts})

    return of_shard(rewrite)


def swapped(run: Path) -> None:
    """Two shards of a cell, or two cells."""
    one, two, *_ = records(run)
    one.rename(run / "x"), two.rename(one), (run / "x").rename(two)


def listens(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(file.parent)  # names of sockets are short
        server.bind(file.name)
        os.chdir(here)


def exported(change: Change) -> Callable[[Path], Arguments]:
    def make(folder: Path) -> Arguments:
        here(["report", str(whole()), "--export", str(folder / "export")], folder)
        change(folder / "export")
        return ["report", folder / "export"]

    return make


def set_aside(*names: str) -> Callable[[Path, Said], None]:
    """After a run: these files are kept under another name, and the records are whole again."""

    def then(folder: Path, said: Said) -> None:
        aside = [file.name for file in (folder / "run").rglob("*.damaged*")]
        assert len(aside) == len(names), aside
        assert all(any(name in one for one in aside) for name in names), aside
        assert scores(folder / "run") == scores(whole())

    return then


def scores(run: Path) -> list[str]:
    """The lines of the report, but for times."""
    lines = here(["report", str(run), "--format", "csv"], run).out.splitlines()
    return [line for line in lines if not line.startswith("efficiency")]


def reason_of_another(run: Path) -> None:
    said = {"schema_version": 1, "key": "0" * 32, "reason": "never"}
    (records(run)[0].parent / "not_applicable.json").write_text(json.dumps(said))


def cost_of_another(run: Path) -> None:
    def change(cost: dict[str, Any]) -> None:
        cost["method"]["label"] = "other"

    of_json(change, "efficiency/*.json")(run)


def set_nothing_aside(folder: Path) -> None:
    assert not list((folder / "run").rglob("*.damaged"))


def both_stay(folder: Path) -> None:
    assert len(records(folder / "run")) == 4


def one_file_each(folder: Path, said: Said) -> None:
    """After a run: nothing but one file of each cell, which holds what it must."""
    files = [file.name for file in (folder / "run" / "records").glob("*/*/*")]
    assert len(files) == 2
    assert len(set(files)) == 1
    assert scores(folder / "run") == scores(whole())


def moved_store(folder: Path) -> Arguments:
    """A report of a run whose store lies elsewhere now."""
    command = [*run(folder, **WORDS)[:4], "--store", folder / "store", "--device", "cpu"]
    here([str(word) for word in command], folder)
    (folder / "store").rename(folder / "moved")
    return ["report", folder / "run"]


def found_again(folder: Path, said: Said) -> None:
    assert here(["report", str(folder / "run"), "--store", str(folder / "moved")], folder).code == 0


def of_an_earlier_layout(run: Path) -> None:
    (run / "store.json").unlink()
    (run / "records" / "store.json").write_text('{"schema_version": 1}')


CASES = [
    Case("a shard cut short", report(of_shard(lambda f: os.truncate(f, 900))), "is damaged: it was cut short", 3),
    Case("a shard of nothing", report(of_shard(lambda f: os.truncate(f, 0))), "is damaged: it was cut short", 3),
    Case("a bit of the data", report(flipped(60)), "is damaged: its checksum does not hold", 3),
    Case("a bit of the footer", report(flipped(-100)), "to make it anew: qbench run", 3),
    Case(
        "a bit of the last byte", report(flipped(-1)), "is damaged: it was cut short, or it is another kind of file", 3
    ),
    Case("two cells swapped", report(swapped), "not what its name says", 3),
    Case(
        "records copied from another cell",
        report(lambda run: shutil.copy(records(run)[1], records(run)[0])),
        "not what its name says",
        3,
    ),
    Case(
        "a shard that is gone",
        report(lambda run: records(run)[1].unlink()),
        "is missing; to make it anew: qbench run",
        3,
    ),
    Case(
        "negative ranks under a right checksum",
        report(sealed_again({"rank": np.array([0, -5, 1, 1], np.int32)})),
        "its column 'rank' holds -5; expected whole numbers from -1 on",
        3,
    ),
    Case(
        "ranks as text under a right checksum",
        report(sealed_again({"rank": ["a", "b", "c", "d"]})),
        "its column 'rank' holds values of type <U1; expected whole numbers from -1 on",
        3,
    ),
    Case("a named pipe for a shard", report(replaced(os.mkfifo)), "is damaged: it is a named pipe", 3),
    Case("a folder for a shard", report(replaced(Path.mkdir)), "is damaged: it is a folder", 3),
    Case("a socket for a shard", report(replaced(listens)), "is damaged: it is a socket", 3),
    Case(
        "a device for a shard", report(replaced(lambda f: f.symlink_to("/dev/zero"))), "is damaged: it is a device", 3
    ),
    Case("a link to itself", report(replaced(lambda f: f.symlink_to(f.name))), "is damaged: it cannot be opened", 3),
    Case(
        "Parquet of others",
        report(replaced(lambda f: pq.write_table(pa.table({"a": [1]}), f))),
        "is damaged: it has no checksum",
        3,
    ),
    Case(
        "records of a later version",
        report(sealed_again({}, schema_version="7")),
        "has schema version 7, this qbench reads version 3; use a newer qbench",
        3,
    ),
    Case(
        "run.json cut short",
        report(lambda run: os.truncate(run / "run.json", 500)),
        "run.json is damaged: Invalid JSON",
        3,
    ),
    Case(
        "run.json without an end",
        report(lambda run: (run / "run.json").write_bytes(b"[" * 100_000)),
        "run.json is damaged: Invalid JSON: recursion limit exceeded",
        3,
    ),
    Case(
        "half a character in run.json",
        report(of_json(lambda data: data.update(title="\ud800"))),
        "run.json is damaged: Invalid JSON",
        3,
    ),
    Case(
        "a number without an end in run.json",
        report(lambda run: (run / "run.json").write_text('{"schema_version": 3, "seed": ' + "9" * 9999 + "}")),
        "run.json is damaged",
        3,
    ),
    Case(
        "run.json of a later version",
        report(of_json(lambda data: data.update(schema_version=7))),
        "run.json has schema version 7, this qbench reads version 3; use a newer qbench",
        3,
    ),
    Case(
        "another status in run.json",
        report(of_json(lambda data: data["cells"][0].update(status="failed", reason="x"), kept=True)),
        "run.json is damaged: its checksum does not hold",
        3,
    ),
    Case(
        "the keys of two cells changed about in run.json",
        report(of_json(swap_keys, kept=True)),
        "run.json is damaged: its checksum does not hold",
        3,
    ),
    Case(
        "text for samples in run.json",
        report(of_json(lambda data: data["sources"][0].update(samples="many"))),
        "run.json is damaged: sources.0.samples: Input should be a valid integer",
        3,
    ),
    Case(
        "a source that is not there",
        report(of_json(lambda data: data["cells"][0]["cell"].update(source=7))),
        "cell 0 is of source 7; there are 1, from 0",
        3,
    ),
    Case(
        "a key that leads out of the run",
        report(of_json(lambda data: data["cells"][0]["cell"].update(key="../../x"))),
        "'../../x' cannot name a file",
        3,
    ),
    Case(
        "a cost that leads out of the run",
        report(of_json(lambda data: data.update(costs=["../run.json"]))),
        "'../run.json' cannot name a file",
        3,
    ),
    Case(
        "no cells",
        report(of_json(lambda data: data.update(cells=[]))),
        "run.json is damaged: cells: Tuple should have at least 1 item",
        3,
    ),
    Case(
        "a cell twice",
        report(of_json(lambda data: data["cells"].append(data["cells"][0]))),
        "stands where another one",
        3,
    ),
    Case(
        "a table that is not there",
        report(of_json(lambda data: data.update(tables=["efficency"]))),
        "a table 'efficency', which qbench does not have (did you mean 'efficiency'?)",
        3,
    ),
    Case(
        "a task that is not there",
        report(of_json(lambda data: data["cells"][0]["cell"].update(task="classificaton"))),
        "unknown task 'classificaton' (did you mean 'classification'?)",
        3,
    ),
    Case(
        "a metric that is not there",
        report(of_json(lambda data: [one["cell"].update(metrics=[{"name": "top2"}]) for one in data["cells"]])),
        "failed: unknown metric 'top2'",
        1,
    ),
    Case(
        "a latency that is no number",
        report(of_json(lambda data: data.update(median_ms="fast"), "efficiency/*.json")),
        "is damaged: median_ms: Input should be a valid number",
        3,
    ),
    Case(
        "a layout of a later version",
        report(of_json(lambda data: data.update(schema_version=7), "store.json")),
        "store.json has schema version 7",
        3,
    ),
    Case("a bit of an export", exported(lambda e: flip(e / "records.parquet", 99)), "export the run again", 3),
    Case(
        "an export of another run",
        exported(lambda e: of_json(lambda data: data["cells"].pop())(e)),
        "it does not belong to the run.json beside it",
        3,
    ),
    Case(
        "run: a bit of the data", again(flipped(60)), ".parquet.damaged and made anew", 0, set_aside(".parquet.damaged")
    ),
    Case("run: two shards swapped", again(unfinished(swapped)), "and made anew", 0, set_aside("000000", "000002")),
    Case("run: two cells swapped", again(swapped), "not what its name says", 0, set_aside("000000", "000000")),
    Case("run: a bit of a shard", again(unfinished(flipped(60))), ".damaged and made anew", 0, set_aside(".damaged")),
    Case("run: cells of which all shards are there", again(unfinished()), "average", 0, one_file_each),
    Case("run: what a runner left that was killed", again(killed), "average", 0, one_file_each),
    Case(
        "run: a file for a cell's folder",
        again(lambda run: (shutil.rmtree(c := records(run)[0].parent), c.write_text(""))),
        "it stands where a folder is to be",
        0,
        set_aside(".damaged"),
    ),
    Case(
        "run: a pipe for run.json",
        again(lambda run: ((run / "run.json").unlink(), os.mkfifo(run / "run.json"))),
        "run.json is damaged: it is a named pipe; it is set aside as run.json.damaged",
        0,
        set_aside("run.json"),
    ),
    Case(
        "run: the reason of another cell",
        again(reason_of_another),
        "it gives no reason for this cell",
        0,
        set_aside("not_applicable.json"),
    ),
    Case(
        "run: the cost of another method", again(cost_of_another), "it is not the cost of direct", 0, set_aside(".json")
    ),
    Case(
        "run: a layout of nothing",
        again(lambda run: os.truncate(run / "store.json", 0)),
        "store.json is damaged",
        0,
        set_aside("store.json"),
    ),
    Case(
        "run: records of a later version",
        again(sealed_again({}, schema_version="7")),
        "has schema version 7, this qbench reads version 3; use a newer qbench",
        3,
    ),
    Case(
        "run: a store of an earlier version",
        again(of_an_earlier_layout),
        "has schema version 1, this qbench reads version 2; run the suite again with another --out and --store",
        3,
    ),
    Case(
        "a store that was moved",
        moved_store,
        "store of {}/run is not there; --store DIR says where it is now; to compute the records anew: qbench run",
        3,
        found_again,
    ),
    Case(
        "both places for records",
        lambda folder: run(folder, "--store", folder / "store"),
        "--own-store keeps the records in {}/run, --store in {}/store; give one of them",
    ),
    Case(
        "plan: a bit of the data",
        lambda folder: ["plan", *again(flipped(60))(folder)[1:]],
        "a run sets it aside and makes it anew",
        0,
        lambda folder, _: set_nothing_aside(folder),
    ),
    Case(
        "run: another seed in the folder",
        lambda folder: (copied(folder, lambda _: None), run(folder, more="seed: 5\n", **WORDS))[1],
        "held suite 'broken' of seed 0, and now 'broken' of seed 5: records of both stay",
        0,
        lambda folder, _: both_stay(folder),
    ),
]
