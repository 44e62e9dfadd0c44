"""What a card under baselines/ may say. Light: nothing here loads torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from qbench.errors import nearest
from qbench.registry.named import NamedItem

TERMS: Mapping[str, tuple[str, ...]] = {
    "restorer": ("l1", "mse"),
    "osr": ("smooth_l1", "perceptual"),
    "afd": ("feature", "kl", "deeper", "gate", "l1", "mse"),
    "finetune": ("ce", "kl", "heat", "box", "own", "l1", "mse"),
    "classifier": ("ce", "mask"),
    "segmenter": ("ce",),
    "detector": ("heat", "box", "own"),
    "quality": ("contrast",),
    "quac": ("ce", "kl", "deeper", "heat", "box", "own", "l1", "mse"),
    "quarf": ("ce", "kl", "deeper", "heat", "box", "own", "l1", "mse", "importance"),
    "qdmr": (
        "l1", "perceptual", "codebook", "semantic", "transfer", "hinge", "commitment", "commitment-target",
        "align-source", "align-target",
    ),
}  # fmt: skip
"""The loss terms that each kind of recipe knows."""
NETWORK: Mapping[str, tuple[str, ...]] = {
    "restorer": ("residual", "norms", "passing"),
    "osr": (
        "plan", "block_bias", "restorer_residual", "plain", "channels", "hidden", "phase_act", "gate_pool",
        "otf_residual", "phase", "amplitude", "output", "translation", "restorer_init", "freeze_restorer",
    ),
    "afd": ("site", "plan", "guide", "gate", "base", "nonnegative", "fde", "backbone", "form", "standardise"),
    "finetune": ("smoothing", "freeze"),
    "classifier": ("smoothing",),
    "segmenter": ("freeze",),
    "detector": ("freeze",),
    "quality": (),
    "quac": (
        "placement", "sites", "how", "activation", "quality", "norm", "start", "reduction", "zeroed", "train",
        "scaled", "smoothing", "quality_weights", "quality_width",
    ),
    "quarf": (
        "sites", "experts", "groups", "count", "top", "own_experts", "gates", "routing", "straight_through", "quality",
        "noisy", "zeroed", "train", "smoothing", "quality_weights",
    ),
    "qdmr": ("plan", "codebook", "residual", "standardised", "perception", "start", "encoder", "generated"),
}  # fmt: skip
"""The keys of `network` that each kind of recipe knows."""
WITHOUT_MODEL = ("restorer", "quality", "qdmr")
"""Kinds of recipes that train a network of their own."""
Positive: TypeAlias = Annotated[float, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Serves(_Part):
    """Which cells the weights are for: shell-style patterns over labels; the first recipe that fits wins."""

    model: str = "*"
    dataset: str = "*"


class CropView(_Part):
    """The geometry of a training sample: a random square, taken before the degradation."""

    size: int = Field(ge=8, description="Pixels of a side.")
    scale: tuple[Positive, Positive] = Field(default=(1.0, 1.0), description="The picture is scaled by a draw from it.")
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

    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    lr: Positive
    part: Literal["vqgan", "base", "uda"] | None = Field(default=None, description="Of qdmr: what is trained.")
    schedule: Literal["constant", "cosine", "step", "milestones"] = Field(
        default="constant", description="cosine: to zero over the stage; step: lr / 5 from the middle on."
    )
    milestones: tuple[int, ...] = Field(default=(), description="Steps at which the rate is halved.")
    betas: tuple[float, float] = Field(default=(0.9, 0.999), description="Of adam and adamw.")
    warmup: int = Field(default=0, ge=0, description="Steps over which the rate rises linearly to `lr`.")
    lr_factors: dict[str, Positive] = Field(default_factory=dict, description="Parameter name pattern to factor.")
    weight_decay: float = Field(default=0.0, ge=0)
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

    kind: Literal[
        "restorer", "osr", "afd", "finetune", "classifier", "segmenter", "detector", "quality", "quac", "quarf", "qdmr"
    ]
    serves: Serves = Serves()
    model: NamedItem | None = Field(default=None, description="As in a suite; None at the image site.")
    network: dict[str, Any] = Field(default_factory=dict, description="Arguments of the method's network.")
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

    @model_validator(mode="after")
    def _consistent(self) -> RecipeSpec:
        _known("loss term", self.loss, TERMS[self.kind])
        _known("key of `network`", self.network, NETWORK[self.kind])
        unpaired = ("target",) if self.kind == "qdmr" else ()
        _known("data role", self.data, ("source", "validation", *unpaired))
        if any(role.skip or role.degradation for name, role in self.data.items() if name != "target"):
            raise ValueError("only the data role `target` has `skip` and `degradation` of its own")
        if "source" not in self.data:
            raise ValueError("`data` needs the role `source`")
        wanted = "perceptual" in self.loss if self.kind == "osr" else self.kind not in WITHOUT_MODEL
        if (self.model is not None) != wanted:
            raise ValueError(f"such a {self.kind} recipe {'needs a' if wanted else 'takes no'} `model`")
        if self.kind == "osr" and "perceptual" in self.loss and not self.loss["perceptual"].sites:
            raise ValueError("the loss `perceptual` needs the layers to compare in `sites`")
        if "mask" in self.loss and len(self.loss["mask"].sites) != 1:
            raise ValueError("the loss `mask` needs one layer in `sites`")
        if self.kind == "qdmr":
            self._staged()
        return self

    def _staged(self) -> None:
        parts = [stage.part for stage in self.stages]
        if tuple(parts) not in {("base",), ("vqgan", "base"), ("vqgan", "uda"), ("vqgan", "base", "uda")}:
            raise ValueError("the stages' `part` are base; vqgan, base; vqgan, uda; or vqgan, base, uda")
        if "vqgan" in parts and "target" not in self.data:
            raise ValueError("the stages vqgan and uda need the data role `target`")
        if "vqgan" not in parts and self.network.get("codebook", True):
            raise ValueError("the codebook is learned in a stage with `part: vqgan`; or set `codebook: false`")
        if self.crop.scale != (1.0, 1.0):
            raise ValueError("aberrations have a size in pixels: crops of qdmr are taken at scale [1, 1]")

    @property
    def planes(self) -> tuple[str, ...]:
        """What of a scene is cropped along with its picture; samples with masks bring those by themselves."""
        if "heat" in self.loss or "box" in self.loss:
            return "mask", "instances"
        return ("mask",) if self.kind == "segmenter" or "mask" in self.loss else ()


def _known(what: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise ValueError(f"unknown {what} {name!r}{nearest(name, known)}; known: {' '.join(known)}")


class Card(_Part):
    """One method: what it is, whose, what was published, how it is trained and which weights ship."""

    card: str = Field(description="The method's name.")
    version: int = Field(ge=1)
    title: str
    citation: str
    licence: str = Field(description="Of the code idea and paper.")
    notes: str = ""
    published: tuple[dict[str, Any], ...] = Field(default=(), description="Figures, with their source.")
    recipes: dict[str, RecipeSpec] = Field(min_length=1)
