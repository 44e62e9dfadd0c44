"""The method that does nothing: the row that every other is compared with."""

from __future__ import annotations

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from qbench.registry import method


@method("direct", site="none")
@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Direct:
    """No help: the model sees the degraded picture."""
