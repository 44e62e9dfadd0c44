"""Where a report's numbers come from: a run directory, or a compact export of one.

An export holds `run.json`, `records.parquet` (all cells; `cell` is the index in run.json's list) and
`efficiency.json`. Both give the same report, and every file is verified when it is read."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from qbench import registry
from qbench.compute.cell import Cell, MetricItem
from qbench.errors import QbenchError, StoreError
from qbench.report.columns import Columns, Records
from qbench.report.groups import groups_of
from qbench.report.point import Resampling
from qbench.runs import run_info, schema_version
from qbench.runs.cost_record import EfficiencyRecord, read_costs
from qbench.runs.met import met
from qbench.runs.run_info import CellResult, RunInfo, store_of
from qbench.runs.store import EFFICIENCY as EFFICIENCY_FOLDER
from qbench.runs.store import LAYOUT, open_records, open_shard
from qbench.runs.store import RECORDS as RECORDS_FOLDER
from qbench.runs.store import check as check_store
from qbench.stats.bootstrap import Groups
from qbench.storage.files import Damaged
from qbench.storage.home import home
from qbench.storage.sealed import Sealed
from qbench.suite.schema import CALIBRATION
from qbench.tasks.classification import metrics as classification
from qbench.tasks.domains import DOMAINS, TEXT
from qbench.tasks.restoration.metrics import column

NOT_EXPORTED = ("top5",)
"""Columns that an export leaves out."""
NOT_IN_TABLES = (*NOT_EXPORTED, "facts")
"""Columns that no table needs."""
RECORDS, EFFICIENCY = "records.parquet", "efficiency.json"


@dataclass(frozen=True)
class Loaded:
    """A run: what it says of itself, the records of its finished cells by key, and what its methods cost."""

    info: RunInfo
    records: Mapping[str, Records]
    efficiency: tuple[EfficiencyRecord, ...]
    absent: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By task, the columns that an export declares as not recorded."""
    _groups: dict[int, Groups | None] = field(default_factory=dict, compare=False, repr=False, init=False)

    def resampling(self, cell: Cell) -> Resampling:
        """How the samples of a cell are resampled: the same for all cells of their source."""
        if cell.source not in self._groups:
            here = [r.cell.place for r in self.info.cells if r.cell.source == cell.source and r.status == "done"]
            self._groups[cell.source] = groups_of([self.records[place] for place in here])
        return Resampling(self.info.seed, cell.dataset.own_label, self._groups[cell.source])


def load(run: Path, whole: bool = False, store: Path | None = None) -> Loaded:
    """What the tables need of a run directory or an export, or with `whole` all that an export keeps. The records of a
    run lie in the store that its `run.json` names, or in `store`.

    Raises StoreError that names the file that is at fault and the command that makes it anew."""
    with _made_by("the command that made the run writes it anew"):
        info = run_info.read(run)
    is_run = info.store != ""
    with _made_by(f"to make it anew: {command_of(run, info)}" if is_run else "export the run again"):
        for task in dict.fromkeys(result.cell.task for result in info.cells):
            _check_known(run, task)
        if is_run:
            root = _root(run, info, store)
            info = info.model_copy(update={"met": met(root, (source.whole.name for source in info.sources))})
            return Loaded(info, _stored(root, info, whole), _measured(root, info))
        records: dict[str, Records] = {}
        absent: dict[str, tuple[str, ...]] = {}
        for task in dict.fromkeys(result.cell.task for result in info.cells):
            exported, absent[task] = _exported(run, info, task, whole)
            records |= exported
        return Loaded(info, records, _sorted(read_costs(run / EFFICIENCY)), absent)


def _root(run: Path, info: RunInfo, given: Path | None) -> Path:
    """The store of a run. Raises StoreError where it is not there, and says what to do."""
    root = store_of(run, info, given)
    if not (root / LAYOUT).exists() and not (root / RECORDS_FOLDER).exists():
        advice = f"--store DIR says where it is now; to compute the records anew: {command_of(run, info)}"
        raise StoreError(f"the store {root} of {run} is not there; {advice}")
    check_store(root)
    return root


def _check_known(run: Path, task: str) -> None:
    try:
        registry.get("task", task)
    except QbenchError as error:
        raise Damaged(run / run_info.FILE, error.message) from None


def command_of(run: Path, info: RunInfo) -> str:
    """The command that goes on with a run, or makes anew what is missing or damaged."""
    if not info.command.startswith("qbench run "):
        return f"{info.command} into {run}"
    root = store_of(run, info)
    kept = " --own-store" if info.store == "." else f" --store {shlex.quote(str(root))}"
    is_common = not info.store or root.resolve() == (home() / "store").resolve()
    return f"{info.command} --out {shlex.quote(str(run))}{'' if is_common else kept}"


@contextmanager
def _made_by(advice: str) -> Iterator[None]:
    """What is missing or damaged is told with what to do."""
    try:
        yield
    except Damaged as error:
        raise StoreError(f"{error.message}; {advice}") from None
    except FileNotFoundError as error:
        raise StoreError(f"{error.filename} is missing; {advice}") from None


def exported_records(task: str) -> str:
    """The file of a task's records in an export."""
    return RECORDS if task == "classification" else f"records-{task}.parquet"


def _columns(info: RunInfo, result: CellResult, whole: bool) -> list[str] | None:
    """The columns to read of a cell, None for all of them."""
    columns = [columns_of(metric) for metric in (*result.cell.metrics, *_metrics_of_tables(info, result))]
    if whole or None in columns:
        return None
    return list(dict.fromkeys([*(name for names in columns for name in names or ()), "group", "error", "bpp"]))


def _metrics_of_tables(info: RunInfo, result: CellResult) -> list[MetricItem]:
    """What tables score that the suite need not ask for."""
    is_wanted = CALIBRATION in info.tables and result.cell.task == "classification"
    return [MetricItem(name=name) for name in classification.CALIBRATION] if is_wanted else []


def columns_of(info: MetricItem) -> Sequence[str] | None:
    """The columns that a metric reads; None where it does not say or is not known here."""
    try:
        target = registry.get("metric", info.name).target
    except QbenchError:
        return None
    columns: Sequence[str] | None = (column(info),) if hasattr(target, "measure") else getattr(target, "columns", None)
    return columns


def _measured(root: Path, info: RunInfo) -> tuple[EfficiencyRecord, ...]:
    """What the methods of a run cost. Raises FileNotFoundError, Damaged, and StoreError for another version."""
    records: dict[tuple[str, str], EfficiencyRecord] = {}
    for name in info.costs:
        file = root / EFFICIENCY_FOLDER / name
        for record in read_costs(file):
            names = record.model.label, record.method.label
            if names in records:
                raise Damaged(file, f"it is the cost of {names[1]} on {names[0]}, which another file has")
            records[names] = record
    return _sorted(records.values())


def _sorted(records: Iterable[EfficiencyRecord]) -> tuple[EfficiencyRecord, ...]:
    return tuple(sorted(records, key=lambda record: (record.model.label, record.method.label)))


def _stored(root: Path, info: RunInfo, whole: bool) -> Mapping[str, Records]:
    columns = Columns()
    done = [result for result in info.cells if result.status == "done"]
    return {result.cell.place: _cell(root, info, result, whole, columns) for result in done}


def _cell(root: Path, info: RunInfo, result: CellResult, whole: bool, columns: Columns) -> Records:
    sealed = open_shard(root, result.cell.key, info.sources[result.cell.source].whole)
    left_out = NOT_EXPORTED if whole else NOT_IN_TABLES
    return columns.of(sealed.file, _read(sealed, _columns(info, result, whole), left_out))


def _exported(run: Path, info: RunInfo, task: str, whole: bool) -> tuple[Mapping[str, Records], tuple[str, ...]]:
    """The records of a task by cell, and the columns that are declared absent."""
    file = run / exported_records(task)
    names = _columns(info, next(result for result in info.cells if result.cell.task == task), whole)
    sealed = open_records(file, schema_version.EXPORT)
    absent = tuple(sealed.facts.get("absent", "").split())
    table = _read(sealed, None if names is None else ["cell", *names], NOT_EXPORTED if whole else NOT_IN_TABLES, absent)
    columns = Columns()
    numbers = table.select(["cell"] if "cell" in table.column_names else [])
    number = columns.of(file, numbers).get("cell", np.array(()))
    if number.dtype.kind != "i" or np.any(np.diff(number) < 0):
        raise Damaged(file, "its column 'cell' does not number the cells of a run")
    done = [i for i, result in enumerate(info.cells) if result.status == "done" and result.cell.task == task]
    if [i for i in np.unique(number) if i not in done]:
        raise Damaged(file, f"it does not belong to the {run_info.FILE} beside it")
    bounds = np.searchsorted(number, np.arange(len(info.cells) + 1))
    records = {}
    for index in done:
        cell = info.cells[index].cell
        count = bounds[index + 1] - bounds[index]
        if count != cell.samples:
            where = ", ".join(item.label for item in (cell.condition, cell.model, cell.method))
            raise Damaged(file, f"it holds {count} records of {where}, where {run_info.FILE} says {cell.samples}")
        records[cell.place] = columns.of(file, table.slice(bounds[index], count).drop_columns("cell"))
    return records, absent


def _read(sealed: Sealed, names: Sequence[str] | None, left_out: Sequence[str], absent: Sequence[str] = ()) -> pa.Table:
    """These columns of a file, or all but some. Numbers that the file declares absent are NaN, text is empty."""
    wanted = [n for n in (sealed.names if names is None else names) if n not in left_out and n not in absent]
    table = sealed.read([*wanted, *(["error"] if "error" not in wanted else ())])
    for name in absent:
        if names is not None and name in names:
            nothing = pa.scalar("") if DOMAINS.get(name) is TEXT else pa.scalar(float("nan"), pa.float32())
            table = table.append_column(name, pa.repeat(nothing, table.num_rows))
    return table
