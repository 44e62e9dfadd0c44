"""The state of a training as one safetensors file: modules, optimisers, averages, the log, stage and step.

Tensors by key; everything else is JSON in the file's header, so that a checkpoint is one file and one rename."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from qbench.errors import WeightsError
from qbench.storage import files
from qbench.train.core.recipe import Recipe, Stage

Log = dict[str, list[float]]
"""Loss name to its value at every step so far; NaN in stages that lack it."""


@dataclass
class State:
    """The running state of a training. Everything that decides the next step is here or a function of the seed."""

    modules: Mapping[str, nn.Module]
    digest: str
    stage: int = 0
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    log: Log = field(default_factory=dict)
    averages: dict[str, Tensor] = field(default_factory=dict)
    _optimisers: dict[str, Any] = field(default_factory=dict)
    """Flattened optimiser states read from a file, until the stage begins."""

    @classmethod
    def load(cls, file: Path, digest: str, recipe: Recipe) -> State:
        """The state in `file`, its weights loaded into the modules; a fresh one where there is no file.

        Raises WeightsError for a checkpoint that is damaged or of another recipe."""
        if not file.exists():
            return cls(recipe.modules, digest)
        tensors, facts = _read(file)
        if facts["digest"] != digest:
            raise WeightsError(f"{file} belongs to another recipe, seed or data; --restart begins anew")
        for name, module in recipe.modules.items():
            module.load_state_dict(_below(tensors, f"module/{name}/"))
        log = {name: values.tolist() for name, values in _below(tensors, "log/").items()}
        optimisers = {"tensors": _below(tensors, "optimiser/"), "values": facts["optimisers"]}
        averages = _below(tensors, "average/")
        places = {key: facts[key] for key in ("stage", "step", "steps", "seconds")}
        return cls(recipe.modules, digest, **places, log=log, averages=averages, _optimisers=optimisers)

    def is_new(self, number: int) -> bool:
        """Whether no step of this stage has been done."""
        return number != self.stage or self.step == 0

    def enter(self, number: int, stage: Stage) -> None:
        """Begin a stage, or take it up where the checkpoint left it."""
        if number != self.stage:
            self.stage, self.step = number, 0
        if self._optimisers:
            _restore(stage, self._optimisers["tensors"], self._optimisers["values"])
            self._optimisers = {}
            weights = self._weights()
            self.averages = {key: _laid_out(value, weights[key]) for key, value in self.averages.items()}
        if stage.ema is not None and not self.averages:
            self.averages = {key: value.detach().clone() for key, value in self._weights().items()}

    @torch.no_grad()
    def advance(self, stage: Stage, losses: Mapping[str, float]) -> None:
        """After a step: log, average, count."""
        for name in losses.keys() - self.log.keys():
            self.log[name] = [math.nan] * self.steps
        for name, values in self.log.items():
            values.append(losses.get(name, math.nan))
        if stage.ema is not None:
            for key, value in self._weights().items():
                average = self.averages[key]
                if value.is_floating_point():
                    average.lerp_(value, 1 - min(stage.ema, (1 + self.step) / (10 + self.step)))
                else:
                    average.copy_(value)
        self.step += 1
        self.steps += 1

    def finish(self, stage: Stage) -> None:
        """At a stage's end the averages, where it keeps them, take the place of the weights."""
        if stage.ema is not None:
            for name, module in self.modules.items():
                module.load_state_dict(_below(self.averages, f"{name}/"))
        self.averages = {}

    def save(self, file: Path, stage: Stage) -> None:
        """Write the whole state. Raises StoreError."""
        tensors = {f"module/{key}": value for key, value in self._weights().items()}
        tensors |= {f"average/{key}": value for key, value in self.averages.items()}
        tensors |= {f"log/{name}": torch.tensor(values, dtype=torch.float64) for name, values in self.log.items()}
        scalars: dict[str, Any] = {}
        for name, optimiser in stage.optimisers.items():
            for index, entry in optimiser.torch.state_dict()["state"].items():
                for key, value in entry.items():
                    place = tensors if isinstance(value, Tensor) else scalars
                    place[f"optimiser/{name}/{index}/{key}" if place is tensors else f"{name}/{index}/{key}"] = value
        facts = {key: getattr(self, key) for key in ("digest", "stage", "step", "steps", "seconds")}
        header = json.dumps({**facts, "optimisers": scalars})
        plain = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
        files.write_bytes(file, save(plain, {"qbench": header}))

    def _weights(self) -> dict[str, Tensor]:
        return {
            f"{name}/{key}": value
            for name, module in self.modules.items()
            for key, value in module.state_dict().items()
        }


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(file, "pt") as opened:
            facts = json.loads(opened.metadata()["qbench"])
            return {key: opened.get_tensor(key) for key in opened.keys()}, facts  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"checkpoint {file} cannot be read ({error}); --restart begins anew") from None


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _restore(stage: Stage, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    for name, optimiser in stage.optimisers.items():
        entries: dict[int, dict[str, Any]] = {}
        for full, value in {**tensors, **values}.items():
            owner, index, key = full.split("/")
            if owner == name:
                entries.setdefault(int(index), {})[key] = value
        groups = optimiser.torch.state_dict()["param_groups"]
        optimiser.torch.load_state_dict({"state": entries, "param_groups": groups})
        for parameter, entry in optimiser.torch.state.items():
            for key, value in entry.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    entry[key] = _laid_out(value, parameter)


def _laid_out(value: Tensor, like: Tensor) -> Tensor:
    """`value` in the memory layout of `like`: another layout would take other vector paths, with other last bits."""
    return torch.empty_like(like).copy_(value).requires_grad_(False)
