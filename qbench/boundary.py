"""The boundary to datasets and conditions that are not qbench's: what they are lent, and what they may give back.

Datasets and conditions of plug-ins are wrapped where they are created; for methods and models see
`qbench.compute.boundary`. What qbench declares itself passes as it is; tests see that it writes into nothing."""

from __future__ import annotations

import copy
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from qbench.draws import Draw
from qbench.errors import DataError, QbenchError, foreign, short
from qbench.process import visit
from qbench.registry.entries import Entry
from qbench.vocabulary import Condition, Dataset, Facts, Image, Manifest, Sample

MOST_BPP = 1e6
"""No picture needs as many bits for each pixel."""
FURTHEST = 1e300
"""Where axes of tables end: NaN, infinity and what no float holds lie outside."""


def lent(entry: Entry, made: Any) -> Any:
    """What a registered name stands for, behind the boundary where qbench does not declare it itself."""
    if entry.builtin:
        return made
    if entry.kind == "dataset":
        return ForeignDataset(made, entry)
    return ForeignCondition(made, entry) if entry.kind == "condition" else made


def _who(entry: Entry) -> str:
    return f"{entry.kind} {entry.name!r} ({entry.target.__qualname__})"


def what_came(value: Any) -> str:
    """A value in words: the type and shape of a tensor or array, the class of another."""
    if isinstance(value, np.ndarray):
        return f"a numpy array, {value.dtype} {list(value.shape)}"
    if value is None:
        return "nothing"
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        if value.is_nested:
            return "a nested tensor"
        layout = "" if value.layout == torch.strided else f"{str(value.layout).removeprefix('torch.')} "
        dtype = str(value.dtype).removeprefix("torch.")
        return f"a {layout}{dtype} tensor of {list(value.shape)} on {value.device}"
    return f"a value of type {type(value).__name__}"


def is_unicode(text: str) -> bool:
    """Whether a file can hold it: halves of surrogate pairs are no characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def checked_text(value: Any, what: str) -> str:
    """A text that stands in tables. Raises QbenchError for anything else."""
    if not isinstance(value, str) or not value.strip() or not is_unicode(value):
        raise QbenchError(f"{what} is {short(value)}; expected a text")
    return str(value)


def checked_axis(axis: Any, who: str) -> tuple[str, float] | None:
    """The place of a condition on an axis of tables. Raises QbenchError for anything but a name and a number."""
    match axis:
        case None:
            return None
        case (str(name), int() | float() as point) if (
            is_unicode(name) and not isinstance(point, bool) and abs(point) < FURTHEST
        ):
            return str(name), point
    raise QbenchError(f"{who}: `axis` is a name and a number, or None, not {short(axis)}")


class ForeignDataset:
    """A dataset of a plug-in: its manifest and its samples are copies, and checked."""

    def __init__(self, dataset: Dataset, entry: Entry) -> None:
        self._dataset = dataset
        self._who = _who(entry)
        self.label = checked_text(getattr(dataset, "label", entry.name), f"{self._who}: its label")
        self.more_classes = bool(getattr(dataset, "more_classes", False))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of its classes in the order of their numbers; none where it does not name them."""
        with visit(self._who, "classes"), foreign(f"{self._who}: its classes cannot be read", DataError):
            classes = getattr(self._dataset, "classes", None)
            return () if classes is None else self._texts(classes, "classes")

    @cached_property
    def _manifest(self) -> Manifest:
        with visit(self._who, "manifest"):
            manifest: Any = self._dataset.manifest()
            if not isinstance(manifest, Manifest):
                came = what_came(manifest)
                raise DataError(f"{self._who}: manifest gave {came}; expected a qbench.vocabulary.Manifest")
            parts = {name: getattr(manifest, name) for name in ("ids", "digests", "notes")}
            return Manifest(*(self._texts(part, f"manifest's {name}") for name, part in parts.items()))

    def _texts(self, values: Any, what: str) -> tuple[str, ...]:
        """The same texts. Raises DataError for anything else."""
        if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
            raise DataError(f"{self._who}: its {what} are {short(values)}; expected a tuple of str")
        texts = tuple(values)
        if not all(isinstance(value, str) for value in texts):
            raise DataError(f"{self._who}: its {what} are not all str; expected a tuple of str")
        for value in texts:
            if not is_unicode(value):
                raise DataError(f"{self._who}: its {what} hold {short(value)}; expected texts that UTF-8 can hold")
        return tuple(str(value) for value in texts)

    def manifest(self) -> Manifest:
        """As the plug-in's, which is asked once: it may read every picture for it.

        Raises DataError for anything but as many texts for ids, which differ, as for digests."""
        ids, digests = self._manifest.ids, self._manifest.digests
        if not ids:
            raise DataError(f"{self._who} holds no samples")
        if len(ids) != len(digests):
            raise DataError(f"the manifest of {self._who} has {len(ids)} ids and {len(digests)} digests")
        if len(set(ids)) < len(ids):
            double, times = Counter(ids).most_common(1)[0]
            raise DataError(f"{self._who} names sample {double!r} {times} times; ids must be unique")
        return self._manifest

    def load(self, index: int) -> Sample:
        """Raises QbenchError for anything but the manifest's sample, with a picture uint8 [H, W, 3]."""
        expected = self._manifest.ids[index]
        with visit(self._who, expected):
            return self._copied(self._dataset.load(index), index, expected)

    def _copied(self, sample: Any, index: int, expected: str) -> Sample:
        if not isinstance(sample, Sample):
            raise QbenchError(f"{self._who}: load gave {what_came(sample)}; expected a qbench.vocabulary.Sample")
        if sample.id != expected:
            raise QbenchError(f"{self._who}: load({index}) gave sample {sample.id!r}; its manifest says {expected!r}")
        image = sample.image
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise QbenchError(f"{self._who}: its picture is {what_came(image)}; expected uint8 [height, width, 3]")
        if not image.size:
            raise QbenchError(f"{self._who}: its picture has no pixels: {list(image.shape)}")
        if not isinstance(sample.group, str | None):
            raise QbenchError(f"{self._who}: the group of its sample is {sample.group!r}; expected a text or None")
        if sample.group is not None and not is_unicode(sample.group):
            raise QbenchError(f"{self._who}: the group of its sample is {sample.group!r}; UTF-8 cannot hold it")
        with foreign(f"{self._who}: the target of its sample, {what_came(sample.target)}, cannot be copied"):
            target = copy.deepcopy(sample.target)
        return Sample(expected, np.array(image, order="C"), target, sample.group)


class ForeignCondition:
    """A condition of a plug-in: it is lent a copy, and its pictures and facts are checked."""

    def __init__(self, condition: Condition, entry: Entry) -> None:
        self._condition = condition
        self._who = _who(entry)
        self.label = checked_text(getattr(condition, "label", entry.name), f"{self._who}: its label")
        self.axis = checked_axis(getattr(condition, "axis", None), self._who)
        self.family = checked_text(getattr(condition, "family", entry.name), f"{self._who}: its family")
        self.runs_through = tuple(getattr(condition, "runs_through", ()))
        if not all(isinstance(other, Entry) for other in self.runs_through):
            raise QbenchError(f"{self._who}: `runs_through` is {short(self.runs_through)}; expected registry entries")

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        """Raises QbenchError for anything but a picture of the same size and facts that JSON holds."""
        with visit(draw.seed, self._who, self.label, draw.sample_id):
            return self._copied(self._condition.apply(image.copy(), draw), image)

    def _copied(self, result: Any, image: Image) -> tuple[Image, Facts]:
        if not isinstance(result, tuple) or len(result) != 2:
            raise QbenchError(f"{self._who}: apply gave {what_came(result)}; expected a picture and its facts")
        picture, facts = result
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.shape != image.shape:
            raise QbenchError(f"{self._who}: apply gave {what_came(picture)}; expected uint8 {list(image.shape)}")
        try:
            plain: Facts = json.loads(json.dumps(dict(facts), allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise QbenchError(
                f"{self._who}: its facts are no plain values ({error}); expected what JSON holds"
            ) from None
        bpp = plain.get("bpp", 0)
        if isinstance(bpp, bool) or not isinstance(bpp, int | float) or not 0 <= bpp <= MOST_BPP:
            raise QbenchError(
                f"{self._who}: its fact `bpp` is {short(bpp)}; expected bits per pixel, a number from 0 on"
            )
        return np.array(picture, order="C"), plain
