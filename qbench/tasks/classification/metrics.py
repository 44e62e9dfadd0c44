"""Scores of classification records, by numpy alone: `statistic(records, weights)`, its direction and its range.

Records are columns by name (a data frame, or a mapping of arrays); see `qbench.tasks.classification.predict` for what
they hold. `scored` says which samples count: readable ones that have a label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qbench.registry import metric
from qbench.tasks.score import Columns, Numbers, weighted_mean

BINS = 15


def scored(records: Columns) -> NDArray[np.bool_]:
    """[samples]: readable and labelled."""
    labelled = np.asarray(records["target"], dtype=np.int64) >= 0
    return np.asarray(labelled & (np.asarray(records["error"], dtype=np.str_) == ""))


class MeanOfSamples:
    """A mean of one number a sample over the samples that count."""

    counts = staticmethod(scored)

    @staticmethod
    def per_sample(records: Columns) -> Numbers:
        """[samples]: the number of each; what stands where a sample does not count is not read."""
        raise NotImplementedError

    @classmethod
    def statistic(cls, records: Columns, weights: Numbers) -> Numbers:
        return weighted_mean(cls.per_sample(records), cls.counts(records), weights)


@metric("top1", task="classification")
class Top1(MeanOfSamples):
    """Share of samples whose target has the highest logit, alone (a tie counts as a miss)."""

    title = "Top-1 accuracy (%)"
    unit = "percent"
    hits = True
    columns = ("target", "rank")
    higher_is_better = True
    range = (0.0, 1.0)

    @staticmethod
    def per_sample(records: Columns) -> Numbers:
        return np.asarray(np.asarray(records["rank"]) == 0, dtype=np.float64)


@metric("top5", task="classification")
class Top5(MeanOfSamples):
    """Share of samples whose target has one of the five highest logits (ties count against it)."""

    title = "Top-5 accuracy (%)"
    unit = "percent"
    hits = True
    columns = ("target", "rank")
    higher_is_better = True
    range = (0.0, 1.0)

    @staticmethod
    def per_sample(records: Columns) -> Numbers:
        rank = np.asarray(records["rank"], dtype=np.int64)
        return ((rank >= 0) & (rank < 5)).astype(np.float64)


@metric("nll", task="classification")
class NegativeLogLikelihood(MeanOfSamples):
    """Mean of minus the logarithm (base e) of the softmax at the target."""

    title = "Negative log likelihood (nats)"
    unit = "plain"
    columns = ("target", "nll")
    higher_is_better = False
    range = (0.0, float("inf"))

    @staticmethod
    def per_sample(records: Columns) -> Numbers:
        return np.asarray(records["nll"], dtype=np.float64)


@metric("brier", task="classification")
class Brier(MeanOfSamples):
    """Mean over samples of the squared distance between the softmax and the target's one-hot vector.

    Brier, Verification of Forecasts Expressed in Terms of Probability (Monthly Weather Review, 1950): the sum over all
    classes, 0 for a certain hit and 2 for a certain miss."""

    title = "Brier score"
    unit = "plain"
    columns = ("target", "brier")
    higher_is_better = False
    range = (0.0, 2.0)

    @staticmethod
    def counts(records: Columns) -> NDArray[np.bool_]:
        """[samples]: those that count and whose score was recorded, which an export may say it was not."""
        return scored(records) & np.isfinite(Brier.per_sample(records))

    @staticmethod
    def per_sample(records: Columns) -> Numbers:
        return np.asarray(records["brier"], dtype=np.float64)


@metric("ece", task="classification")
class CalibrationError:
    """Expected calibration error of the predicted label in 15 equal bins of confidence.

    Guo et al., On Calibration of Modern Neural Networks (ICML 2017), equation 3; bin m is ((m-1)/15, m/15]."""

    title = "Expected calibration error (%)"
    unit = "percent"
    columns = ("target", "prediction", "confidence")
    counts = staticmethod(scored)
    higher_is_better = False
    range = (0.0, 1.0)

    @staticmethod
    def statistic(records: Columns, weights: Numbers) -> Numbers:
        counts = scored(records)
        confidence = np.where(counts, np.asarray(records["confidence"], dtype=np.float64), 0.0)
        correct = np.asarray(records["prediction"]) == np.asarray(records["target"])
        number = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
        gap = np.where(counts, correct - confidence, 0.0)
        gaps = np.zeros((len(gap), BINS))
        gaps[np.arange(len(gap)), number] = gap
        weights = np.asarray(weights, dtype=np.float64)
        total = weights @ counts.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.abs(weights @ gaps).sum(axis=-1) / total, dtype=np.float64)
