"""What each method costs on each model of a run: measured once, after the cells, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from qbench.compute.bench import Workbench
from qbench.compute.boundary import ForeignMethod
from qbench.compute.cell import Cell
from qbench.data.views import View
from qbench.errors import QbenchError, StoreError, foreign
from qbench.models.base import USUAL
from qbench.process import visit
from qbench.registry.named import text_of
from qbench.runs.measure import measure, tried
from qbench.runs.planned import Plan
from qbench.runtime import memory_for_networks
from qbench.storage.files import write_text
from qbench.vocabulary import Context, Dataset

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel


Forwarded: TypeAlias = tuple[Callable[[Tensor], Any], list[nn.Module]]
"""From images to predictions, and the networks on the way."""


def measure_all(plan: Plan, missing: Mapping[Path, Cell], device: str, tell: Callable[[str], object]) -> None:
    """Measure the cost of each cell's model and method, all those of a model in turns, and write it to its file.

    What cannot be measured is told, and has no file."""
    device_used = plan.settings.device
    bench = Workbench(plan.sources, device_used, plan.live, memory_for_networks(device_used, 1))
    groups: dict[tuple[str, tuple[int, int]], dict[Path, Cell]] = {}
    for file, cell in missing.items():
        with _told(cell, tell):
            loaded = bench.model(cell)
            size = fed(cell.view.of(loaded.input), bench.dataset(cell), loaded.input.size or USUAL)
            groups.setdefault((cell.model.label, size), {})[file] = cell
    for (_, size), cells in groups.items():
        _measure_group(plan, cells, size, bench, device, tell)


def _measure_group(
    plan: Plan, cells: Mapping[Path, Cell], size: tuple[int, int], bench: Workbench, device: str,
    tell: Callable[[str], object],
) -> None:  # fmt: skip
    loaded = bench.model(next(iter(cells.values())))
    alone: Forwarded = (loaded.predict, list(loaded.networks))
    paths: dict[Path, Forwarded] = {}
    for file, cell in cells.items():
        with _told(cell, tell):
            path = alone if cell.method.site == "none" else _path(cell, loaded, bench)
            tried(path, size, plan.settings.device, plan.settings.threads)
            paths[file] = path
    helped = {file: path for file, path in paths.items() if path is not alone}
    with _told(next(iter(cells.values())), tell):
        of_alone, *others = measure([alone, *helped.values()], size, plan.settings.device, plan.settings.threads)
        figures = dict(zip(helped, others, strict=True))
        for file in paths:
            cell = cells[file]
            record = figures.get(file, of_alone).record(cell.model, cell.method, of_alone, device)
            write_text(file, record.model_dump_json(indent=1))


@contextmanager
def _told(cell: Cell, tell: Callable[[str], object]) -> Iterator[None]:
    """What a model or method raises inside is told; the costs of others are measured."""
    what = f"failed: the cost of {cell.method.label} on {cell.model.label} cannot be measured"
    try:
        with visit("cost", text_of(cell.model), text_of(cell.method)), foreign(what):
            yield
    except StoreError:
        raise
    except QbenchError as error:
        tell(error.message if error.message.startswith(what) else f"{what}: {error.message}")


def fed(view: View, dataset: Dataset, otherwise: int) -> tuple[int, int]:
    """Height and width of what a view gives the network: its crop, or the first readable picture's where it has none.

    `otherwise` is the side of a dataset without a readable picture."""
    if view.crop is not None:
        return view.crop, view.crop
    for index in range(len(dataset.manifest().ids)):
        try:
            height, width = dataset.load(index).image.shape[:2]
        except Exception:  # whatever a reader raises is that sample's fault, and its records say so
            continue
        place = view.place(height, width)
        return place.cut_height, place.cut_width
    return otherwise, otherwise


def _path(cell: Cell, model: LoadedModel, bench: Workbench) -> Forwarded:
    """The method's whole path from images to predictions, and the networks on it."""
    method = bench.method(cell)
    method = method.method if isinstance(method, ForeignMethod) else method  # a deployed method is lent no copies
    if cell.method.site == "model":
        return method.predict, list(method.networks)
    network = getattr(method, "network", None)
    networks = [*model.networks, *([network] if isinstance(network, nn.Module) else [])]
    if cell.method.site == "image":
        return lambda images: model.predict(method.restore(images, _context(images))), networks
    cut = bench.cut(cell, method.at)

    def through_site(images: Tensor) -> Any:
        features = cut.front(images)
        return cut.back(method.enhance(features, images, _context(images)), images)

    return through_site, networks


def _context(images: Tensor) -> Context:
    with torch.no_grad():
        return Context(tuple(map(str, range(len(images)))), images, ({},) * len(images))
