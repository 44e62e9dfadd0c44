"""Restoration: from pictures to records to scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import qbench
from qbench import registry
from qbench.data.pairs import NOBODY_KNOWS
from qbench.data.scenes.dataset import Scenes
from qbench.data.views import View
from qbench.degrade.jpeg import jpeg
from qbench.errors import DataError, QbenchError, WeightsError
from qbench.quality import iqa
from qbench.quality.niqe import niqe
from qbench.quality.pictures import levels
from qbench.quality.pristine import load_pristine, local_file
from qbench.registry.named import Named
from qbench.tasks.restoration import Restoration
from qbench.tasks.restoration.metrics import MeanOfColumn, Niqe, NiqeLocal, Psnr, Pyiqa, Ssim, column
from qbench.tasks.restoration.predict import bad, score, scoring, target
from qbench.vocabulary import Boxes, Sample
from tests.quality.pictures import constant, noise, tensor, waves

WHOLE = View(None, None)


def named(*names: str, **params: object) -> list[Named]:
    return [Named(name=name, params=params) for name in names]


def test_each_metric_is_scikit_image_s_of_the_rounded_output() -> None:
    clean = [waves(), noise(1, 96, 128)]
    output = (tensor(*clean) + 0.03 * torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(0))).clamp(
        0, 1
    )
    scores = score(output, clean, named("psnr", "ssim", "psnr-y", "ssim-y"))
    stored = [(image.permute(1, 2, 0).double().numpy() * 255).round().astype(np.uint8) for image in output]
    for i, (restored, true) in enumerate(zip(stored, clean, strict=True)):
        y, true_y = rgb2ycbcr(restored)[..., 0], rgb2ycbcr(true)[..., 0]
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
        expected = {
            "psnr": peak_signal_noise_ratio(true, restored),
            "ssim": structural_similarity(true, restored, channel_axis=2, **options),
            "psnr-y": peak_signal_noise_ratio(true_y, y, data_range=255),
            "ssim-y": structural_similarity(true_y, y, **options),
        }
        assert {name: column[i] for name, column in scores.items()} == pytest.approx(expected, abs=1e-9)


def test_borders_do_not_count() -> None:
    clean, restored = waves(), waves()
    restored[:4], restored[:, :4], restored[-4:], restored[:, -4:] = 0, 0, 0, 0
    borders = {border: named("psnr", crop_border=border) for border in (4, 3, 0)}
    scores = {
        border: next(iter(score(tensor(restored), [clean], metrics).values())) for border, metrics in borders.items()
    }
    assert scores[4] == 100 > 40 > scores[3] > scores[0]
    inner = score(tensor(waves()[4:-4, 4:-4]), [noise(0, 88, 120)], named("ssim"))
    whole = noise(5, 96, 128)
    whole[4:-4, 4:-4] = noise(0, 88, 120)
    cut = score(tensor(waves()), [whole], named("ssim", crop_border=4))
    assert cut["ssim(crop_border 4)"] == pytest.approx(inner["ssim"])
    for name in ("psnr", "niqe-local"):
        nothing = score(tensor(clean), [clean], named(name, crop_border=48))
        assert np.isnan(nothing[f"{name}(crop_border 48)"]).all(), "of which nothing is left"


def test_shown_metrics_are_the_default_and_columns_are_named_by_metric_and_parameters() -> None:
    assert tuple(score(tensor(waves()), [waves()])) == Restoration.shown == ("psnr", "ssim")
    twice = [Named(name="psnr"), Named(name="psnr", params={"crop_border": 4}, label="psnr, border 4")]
    assert tuple(scoring(twice).score(tensor(waves()), [waves()])) == ("psnr", "psnr(crop_border 4)")
    both = Named(name="niqe-local", params={"model": "own.npz", "crop_border": 4}, label="local")
    assert column(both) == "niqe-local(crop_border 4, model own.npz)"
    assert column(both.model_copy(update={"label": "another"})) == column(both)


def test_a_label_is_the_title_alone() -> None:
    metric = MeanOfColumn(Psnr(crop_border=4), "psnr(crop_border 4)", "psnr, border 4")
    assert (metric.title, metric.unit, metric.columns) == ("psnr, border 4", "db", ("psnr(crop_border 4)",))
    assert MeanOfColumn(Psnr, "psnr").title == "PSNR (dB)"


@qbench.metric("width", task="restoration")
class Width:
    """The width of the pictures, by a measure that writes into what it gets."""

    higher_is_better, range, needs_clean, crop_border = True, (0.0, 1.0), False, 2

    def measure(self) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda restored: restored.zero_().mean(dim=(1, 2, 3)) + restored.shape[-1]


@qbench.metric("one-for-all", task="restoration")
class OneForAll(Width):
    """It answers with one number for all pictures."""

    def measure(self) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda restored: restored.mean()


@qbench.metric("no-measure", task="restoration")
class NoMeasure:
    """It lacks what computes its numbers."""

    higher_is_better, range, needs_clean = True, (0.0, 1.0), False


def test_a_users_metric_gets_copies_and_answers_with_one_number_a_picture() -> None:
    pictures = [waves(), noise(1, 96, 128)]
    columns = score(tensor(*pictures), pictures, named("width", "psnr"))
    assert columns["width"].tolist() == [124, 124]
    assert columns["psnr"].tolist() == [100, 100], "what one measure writes, another must not see"
    with pytest.raises(QbenchError, match=r"'one-for-all' gave values of shape \[\] for 2 pictures; .* one number a"):
        score(tensor(*pictures), pictures, named("one-for-all"))
    with pytest.raises(QbenchError, match=r"'no-measure' has no `measure\(\)`"):
        scoring(named("no-measure"))


SUITE = """
suite: errors
version: 1
changelog: {1: first version}
tasks:
  - task: restoration
    dataset: {name: scenes, count: 3}
    models: [identity]
    conditions: [{jpeg: {quality: 10}}]
    methods: [direct]
    metrics: [test-largest-error: {crop_border: 4, label: inner}]
"""


@qbench.metric("test-largest-error", task="restoration")
class LargestError:
    """The largest difference of any value, in grey levels."""

    higher_is_better, range, needs_clean, title = False, (0.0, 255.0), True, "largest error"

    def __init__(self, crop_border: int = 0) -> None:
        self.crop_border = crop_border

    def measure(self) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        return lambda restored, clean: (restored - clean).abs().amax(dim=(1, 2, 3))


def test_a_users_metric_stands_in_records_and_scores_under_its_parameters(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(SUITE)
    results = qbench.run(tmp_path / "suite.yaml", out=tmp_path / "run", device="cpu")
    scenes = [Scenes(count=3).load(index) for index in range(3)]
    pairs = [(scene.image, jpeg(scene.image, 10)[0]) for scene in scenes]
    expected = [int(np.abs(a.astype(int) - b)[4:-4, 4:-4].max()) for a, b in pairs]
    assert results.records()["test-largest-error(crop_border 4)"].tolist() == expected
    (score,) = results.scores().to_dict("records")
    assert (score["metric"], score["value"]) == ("inner", pytest.approx(np.mean(expected)))
    (tmp_path / "suite.yaml").write_text(SUITE.replace("inner", "another"))
    again = qbench.run(tmp_path / "suite.yaml", out=tmp_path / "again", device="cpu")
    assert [result.cell.key for result in again.info.cells] == [result.cell.key for result in results.info.cells]
    assert again.scores()["metric"].tolist() == ["another"]


def test_target_is_the_clean_picture_moved_through_the_view() -> None:
    view = View(None, 32)
    image, clean = noise(0, 40, 50), noise(1, 40, 50)
    assert np.array_equal(target(Sample("a", image), view.apply(image), view), view.apply(image))
    assert np.array_equal(target(Sample("a", image, clean), view.apply(image), view), view.apply(clean))
    for other in (3, np.zeros((40, 50), np.uint8), Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int32))):
        assert np.array_equal(target(Sample("a", image, other), view.apply(image), view), view.apply(image))
    assert target(Sample("a", image, NOBODY_KNOWS), view.apply(image), view) is None


def test_pictures_without_a_clean_one_have_only_what_needs_none() -> None:
    pictures = [noise(0, 128, 128), noise(1, 128, 128)]
    wanted = named("psnr", "niqe-local")
    scores = score(tensor(*pictures), [None, pictures[1]], wanted)
    assert np.isnan(scores["psnr"]).tolist() == [True, False]
    expected = niqe(levels(tensor(*pictures)), load_pristine(local_file()))
    assert scores["niqe-local"].tolist() == pytest.approx(expected.tolist())
    assert np.isnan(score(tensor(*pictures), [None, None], wanted)["psnr"]).all()
    with pytest.raises(DataError, match="knows no clean pictures; ask for metrics that need none"):
        score(tensor(*pictures), [None, None], named("psnr", "ssim"))


def test_outputs_that_are_wrong_say_so() -> None:
    with pytest.raises(QbenchError, match="not finite"):
        score(torch.full((1, 3, 20, 20), torch.nan), [constant(0, 20, 20)])
    with pytest.raises(QbenchError, match="gives pictures of 40x40 pixels for clean ones of"):
        score(torch.zeros(1, 3, 40, 40), [constant(0, 20, 20)])


def test_niqe_needs_the_published_model(shared: Path, tmp_path: Path) -> None:
    file = shared / "weights" / "niqe_pristine.npz"
    picture = noise(0, 200, 300)
    (scores,) = score(tensor(picture), [None], named("niqe", model=file)).values()
    assert scores == pytest.approx(34.751, abs=4e-3)
    with pytest.raises(WeightsError, match="not the published model"):
        scoring(named("niqe", model=local_file()))
    assert Niqe(model=file).identity() == Niqe().identity()
    load_pristine(file).save(tmp_path / "own.npz")
    assert NiqeLocal(model=tmp_path / "own.npz").identity() != NiqeLocal().identity()


def test_metrics_of_pyiqa_go_by_their_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"lpips": {"metric_mode": "FR", "lower_better": True}, "musiq": {"metric_mode": "NR"}}
    monkeypatch.setattr(iqa, "_table", lambda: table)
    seen = []

    def load(name: str, device: str) -> object:
        def measure(pictures: torch.Tensor, clean: torch.Tensor | None) -> torch.Tensor:
            seen.append((name, tuple(pictures.shape), float(pictures.max()), clean is not None))
            return pictures.double().mean(dim=(1, 2, 3))

        return measure

    monkeypatch.setattr("qbench.quality.iqa.load_metric", load)
    pictures = [noise(0), noise(1)]
    scores = score(tensor(*pictures), [None, pictures[1]], named("pyiqa:lpips", "pyiqa:musiq", crop_border=2))
    assert seen == [("lpips", (1, 3, 56, 66), 1.0, True), ("musiq", (2, 3, 56, 66), 1.0, False)]
    assert np.isnan(scores["pyiqa:lpips(crop_border 2)"]).tolist() == [True, False]
    assert not np.isnan(scores["pyiqa:musiq(crop_border 2)"]).any()
    assert (Pyiqa("lpips").higher_is_better, Pyiqa("musiq").higher_is_better) == (False, True)


def test_a_bad_sample_has_the_same_columns() -> None:
    wanted = named("psnr", "niqe-local")
    good, missing = score(tensor(waves()), [waves()], wanted), bad(2, wanted)
    assert good.keys() == missing.keys()
    assert all(len(column) == 2 and np.isnan(column).all() for column in missing.values())


def test_statistics_are_means_of_what_counts() -> None:
    records = {"psnr": np.array([30.0, 20.0, np.nan, 99.0, 25.0]), "error": ["", "", "", "broken", ""]}
    psnr = MeanOfColumn(Psnr, "psnr")
    assert psnr.counts(records).tolist() == [True, True, False, False, True]
    assert psnr.statistic(records, np.ones(5)) == pytest.approx(25)
    weights = np.array([[1, 0, 5, 5, 0], [2, 1, 0, 0, 1], [0, 0, 1, 1, 0]], dtype=float)
    assert psnr.statistic(records, weights)[:2] == pytest.approx([30, (60 + 20 + 25) / 4])
    assert np.isnan(psnr.statistic(records, weights)[2])
    assert np.array_equal(psnr.per_sample(records), records["psnr"], equal_nan=True)


def test_metrics_are_registered_with_direction_range_and_title() -> None:
    directions = {"psnr": True, "psnr-y": True, "ssim": True, "ssim-y": True, "niqe": False, "niqe-local": False}
    assert tuple(sorted(directions)) == tuple(sorted(Restoration.metrics))
    for name, higher in directions.items():
        entry = registry.get("metric", name)
        assert entry.target.higher_is_better is higher
        assert entry.facts["task"] == "restoration"
        assert entry.target.title
        assert len(entry.target.range) == 2
    assert registry.get("metric", "pyiqa:musiq").target is Pyiqa


@pytest.mark.parametrize("params", [{"crop_border": -1}, {"crop_border": 1.5}, {"border": 1}])
def test_parameters_are_checked(params: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Ssim(**params)
