"""What the declarations of networks of libraries share: names, weights, seeds, identities and input conventions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError, foreign
from qbench.models.files import sha256
from qbench.vocabulary import CropMode, InputConvention

CONFIG = ConfigDict(extra="forbid")
Weights = Annotated[Path | None, BeforeValidator(lambda given: given or None)]
"""A file; an empty name is no file."""
MOST = 100_000
"""How far from zero what pictures are scaled and normalised by may lie."""
Mean = Annotated[float, Field(ge=-MOST, le=MOST)]
Deviation = Annotated[float, Field(ge=1 / MOST, le=MOST)]


def installed(distribution: str, extra: str) -> str:
    """`NAME==VERSION` of a library. Raises QbenchError that names the extra where it is not installed."""
    try:
        return f"{distribution}=={version(distribution)}"
    except PackageNotFoundError:
        raise QbenchError(
            f"{distribution} is not installed; install the extra with `pip install 'qbench[{extra}]'`"
        ) from None


def imported(module: str, distribution: str, extra: str) -> Any:
    """A module of an optional library. Raises QbenchError that names the extra where it is not installed."""
    installed(distribution, extra)
    return import_module(module)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The libraries draw first weights from torch's global generator: seeded inside, as it was outside."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@dataclass(frozen=True, config=CONFIG)
class LibraryModel:
    """A network of a library, by name: from its hub, or with the state in a file and no network touched."""

    prefix: ClassVar[str]
    """What stands before the colon in a suite."""
    library: ClassVar[str]
    """The distribution that it is of."""
    extra: ClassVar[str] = ""
    """The extra of qbench that installs the library, where it is optional."""

    name: str
    weights: Weights = None
    pretrained: bool = True
    seed: int = 0
    classes: int | None = Field(
        default=None, ge=2, le=100_000, description="Of a network whose weights know others than the hub's."
    )

    @property
    def label(self) -> str:
        return f"{self.prefix}:{self.name}"

    def identity(self) -> Mapping[str, Any]:
        """Raises WeightsError for weights that are not there, QbenchError where the library is not installed."""
        return {
            "architecture": self._architecture(), "library": installed(self.library, self.extra),
            "weights": self._source(), "classes": self.classes, "seed": self.seed,
        }  # fmt: skip

    def _architecture(self) -> Any:
        return self.label

    def _source(self) -> str:
        """Where the weights come from."""
        if self.weights is not None:
            return sha256(self.weights)
        return self._hub() if self.pretrained else "none"

    def _hub(self) -> str:
        """What the library's hub calls the weights."""
        return f"hub:{self.name}"

    @property
    def _fetched(self) -> bool:
        """Whether the weights are those of the library's hub."""
        return self.pretrained and self.weights is None

    @contextmanager
    def _making(self) -> Iterator[None]:
        """Inside, the library makes the network, seeded. Raises QbenchError where it fails, or cannot reach its hub."""
        fetched = f"the pretrained {self.name} cannot be fetched; give `weights:` a file instead"
        with foreign(fetched if self._fetched else f"{self.label} cannot be made"), seeded(self.seed):
            yield


@dataclass(frozen=True, config=CONFIG)
class InputChanges:
    """What to change in the model's own input convention; see `InputConvention`. `resize: null` is not expressible."""

    size: int | None = Field(default=None, ge=8, le=16_384)
    resize: int | None = Field(default=None, ge=8, le=16_384)
    channels: Literal["RGB", "BGR"] | None = None
    scale: float | None = Field(default=None, gt=0, le=MOST)
    mean: tuple[Mean, Mean, Mean] | None = None
    std: tuple[Deviation, Deviation, Deviation] | None = None
    interpolation: Literal["bilinear", "bicubic", "lanczos"] | None = None
    crop_mode: CropMode | None = None

    def given(self) -> dict[str, Any]:
        """What differs from the model's own."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}

    def over(self, convention: InputConvention) -> InputConvention:
        return replace(convention, **self.given())


@dataclass(frozen=True, config=CONFIG)
class NormalisedModel(LibraryModel):
    """A network that is given normalised pictures; `input` overrides what its library says of them, and `output` names
    the prediction where it gives several outputs."""

    input: InputChanges = InputChanges()
    output: str | int | None = Field(
        default=None,
        description="Name or number of the prediction among the network's outputs. Default: the usual one.",
    )

    def identity(self) -> Mapping[str, Any]:
        chosen = {} if self.output is None else {"output": self.output}
        return {**super().identity(), "input": self.input.given(), **chosen}
