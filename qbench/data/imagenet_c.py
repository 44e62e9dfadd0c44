"""ImageNet-C as it is published: already degraded pictures on disk."""

from __future__ import annotations

from functools import cached_property

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.data.decoding import CONFIG, OnDisk
from qbench.data.files import checked_root, listing
from qbench.data.readers import ImageNet
from qbench.errors import DataError, nearest
from qbench.registry import dataset
from qbench.vocabulary import Manifest, Sample


@dataset("imagenet-c")
@dataclass(frozen=True, config=CONFIG)
class ImageNetC(OnDisk):
    """ImageNet-C on disk, `root/CORRUPTION/SEVERITY/WNID/PICTURE` (Hendrycks and Dietterich, 2019).

    Lists of corruptions and severities fan out; use it with the condition `clean` and a view without resizing."""

    corruption: str
    severity: int = Field(ge=1, le=5)

    @property
    def label(self) -> str:
        return "imagenet-c"

    @property
    def degraded(self) -> tuple[str, str, tuple[str, float]]:
        """What these pictures went through before they were stored: the condition's label, family and axis."""
        return f"{self.corruption}/{self.severity}", self.corruption, ("severity", float(self.severity))

    @cached_property
    def _stored(self) -> ImageNet:
        names = [folder.name for folder in listing(checked_root(self.root)).folders]
        if self.corruption not in names:
            raise DataError(f"{self.root} holds no corruption {self.corruption!r}{nearest(self.corruption, names)}")
        return ImageNet(root=self.root / self.corruption / str(self.severity), orientation=self.orientation)

    @property
    def classes(self) -> tuple[str, ...]:
        return self._stored.classes

    def manifest(self) -> Manifest:
        return self._stored.manifest()

    def load(self, index: int) -> Sample:
        return self._stored.load(index)
