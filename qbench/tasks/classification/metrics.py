"""Scores of classification records, by numpy alone: `statistic(records, weights)`, its direction and its range.

Records are columns by name (a data frame, or a mapping of arrays); see `qbench.tasks.classification.predict` for what
they hold. `scored` says which samples count: readable ones that have a label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qbench.registry import metric
from qbench.tasks.score import Columns, Numbers, weighted_mean

BINS = 15
RESAMPLES = 500
"""Of metrics that put the samples in order, which takes ten times as long as a mean over them."""
CALIBRATION = ("ece", "ace", "brier", "nll", "aurc")
"""What says how far the confidence of a classifier can be relied on."""


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


@dataclass(frozen=True)
class _ByConfidence:
    """The samples that count, ordered by confidence."""

    samples: NDArray[np.intp]
    """Their places in the records."""
    confidence: Numbers
    correct: NDArray[np.bool_]
    ends: NDArray[np.intp]
    """The last place of each confidence: samples of equal confidence are not told apart."""

    def up_to(self, values: Numbers) -> Numbers:
        """Sums of values [..., samples] up to and with each confidence, after a zero: [..., confidences + 1]."""
        sums = np.cumsum(values, axis=-1)[..., self.ends]
        return np.concatenate([np.zeros((*sums.shape[:-1], 1)), sums], axis=-1)


def _by_confidence(records: Columns, *, highest_first: bool) -> _ByConfidence:
    samples = np.flatnonzero(scored(records))
    confidence = np.asarray(records["confidence"], dtype=np.float64)[samples]
    order = np.argsort(-confidence if highest_first else confidence, kind="stable")
    samples, confidence = samples[order], confidence[order]
    correct = (np.asarray(records["prediction"]) == np.asarray(records["target"]))[samples]
    return _ByConfidence(samples, confidence, correct, np.flatnonzero(np.diff(confidence, append=np.nan)))


@metric("ace", task="classification")
class AdaptiveCalibrationError:
    """Expected calibration error of the predicted label in 15 bins of equally many samples, by confidence.

    Nguyen & O'Connor, Posterior calibration and exploratory analysis for natural language processing models (EMNLP
    2015); Nixon et al., Measuring Calibration in Deep Learning (CVPR workshops 2019), who average over all classes
    where this takes the predicted one. A sample at the edge of two bins counts in both by its share,
    and samples of equal confidence share alike, so that the order of records does not matter."""

    title = "Adaptive calibration error (%)"
    unit = "percent"
    resamples = RESAMPLES
    columns = ("target", "prediction", "confidence")
    counts = staticmethod(scored)
    higher_is_better = False
    range = (0.0, 1.0)

    @staticmethod
    def statistic(records: Columns, weights: Numbers) -> Numbers:
        ordered = _by_confidence(records, highest_first=False)
        weights = np.asarray(weights, dtype=np.float64)
        of_samples = weights[..., ordered.samples]
        masses = ordered.up_to(of_samples)
        gaps = ordered.up_to(of_samples * (ordered.correct - ordered.confidence))
        rows = zip(masses.reshape(-1, masses.shape[-1]), gaps.reshape(-1, gaps.shape[-1]), strict=True)
        values = [_gap_in_bins(mass, gap) for mass, gap in rows]
        return np.asarray(values, dtype=np.float64).reshape(weights.shape[:-1])


def _gap_in_bins(mass: Numbers, gap: Numbers) -> float:
    """The share of gaps that is left in bins of equal mass; `mass` and `gap` are sums over samples in order."""
    if mass[-1] == 0:
        return float("nan")
    edges = mass[-1] * np.arange(BINS + 1) / BINS
    return float(np.abs(np.diff(np.interp(edges, mass, gap))).sum() / mass[-1])


@metric("aurc", task="classification")
class RiskCoverage:
    """Area under the risk-coverage curve: the share of wrong labels among the k most confident samples, mean over k.

    Geifman & El-Yaniv, Selective Classification for Deep Neural Networks (NeurIPS 2017), have the curve; the mean over
    k = 1..n is that of Geifman, Uziel & El-Yaniv, Bias-Reduced Uncertainty Estimation (ICLR 2019). Samples of equal
    confidence, copies of one sample among them, come in any order: the value is the mean over their orders."""

    title = "Area under risk-coverage (%)"
    unit = "percent"
    resamples = RESAMPLES
    columns = ("target", "prediction", "confidence")
    counts = staticmethod(scored)
    higher_is_better = False
    range = (0.0, 1.0)

    @staticmethod
    def statistic(records: Columns, weights: Numbers) -> Numbers:
        """A wrong sample at place i of n adds the sum of 1/k over k = i..n, H(n) - H(i - 1): of a group of m places
        after the first s, the mean of that is H(n) - (S(s + m) - S(s)) / m."""
        ordered = _by_confidence(records, highest_first=True)
        weights = np.asarray(weights, dtype=np.float64)
        of_samples = weights[..., ordered.samples]
        wrong = np.diff(ordered.up_to(of_samples * ~ordered.correct), axis=-1)
        places = ordered.up_to(of_samples)
        has_wrong = np.flatnonzero(np.diff(ordered.up_to(np.where(ordered.correct, 0.0, 1.0))))
        first, last, wrong = places[..., has_wrong], places[..., has_wrong + 1], wrong[..., has_wrong]
        total = places[..., -1]
        with np.errstate(invalid="ignore", divide="ignore"):
            before = np.where(wrong > 0, (_sum_of_harmonic(last) - _sum_of_harmonic(first)) / (last - first), 0.0)
            area = (wrong * (_harmonic(total)[..., None] - before)).sum(axis=-1)
            return np.asarray(area / total, dtype=np.float64)


def _harmonic(n: Numbers) -> Numbers:
    """H(n) = 1 + 1/2 + ... + 1/n, and between whole numbers what continues it."""
    from scipy.special import digamma

    return np.asarray(digamma(n + 1) + np.euler_gamma, dtype=np.float64)


def _sum_of_harmonic(n: Numbers) -> Numbers:
    """S(n) = H(0) + H(1) + ... + H(n - 1)."""
    return n * (_harmonic(n) - 1)
