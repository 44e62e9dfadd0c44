"""The built-in classifier on scenes under fast and under parity mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qbench.data.scenes import scene
from qbench.degrade import condition
from qbench.draws import Draw
from qbench.models.builtin.declared import Builtin
from qbench.runtime import fixed_threads


def accuracies(names: Sequence[str], count: int, severities: Sequence[int] = (1, 3, 5)) -> dict[str, Any]:
    """By corruption: the share of `count` scenes named rightly in each mode, and how surprising their difference is."""
    model = Builtin("scenes").build()
    drawn = [scene("test", index, 128) for index in range(count)]
    labels = np.array([one.label for one in drawn])

    def right(name: str, severity: int, mode: str) -> NDArray[np.bool_]:
        corruption = condition(name, severity=severity, mode=mode)
        pictures = np.stack([corruption.apply(one.image, Draw(0, str(i)))[0] for i, one in enumerate(drawn)])
        batches = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(255).split(32)
        found = torch.cat([model.logits(batch).argmax(1) for batch in batches])
        return np.asarray(found.numpy() == labels)

    table: dict[str, Any] = {"scenes": count, "severities": list(severities)}
    with fixed_threads(1), torch.inference_mode():
        for name in names:
            fast, parity = (np.stack([right(name, s, mode) for s in severities]) for mode in ("fast", "parity"))
            table[name] = {
                "fast": [round(float(one), 4) for one in fast.mean(1)],
                "parity": [round(float(one), 4) for one in parity.mean(1)],
                "z": round(surprise(fast, parity), 2),
            }
    return table


def surprise(fast: NDArray[np.bool_], parity: NDArray[np.bool_]) -> float:
    """About standard normal where neither mode is harder: what they differ by, summed over scenes, in its standard
    errors. Answers are [severities, scenes]; the severities of a scene share their draws and count as one figure."""
    differences = fast.astype(int).sum(0) - parity.astype(int).sum(0)
    return float(differences.sum() / max(np.sqrt((differences**2).sum()), 1))
