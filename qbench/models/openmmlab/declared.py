"""`mmdetection` and `mmsegmentation`: networks of OpenMMLab, from a configuration and its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError
from qbench.models.files import sha256
from qbench.models.library import CONFIG, installed
from qbench.models.openmmlab.config import SITES, backbone, place, sources
from qbench.registry import model

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel
    from qbench.models.openmmlab.checkpoint import Checkpoint

EXTRA = "openmmlab"
SHARED = ("mmengine", "mmcv")


@dataclass(frozen=True, config=CONFIG)
class OpenMMLab:
    """A network of OpenMMLab.

    `config` is a program, which is run when the network is built: only `trust: true` allows that. Its own test
    pipeline scales, pads and normalises, so that predictions are those of the framework's inference."""

    config: Path
    weights: Path | None = Field(default=None, description="The state as safetensors; `qbench convert` makes it.")
    checkpoint: Path | None = Field(default=None, description="The framework's own file, read under an allow-list.")
    trust: bool = Field(default=False, description="Whether the configuration may be run.")

    framework: ClassVar[str] = ""
    distribution: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if not self.trust:
            raise ValueError(
                f"the configuration {self.config} is a program, which would be run here with all your rights; read "
                "it, and write `trust: true` beside it to allow that"
            )
        if (self.weights is None) == (self.checkpoint is None):
            raise ValueError("give either `weights` (safetensors) or `checkpoint` (the framework's .pth)")

    @property
    def label(self) -> str:
        return f"{type(self).__name__.lower()}:{self.config.stem}"

    @property
    def sites(self) -> Mapping[str, str]:
        """By the backbone that the configuration's text names; it is not run for that."""
        return SITES.get(backbone(place(self.config)), {})

    def identity(self) -> Mapping[str, Any]:
        """Raises QbenchError where the framework is not installed or a file cannot be read."""
        return {
            "config": [sha256(file) for file in sources(place(self.config))],
            "libraries": [_found(name) for name in (self.distribution, *SHARED)],
            "weights": sha256(self._file),
        }

    @property
    def _file(self) -> Path:
        given = self.weights or self.checkpoint
        assert given is not None
        return place(given)

    def _checkpoint(self) -> Checkpoint:
        from qbench.models.openmmlab.checkpoint import read_checkpoint, read_converted

        return read_converted(self._file) if self.weights else read_checkpoint(self._file)

    def build(self) -> LoadedModel:
        """Raises QbenchError where the framework is not installed or refuses, WeightsError for a misfit."""
        _found(self.distribution)
        stored = self._checkpoint()
        from qbench.models.openmmlab.net import build

        return build(self.framework, place(self.config), stored.state, str(self._file), stored.classes)


def _found(library: str) -> str:
    """`NAME==VERSION`. Raises QbenchError that says how: the extra alone would start to compile MMCV."""
    try:
        return installed(library, EXTRA)
    except QbenchError:
        raise QbenchError(
            f"{library} is not installed; OpenMMLab runs in an environment of its own, which `tox -e openmmlab` makes, "
            "or `bash baselines/openmmlab/install.sh` in an active one (docs/openmmlab.md)"
        ) from None


@model("mmdetection")
@dataclass(frozen=True, config=CONFIG)
class MMDetection(OpenMMLab):
    """A detector of MMDetection 3.3: `config`, `weights` or `checkpoint`, and `trust: true`."""

    framework: ClassVar[str] = "mmdet"
    distribution: ClassVar[str] = "mmdet"


@model("mmsegmentation")
@dataclass(frozen=True, config=CONFIG)
class MMSegmentation(OpenMMLab):
    """A segmentation network of MMSegmentation 1.2: `config`, `weights` or `checkpoint`, and `trust: true`."""

    framework: ClassVar[str] = "mmseg"
    distribution: ClassVar[str] = "mmsegmentation"
