"""What one method costs on one model; kept as `efficiency/*.json` of a run. Nothing here loads torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qbench.compute.cell import Item, MethodItem
from qbench.errors import StoreError
from qbench.runs.schema_version import COST, KEY, check


class EfficiencyRecord(BaseModel):
    """The cost of one picture through one method and model, in deployed form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(default=COST, description="Of this record; see docs/results.md.")
    model: Item
    method: MethodItem
    parameters_extra: int = Field(description="Parameters beyond those of the model itself.")
    parameters_total: int = Field(ge=0, description="Parameters of the model and the method together.")
    macs_extra: int = Field(description="Multiply-accumulates beyond those of the model itself, for one picture.")
    macs_total: int = Field(ge=0, description="Multiply-accumulates of model and method: convolutions and products.")
    median_ms: float = Field(ge=0, description="Median latency of one picture, milliseconds.")
    iqr_ms: tuple[float, float] = Field(description="First and third quartile of the latency, milliseconds.")
    direct_ms: float | None = Field(
        default=None, ge=0, description="Median latency of the model alone, timed in turns with this; None: not so."
    )
    repeats: int = Field(ge=1, description="Timed runs after the warm-up.")
    batch: int = Field(default=1, ge=1, description="Pictures in one run.")
    threads: int = Field(ge=1, description="Threads within one operation.")
    device: str = Field(description="The device in words, such as the name of the processor.")
    size: tuple[int, int] = Field(description="Height and width of the picture that the view gives the network.")


def read_costs(file: Path) -> list[EfficiencyRecord]:
    """One record, or a list of them. Raises StoreError for a file that is missing, damaged or of another version."""
    try:
        content: Any = json.loads(file.read_bytes())
        entries = content if isinstance(content, list) else [content]
        for entry in entries:
            check(file, entry.get(KEY), COST)
        return [EfficiencyRecord.model_validate(entry) for entry in entries]
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror}; run the suite again") from None
    except (ValueError, AttributeError) as error:
        fault = _first(error) if isinstance(error, ValidationError) else "no JSON of records"
        raise StoreError(f"{file} is damaged ({fault}); run the suite again") from None


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    return ": ".join([".".join(map(str, problem["loc"])), problem["msg"]])
