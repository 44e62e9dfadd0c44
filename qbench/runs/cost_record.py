"""What one method costs on one model; kept as `efficiency/*.json` of a run. Nothing here loads torch."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from qbench.compute.cell import Cell, Item, MethodItem
from qbench.runs.json_file import read_entries
from qbench.runs.schema_version import COST
from qbench.storage.files import Damaged


class EfficiencyRecord(BaseModel):
    """The cost of one picture through one method and model, in deployed form."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

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
    """One record, or a list of them. Raises FileNotFoundError, Damaged, and StoreError for one of another version."""
    return read_entries(file, EfficiencyRecord, COST)


def cost_of(file: Path, cell: Cell) -> EfficiencyRecord:
    """The cost of a cell's model and method. Raises as `read_costs`, and Damaged for the cost of others."""
    found = read_costs(file)
    if len(found) != 1 or (found[0].model.label, found[0].method.label) != (cell.model.label, cell.method.label):
        raise Damaged(file, f"it is not the cost of {cell.method.label} on {cell.model.label}")
    return found[0]
