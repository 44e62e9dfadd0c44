"""Fits the pristine model of `niqe-local` to the built-in scenes' training split and writes it where it ships.

    python benchmarks/niqe_local.py [--count 512] [--out baselines/quality/niqe-local-scenes.npz]

Scenes are 128 pixels a side, so its blocks are 32 and not NIQE's 96."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from qbench.data.scenes.dataset import Scenes
from qbench.quality.niqe import fit
from qbench.quality.pristine import LOCAL, Pristine

BLOCK = 32
COUNT = 512
ROOT = Path(__file__).resolve().parent.parent


def levels_of_scenes(count: int) -> Iterator[Tensor]:
    """[1, 3, H, W] levels of the first scenes of the training split."""
    scenes = Scenes(count=count, split="train")
    for index in range(count):
        yield torch.from_numpy(scenes.load(index).image).permute(2, 0, 1)[None].double()


def fitted(count: int = COUNT) -> Pristine:
    return fit(levels_of_scenes(count), BLOCK)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--out", type=Path, default=ROOT / LOCAL)
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    fitted(given.count).save(given.out)


if __name__ == "__main__":
    main()
