from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from fake_run import FakeRun
from typer.testing import CliRunner

from qbench.cli.report import report as verb
from qbench.compute.cell import MetricItem
from qbench.errors import QbenchError, StoreError
from qbench.report.build import build
from qbench.report.emit import write
from qbench.report.export import export
from qbench.report.metric import ShownMetric
from qbench.report.point import Resampling, point
from qbench.report.source import load
from qbench.report.values import single
from qbench.storage.sealed import open_sealed, write_sealed

FILES = ("README.md", "accuracy.png", "report.csv", "report.json", "report.tex")


@pytest.fixture
def run(tmp_path):
    generator, fake = np.random.default_rng(0), FakeRun(40)
    for method in ("direct", "better"):
        for condition in ("clean", "jpeg@25", "jpeg@10", "rejpeg×1"):
            fake.cell(method, condition, generator.integers(0, 2, 40), bad=[3])
    fake.cell("none", "jpeg@25", status="n/a", reason="no site")
    fake.cell("direct", "fog", generator.integers(0, 2, 40))
    fake.cost("direct", 10.0)
    fake.cost("better", 12.0, extra=5)
    return fake.write(tmp_path / "run")


@pytest.fixture
def cli():
    app = typer.Typer()
    app.command()(verb)
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


def shard(run):
    return sorted((run / "records").rglob("a.parquet"))[0]


def test_an_export_gives_the_same_report(run, tmp_path):
    export(load(run, whole=True), tmp_path / "export")
    for source, out in ((run, "one"), (tmp_path / "export", "two")):
        write(build(source), tmp_path / out)
    for file in FILES:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


COLUMNS = ("id", "target", "prediction", "rank", "confidence", "nll", "group", "brier", "facts", "error", "bpp")


def test_an_export_keeps_every_record(run, tmp_path):
    export(load(run, whole=True), tmp_path / "export")
    info, frame = load(run).info, pd.read_parquet(tmp_path / "export" / "records.parquet")
    assert list(frame.columns) == ["cell", *COLUMNS]
    for index, result in enumerate(info.cells):
        files = sorted((run / "records").rglob(f"{result.cell.key}/*.parquet"))
        if files:
            stored = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)[list(COLUMNS)]
            kept = frame[frame["cell"] == index].drop(columns="cell").reset_index(drop=True)
            pd.testing.assert_frame_equal(kept, stored, check_dtype=False, check_exact=True)


def test_exports_of_exports_have_the_same_bytes(run, tmp_path):
    export(load(run, whole=True), tmp_path / "one")
    export(load(tmp_path / "one", whole=True), tmp_path / "two")
    for file in ("records.parquet", "run.json", "efficiency.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.slow
def test_a_full_export_is_small(tmp_path):
    """220 cells of 400 samples in 3 MB."""
    generator, fake = np.random.default_rng(0), FakeRun(400)
    for method in range(20):
        for quality in range(11):
            fake.cell(f"m{method}", f"jpeg@{quality + 1}", generator.integers(0, 2, 400))
    export(load(fake.write(tmp_path / "run"), whole=True), tmp_path / "export")
    assert sum(file.stat().st_size for file in (tmp_path / "export").iterdir()) <= 3_000_000


@pytest.mark.parametrize("kept", [0, 100, -4])
def test_a_stored_file_cut_short_is_named(run, kept):
    file = shard(run)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(StoreError, match=r"a\.parquet") as raised:
        build(run)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 3


def test_missing_shards_and_run_json_are_named(run, tmp_path):
    shard(run).unlink()
    with pytest.raises(StoreError, match=r"a\.parquet is missing"):
        build(run)
    with pytest.raises(StoreError, match=r"run\.json"):
        build(tmp_path)


def again(file, change, **facts):
    """Write a file of records again with what `change` makes of its table, under a right checksum."""
    sealed = open_sealed(file)
    write_sealed(file, change(sealed.read()), {**sealed.facts, **facts})


def test_records_short_of_samples_or_columns_are_refused(run):
    file = shard(run)
    whole = file.read_bytes()
    again(file, lambda table: table.slice(0, 5))
    with pytest.raises(StoreError, match="5 records of 40 samples"):
        build(run)
    file.write_bytes(whole)
    again(file, lambda table: table.drop_columns(["rank"]))
    with pytest.raises(StoreError, match="no column 'rank'"):
        build(run)


def test_damaged_exports_and_efficiency_are_refused(run, tmp_path):
    folder = tmp_path / "export"
    export(load(run, whole=True), folder)
    whole = (folder / "records.parquet").read_bytes()
    (folder / "records.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match=r"records\.parquet is damaged: it was cut short.*; export the run again"):
        build(folder)
    for change, said in (
        (lambda table: table.slice(7), "33 records"),
        (lambda table: table.take(list(range(len(table)))[::-1]), "does not number the cells"),
        (lambda table: table.set_column(0, "cell", pa.array([8] * len(table))), r"does not belong to the run\.json"),
    ):
        (folder / "records.parquet").write_bytes(whole)
        again(folder / "records.parquet", change)
        with pytest.raises(StoreError, match=said):
            build(folder)
    (run / "efficiency" / "0.json").write_text("{")
    with pytest.raises(StoreError, match=r"0\.json is damaged"):
        build(run)


def test_costs_of_methods_that_left_the_suite_are_not_shown(run):
    left = (run / "efficiency" / "1.json").read_text().replace("better", "gone")
    (run / "efficiency" / "2.json").write_text(left)
    assert [record.method.label for record in load(run).efficiency] == ["better", "direct"]


def test_verb_prints_writes_exports_and_checks(run, tmp_path, cli):
    assert "by quality" in cli(run).stdout
    page = cli(run, "--format", "md").stdout
    assert page.startswith("# A fake run\n")
    assert cli(run, "--export", tmp_path / "export").exit_code == 0
    assert cli(tmp_path / "export", "--out", tmp_path / "out", "-f", "md", "-f", "png").exit_code == 0
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["README.md", "accuracy.png"]
    file = tmp_path / "out" / "README.md"
    assert cli(run, "--check", file).exit_code == 0
    (tmp_path / "plain.md").write_text(page)
    assert cli(run, "--check", tmp_path / "plain.md").exit_code == 0
    file.write_text(file.read_text().replace("better", "worse"))
    done = cli(run, "--check", file)
    assert done.exit_code == 1
    assert "-| worse" in done.stdout
    assert "+| better" in done.stdout


def test_verb_refuses_what_it_cannot_do(run, tmp_path, cli):
    assert isinstance(cli(run, "--check", tmp_path / "absent.md").exception, QbenchError)
    assert isinstance(cli(run, "--format", "png").exception, QbenchError)
    assert isinstance(cli(tmp_path / "absent").exception, StoreError)


def test_reports_load_no_torch_pandas_or_matplotlib(run, tmp_path):
    code = (
        "import sys; from pathlib import Path; import qbench.cli.report\n"
        "from qbench.report.build import build; from qbench.report.emit import write\n"
        "import qbench.tasks.classification.metrics, qbench.report.export, qbench.report.render.terminal\n"
        f"write(build(Path({str(run)!r})), Path({str(tmp_path / 'out')!r}), ('md', 'tex', 'csv', 'json'))\n"
        "print(sorted({'torch', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "name", ["run.json", "records/00/*/a.parquet", "store.json", "efficiency/0.json", "x/records.parquet",
             "x/run.json", "x/efficiency.json"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("version", "said"),
    [
        (None, "is damaged: it has no schema version"),
        ("0", "has schema version 0, .*; run the suite again with another --out and --store"),
        ("7", "has schema version 7, .*; use a newer qbench"),
    ],
)
def test_files_of_another_version_are_refused_with_what_to_do(run, name, version, said):
    export(load(run, whole=True), tmp := run.parent / "x")
    tmp.rename(run / "x")
    file = sorted(run.glob(name))[0]
    if file.suffix == ".json":
        content = json.loads(file.read_text())
        for entry in content if isinstance(content, list) else [content]:
            entry["schema_version"] = version
        file.write_text(json.dumps(content))
    else:
        facts = {name: text for name, text in open_sealed(file).facts.items() if name != "schema_version"}
        facts |= {"schema_version": version} if version else {}
        write_sealed(file, open_sealed(file).read(), facts)
    with pytest.raises(StoreError, match=f"{file} {said}"):
        build(run / "x" if name.startswith("x/") else run)


def test_records_of_the_version_before_are_told_as_such(run):
    """They had no checksum."""
    table = open_sealed(shard(run)).read()
    pq.write_table(table.replace_schema_metadata({b"qbench.schema_version": b"1"}), shard(run))
    with pytest.raises(StoreError, match=r"has schema version 1, this qbench reads version 3; run the suite again"):
        build(run)


def test_columns_that_were_not_recorded_are_told_and_have_no_score(run, tmp_path):
    """An export of records without `brier` says so, as does its own export; the others stay as they are."""
    loaded = load(run, whole=True)
    without = {
        key: {name: values for name, values in columns.items() if name not in {"brier", "facts"}}
        for key, columns in loaded.records.items()
    }
    export(replace(loaded, records=without, absent={"classification": ("brier", "facts")}), tmp_path / "old")
    export(load(tmp_path / "old", whole=True), tmp_path / "again")
    assert (tmp_path / "old/records.parquet").read_bytes() == (tmp_path / "again/records.parquet").read_bytes()
    info = loaded.info
    renamed = [
        result.model_copy(
            update={
                "cell": result.cell.model_copy(update={"metrics": (MetricItem(name="brier"), MetricItem(name="top1"))})
            }
        )
        for result in info.cells
    ]
    (tmp_path / "old/run.json").write_text(
        info.model_copy(update={"cells": tuple(renamed), "store": ""}).model_dump_json()
    )
    old, new = load(tmp_path / "old"), load(run)
    cell = info.cells[0].cell
    assert np.isnan(old.records[cell.place]["brier"]).all()
    assert (old.records[cell.place]["rank"] == new.records[cell.place]["rank"]).all()
    brier = ShownMetric(MetricItem(name="brier"))
    assert single(point(brier, Resampling(0, "d"), [old.records[cell.place]])).value is None
