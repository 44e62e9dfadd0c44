"""A fixed set of random patches of photos: the size of a training set, counted in patches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.data.decoding import CONFIG, OnDisk, size_of
from qbench.data.files import Found, checked_root, contents, find, id_of, told
from qbench.draws import keyed
from qbench.errors import BadSample, DataError
from qbench.registry import dataset
from qbench.vocabulary import Manifest, Sample


@dataset("patches")
@dataclass(frozen=True, config=CONFIG)
class Patches(OnDisk):
    """Random squares of pictures without labels, for training: the first n of a set are the set of n.

    Each patch is of a picture drawn with replacement, at a place drawn evenly; nothing is scaled."""

    size: int = Field(default=224, ge=8, le=16_384, description="Pixels of a side.")
    count: int = Field(default=20_000, ge=1, le=10_000_000)
    seed: int = Field(default=0, ge=0)

    @property
    def label(self) -> str:
        return f"{id_of(self.root.name)}, {self.count} patches"

    @cached_property
    def _found(self) -> Found:
        return find(checked_root(self.root), deep=True)

    @property
    def _files(self) -> Sequence[Path]:
        if not self._found.pictures:
            raise DataError(f"{self.root} holds no pictures")
        return self._found.pictures

    @cached_property
    def _drawn(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """[count, 3]: picture, top and left, each evenly from [0, 1)."""
        return keyed(self.seed, "patches", 0, "").random((self.count, 3))

    def _file(self, index: int) -> Path:
        return self._files[int(self._drawn[index, 0] * len(self._files))]

    def _id(self, index: int) -> str:
        return f"{index:05d} {id_of(self._file(index).relative_to(self.root))}"

    def manifest(self) -> Manifest:
        """A patch's digest is that of its whole picture, with its number and size. Raises DataError for no pictures."""
        with contents(self.root) as content_of:
            digests_of = {file: content_of(file) for file in self._files}
        numbers = range(self.count)
        ids = tuple(map(self._id, numbers))
        digests = tuple(f"{digests_of[self._file(i)]}:{i}:{self.size}:{self.seed}" for i in numbers)
        return self.turned(Manifest(ids, digests, told(self._found.left_out, self.root)))

    def load(self, index: int) -> Sample:
        """Raises BadSample for a picture that is damaged or smaller than a patch."""
        file = self._file(index)
        picture = self.decoded(file)
        room = np.array(picture.shape[:2]) - self.size
        if (room < 0).any():
            raise BadSample(f"{file.name} has {size_of(picture)} pixels, less than a patch of {self.size}")
        top, left = (int(place) for place in self._drawn[index, 1:] * (room + 1))
        patch = picture[top : top + self.size, left : left + self.size]
        return Sample(self._id(index), np.ascontiguousarray(patch))
