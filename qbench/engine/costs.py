"""What each method costs on each model of a run: measured once, after the cells, in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from qbench.efficiency.measure import Figures, measure
from qbench.engine import store
from qbench.engine.bench import Workbench
from qbench.engine.cells import Cell, Plan
from qbench.engine.fingerprints import digest, library_versions
from qbench.engine.run_info import RunInfo
from qbench.vocabulary import Context

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel


def measure_missing(plan: Plan, run: Path, info: RunInfo) -> None:
    """Fill `run/efficiency/` for every model x method that has a cell with records, and that it lacks."""
    from qbench.engine.run import device_name

    device = device_name(plan.settings.device)
    pairs: dict[tuple[str, str], Cell] = {}
    for cell, told in zip(plan.cells, info.cells, strict=True):
        if told.status == "done":
            pairs.setdefault((cell.model_label, cell.method_label), cell)
    missing = {
        pair: (cell, file) for pair, cell in pairs.items() if not (file := cost_file(run, cell, plan, device)).is_file()
    }
    if not missing:
        return
    bench = Workbench(plan)
    direct: dict[str, Figures] = {}
    for (model, method), (cell, file) in missing.items():
        loaded = bench.model(cell)
        size = loaded.input.size
        if model not in direct:
            direct[model] = measure(
                loaded.logits, [loaded.net], (size, size), plan.settings.device, plan.settings.threads
            )
        figures = direct[model]
        if cell.site != "none":
            forward, networks = _forward(cell, loaded, bench)
            figures = measure(forward, networks, (size, size), plan.settings.device, plan.settings.threads)
        record = figures.record(model, method, direct[model], device, site=cell.site, oracle=cell.oracle)
        store.write_text(file, record.model_dump_json(indent=1))


def cost_file(run: Path, cell: Cell, plan: Plan, device: str) -> Path:
    """Where the cost of a cell's model and method is kept; its name holds all that decides it."""
    name = digest(
        [cell.model.model_dump(), cell.method.model_dump(), cell.weights_sha256, cell.train_seed, device,
         plan.settings.threads, library_versions()]
    )  # fmt: skip
    return run / "efficiency" / f"{name}.json"


def _forward(cell: Cell, model: LoadedModel, bench: Workbench) -> tuple[Callable[[Tensor], Tensor], list[nn.Module]]:
    """The method's whole path from images to logits, and the networks on it."""
    method = bench.method(cell)
    if cell.site == "model":
        return method.logits, [method.net]
    network = getattr(method, "network", None)
    networks = [model.net, *([network] if isinstance(network, nn.Module) else [])]
    if cell.site == "image":
        return lambda images: model.logits(method.restore(images, _context(images))), networks
    cut = bench.cut(cell, method.at)

    def through_site(images: Tensor) -> Tensor:
        features = cut.front(images)
        return cut.back(method.enhance(features, images, _context(images)), images)

    return through_site, networks


def _context(images: Tensor) -> Context:
    with torch.no_grad():
        return Context(tuple(map(str, range(len(images)))), images, ({},) * len(images))
