"""`qbench.run`: suites from Python, with a live network and your own method, to pandas."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qbench.compute.cell import Cell
from qbench.documents.faults import validated
from qbench.documents.load import Document
from qbench.errors import QbenchError, foreign, nearest, short
from qbench.models.live_names import live_name
from qbench.runs.plan import Options, load_suite, make_plan, resolve_devices, with_live
from qbench.runs.run import run_plan
from qbench.runs.run_info import CellResult, RunInfo
from qbench.runtime import MOST_WORKERS
from qbench.storage.home import run_directory, store_folder
from qbench.suite.schema import Suite, TaskSpec

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from qbench.vocabulary import InputConvention

KEYS = ("dataset", "model", "method", "train_seed", "condition")
SCORES = ("top1", "low", "high", "n")


@dataclass(frozen=True)
class Results:
    """What a run left behind; everything can be read again from `folder`."""

    folder: Path
    info: RunInfo

    def records(self) -> pd.DataFrame:
        """One row a sample and cell, with the cell's dataset, condition, model, method and train_seed."""
        return self._records(self.info.cells)

    def _records(self, cells: Sequence[CellResult]) -> pd.DataFrame:
        import pandas as pd

        from qbench.runs.store import read_cell

        frames = [
            read_cell(self.folder, self.info, result.cell).assign(**_labels(result.cell))
            for result in cells
            if result.status == "done"
        ]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def cells(self) -> pd.DataFrame:
        """One row a cell: what it is, its status, and why where it is not `done`."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "key": cell.key, "task": cell.task, **_labels(cell), "view": cell.view.label,
                    "axis": cell.condition.axis, "family": cell.condition.family, "site": cell.method.site,
                    "oracle": cell.method.oracle, "samples": cell.samples, "status": status, "reason": reason,
                }
                for cell, status, reason in ((result.cell, result.status, result.reason) for result in self.info.cells)
            ]
        )  # fmt: skip

    def scores(self) -> pd.DataFrame:
        """One row a cell and metric that the suite asks for, of any task: the value (shares in [0, 1]), its 95%
        interval, and the samples that count. A metric that fails has no value, and is told by a warning."""
        import pandas as pd

        from qbench.report.checked import MetricFault
        from qbench.report.leaderboard import Value
        from qbench.report.metric import ShownMetric
        from qbench.report.point import point
        from qbench.report.source import load
        from qbench.report.values import single

        loaded, rows = load(self.folder), []
        for result in self.info.cells:
            labels = _labels(result.cell)
            for metric in result.cell.metrics if result.status == "done" else ():
                records = [loaded.records[result.cell.place]]
                try:
                    value = single(point(ShownMetric(metric), loaded.resampling(result.cell), records))
                except MetricFault as fault:
                    warnings.warn(fault.message, stacklevel=2)
                    value = Value(None)
                who = [result.cell.task, *(labels[key] for key in KEYS)]
                rows.append([*who, metric.label or metric.name, value.value, value.low, value.high, value.n])
        return pd.DataFrame(rows, columns=["task", *KEYS, "metric", "value", "low", "high", "n"])

    def table(self) -> pd.DataFrame:
        """One row a cell of classification with top-1 in [0, 1], its 95% interval (Wilson) and its denominator.

        `scores` has the metrics of every task, and knows of samples that come in groups."""
        import pandas as pd

        from qbench.stats.intervals import wilson

        records = self._records([result for result in self.info.cells if result.cell.task == "classification"])
        if records.empty:
            return pd.DataFrame(columns=[*KEYS, *SCORES])
        good = records[(records["error"] == "") & (records["target"] >= 0)]
        counts = (good["rank"] == 0).groupby([good[k] for k in KEYS], sort=False).agg(["sum", "count"])
        low_high = [wilson(int(hits), int(n)) for hits, n in counts.itertuples(index=False)]
        return counts.assign(
            top1=counts["sum"] / counts["count"], low=[low for low, _ in low_high], high=[high for _, high in low_high]
        ).rename(columns={"count": "n"})[list(SCORES)].reset_index()  # fmt: skip


def _labels(cell: Cell) -> dict[str, Any]:
    """What a cell is called in tables, by KEYS."""
    items = {name: getattr(cell, name).label for name in ("dataset", "condition", "model", "method")}
    return {**items, "train_seed": cell.train_seed}


def run(
    suite: str | Path | Mapping[str, Any],
    *,
    models: Mapping[str, nn.Module] | None = None,
    input: InputConvention | Mapping[str, InputConvention] | None = None,
    output: str | int | Mapping[str, str | int] | None = None,
    out: str | Path | None = None,
    limit: int | None = None,
    only: Sequence[str] = (),
    device: str | Sequence[str] = "auto",
    workers: int = 1,
    feeders: int | None = None,
    store: str | Path | None = None,
    own_store: bool = False,
    strict: bool = False,
) -> Results:
    """Run a suite (a file, or the same keys as a mapping) and return its results.

    `models` adds live networks by name to every task; `input` says what they expect (one for all, or by name). Without
    it, networks see pictures as most do that were trained on ImageNet (timm's as timm declares), those of restoration
    and detection whole ones in [0, 1]. `output` (one for all, or by name) names the prediction where a network gives
    several outputs.

    Methods, datasets and conditions of your own are named in the suite after their decorators ran; for several
    `workers`, which are processes, the suite's `plugins` name the module that declares them. Several devices of one
    kind (a list, or `cuda:0,cuda:1`) share the work, with so many workers each. `feeders` are processes that decode and
    degrade for each worker; by default none on a CPU, and one a core on an accelerator unless this process alone knows
    a dataset or condition. Live networks run in this process, whatever `workers`. `out` defaults to
    `$QBENCH_HOME/runs/SUITE`. Records are kept in `$QBENCH_HOME/store`, in `store`, or with `own_store` in `out`; what
    lies there is not computed again. Notes of the data, such as what a reader left out, are warnings. Cells that fail
    are told by a warning, or, where it is `strict`, by QbenchError after the run. Raises SuiteError, DataError,
    StoreError."""
    live = _live(models or {}, input, output)
    loaded, document = _suite(suite, list(models or {}))
    if workers > MOST_WORKERS:
        raise QbenchError(f"`workers` is at most {MOST_WORKERS} here, not {workers}")
    if feeders is not None and not 0 <= feeders <= MOST_WORKERS:
        raise QbenchError(f"`feeders` is 0 to {MOST_WORKERS} here, not {feeders}")
    several = workers > 1 or len(resolve_devices(device)) > 1
    options = Options(limit, tuple(only), device, live=live, one_process=not several or bool(live))
    plan = make_plan(loaded, document, options)
    for note in plan.notes:
        warnings.warn(note, stacklevel=2)
    folder = run_directory(Path(out) if out is not None else None, plan.suite)
    records = store_folder(Path(store) if store is not None else None, own_store, folder)
    info = run_plan(plan, folder, records=records, workers=workers, feeders=feeders, command="qbench.run(...)")
    results = Results(folder, info)
    failed = [result for result in results.info.cells if result.status == "failed"]
    if failed:
        first = failed[0].cell
        where = f"{first.condition.label} / {first.model.label} / {first.method.label}"
        text = f"{len(failed)} of {len(results.info.cells)} cells failed; first {where}: {failed[0].reason}"
        if strict:
            raise QbenchError(text)
        warnings.warn(text, stacklevel=2)
    return results


def _suite(suite: str | Path | Mapping[str, Any], live: Sequence[str]) -> tuple[Suite, Document]:
    """The suite with the live models added to every task under their own names; a mapping's tasks need no others."""
    if not isinstance(suite, Mapping):
        loaded, document = load_suite(Path(suite))
        return with_live(loaded, live), document
    document = Document({"version": 1, "changelog": {1: "from Python"}, **suite}, {})
    if live and isinstance(document.data.get("tasks"), Sequence):
        document.data["tasks"] = [_with_models(task, live) for task in document.data["tasks"]]
    return validated(Suite, document), document


def _with_models(task: Any, live: Sequence[str]) -> Any:
    if not isinstance(task, Mapping) or not isinstance(task.get("models", []), Sequence):
        return task
    kind = str(task.get("task", TaskSpec.model_fields["task"].default))
    extra = [{"name": live_name(name, kind), "label": name} for name in live]
    return {**task, "models": [*task.get("models", []), *extra]}


def _live(
    models: Mapping[str, nn.Module],
    input: InputConvention | Mapping[str, InputConvention] | None,
    output: str | int | Mapping[str, str | int] | None,
) -> dict[str, Any]:
    if not models:
        return {}
    from torch import nn

    from qbench.keys.live import network_identity
    from qbench.models.live import LiveModel, check_live, default_input
    from qbench.models.live_names import INPUTS
    from qbench.vocabulary import InputConvention

    for name in [name for name, net in models.items() if not isinstance(net, nn.Module)]:
        text = f"models[{name!r}] is to be a torch.nn.Module, not {models[name]!r}"
        raise QbenchError(f"{text}; models by name stand in the suite, such as `models: [timm:resnet18]`")
    for what, given in (("input", input), ("output", output)):
        for name in given if isinstance(given, Mapping) else ():
            if name not in models:
                raise QbenchError(f"{what}[{name!r}] is for no model of `models`{nearest(name, models)}")
    live = {}
    for name, net in models.items():
        with foreign(f"models[{name!r}] cannot be read"):
            check_live(name, net)
            identity = network_identity(net)
        convention = input.get(name) if isinstance(input, Mapping) else input
        key = output.get(name) if isinstance(output, Mapping) else output
        if isinstance(key, bool) or not isinstance(key, str | int | None):
            raise QbenchError(f"`output` is {short(key)}; expected the name or the number of a part of what it gives")
        if not isinstance(convention, InputConvention | None):
            raise QbenchError(f"`input` is {short(convention)}; expected a qbench.vocabulary.InputConvention")
        for task in INPUTS:
            with foreign(f"models[{name!r}] cannot be read"):
                shown = convention or default_input(net, task)
            live[live_name(name, task)] = LiveModel(name, net, shown, identity, key, task)
    return live
