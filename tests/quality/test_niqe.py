"""NIQE against pyiqa (its recorded numbers, and the library itself where it is installed), and its pristine models."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from scipy.ndimage import gaussian_filter

from qbench.data.scenes.dataset import Scenes
from qbench.errors import QbenchError, WeightsError
from qbench.quality import pristine
from qbench.quality.niqe import block_features, block_sharpness, fit, niqe
from qbench.quality.pictures import grey_by_product, levels
from qbench.quality.pristine import Pristine, load_pristine, local_file, published_file
from tests.quality.pictures import Picture, constant, noise, tensor, waves


def flat(picture: Picture) -> Picture:
    """Partly white and partly black: blocks whose flat places the reference treats in its own way."""
    changed = picture.copy()
    changed[:130, :150], changed[-60:] = 255, 0
    return changed


def bright(picture: Picture) -> Picture:
    return np.minimum(picture.astype(int) * 2, 255).astype(np.uint8)


def as_it_is(picture: Picture) -> Picture:
    return picture


def one_block(picture: Picture) -> Picture:
    return picture[:150, :170]


def strip(picture: Picture) -> Picture:
    return picture[:192, :96]


OF_PYIQA = [
    ("set5/bird", as_it_is, 4.398189, 4.398846),
    ("set5/bird", flat, 4.940519, 4.940519),
    ("set5/bird", bright, 4.556650, 4.556503),
    ("set5/butterfly", as_it_is, 5.140935, 5.140969),
    ("set14/bridge", as_it_is, 2.512353, 2.512353),
    ("live1/bikes", as_it_is, 2.855777, 2.855833),
    ("live1/bikes", strip, 3.560144, 3.547859),
    ("live1/carnivaldolls", as_it_is, 2.471371, 2.469813),
    ("set14/foreman", as_it_is, 5.504853, 5.505512),
    ("", as_it_is, 34.749111, 34.753392),
    ("", one_block, 43.001930, 43.001930),
]
"""Picture (none: noise), change, and NIQE by pyiqa 0.1.16 (`calculate_niqe`, its defaults) with the published model, on
a processor with AVX-512 and on one with AVX2."""
CASES = pytest.mark.parametrize(("name", "change", "fused", "plain"), OF_PYIQA)


def picture_of(shared: Path, name: str) -> Picture:
    if not name:
        return noise(0, 200, 300)
    return np.asarray(Image.open(shared / "data" / "testsets" / f"{name}.png").convert("RGB"))


@pytest.fixture(scope="module")
def published(shared: Path) -> Pristine:
    return load_pristine(published_file(shared / "weights" / "niqe_pristine.npz"))


@CASES
def test_niqe_is_pyiqa_s(
    shared: Path, published: Pristine, name: str, change: Callable[[Picture], Picture], fused: float, plain: float
) -> None:
    ours = float(niqe(levels(tensor(change(picture_of(shared, name)))), published))
    assert min(abs(ours - fused), abs(ours - plain)) < 1e-3, (ours, fused, plain)


@pytest.mark.skipif(importlib.util.find_spec("pyiqa") is None, reason="pyiqa (extra iqa) is not installed")
@CASES
def test_niqe_is_what_pyiqa_says_here(
    shared: Path,
    published: Pristine,
    tmp_path: Path,
    name: str,
    change: Callable[[Picture], Picture],
    fused: float,
    plain: float,
) -> None:
    import pyiqa

    savemat(tmp_path / "p.mat", {"mu_prisparam": published.mean[None], "cov_prisparam": published.covariance})
    theirs = pyiqa.create_metric("niqe", device=torch.device("cpu"), pretrained_model_path=str(tmp_path / "p.mat"))
    picture = tensor(change(picture_of(shared, name)))
    assert float(theirs(picture)) == pytest.approx(float(niqe(levels(picture), published)), abs=1e-4)


def test_a_batch_is_its_pictures(published: Pristine) -> None:
    pictures = [noise(seed, 200, 300) for seed in range(3)]
    alone = [float(niqe(levels(tensor(picture)), published)) for picture in pictures]
    assert niqe(levels(tensor(*pictures)), published).tolist() == pytest.approx(alone, abs=1e-9)


@pytest.mark.parametrize(
    "picture",
    [noise(0, 95, 300), noise(0, 1, 1), constant(0, 300, 300), constant(255, 300, 300),
     constant(93, 200, 300)],
)  # fmt: skip
def test_no_block_or_none_that_is_not_flat_has_no_niqe(published: Pristine, picture: Picture) -> None:
    assert torch.isnan(niqe(levels(tensor(picture)), published)).all()


def test_partial_blocks_are_left_out(published: Pristine) -> None:
    whole, larger = noise(0, 192, 288), noise(9, 230, 300)
    larger[:192, :288] = whole
    assert niqe(levels(tensor(whole)), published) == niqe(levels(tensor(larger)), published)


def test_local_model_tells_scenes_from_degraded_ones() -> None:
    local = load_pristine(local_file())
    scenes = Scenes(count=6, split="test")
    clean = np.stack([scenes.load(i).image for i in range(6)])
    grain = np.random.default_rng(0).normal(0, 12, clean.shape)
    noisy = np.clip(clean + grain, 0, 255).round().astype(np.uint8)
    soft = gaussian_filter(clean, (0, 1.5, 1.5, 0))
    scores = [niqe(levels(tensor(*pictures)), local) for pictures in (clean, noisy, soft)]
    assert all((worse > scores[0]).all() for worse in scores[1:])
    assert float(scores[0].mean()) < 4


@pytest.mark.slow
def test_the_local_model_that_ships_is_the_fitted_one() -> None:
    """Up to how processors round grey levels halfway between two."""
    from benchmarks.niqe_local import fitted

    refitted, shipped = fitted(), load_pristine(local_file())
    assert refitted.block == shipped.block
    assert refitted.mean == pytest.approx(shipped.mean, abs=3e-4)
    assert refitted.covariance == pytest.approx(shipped.covariance, abs=1e-3)


def test_fitting_recovers_the_moments_of_sharp_blocks(tmp_path: Path) -> None:
    pictures = [levels(tensor(noise(seed, 96, 96))) for seed in range(9)]
    for picture in pictures:
        picture[..., :32, :32] = 40 + picture[..., :32, :32] / 255
    model = fit(iter(pictures), block=32)
    rows = torch.cat([block_features(grey_by_product(picture), 32)[0, 1:] for picture in pictures]).numpy()
    assert model.mean == pytest.approx(rows.mean(axis=0))
    assert model.covariance == pytest.approx(np.cov(rows.T))
    model.save(tmp_path / "own.npz")
    stored = load_pristine(tmp_path / "own.npz")
    assert (stored.mean == model.mean).all()
    assert (stored.covariance == model.covariance).all()
    assert stored.block == 32
    sharpness = block_sharpness(grey_by_product(pictures[0]), 32)[0]
    assert sharpness.argmin() == 0
    assert sharpness[0] < 0.2 * sharpness[1:].min()


def test_fitting_needs_enough_blocks() -> None:
    with pytest.raises(QbenchError, match="9 sharp blocks are too few"):
        fit(iter([levels(tensor(noise(0, 96, 96)))]), block=32)
    with pytest.raises(QbenchError, match="0 sharp blocks are too few"):
        fit(iter([]), block=32)


def test_only_the_published_model_goes_by_the_name_of_niqe(tmp_path: Path) -> None:
    Pristine(np.zeros(36), np.eye(36), 96).save(tmp_path / "own.npz")
    with pytest.raises(WeightsError, match=r"is not the published model of NIQE .* use niqe-local"):
        published_file(tmp_path / "own.npz")
    assert local_file(tmp_path / "own.npz") == tmp_path / "own.npz"
    with pytest.raises(WeightsError, match="cannot be read"):
        published_file(tmp_path / "none.npz")


def test_the_published_model_is_fetched_once_and_checked(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QBENCH_HOME", str(tmp_path / "home"))
    origin = tmp_path / "there.npz"
    monkeypatch.setattr(pristine, "URL", origin.as_uri())
    with pytest.raises(WeightsError, match="cannot be fetched"):
        published_file()
    origin.write_bytes(b"something else")
    with pytest.raises(WeightsError, match="is not what was published"):
        published_file()
    assert not list((tmp_path / "home").rglob("*.npz"))
    origin.write_bytes((shared / "weights" / "niqe_pristine.npz").read_bytes())
    file = published_file()
    assert hashlib.sha256(file.read_bytes()).hexdigest() == pristine.SHA256
    origin.unlink()
    assert published_file() == file, "once"
    file.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="delete it and run again"):
        published_file()


@pytest.mark.parametrize(
    "content",
    [
        {"mean": np.zeros(35), "covariance": np.eye(36), "block": 96},
        {"mean": np.zeros(36), "covariance": np.eye(35), "block": 96},
        {"mean": np.zeros(36), "covariance": np.eye(36), "block": 31},
        {"mean": np.zeros(36), "covariance": np.eye(36)},
        {"mean": np.array([{}] * 36), "covariance": np.eye(36), "block": 96},
    ],
)
def test_models_that_are_none_say_so(tmp_path: Path, content: dict[str, object]) -> None:
    np.savez(tmp_path / "own.npz", **content)
    with pytest.raises(WeightsError, match=r"own\.npz"):
        load_pristine(tmp_path / "own.npz")
    (tmp_path / "own.npz").write_bytes(b"PK no archive")
    with pytest.raises(WeightsError, match="cannot be read as a pristine model"):
        load_pristine(tmp_path / "own.npz")
    with pytest.raises(WeightsError, match="does not exist"):
        load_pristine(tmp_path / "none.npz")


def test_waves_are_less_natural_than_scenes() -> None:
    local = load_pristine(local_file())
    scene = Scenes(count=1, split="test").load(0).image
    assert float(niqe(levels(tensor(waves(128, 128))), local)) > float(niqe(levels(tensor(scene)), local))
