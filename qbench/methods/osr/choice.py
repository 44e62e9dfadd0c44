"""What decides an OSR-style network. Light: nothing here loads torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from qbench.errors import WeightsError


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Choice:
    """The network's options; they travel in the header of its weights. The paper's transforms are known from a figure:
    what it leaves open is an option here."""

    plan: Literal["release", "small"] = "release"
    block_bias: bool = False
    restorer_residual: bool = False
    plain: bool = False
    """The restorer alone: the control."""
    channels: int = Field(default=3, ge=3, multiple_of=3)
    """Of amplitude and phase; the restorer reads them three at a time."""
    hidden: int = Field(default=32, ge=4, multiple_of=4)
    """Channels of both branches of the output transform."""
    phase_act: Literal["none", "relu_bn"] = "none"
    gate_pool: bool = False
    otf_residual: bool = False
    phase: bool = True
    amplitude: bool = True
    output: Literal["gates", "none"] = "gates"
    translation: Literal["waves", "image"] = "waves"

    def __post_init__(self) -> None:
        if self.channels != 3 and (self.translation == "image" or not self.amplitude):
            raise ValueError("without waves or without their amplitude there are 3 `channels`")

    def metadata(self) -> dict[str, str]:
        """For the header of the weights."""
        return {"osr": json.dumps(asdict(self), sort_keys=True)}

    @classmethod
    def read(cls, header: Mapping[str, str]) -> Choice:
        """From the header of weights. Raises WeightsError where it describes no such network."""
        try:
            return cls(**json.loads(header["osr"]))
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError(f"the header of the weights does not describe an OSR network: {error}") from error
