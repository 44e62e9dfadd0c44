from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from qbench.cards.schema import StageSpec
from qbench.train.core import log, losses
from qbench.train.core.optimisers import optimiser, rate

from .pictures import Tiny


def test_feature_loss_by_hand() -> None:
    predicted, target = torch.zeros(1, 2, 1, 2), torch.tensor([[[[1.0, 3.0]], [[4.0, 8.0]]]])
    expected = ((1 / 1) ** 2 + (3 / 1) ** 2 + (4 / 2) ** 2 + (8 / 2) ** 2) / 4
    assert losses.feature(predicted, target, torch.tensor([1.0, 2.0])).item() == pytest.approx(expected)


def test_kl_by_its_definition_in_numpy() -> None:
    rng = np.random.default_rng(0)
    student, teacher, temperature = rng.normal(size=(5, 7)), rng.normal(size=(5, 7)), 2.5

    def softmax(x: np.ndarray) -> np.ndarray:
        e = np.exp(x / temperature)
        return e / e.sum(1, keepdims=True)

    p, q = softmax(teacher), softmax(student)
    expected = temperature**2 * (p * np.log(p / q)).sum(1).mean()
    given = losses.kl(torch.from_numpy(student), torch.from_numpy(teacher), temperature).item()
    assert given == pytest.approx(expected)
    same = torch.from_numpy(teacher)
    assert losses.kl(same, same + 3, 1.0).item() == pytest.approx(0, abs=1e-12)


def test_deeper_loss_is_free_of_scale() -> None:
    a, b = torch.randn(2, 3, 4, 4, dtype=torch.float64), torch.randn(2, 3, 4, 4, dtype=torch.float64)
    assert losses.deeper(7 * a, 7 * b).item() == pytest.approx(losses.deeper(a, b).item())
    assert losses.deeper(torch.zeros_like(b), b).item() == pytest.approx(1.0)


def test_rates() -> None:
    steps = {"steps": 100, "batch": 1, "lr": 1.0}
    cosine = rate(StageSpec(**steps, schedule="cosine"))
    assert [cosine(0), cosine(50)] == pytest.approx([1.0, 0.5])
    assert 0 < cosine(99) < 0.001
    assert all(cosine(i) > cosine(i + 1) for i in range(99))
    step = rate(StageSpec(**steps, schedule="step"))
    assert {step(i) for i in range(50)} == {1.0}
    assert {step(i) for i in range(50, 100)} == {0.2}
    warm = rate(StageSpec(**steps, warmup=4))
    assert [warm(i) for i in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


def test_rate_factors_reach_the_parameters_that_they_name() -> None:
    net = Tiny()
    groups = optimiser(
        StageSpec(steps=1, batch=1, lr=0.5, lr_factors={"last.*": 0.1}), net.named_parameters()
    ).torch.param_groups
    rates = {id(p): group["initial_lr"] for group in groups for p in group["params"]}
    assert {name: rates[id(p)] for name, p in net.named_parameters()} == {
        name: pytest.approx(0.05 if name.startswith("last.") else 0.5) for name, _ in net.named_parameters()
    }


def test_the_log_as_a_table_and_as_a_picture(tmp_path: Path) -> None:
    kept = {"b": [math.nan, 2.0, 3.0], "a": [1.0, 0.5, math.nan]}
    rows = list(csv.reader(io.StringIO(log.table(kept).decode())))
    assert rows == [["step", "a", "b"], ["1", "1", ""], ["2", "0.5", "2"], ["3", "", "3"]]
    assert log.picture(kept, "title").startswith(b"\x89PNG")
    assert log.picture({}, "nothing yet").startswith(b"\x89PNG")


def test_smoothing_is_the_mean_of_the_window() -> None:
    values = [4.0, 2.0, math.nan, 6.0, 1.0, 3.0]
    expected = [4.0, 3.0, math.nan, 4.0, 3.5, 10 / 3]
    assert log.smooth(values, 3) == pytest.approx(expected, nan_ok=True)


def test_kl_of_maps_is_the_mean_over_their_places() -> None:
    student, teacher = torch.randn(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0)).double().unbind()
    by_place = [
        losses.kl(student[b, :, y, x][None], teacher[b, :, y, x][None], 2.0).item()
        for b in range(3) for y in range(5) for x in range(6)
    ]  # fmt: skip
    assert losses.kl(student, teacher, 2.0).item() == pytest.approx(np.mean(by_place))


def test_contrast_by_its_definition_in_numpy() -> None:
    rng = np.random.default_rng(1)
    vectors, labels, temperature = rng.normal(size=(7, 5)), np.array([0, 1, 0, 2, 1, 0, 3]), 0.3
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    by_picture = []
    for i in range(7):
        positives = [j for j in range(7) if j != i and labels[j] == labels[i]]
        likeness = np.exp(units @ units[i] / temperature)
        below = sum(likeness[j] for j in range(7) if j != i)
        if positives:
            by_picture.append(-np.mean([np.log(likeness[j] / below) for j in positives]))
    given = losses.contrast(torch.from_numpy(vectors), torch.from_numpy(labels), temperature)
    assert len(by_picture) == 5
    assert given.item() == pytest.approx(np.mean(by_picture))
