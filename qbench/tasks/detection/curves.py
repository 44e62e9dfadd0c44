"""Precision and recall under weights, from detections that are matched already.

A sample of weight w counts as w copies of it, one after another in the records, would. Scores are the same to the last
bit as if the copies were there: counts are whole numbers, and divisions are those of COCO's evaluation code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qbench.errors import QbenchError
from qbench.tasks.detection.matching import OVERLAPS, Flags, Matches, Whole
from qbench.tasks.score import Numbers

RECALLS: Numbers = np.linspace(0.0, 1.0, 101)
"""Where precision is read off."""
Counts: TypeAlias = NDArray[Any]
"""Whole numbers of 4 bytes, or of 8 where these are too few."""
_CELLS = 8_000_000


def whole(weights: Numbers) -> Whole:
    """Weights as whole numbers. Raises QbenchError for others: a picture cannot be half there."""
    counts = np.rint(np.asarray(weights, dtype=np.float64))
    if not np.array_equal(counts, weights) or (counts.size and counts.min() < 0):
        raise QbenchError("average precision takes weights that say how often each sample counts: 0, 1, 2, ...")
    return counts.astype(np.int64)


def blocks(weights: Whole, matches: Matches) -> Iterator[Whole]:
    """Rows of weights [resamples, samples], as many at a time as memory is meant for."""
    widest = max([1, *np.bincount(matches.kind, minlength=1)], default=1)
    width = max(int(widest), len(OVERLAPS) * len(RECALLS) * len(matches.classes), weights.shape[1], 1)
    rows = max(1, _CELLS // width)
    for start in range(0, len(weights), rows):
        yield weights[start : start + rows]


def wanted(matches: Matches, weights: Whole) -> Whole:
    """[resamples, K]: how many objects count and have to be found."""
    return np.asarray(weights.astype(np.float64) @ matches.wanted.astype(np.float64), dtype=np.int64)


def recall(matches: Matches, weights: Whole, limit: int) -> Numbers:
    """[resamples, K, overlaps]: the share of objects found by the `limit` best detections of each picture and class."""
    number = len(matches.classes)
    hits_of_picture = np.zeros((weights.shape[1], number, len(OVERLAPS)))
    taken = matches.rank < limit
    for place, right in enumerate(matches.right):
        np.add.at(hits_of_picture[..., place], (matches.image[taken & right], matches.kind[taken & right]), 1.0)
    total = wanted(matches, weights)[:, :, None]
    hits = np.tensordot(weights.astype(np.float64), hits_of_picture, axes=1)
    return np.asarray(np.divide(hits, total, out=np.full(hits.shape, np.nan), where=total > 0))


def precision(matches: Matches, weights: Whole, overlaps: slice = slice(None)) -> Numbers:
    """[resamples, K, overlaps, recalls]: the highest precision at that recall or above; NaN without objects."""
    objects = wanted(matches, weights)
    totals, place = np.unique(objects, return_inverse=True)
    needed, place = _needed(totals), place.reshape(objects.shape)
    values = np.full((len(weights), len(matches.classes), len(OVERLAPS[overlaps]), len(RECALLS)), np.nan)
    for kind in range(len(matches.classes)):
        some = np.flatnonzero(objects[:, kind])
        if len(some):
            values[some, kind] = _class_precision(matches, kind, weights[some], needed[place[some, kind]], overlaps)
    return values


@dataclass(frozen=True)
class _Queue:
    """Detections of one class by falling score, and how often each counts in each resample."""

    which: Whole
    """[E]: the detection."""
    times: Counts
    """[resamples, E]"""


def _class_precision(matches: Matches, kind: int, weights: Whole, needed: Whole, overlaps: slice) -> Numbers:
    """[resamples, overlaps, recalls]; every resample holds objects of the class.

    `needed` is [resamples, recalls], as `_needed` says."""
    judged = list(zip(matches.right[overlaps], matches.ignored[overlaps], strict=True))
    queue = _queue(matches, kind, weights)
    every = _added_up(queue.times)
    values = np.empty((len(weights), len(judged), len(RECALLS)))
    for place, (all_right, all_ignored) in enumerate(judged):
        right, ignored = np.flatnonzero(all_right[queue.which]), all_ignored[queue.which]
        seen = (_added_up(queue.times * ~ignored) if ignored.any() else every).take(right, axis=1)
        values[:, place] = _read_off(_added_up(queue.times.take(right, axis=1)), seen, needed)
    return values


def _added_up(times: Counts) -> Counts:
    return np.cumsum(times, axis=1, dtype=times.dtype)


def _queue(matches: Matches, kind: int, weights: Whole) -> _Queue:
    """Copies of a picture are kept apart only where its own detections tie: there their order decides."""
    members = np.flatnonzero(matches.kind == kind)
    members = members[np.argsort(-matches.scores[members], kind="stable")]
    image, scores = matches.image[members], matches.scores[members]
    starts = np.ones(len(members), dtype=np.bool_)
    starts[1:] = (image[1:] != image[:-1]) | (scores[1:] != scores[:-1])
    run = np.cumsum(starts) - 1
    tied = np.bincount(run, minlength=1)[run] > 1 if len(run) else np.zeros(0, dtype=np.bool_)
    copies = np.where(tied, np.maximum(weights.max(axis=0, initial=0)[image], 1), 1)
    places = np.repeat(np.arange(len(members)), copies)
    copy = np.arange(len(places)) - np.repeat(np.cumsum(copies) - copies, copies)
    order = np.lexsort((places, copy, run[places]))
    places, copy = places[order], copy[order]
    most = int(weights.max(initial=0)) * (len(members) + 1)
    times: Counts = weights.astype(np.int32 if most < 2**31 else np.int64).take(image[places], axis=1)
    if tied.any():
        times = np.where(tied[places], times > copy, times)
    return _Queue(members[places], times)


def _needed(totals: Whole) -> Whole:
    """[totals, recalls]: the fewest hits whose share of a total, as it is rounded, reaches each recall; 0 for none."""
    total = totals[:, None]
    guess = np.ceil(RECALLS * total).astype(np.int64)
    tried = np.stack([guess - 1, guess, guess + 1])
    reached = (tried / np.maximum(total, 1) >= RECALLS) & (tried >= 0)
    return np.asarray(np.take_along_axis(tried, reached.argmax(axis=0)[None], axis=0)[0], dtype=np.int64)


def _read_off(hits: Counts, seen: Counts, needed: Whole) -> Numbers:
    """[resamples, recalls], from counts [resamples, right detections] at each right detection.

    Precision only falls between right detections, so that the highest one at a recall is found at one of them: the
    first with as many hits as are needed, whose place is the number of those with fewer."""
    resamples, number = hits.shape
    best = np.zeros((resamples, number + 1))
    np.divide(hits, seen + np.spacing(1), out=best[:, :-1])
    best = np.maximum.accumulate(best[:, ::-1], axis=1)[:, ::-1]
    needed = np.minimum(needed, int(hits.max(initial=0)) + 1)
    width = int(hits.max(initial=0)) + 2
    row = np.arange(resamples)[:, None]
    having = np.bincount((hits + (1 + row * width)).ravel(), minlength=resamples * width)
    fewer = np.cumsum(having.reshape(resamples, width), axis=1)
    return np.asarray(np.take_along_axis(best, np.take_along_axis(fewer, needed, axis=1), axis=1), dtype=np.float64)


def mean(values: Numbers, has_objects: Flags) -> Numbers:
    """[resamples]: the mean of values [resamples, K, ...] over all but the first axis, of the classes with objects.

    Added up in the order in which COCO's evaluation code does, which has the classes last. NaN where no class has
    one."""
    averages = np.full(len(values), np.nan)
    for row in np.flatnonzero(has_objects.any(axis=1)):
        averages[row] = np.mean(np.moveaxis(values[row][has_objects[row]], 0, -1).ravel())
    return averages
