"""OSR-style: a restorer reprogrammed by waves, so that it also helps with degradations that it never saw."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from qbench.errors import WeightsError
from qbench.methods.options import Options, completed, described
from qbench.methods.weights import weights_for, with_weights
from qbench.models.protocols import Setup
from qbench.registry import method
from qbench.vocabulary import Context

if TYPE_CHECKING:
    from torch import Tensor


class OsrOptions(Options):
    """The network's options; they travel in the header of its weights. The paper's transforms are known from a figure:
    what it leaves open is an option here."""

    plan: Literal["release", "small"] = "release"
    block_bias: bool = False
    restorer_residual: bool = False
    plain: bool = Field(default=False, description="The restorer alone: the control.")
    channels: int = Field(
        default=3, ge=3, le=192, multiple_of=3,
        description="Of amplitude and phase; the restorer reads them three at a time.",
    )  # fmt: skip
    hidden: int = Field(
        default=32, ge=4, le=1024, multiple_of=4, description="Channels of both branches of the output transform."
    )
    phase_act: Literal["none", "relu_bn"] = "none"
    gate_pool: bool = False
    otf_residual: bool = False
    phase: bool = True
    amplitude: bool = True
    output: Literal["gates", "none"] = "gates"
    translation: Literal["waves", "image"] = "waves"

    @model_validator(mode="after")
    def _three_channels(self) -> Self:
        if self.channels != 3 and (self.translation == "image" or not self.amplitude):
            raise ValueError("without waves or without their amplitude there are 3 `channels`")
        return self

    def metadata(self) -> dict[str, str]:
        """For the header of the weights."""
        return {"osr": json.dumps(self.model_dump(include=set(OsrOptions.model_fields)), sort_keys=True)}


@method("osr", site="image", trained=True, options=OsrOptions)
@dataclass
class OsrMethod:
    """OSR-style reprogramming of a restorer by amplitude and phase (Jiang and Han, TIP 2024), transforms as its figure.

    The header of the weights says which network they are for; recipes `plain-...` are the restorer alone."""

    options: OsrOptions = field(default_factory=OsrOptions)
    weights: Path | None = None

    def setup(self, setup: Setup) -> None:
        """Raises NotApplicable without weights, WeightsError for a file that does not fit."""
        from qbench.methods.osr.net import Osr
        from qbench.models.files import header

        file = weights_for("osr", self.weights, setup)
        trained = described(header(file), "osr")
        if trained is None:
            raise WeightsError(f"the header of {file} does not describe a network of osr")
        self.network = with_weights(Osr(completed(self.options, trained, "osr")), file, setup)

    def restore(self, images: Tensor, context: Context) -> Tensor:
        from qbench.models.restoration.running import clamped

        return clamped(self.network, images)
