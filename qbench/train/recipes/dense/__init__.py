"""Training of segmenters and detectors: the built-in ones of scenes, or any declared model from its first weights."""

from __future__ import annotations

from pydantic import Field

from qbench.methods.options import Options
from qbench.registry import recipe
from qbench.train.recipes.finetune import OBJECT_PLANES


class DenseTraining(Options):
    """How the network is trained."""

    freeze: tuple[str, ...] = Field(default=(), description="Patterns of parameters that stay as they are.")


@recipe("segmenter", terms=("ce",), planes={"ce": ("mask",)}, build=f"{__name__}.training:build")
class SegmenterTraining(DenseTraining):
    """A segmenter from masks."""


@recipe("detector", terms=("heat", "box", "own"), planes=OBJECT_PLANES, build=f"{__name__}.training:build")
class DetectorTraining(DenseTraining):
    """A detector from boxes, or the built-in one from the masks of scenes."""
