from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import log_softmax, softmax

from qbench import registry
from qbench.errors import DataError, QbenchError
from qbench.tasks.classification import Classification, predict
from qbench.tasks.classification.metrics import CalibrationError, scored
from qbench.vocabulary import Sample


def records_of(logits, target):
    """Records by plain loops, with the meaning that the task documents."""
    rows = []
    for index, (row, t) in enumerate(zip(logits, target, strict=True)):
        chance = softmax(row)
        rows.append(
            {
                "id": str(index), "target": t, "prediction": int(row.argmax()), "confidence": float(chance.max()),
                "rank": sum(v >= row[t] for v in row) - 1 if t >= 0 else -1,
                "nll": -log_softmax(row)[t] if t >= 0 else math.nan, "error": "",
                "brier": sum((p - (k == t)) ** 2 for k, p in enumerate(chance)) if t >= 0 else math.nan,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def case():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (200, 12))
    target = np.where(generator.random(200) < 0.5, logits.argmax(1), generator.integers(0, 12, 200))
    frame = records_of(logits, target)
    bad = [3, 50, 51]
    frame.loc[bad, ["target", "prediction", "rank"]] = -1
    frame.loc[bad, ["confidence", "nll", "brier"]] = math.nan
    frame.loc[bad, "error"] = "cannot be decoded"
    good = np.setdiff1d(np.arange(200), bad)
    return frame, logits[good], target[good], good


def naive_ece(chance, target, times, bins=15):
    confidence, hit = chance.max(1), chance.argmax(1) == target
    total = 0.0
    for m in range(1, bins + 1):
        members = [
            i for i in range(len(target)) for _ in range(int(times[i])) if (m - 1) / bins < confidence[i] <= m / bins
        ]
        if members:
            total += len(members) * abs(np.mean([hit[i] for i in members]) - np.mean([confidence[i] for i in members]))
    return total / times.sum()


def metric(name):
    return registry.get("metric", name).target


@pytest.mark.parametrize("resampled", [False, True])
def test_metrics_agree_with_naive_ones(case, resampled):
    frame, logits, target, good = case
    weights = np.random.default_rng(1).integers(0, 4, 200).astype(float) if resampled else np.ones(200)
    times = weights[good]
    chance = softmax(logits, axis=1)
    top5 = [t in row.argsort()[-5:] for row, t in zip(logits, target, strict=True)]
    nll = -np.log(chance[np.arange(len(target)), target])
    assert metric("top1").statistic(frame, weights) == pytest.approx(
        np.average(logits.argmax(1) == target, weights=times)
    )
    assert metric("top5").statistic(frame, weights) == pytest.approx(np.average(top5, weights=times))
    assert metric("nll").statistic(frame, weights) == pytest.approx(np.average(nll, weights=times))
    brier = ((chance - np.eye(12)[target]) ** 2).sum(1)
    assert metric("brier").statistic(frame, weights) == pytest.approx(np.average(brier, weights=times))
    assert metric("ece").statistic(frame, weights) == pytest.approx(naive_ece(chance, target, times))


def test_rows_of_weights_give_a_value_each(case):
    frame = case[0]
    weights = np.random.default_rng(2).integers(0, 3, (4, 200)).astype(float)
    for name in Classification.metrics:
        alone = [float(metric(name).statistic(frame, row)) for row in weights]
        assert metric(name).statistic(frame, weights) == pytest.approx(alone)


def test_registered_with_direction_and_range(case):
    for name, higher in {
        "top1": True,
        "top5": True,
        "nll": False,
        "brier": False,
        "ece": False,
        "ace": False,
        "aurc": False,
    }.items():
        entry = registry.get("metric", name)
        low, high = entry.target.range
        assert entry.target.higher_is_better is higher
        assert low <= entry.target.statistic(case[0], np.ones(200)) <= high


def test_perfect_calibration_has_no_error():
    """Four of five right at confidence 0.8."""
    frame = pd.DataFrame({"target": [0] * 5, "prediction": [0, 0, 0, 0, 1], "confidence": [0.8] * 5, "error": [""] * 5})
    assert CalibrationError.statistic(frame, np.ones(5)) == pytest.approx(0)
    frame["confidence"] = 1.0
    assert CalibrationError.statistic(frame, np.ones(5)) == pytest.approx(0.2)


def test_bins_are_open_below_and_closed_above():
    """Gaps of opposite sign cancel within a bin and add up across bins."""

    def error(low, high):
        frame = {"target": [0, 0], "prediction": [1, 0], "confidence": [low, high], "error": ["", ""]}
        return CalibrationError.statistic(frame, np.ones(2))

    for edge in range(1, 15):
        assert error(edge / 15 - 0.01, edge / 15 - 0.001) == pytest.approx(abs(1 + 0.011 - 2 * edge / 15) / 2)
        assert error(edge / 15 - 0.01, edge / 15 + 0.01) == pytest.approx((edge / 15 - 0.01 + 0.99 - edge / 15) / 2)


def test_bad_and_unlabelled_samples_do_not_count():
    frame = pd.DataFrame({"target": [1, -1, -1], "rank": [0, -1, -1], "error": ["", "", "unreadable"]})
    assert scored(frame).tolist() == [True, False, False]
    assert metric("top1").statistic(frame, np.ones(3)) == 1
    assert np.isnan(metric("top1").statistic(frame, np.array([0.0, 1, 1])))


def test_records_hold_the_brier_score_of_what_the_model_says():
    """0 for a certain hit, 2 for a certain miss, (K - 1) / K for no opinion; none without a label."""
    logits = torch.tensor([[200.0, 0, 0, 0], [0, 200.0, 0, 0], [1.0, 1, 1, 1], [3.0, 1, 0, 2], [0, 0, 0, 0]])
    columns = predict.score(logits, [0, 0, 2, 3, None])
    chance = np.exp([3, 1, 0, 2]) / np.exp([3, 1, 0, 2]).sum()
    expected = [0, 2, 3 / 4, chance @ chance - 2 * chance[3] + 1, math.nan]
    assert columns["brier"] == pytest.approx(expected, nan_ok=True)
    assert columns["brier"].dtype == np.float32
    assert np.isnan(predict.bad(2)["brier"]).all()


@pytest.mark.parametrize("target", [-5, True, 1.0, "cat", np.zeros(2)])
def test_a_target_is_a_class_index_or_nothing(target):
    sample = Sample("one", np.zeros((2, 2, 3), np.uint8), target)
    with pytest.raises(DataError, match=r"the target of sample 'one' is .*; expected a class index from 0 on, or None"):
        predict.target(sample, sample.image, None)


def test_probabilities_are_no_logits():
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    assert predict.score(logits, [0, 1, None, 3])["target"].tolist() == [0, 1, -1, 3]
    with pytest.raises(QbenchError, match="gives probabilities, and classification needs logits"):
        predict.score(logits.softmax(1), [0, 1, None, 3])


def calibrated(confidence, hits):
    """Records of these confidences, right or wrong."""
    return {
        "target": np.zeros(len(hits), int), "prediction": 1 - np.asarray(hits, int),
        "confidence": np.asarray(confidence, float), "error": np.full(len(hits), ""),
    }  # fmt: skip


def naive_ace(confidence, hits, times, bins=15):
    """Every sample cut into `bins` pieces, so that all bins get whole ones; for confidences that all differ."""
    pieces = [(c, h) for c, h, k in sorted(zip(confidence, hits, times, strict=True)) for _ in range(int(k) * bins)]
    each = len(pieces) // bins
    gaps = [sum(h - c for c, h in pieces[m * each : (m + 1) * each]) for m in range(bins)]
    return sum(map(abs, gaps)) / len(pieces)


def naive_aurc(confidence, hits, times):
    """The mean over all k of the errors among the k most confident; ties in every order, by plain sums of 1/k."""
    drawn = [(c, h) for c, h, k in zip(confidence, hits, times, strict=True) for _ in range(int(k))]
    n, total = len(drawn), 0.0
    for k in range(1, n + 1):
        edge = sorted((c for c, _ in drawn), reverse=True)[k - 1]
        surely = [h for c, h in drawn if c > edge]
        tied = [h for c, h in drawn if c == edge]
        share = (k - len(surely)) / len(tied)
        total += (sum(1 - h for h in surely) + share * sum(1 - h for h in tied)) / k
    return total / n


@pytest.mark.parametrize("seed", range(4))
def test_adaptive_calibration_error_is_that_of_bins_of_equally_many_pieces(seed):
    generator = np.random.default_rng(seed)
    confidence, hits = generator.uniform(0.1, 1, 47), generator.random(47) < 0.6
    weights = generator.integers(0, 4, (3, 47)).astype(float)
    found = metric("ace").statistic(calibrated(confidence, hits), weights)
    assert found == pytest.approx([naive_ace(confidence, hits, row) for row in weights])


def test_adaptive_calibration_error_of_known_records():
    assert metric("ace").statistic(calibrated([0.8] * 5, [1, 1, 1, 1, 0]), np.ones(5)) == pytest.approx(0)
    confidence = np.repeat(np.linspace(0.1, 0.9, 15), 10)
    hits = np.tile(np.arange(10) < 4, 15)
    expected = np.abs(0.4 - np.linspace(0.1, 0.9, 15)).mean()
    order = np.random.default_rng(0).permutation(150)
    for shown in (np.arange(150), order):
        found = metric("ace").statistic(calibrated(confidence[shown], hits[shown]), np.ones(150))
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("decimals", [1, 6])
def test_area_under_risk_coverage_is_the_mean_over_all_coverages(seed, decimals):
    generator = np.random.default_rng(seed)
    confidence, hits = generator.uniform(0.1, 1, 40).round(decimals), generator.random(40) < 0.6
    weights = generator.integers(0, 4, (3, 40)).astype(float)
    found = metric("aurc").statistic(calibrated(confidence, hits), weights)
    assert found == pytest.approx([naive_aurc(confidence, hits, row) for row in weights])


def test_area_under_risk_coverage_of_known_records():
    """Wrong at last: only the last coverage has an error. All alike: the error rate at every coverage."""
    last = metric("aurc").statistic(calibrated([0.9, 0.8, 0.7, 0.6], [1, 1, 1, 0]), np.ones(4))
    first = metric("aurc").statistic(calibrated([0.6, 0.7, 0.8, 0.9], [1, 1, 1, 0]), np.ones(4))
    tied = metric("aurc").statistic(calibrated([0.5] * 4, [1, 1, 1, 0]), np.ones(4))
    assert (last, first, tied) == pytest.approx((1 / 16, (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4, 1 / 4))


@pytest.mark.parametrize("name", ["ace", "aurc"])
def test_without_samples_there_is_no_score(name):
    records = calibrated([0.5, 0.6], [1, 0])
    assert np.isnan(metric(name).statistic(records, np.zeros((2, 2)))).all()
    assert np.isnan(metric(name).statistic({**records, "target": np.full(2, -1)}, np.ones(2)))
