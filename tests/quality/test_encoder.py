"""What the shipped quality encoder knows of scenes that it never saw."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from qbench.data.scenes.scene import Split, scene
from qbench.degrade.blur.conditions import Blur
from qbench.degrade.jpeg import Jpeg
from qbench.degrade.noise.conditions import GaussianNoise
from qbench.draws import Draw
from qbench.quality.features import features

LEVELS = {
    "blur": [Blur(sigma) for sigma in (0.7, 1.2, 2.0, 3.5)],
    "noise": [GaussianNoise(sigma) for sigma in (6, 12, 25, 50)],
    "jpeg": [Jpeg(quality) for quality in (45, 25, 12, 5)],
}


def encoded(split: Split, count: int) -> NDArray[np.float64]:
    """[13, count, 256]: clean pictures, then every degradation from mild to severe; each of other scenes."""
    conditions = [None, *(level for levels in LEVELS.values() for level in levels)]
    rows = []
    for place, condition in enumerate(conditions):
        numbers = range(place * count, (place + 1) * count)
        pictures = [scene(split, number, 128).image[32:96, 32:96] for number in numbers]
        if condition is not None:
            pictures = [condition.apply(p, Draw(0, f"{split}{n}"))[0] for p, n in zip(pictures, numbers, strict=True)]
        batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
        rows.append(features("encoder", batch).double().numpy())
    return np.stack(rows)


@pytest.mark.slow
def test_neighbours_share_their_degradation_and_severity_is_ordered() -> None:
    known, queries = encoded("train", 24), encoded("test", 16)
    chosen = np.einsum("cnd,kmd->cnkm", queries, known).max(axis=3).argmax(axis=2)
    exact = (chosen == np.arange(13)[:, None]).mean()
    kind = ((chosen + 3) // 4 == ((np.arange(13) + 3) // 4)[:, None]).mean()
    assert exact > 0.4, f"chance is {1 / 13:.2f}"
    assert kind > 0.65, "chance is 0.31 at most"
    away = np.linalg.norm(queries - queries[0].mean(axis=0), axis=2).mean(axis=1)
    for first, name in zip((1, 5, 9), LEVELS, strict=True):
        levels = away[first : first + 4]
        assert (np.diff(levels) > 0).sum() >= 2, (name, levels)
        assert levels[3] > levels[0], (name, levels)
    assert away[0] < away[[4, 8, 12]].min()
