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
    yield from np.array_split(weights, -(-len(weights) // rows)) if len(weights) else ()


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
    """[resamples, K, overlaps, recalls]: the highest precision at that recall or above; NaN without objects.

    In memory resamples come last, so that each step along a queue of detections is one operation on all of them."""
    objects = wanted(matches, weights)
    totals, place = np.unique(objects, return_inverse=True)
    needed, place = _needed(totals).T, place.reshape(objects.shape)
    values = np.full((len(OVERLAPS[overlaps]), len(RECALLS), len(matches.classes), len(weights)), np.nan)
    most = int(weights.max(initial=0)) * (len(matches.kind) + 1)
    times = np.ascontiguousarray(weights.T, dtype=np.int32 if most < 2**31 else np.int64)
    for kind in range(len(matches.classes)):
        some = np.flatnonzero(objects[:, kind])
        if len(some) == len(weights):
            values[:, :, kind] = _class_precision(matches, kind, times, needed[:, place[:, kind]], overlaps)
        elif len(some):
            of_some = _class_precision(matches, kind, times[:, some], needed[:, place[some, kind]], overlaps)
            values[:, :, kind, some] = of_some
    return values.transpose(3, 2, 0, 1)


@dataclass(frozen=True)
class _Queue:
    """Detections of one class by falling score, and how often each counts in each resample."""

    which: Whole
    """[E]: the detection."""
    times: Counts
    """[E, resamples]"""


def _class_precision(matches: Matches, kind: int, times: Counts, needed: Whole, overlaps: slice) -> Numbers:
    """[overlaps, recalls, resamples]; every resample holds objects of the class.

    `times` is [samples, resamples], `needed` [recalls, resamples], as `_needed` says."""
    judged = list(zip(matches.right[overlaps], matches.ignored[overlaps], strict=True))
    queue = _queue(matches, kind, times)
    every = _added_up(queue.times)
    values = np.empty((len(judged), len(RECALLS), times.shape[1]))
    for place, (all_right, all_ignored) in enumerate(judged):
        right, ignored = np.flatnonzero(all_right[queue.which]), all_ignored[queue.which]
        seen = (_added_up(queue.times * ~ignored[:, None]) if ignored.any() else every)[right]
        values[place] = _read_off(_added_up(queue.times[right]), seen, needed)
    return values


def _added_up(times: Counts) -> Counts:
    return np.cumsum(times, axis=0, dtype=times.dtype)


def _queue(matches: Matches, kind: int, times: Counts) -> _Queue:
    """Copies of a picture are kept apart only where its own detections tie: there their order decides."""
    members = np.flatnonzero(matches.kind == kind)
    members = members[np.argsort(-matches.scores[members], kind="stable")]
    image, scores = matches.image[members], matches.scores[members]
    starts = np.ones(len(members), dtype=np.bool_)
    starts[1:] = (image[1:] != image[:-1]) | (scores[1:] != scores[:-1])
    run = np.cumsum(starts) - 1
    tied = np.bincount(run, minlength=1)[run] > 1 if len(run) else np.zeros(0, dtype=np.bool_)
    copies = np.ones(len(members), dtype=np.int64)
    copies[tied] = np.maximum(times[image[tied]].max(axis=1, initial=0), 1)
    places = np.repeat(np.arange(len(members)), copies)
    copy = np.arange(len(places)) - np.repeat(np.cumsum(copies) - copies, copies)
    order = np.lexsort((places, copy, run[places]))
    places, copy = places[order], copy[order]
    taken = times[image[places]]
    if tied.any():
        taken = np.where(tied[places, None], taken > copy[:, None], taken)
    return _Queue(members[places], taken)


def _needed(totals: Whole) -> Whole:
    """[totals, recalls]: the fewest hits whose share of a total, as it is rounded, reaches each recall; 0 for none."""
    total = totals[:, None]
    guess = np.ceil(RECALLS * total).astype(np.int64)
    tried = np.stack([guess - 1, guess, guess + 1])
    reached = (tried / np.maximum(total, 1) >= RECALLS) & (tried >= 0)
    return np.asarray(np.take_along_axis(tried, reached.argmax(axis=0)[None], axis=0)[0], dtype=np.int64)


def _read_off(hits: Counts, seen: Counts, needed: Whole) -> Numbers:
    """[recalls, resamples], from counts [right detections, resamples] at each right detection.

    Precision only falls between right detections, so that the highest one at a recall is found at one of them. Of those
    with the same number of hits the first has the highest: it is written last."""
    most, resamples = int(hits.max(initial=0)), hits.shape[1]
    column = np.arange(resamples)
    best = np.zeros((most + 2, resamples))
    best.ravel()[hits[::-1] * np.int64(resamples) + column] = (hits / (seen + np.spacing(1)))[::-1]
    best = np.maximum.accumulate(best[::-1], axis=0)[::-1]
    return np.asarray(best[np.minimum(needed, most + 1), column])


def mean(values: Numbers, has_objects: Flags) -> Numbers:
    """[resamples]: the mean of values [resamples, K, ...] over all but the first axis, of the classes with objects.

    Added up in the order in which COCO's evaluation code does, which has the classes last. NaN where no class has
    one."""
    averages = np.full(len(values), np.nan)
    classes_last = np.ascontiguousarray(np.moveaxis(values, 1, -1))
    full = np.asarray(has_objects.all(axis=1))
    for row in np.flatnonzero(has_objects.any(axis=1)):
        of_row = classes_last[row] if full[row] else classes_last[row][..., has_objects[row]]
        averages[row] = np.mean(of_row.ravel())
    return averages
