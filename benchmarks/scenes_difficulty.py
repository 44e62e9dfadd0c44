"""How hard the built-in scenes are: speed of the generator, a linear probe, and the built-in classifier under JPEG.

    python benchmarks/scenes_difficulty.py [--weights FILE] [--count N] [--probe N] [--split test]

Run it with OMP_NUM_THREADS=1 for the rate of one core."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.fft import dctn
from scipy.optimize import minimize
from scipy.special import log_softmax

from qbench.data.scenes import Scene, scene
from qbench.draws import keyed

QUALITIES = (25, 18, 15, 10, 7)
Floats = NDArray[np.float64]


def cheap_features(image: NDArray[np.uint8]) -> Floats:
    """Colour histograms, means and deviations, and the log of the mean |DCT coefficient| of 8x8 blocks of Y, Cb, Cr."""
    planes = np.asarray(Pillow.fromarray(image).convert("YCbCr"), dtype=np.float64)
    height, width = (side // 8 for side in image.shape[:2])
    blocks = planes[: height * 8, : width * 8].reshape(height, 8, width, 8, 3)
    energies = np.abs(dctn(blocks, axes=(1, 3), norm="ortho")).mean(axis=(0, 2))
    histograms = [np.histogram(image[..., c], 16, (0, 256))[0] / image[..., c].size for c in range(3)]
    flat = image.reshape(-1, 3)
    return np.concatenate([np.log(energies + 0.1).ravel(), *histograms, flat.mean(axis=0), flat.std(axis=0)])


def linear_probe(train: Sequence[Scene], test: Sequence[Scene], decays: Sequence[float] = (1e-4, 1e-3, 1e-2)) -> float:
    """Test accuracy of multinomial logistic regression on cheap features, the best of a few weight decays: choosing on
    the test scenes favours the probe."""
    seen = np.stack([cheap_features(drawn.image) for drawn in train])
    mean, deviation = seen.mean(axis=0), seen.std(axis=0) + 1e-9
    fresh = np.stack([cheap_features(drawn.image) for drawn in test])
    labels, truth = (np.array([drawn.label for drawn in part]) for part in (train, test))
    x, z = ((part - mean) / deviation for part in (seen, fresh))
    return max(_fit_and_score(x, labels, z, truth, decay) for decay in decays)


def _fit_and_score(x: Floats, labels: NDArray[np.int64], z: Floats, truth: NDArray[np.int64], decay: float) -> float:
    x, z = (np.concatenate([part, np.ones((len(part), 1))], axis=1) for part in (x, z))
    wanted = np.eye(int(max(labels.max(), truth.max())) + 1)[labels]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(x.shape[1], -1)
        logs = log_softmax(x @ weights, axis=1)
        slope = x.T @ (np.exp(logs) - wanted) / len(x) + 2 * decay * weights
        return float(-(wanted * logs).sum() / len(x) + decay * (weights**2).sum()), slope.ravel()

    start = np.zeros(x.shape[1] * wanted.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    return float((np.argmax(z @ found.reshape(x.shape[1], -1), axis=1) == truth).mean())


def jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    data = BytesIO()
    Pillow.fromarray(image).save(data, "JPEG", quality=quality)
    return np.asarray(Pillow.open(data))


def images_a_second(count: int = 500) -> float:
    """By this process's own time, so that a busy machine does not count."""
    scene("train", 0)
    start = time.process_time()
    for index in range(count):
        scene("train", index)
    return count / (time.process_time() - start)


def classifier(weights: Path | None) -> Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.int64]]:
    """Pictures to predicted classes."""
    import torch

    from qbench.models.builtin.declared import Builtin

    torch.set_num_threads(1)
    loaded = Builtin("scenes", weights).build()

    def predict(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.int64]:
        batches = (np.stack(images[i : i + 64]) for i in range(0, len(images), 64))
        with torch.inference_mode():
            logits = [loaded.logits(torch.from_numpy(b).permute(0, 3, 1, 2).float() / 255) for b in batches]
        return torch.cat(logits).argmax(dim=1).numpy()

    return predict


def degraded(images: Sequence[NDArray[np.uint8]]) -> dict[str, list[NDArray[np.uint8]]]:
    """The pictures under each condition; compressions continue each other, with a quality drawn for every picture."""
    found = {"clean": list(images)}
    for quality in QUALITIES:
        found[f"jpeg@{quality}"] = [jpeg(image, quality) for image in images]
    again = list(images)
    for times in range(1, 6):
        draws = (int(keyed(0, "difficulty", times, str(i)).choice(QUALITIES)) for i in range(len(again)))
        again = [jpeg(image, quality) for image, quality in zip(again, draws, strict=True)]
        found[f"rejpeg×{times}"] = again
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="a safetensors file in place of the shipped one")
    parser.add_argument(
        "--count", type=int, default=1200, help="scenes that the classifier and the probe are tested on"
    )
    parser.add_argument("--probe", type=int, default=6000, help="scenes that the probe is fitted on")
    parser.add_argument("--split", choices=["val", "test"], default="test")
    asked = parser.parse_args()
    print(f"generator: {images_a_second():.0f} images/s (aim: 200 on one core)")
    test = [scene(asked.split, index) for index in range(asked.count)]
    if asked.probe:
        accuracy = linear_probe([scene("train", index) for index in range(asked.probe)], test)
        print(f"linear probe: {100 * accuracy:.1f}% of {len(test)}, fitted on {asked.probe} (aim: at most 40%)")
    predict, truth = classifier(asked.weights), np.array([drawn.label for drawn in test])
    for name, images in degraded([drawn.image for drawn in test]).items():
        right = int((predict(images) == truth).sum())
        print(f"{name:9s} {100 * right / len(truth):5.1f}%  {right}/{len(truth)}")


if __name__ == "__main__":
    main()
