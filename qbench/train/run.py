"""From a card to trained weights with their sidecar, log and picture."""

from __future__ import annotations

import hashlib
import importlib
import json
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from qbench import registry
from qbench.cards import lookup as cards
from qbench.cards.schema import Card, RecipeSpec, Role
from qbench.documents.construct import construct
from qbench.documents.load import Document
from qbench.errors import DataError, below, foreign
from qbench.process import visit
from qbench.storage import files
from qbench.train.core import log as logs
from qbench.train.core.batches import Samples
from qbench.train.core.checkpoint import State
from qbench.train.core.loop import Report, train
from qbench.train.core.mix import Mix, mix
from qbench.train.core.recipe import Recipe
from qbench.train.recipes.common import Parts

UNTRAINED = {"serves", "budget", "weights", "notes", "seed"}
"""Keys of a recipe that do not change what is trained; the seed stands in the file's name."""


@dataclass(frozen=True)
class Order:
    """A training as the command line asks for it."""

    card: Path
    recipe: str | None = None
    out: Path | None = None
    seed: int | None = None
    steps: int | None = None
    """Steps of every stage at most: a trial, whose files are named so."""
    device: str = "cpu"
    threads: int = 1
    restart: bool = False


@dataclass(frozen=True)
class Trained:
    """The weights of a training and what is known of it."""

    weights: Path
    sha256: str
    facts: Mapping[str, Any]
    fresh: bool
    """False where the same training had been done before."""


@dataclass(frozen=True)
class Job:
    """An order with its card read: the recipe as it will run, and the files that it writes."""

    card: Card
    document: Document
    name: str
    spec: RecipeSpec
    seed: int
    order: Order

    @property
    def stem(self) -> str:
        short = f"-short{self.order.steps}" if self.order.steps else ""
        return cards.trained_name(self.card.card, self.name, self.seed) + short

    @property
    def weights(self) -> Path:
        return (self.order.out or cards.trained_dir()) / f"{self.stem}.safetensors"

    @property
    def checkpoint(self) -> Path:
        return self.weights.with_name(f"{self.stem}.checkpoint.safetensors")

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.spec.stages)


def read_job(order: Order) -> Job:
    """Read the card. Raises SuiteError, QbenchError with the nearest recipe name."""
    card, document = cards.read_card(order.card)
    name, spec = cards.recipe_of(card, order.recipe)
    if order.steps is not None:
        stages = tuple(s.model_copy(update={"steps": min(s.steps, order.steps)}) for s in spec.stages)
        spec = spec.model_copy(update={"stages": stages})
    return Job(card, document, name, spec, spec.seed if order.seed is None else order.seed, order)


def run(job: Job, report: Report, tell: Callable[[Iterable[str]], object] = list) -> Trained:
    """Train, continue a training, or find that it was done before; `tell` gets what a user should know of the data.

    Raises Stopped after Ctrl-C, and QbenchError; for a folder that cannot be written, before the first step."""
    with job.document.at(("recipes", job.name)):
        samples = {name: _samples(job, name, role) for name, role in job.spec.data.items()}
    datasets = [given.dataset for given in samples.values()]
    tell(dict.fromkeys(f"dataset {dataset.label}: {note}" for dataset in datasets for note in dataset.manifest().notes))
    digest = _digest(job, samples)
    if not job.order.restart and (done := _done(job, digest)) is not None:
        return done
    files.check_writable(job.weights.parent)
    for file in (job.weights, job.checkpoint) if job.order.restart else ():
        file.unlink(missing_ok=True)
    with _settings(job.order.threads):
        recipe = _recipe(job, samples)
        state = train(recipe, job.checkpoint, digest, report)
        return _leave(job, recipe, state, samples)


def _samples(job: Job, name: str, role: Role) -> Samples:
    with below("data", name, "dataset"):
        dataset = construct("dataset", role.dataset)
        with foreign(f"dataset {role.dataset.name!r} cannot be listed", DataError):
            available = len(dataset.manifest().ids)
    return Samples(dataset, min(role.count or available, available), job.spec.planes)


def _recipe(job: Job, samples: Mapping[str, Samples]) -> Recipe:
    spec = job.spec
    at = ("recipes", job.name)
    with job.document.at((*at, "model")):
        model = construct("model", spec.model) if spec.model else None
    with job.document.at((*at, "degradation")):
        degradations = mix(spec.degradation)
    mixes: dict[str, Mix] = {}
    for role, given in spec.data.items():
        with job.document.at((*at, "data", role, "degradation")):
            mixes |= {role: mix(given.degradation)} if given.degradation else {}
    parts = Parts(job.card.card, spec, job.seed, job.order.device, samples, degradations, model, mixes)
    build = registry.get("recipe", spec.kind).facts["build"]
    if isinstance(build, str):
        module, _, function = build.partition(":")
        build = getattr(importlib.import_module(module), function)
    with foreign(f"recipe kind {spec.kind!r}"), visit("recipe", spec.kind):
        recipe: Recipe = build(parts)
    return recipe


def _digest(job: Job, samples: Mapping[str, Samples]) -> str:
    """All that decides the weights apart from the code: a checkpoint of another digest is never continued.

    Raises WeightsError for a model whose own weights are to be trained first; it names the command."""
    given = job.spec.model.params.get("weights") if job.spec.model else None
    start = Path(str(given)) if given else None
    cards.check_made(start)
    content = {
        **({"start": files.sha256(start)} if start and start.is_file() else {}),
        "method": job.card.card,
        "recipe": json.loads(job.spec.model_dump_json(exclude=UNTRAINED, exclude_defaults=True)),
        "seed": job.seed,
        "data": {role: _fingerprint(given) for role, given in samples.items()},
        "device": job.order.device,
        "threads": job.order.threads,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _fingerprint(samples: Samples) -> str:
    manifest = samples.dataset.manifest()
    rows = list(zip(manifest.ids, manifest.digests, strict=True))[: samples.count]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _done(job: Job, digest: str) -> Trained | None:
    try:
        facts = json.loads(job.weights.with_suffix(".json").read_text(encoding="utf-8"))
        if facts["digest"] == digest and facts["sha256"] == files.sha256(job.weights):
            return Trained(job.weights, facts["sha256"], facts, fresh=False)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _leave(job: Job, recipe: Recipe, state: State, samples: Mapping[str, Samples]) -> Trained:
    """Write log, picture, sidecar and, last, the weights: weights never lie there without a sidecar that fits them."""
    measured = dict(recipe.measure())
    shipped = {key: value.detach().cpu().contiguous().clone() for key, value in recipe.ship().items()}
    content = save(shipped, dict(recipe.metadata) or None)
    tail = max(1, state.steps // 50)
    facts: dict[str, Any] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "method": job.card.card,
        "card_version": job.card.version,
        "recipe": job.name,
        "digest": state.digest,
        "train_seed": job.seed,
        "short": job.order.steps is not None,
        "steps": state.steps,
        "minutes": round(state.seconds / 60, 2),
        "losses": {name: logs.last(values, tail) for name, values in state.log.items()},
        "measured": measured,
        "numbers": sum(value.numel() for value in shipped.values()),
        "samples": {role: given.count for role, given in samples.items()},
        "versions": {name: version(name) for name in ("qbench", "torch", "numpy", "pillow")},
        "python": platform.python_version(),
        "threads": job.order.threads,
        "device": job.order.device,
    }
    files.write_bytes(job.weights.with_suffix(".csv"), logs.table(state.log))
    files.write_bytes(job.weights.with_suffix(".png"), logs.picture(state.log, f"{job.stem}, {state.steps} steps"))
    files.write_bytes(job.weights.with_suffix(".json"), (json.dumps(facts, indent=2) + "\n").encode())
    files.write_bytes(job.weights, content)
    job.checkpoint.unlink(missing_ok=True)
    return Trained(job.weights, facts["sha256"], facts, fresh=True)


@contextmanager
def _settings(threads: int) -> Iterator[None]:
    """Fixed threads and deterministic algorithms while training; the caller's settings come back."""
    before, determined = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(determined, warn_only=warn_only)
