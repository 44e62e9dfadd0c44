"""The metrics of pyiqa by name. The library takes seconds to import and its licence forbids commercial use: it is an
extra, and what can be known of a metric without importing it is read from its table of settings alone."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qbench.errors import QbenchError, foreign, nearest

if TYPE_CHECKING:
    from torch import Tensor


def pyiqa_version() -> str:
    """`none` where it is not installed."""
    try:
        return version("pyiqa")
    except PackageNotFoundError:
        return "none"


LOWER_BETTER = {
    "afine_all", "afine_all_scale", "afine_fr", "afine_nr", "brisque", "brisque_matlab", "deepdc", "dists", "gmsd",
    "ilniqe", "lpips", "lpips+", "lpips-vgg", "lpips-vgg+", "mad", "msswd", "niqe", "niqe_matlab", "nlpd", "pi",
    "pieapp", "piqe", "stlpips", "stlpips-vgg",
}  # fmt: skip
"""As pyiqa 0.1.16 says, so that records are read again where it is not installed."""


def lower_is_better(name: str) -> bool:
    """Which way a metric points; pyiqa's own table is read only for a metric that the list above lacks."""
    if name in LOWER_BETTER:
        return True
    return pyiqa_version() != "none" and bool(_table().get(name, {}).get("lower_better", False))


def settings(name: str) -> Mapping[str, Any]:
    """What pyiqa says of a metric: `metric_mode` (`FR` with a clean picture, `NR` without), `lower_better`.

    Raises QbenchError where pyiqa is not installed or has no such metric that scores single pictures."""
    table = _table()
    single = [
        known for known, facts in table.items() if facts.get("metric_mode") in {"FR", "NR"} and "fid" not in known
    ]
    if name not in single:
        raise QbenchError(f"pyiqa has no metric {name!r} of single pictures{nearest(name, single)}")
    metric: Mapping[str, Any] = table[name]
    return metric


@cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    spec = importlib.util.find_spec("pyiqa")
    if spec is None or not spec.submodule_search_locations:
        raise QbenchError("metrics of pyiqa need the extra iqa: pip install 'qbench[iqa]' (not for commercial use)")
    file = Path(spec.submodule_search_locations[0]) / "default_model_configs.py"
    spec_of_table = importlib.util.spec_from_file_location("_qbench_pyiqa_settings", file) if file.is_file() else None
    if spec_of_table is None or spec_of_table.loader is None:
        raise QbenchError(f"pyiqa {pyiqa_version()} has no table of metrics at {file}; install pyiqa 0.1.16")
    module = importlib.util.module_from_spec(spec_of_table)
    spec_of_table.loader.exec_module(module)
    configs: Mapping[str, Mapping[str, Any]] = module.DEFAULT_CONFIGS
    return configs


@cache
def load_metric(name: str, device: str) -> Callable[[Tensor, Tensor | None], Tensor]:
    """The metric, for pictures [B, 3, H, W] in [0, 1] and their clean ones (or None), to [B].

    Raises QbenchError as `settings` does, and where its weights cannot be fetched."""
    needs_clean = settings(name)["metric_mode"] == "FR"
    import torch

    with foreign(f"pyiqa's {name} cannot be created, and its weights may need the network once"):
        metric = importlib.import_module("pyiqa").create_metric(name, device=torch.device(device))

    def scores_of(pictures: Tensor, clean: Tensor | None) -> Tensor:
        """One picture at a time: some of its metrics give one number a batch."""
        scores = []
        for i in range(len(pictures)):
            beside = (clean[i : i + 1],) if clean is not None and needs_clean else ()
            scores.append(metric(pictures[i : i + 1], *beside).detach().reshape(-1).mean())
        return torch.stack(scores).double().cpu()

    return scores_of
