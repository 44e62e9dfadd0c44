"""Maps of the built-in detector to boxes and back. A place of the map stands for the middle of four by four pixels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from qbench.models.base import finite
from qbench.vocabulary import Boxes

STRIDE, KEPT, THRESHOLD = 4, 100, 0.02


def boxes_of(maps: Tensor, images: Tensor) -> list[Boxes]:
    """[B, classes + 4, h, w] to boxes inside the pictures [B, 3, H, W]: peaks among their eight neighbours, the best
    KEPT of a picture with a score above THRESHOLD. Raises QbenchError for maps that are not finite."""
    scores = finite(maps, "the model's outputs")[:, :-4].float().sigmoid()
    peaks = scores * (F.max_pool2d(scores, 3, 1, 1) == scores)
    height, width = images.shape[-2:]
    boxes = []
    for heat, sides in zip(peaks, maps[:, -4:].float(), strict=True):
        values, places = heat.flatten().topk(min(KEPT, heat.numel()))
        kept = values > THRESHOLD
        values, places = values[kept], places[kept]
        labels, rest = places // heat[0].numel(), places % heat[0].numel()
        y, x = rest // heat.shape[2], rest % heat.shape[2]
        middle = torch.stack([x, y, x, y], 1) * STRIDE + STRIDE / 2
        away = sides[:, y, x].T * STRIDE * torch.tensor([-1.0, -1.0, 1.0, 1.0], device=maps.device)
        corners = (middle + away).clamp_min(0)
        corners = torch.minimum(corners, torch.tensor([width, height, width, height], device=maps.device))
        boxes.append(
            Boxes(
                corners.cpu().numpy().astype(np.float32),
                labels.cpu().numpy().astype(np.int32),
                values.cpu().numpy().astype(np.float32),
            )
        )
    return boxes


def targets_of(masks: Tensor, instances: Tensor, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Masks (class + 1) and instances (number + 1) [B, S, S] to what the maps should be: heat [B, classes, s, s] (1 at
    the middle of an object, falling off around it), sides [B, 4, s, s] and where sides count [B, s, s].

    The fall-off is Gaussian, with a sixth of the box's shorter side as its deviation, as in CenterNet."""
    batch, size = masks.shape[0], masks.shape[-1] // STRIDE
    heat = torch.zeros(batch, classes, size, size)
    sides, counts = torch.zeros(batch, 4, size, size), torch.zeros(batch, size, size)
    grid = torch.arange(size, dtype=torch.float32)
    for i in range(batch):
        for number in range(1, int(instances[i].max()) + 1):
            rows, columns = torch.nonzero(instances[i] == number, as_tuple=True)
            if len(rows) < 9:
                continue
            label = int(masks[i][rows[0], columns[0]]) - 1
            y0, y1, x0, x1 = int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1
            y, x = min(size - 1, (y0 + y1) // 2 // STRIDE), min(size - 1, (x0 + x1) // 2 // STRIDE)
            spread = max(0.6, min(y1 - y0, x1 - x0) / STRIDE / 6)
            falling = torch.exp(-((grid[:, None] - y) ** 2 + (grid[None] - x) ** 2) / (2 * spread**2))
            heat[i, label] = torch.maximum(heat[i, label], falling)
            near = (falling > 0.6) & (falling >= counts[i])
            middle_y, middle_x = grid[:, None] * STRIDE + STRIDE / 2, grid[None] * STRIDE + STRIDE / 2
            away = (middle_x - x0, middle_y - y0, x1 - middle_x, y1 - middle_y)
            for side, distance in enumerate(away):
                sides[i, side][near] = (distance.expand(size, size) / STRIDE).clamp_min(0.1)[near]
            counts[i] = torch.where(near, falling, counts[i])
    return heat, sides, counts
