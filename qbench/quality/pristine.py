"""Pristine models: the mean and covariance of features that NIQE measures distances from. Light: no torch here.

The published one (of 125 photographs, by the authors of NIQE) is fetched once, as BasicSR redistributes it, and
checked by digest. A model of other pictures gives other distances, so that it may not go by the name of NIQE."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qbench.errors import WeightsError, foreign
from qbench.storage.files import write_bytes
from qbench.storage.home import home
from qbench.storage.shipped import shipped

URL = "https://raw.githubusercontent.com/XPixelGroup/BasicSR/v1.4.2/basicsr/metrics/niqe_pris_params.npz"
SHA256 = "2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296"
BLOCK = 96
LOCAL = "baselines/quality/niqe-local-scenes.npz"
FEATURES = 36


@dataclass(frozen=True, eq=False)
class Pristine:
    """A Gaussian of 36 features of blocks of `block` x `block` pixels."""

    mean: NDArray[np.float64]
    """[36]"""
    covariance: NDArray[np.float64]
    """[36, 36]"""
    block: int = BLOCK

    def save(self, file: Path) -> None:
        np.savez(file, mean=self.mean, covariance=self.covariance, block=self.block)


def published_file(given: Path | None = None) -> Path:
    """The published model: the file that is given, else the one in `$QBENCH_HOME/quality`, fetched where it is missing.

    Raises WeightsError for a file that holds anything else, and where it cannot be fetched."""
    file = given or home() / "quality" / "niqe_pris_params.npz"
    if given is None and not file.is_file():
        _fetch(URL, file)
    if sha256(file) != SHA256:
        raise WeightsError(
            f"{file} is not the published model of NIQE (sha256 {SHA256[:12]}...); use niqe-local for another model"
            if given
            else f"{file} is not what was published (sha256 {SHA256[:12]}...); delete it and run again"
        )
    return file


def local_file(given: Path | None = None) -> Path:
    """A model for `niqe-local`: the file that is given, else the one of the built-in scenes, which ships."""
    return given or shipped(LOCAL)


def load_pristine(file: Path) -> Pristine:
    """A model from the `.npz` that `Pristine.save` writes, or from one in BasicSR's format. Raises WeightsError."""
    if not file.exists():
        raise WeightsError(f"the pristine model {file} does not exist")
    if not file.is_file():
        raise WeightsError(f"the pristine model {file} is no file; check `model:`")
    with (
        foreign(f"{file} cannot be read as a pristine model", WeightsError),
        np.load(file, allow_pickle=False) as stored,
    ):
        old = "mu_pris_param" in stored
        mean = stored["mu_pris_param" if old else "mean"].reshape(-1).astype(np.float64)
        covariance = stored["cov_pris_param" if old else "covariance"].astype(np.float64)
        block = BLOCK if old else int(stored["block"])
    if mean.shape != (FEATURES,) or covariance.shape != (FEATURES, FEATURES) or block < 16 or block % 2:
        content = f"mean {mean.shape}, covariance {covariance.shape}, block {block}"
        raise WeightsError(f"{file} holds no model of {FEATURES} features of even blocks from 16 pixels on: {content}")
    return Pristine(mean, covariance, block)


def _fetch(url: str, file: Path) -> None:
    advice = "fetch it yourself and give its path as `model:`"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            content = answer.read()
    except (OSError, urllib.error.URLError) as error:
        raise WeightsError(f"the published model of NIQE cannot be fetched from {url}: {error}; {advice}") from None
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise WeightsError(f"{url} is not what was published (sha256 {SHA256[:12]}...); {advice}")
    write_bytes(file, content)


def sha256(file: Path) -> str:
    """Digest of a model's file. Raises WeightsError where it cannot be read."""
    if file.exists() and not file.is_file():
        raise WeightsError(f"the pristine model {file} is no file; check `model:`")
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(f"the pristine model {file} cannot be read: {error.strerror}; check `model:`") from None
