"""What a card under baselines/ may say. Light: nothing here loads torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from qbench.errors import QbenchError, nearest
from qbench.registry import get
from qbench.registry.named import NamedItem

Positive: TypeAlias = Annotated[float, Field(gt=0, le=1e9)]
Factor: TypeAlias = Annotated[float, Field(ge=0.01, le=100)]
Share: TypeAlias = Annotated[float, Field(ge=0, lt=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Serves(_Part):
    """Which cells the weights are for: shell-style patterns over labels; the first recipe that fits wins."""

    model: str = "*"
    dataset: str = "*"


class CropView(_Part):
    """The geometry of a training sample: a random square, taken before the degradation."""

    size: int = Field(ge=8, le=4096, description="Pixels of a side.")
    scale: tuple[Factor, Factor] = Field(default=(1.0, 1.0), description="The picture is scaled by a draw from it.")
    flip: bool = Field(default=True, description="Mirror half of the samples.")
    rotate: bool = Field(default=False, description="Turn by a drawn multiple of 90 degrees.")
    aligned: bool = Field(default=True, description="The 8x8 grid of the codec starts at the crop's corner.")
    tilt: float = Field(
        default=0.0, ge=0, le=1,
        description="Share of samples turned after the degradation, by whole degrees from -180 to 180, black around.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _ordered(self) -> CropView:
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"`scale` goes from the smaller to the larger factor, not {list(self.scale)}")
        return self


class MixPart(_Part):
    """One degradation of the mix: a condition as in a suite, where a parameter may also be `{any: [..]}` or
    `{between: [low, high]}` (ends included; `by: log` draws evenly by ratio), drawn for every sample."""

    condition: NamedItem
    weight: Positive = 1.0
    leave: bool | None = Field(
        default=None, description="Whether a gate learns to leave such samples. Default: `clean`."
    )


class Role(_Part):
    """Where the samples of one data role come from."""

    dataset: NamedItem = Field(description="As in a suite; `photos` is a plain folder of pictures.")
    count: int | None = Field(default=None, ge=1, description="Use the first `count` samples only.")
    skip: int = Field(default=0, ge=0, description="Of `target`: leave out so many of them, which `source` has.")
    degradation: tuple[MixPart, ...] = Field(
        default=(), description="Of `target`: what its pictures go through. Default: nothing, they are real ones."
    )


class Term(_Part):
    """One term of the loss."""

    weight: Positive = 1.0
    temperature: Positive = Field(default=1.0, description="Of `kl`: both distributions are softened by it.")
    sites: tuple[str, ...] = Field(default=(), description="Of `deeper`, `mask`, `perceptual`: layers by module path.")


def _term(value: Any) -> Any:
    return {"weight": value} if isinstance(value, int | float) else value


class StageSpec(_Part):
    """One stage of a training: a number of steps under one optimiser."""

    steps: int = Field(ge=1, le=100_000_000)
    batch: int = Field(ge=1, le=65_536)
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    lr: Positive
    part: str | None = Field(default=None, description="What is trained, for kinds of several networks: of qdmr.")
    schedule: Literal["constant", "cosine", "step", "milestones"] = Field(
        default="constant", description="cosine: to zero over the stage; step: lr / 5 from the middle on."
    )
    milestones: tuple[int, ...] = Field(default=(), description="Steps at which the rate is halved.")
    betas: tuple[Share, Share] = Field(default=(0.9, 0.999), description="Of adam and adamw.")
    warmup: int = Field(
        default=0, ge=0, le=100_000_000, description="Steps over which the rate rises linearly to `lr`."
    )
    lr_factors: dict[str, Positive] = Field(default_factory=dict, description="Parameter name pattern to factor.")
    weight_decay: float = Field(default=0.0, ge=0, le=1e9)
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Of sgd.")
    clip_norm: Positive | None = Field(default=None, description="Gradients are scaled down to this norm.")
    ema: float | None = Field(default=None, gt=0, lt=1, description="Decay of the averaged weights kept at the end.")


class WeightsRef(_Part):
    """Trained weights that ship: the file under baselines/weights and its digest."""

    file: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    train_seed: int = 0
    data_licence: str = Field(description="Licence of what they were trained on.")


class Budget(_Part):
    """What the training costs, measured."""

    minutes: Positive = Field(description="Wall time on one core.")
    machine: str = ""


class RecipeSpec(_Part):
    """How to train one method for one kind of cell."""

    kind: str = Field(description="How it is trained: `qbench list recipes` shows the kinds.")
    serves: Serves = Serves()
    model: NamedItem | None = Field(default=None, description="As in a suite; None at the image site.")
    network: dict[str, Any] = Field(default_factory=dict, description="Options of the kind.")
    data: dict[str, Role] = Field(description="`source`, and `validation` where there is one.")
    crop: CropView
    degradation: tuple[MixPart, ...] = Field(min_length=1)
    loss: dict[str, Annotated[Term, BeforeValidator(_term)]] = Field(min_length=1)
    stages: tuple[StageSpec, ...] = Field(min_length=1)
    precision: Literal["float32", "bfloat16"] = Field(default="float32", description="Of the forward passes.")
    seed: int = 0
    budget: Budget | None = None
    weights: WeightsRef | tuple[WeightsRef, ...] | None = Field(default=None, description="None: made by command.")
    notes: str = ""

    @property
    def shipped(self) -> tuple[WeightsRef, ...]:
        return self.weights if isinstance(self.weights, tuple) else (self.weights,) if self.weights else ()

    @field_validator("kind")
    @classmethod
    def _registered(cls, kind: str) -> str:
        try:
            get("recipe", kind)
        except QbenchError as error:
            raise ValueError(f"`kind`: {error.message}") from None
        return kind

    @model_validator(mode="after")
    def _consistent(self) -> RecipeSpec:
        kind = get("recipe", self.kind).facts
        _check_names("loss term", self.loss, kind["terms"])
        _check_names("data role", self.data, ("source", "validation", *kind["roles"]))
        if any(role.skip or role.degradation for name, role in self.data.items() if name not in kind["roles"]):
            raise ValueError("only the data role `target` has `skip` and `degradation` of its own")
        if "source" not in self.data:
            raise ValueError("`data` needs the role `source`")
        if kind["model"] is not None and (self.model is not None) != kind["model"]:
            raise ValueError(f"such a {self.kind} recipe {'needs a' if kind['model'] else 'takes no'} `model`")
        if kind["check"] is not None:
            kind["check"](self)
        return self

    @property
    def planes(self) -> tuple[str, ...]:
        """What of a scene is cropped along with its picture; samples with masks bring those by themselves."""
        needed = get("recipe", self.kind).facts["planes"]
        return tuple(dict.fromkeys(plane for term in self.loss for plane in needed.get(term, ())))


def _check_names(what: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise ValueError(f"unknown {what} {name!r}{nearest(name, known)}; known: {' '.join(known)}")


class Card(_Part):
    """One method: what it is, whose, what was published, how it is trained and which weights ship."""

    card: str = Field(pattern=r"^[\w.+-]+$", max_length=100, description="The method's name.")
    version: int = Field(ge=1)
    title: str
    citation: str
    licence: str = Field(description="Of the code idea and paper.")
    notes: str = ""
    published: tuple[dict[str, Any], ...] = Field(default=(), description="Figures, with their source.")
    recipes: dict[str, RecipeSpec] = Field(min_length=1)
