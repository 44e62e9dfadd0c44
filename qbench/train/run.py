"""From a card to trained weights with their sidecar, log and picture."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors.torch import save

from qbench.cards import lookup as cards
from qbench.cards.schema import Card, RecipeSpec, Role
from qbench.documents.construct import construct
from qbench.documents.faults import explain
from qbench.documents.load import Document
from qbench.errors import below
from qbench.storage import files
from qbench.train import log as logs
from qbench.train.batches import Samples
from qbench.train.checkpoint import State
from qbench.train.loop import Recipe, Report, train
from qbench.train.mix import Mix, mix
from qbench.train.recipes.common import Parts

UNTRAINED = {"serves", "budget", "weights", "notes", "seed"}
"""Keys of a recipe that do not change what is trained; the seed stands in the file's name."""


@dataclass(frozen=True)
class Order:
    """What the user asked for."""

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
    """What a training left."""

    weights: Path
    sha256: str
    facts: Mapping[str, Any]
    fresh: bool
    """False where the same training had been done before."""


FROM_NOTHING = ("classifier", "segmenter", "detector")
"""Kinds that make a built-in model instead of starting from it."""


@dataclass(frozen=True)
class Job:
    """An order with its card read: the names, the spec as it will run, and where its files go."""

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


def job(order: Order) -> Job:
    """Read the card. Raises SuiteError, QbenchError with the nearest recipe name."""
    card, document = cards.read_card(order.card)
    name, spec = cards.recipe_of(card, order.recipe)
    if order.steps is not None:
        stages = tuple(s.model_copy(update={"steps": min(s.steps, order.steps)}) for s in spec.stages)
        spec = spec.model_copy(update={"stages": stages})
    return Job(card, document, name, spec, spec.seed if order.seed is None else order.seed, order)


def run(what: Job, report: Report) -> Trained:
    """Train, or continue, or find that it was done. Raises Stopped after Ctrl-C, QbenchError.

    A folder that cannot be written is told before a step is trained."""
    with what.document.at(("recipes", what.name)):
        samples = {name: _samples(what, name, role) for name, role in what.spec.data.items()}
    digest = _digest(what, samples)
    if not what.order.restart and (done := _done(what, digest)) is not None:
        return done
    files.check_writable(what.weights.parent)
    for file in (what.weights, what.checkpoint) if what.order.restart else ():
        file.unlink(missing_ok=True)
    with _settings(what.order.threads):
        recipe = _recipe(what, samples)
        state = train(recipe, what.checkpoint, digest, report)
        return _leave(what, recipe, state, samples)


def _samples(what: Job, name: str, role: Role) -> Samples:
    with below("data", name, "dataset"):
        dataset = construct("dataset", role.dataset)
    there = len(dataset.manifest().ids)
    return Samples(dataset, min(role.count or there, there), what.spec.planes)


def _recipe(what: Job, samples: Mapping[str, Samples]) -> Recipe:
    spec = what.spec
    builtin = spec.kind in FROM_NOTHING and spec.model is not None and spec.model.name.startswith("builtin:")
    at = ("recipes", what.name)
    with what.document.at((*at, "model")):
        model = construct("model", spec.model) if spec.model and not builtin else None
    with what.document.at((*at, "degradation")):
        degradations = mix(spec.degradation)
    own: dict[str, Mix] = {}
    for role, given in spec.data.items():
        with what.document.at((*at, "data", role, "degradation")):
            own |= {role: mix(given.degradation)} if given.degradation else {}
    parts = Parts(what.card.card, spec, what.seed, what.order.device, samples, degradations, model, own)
    try:
        return _kind(spec.kind)(parts)
    except ValidationError as error:
        with what.document.at((*at, "network")):
            raise explain(error, spec.network) from None


def _kind(kind: str) -> Callable[[Parts], Recipe]:
    match kind:
        case "restorer":
            from qbench.train.recipes.restorer import recipe as restorer

            return restorer
        case "osr":
            from qbench.train.recipes.osr import recipe as osr

            return osr
        case "afd":
            from qbench.train.recipes.afd import recipe as afd

            return afd
        case "quac" | "quarf":
            from qbench.train.recipes.adaptive import quac, quarf

            return quac if kind == "quac" else quarf
        case "quality":
            from qbench.train.recipes.quality import recipe as quality

            return quality
        case "qdmr":
            from qbench.train.recipes.qdmr import recipe as qdmr

            return qdmr
        case "segmenter" | "detector":
            from qbench.train.recipes.dense import recipe as dense

            return dense
    from qbench.train.recipes.finetune import classifier, finetune

    return finetune if kind == "finetune" else classifier


def _digest(what: Job, samples: Mapping[str, Samples]) -> str:
    """All that decides the weights apart from the code: a checkpoint of another digest is never continued.

    Raises WeightsError for a model whose own weights are to be trained first; it names the command."""
    given = what.spec.model.params.get("weights") if what.spec.model else None
    start = Path(str(given)) if given else None
    cards.check_made(start)
    told = {
        **({"start": files.sha256(start)} if start and start.is_file() else {}),
        "method": what.card.card,
        "recipe": json.loads(what.spec.model_dump_json(exclude=UNTRAINED, exclude_defaults=True)),
        "seed": what.seed,
        "data": {role: _fingerprint(given) for role, given in samples.items()},
        "device": what.order.device,
        "threads": what.order.threads,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _fingerprint(samples: Samples) -> str:
    manifest = samples.dataset.manifest()
    rows = list(zip(manifest.ids, manifest.digests, strict=True))[: samples.count]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _done(what: Job, digest: str) -> Trained | None:
    try:
        facts = json.loads(what.weights.with_suffix(".json").read_text(encoding="utf-8"))
        if facts["digest"] == digest and facts["sha256"] == files.sha256(what.weights):
            return Trained(what.weights, facts["sha256"], facts, fresh=False)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _leave(what: Job, recipe: Recipe, state: State, samples: Mapping[str, Samples]) -> Trained:
    """Write log, picture, sidecar and, last, the weights: weights never lie there without a sidecar that fits them."""
    measured = dict(recipe.measure())
    shipped = {key: value.detach().cpu().contiguous().clone() for key, value in recipe.ship().items()}
    content = save(shipped, dict(recipe.metadata) or None)
    tail = max(1, state.steps // 50)
    facts: dict[str, Any] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "method": what.card.card,
        "card_version": what.card.version,
        "recipe": what.name,
        "digest": state.digest,
        "train_seed": what.seed,
        "short": what.order.steps is not None,
        "steps": state.steps,
        "minutes": round(state.seconds / 60, 2),
        "losses": {name: logs.last(values, tail) for name, values in state.log.items()},
        "measured": measured,
        "numbers": sum(value.numel() for value in shipped.values()),
        "samples": {role: given.count for role, given in samples.items()},
        "versions": {name: version(name) for name in ("qbench", "torch", "numpy", "pillow")},
        "python": platform.python_version(),
        "threads": what.order.threads,
        "device": what.order.device,
    }
    files.write_bytes(what.weights.with_suffix(".csv"), logs.table(state.log))
    files.write_bytes(what.weights.with_suffix(".png"), logs.picture(state.log, f"{what.stem}, {state.steps} steps"))
    files.write_bytes(what.weights.with_suffix(".json"), (json.dumps(facts, indent=2) + "\n").encode())
    files.write_bytes(what.weights, content)
    what.checkpoint.unlink(missing_ok=True)
    return Trained(what.weights, facts["sha256"], facts, fresh=True)


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
