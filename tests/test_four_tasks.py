"""One method that a user wrote, on all four tasks, against loops by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import qbench
from qbench.compute.cell import Cell
from qbench.data.scenes.dataset import Scenes
from qbench.degrade import degrade
from qbench.models.base import LoadedModel
from qbench.vocabulary import Boxes, Context, InputConvention

COUNT, SEED = 5, 3
INPUT = InputConvention(size=None, resize=None)


@qbench.method("blend", site="image")
class Blend:
    """The mean of a picture and its mirror image."""

    def restore(self, images: Tensor, context: Context) -> Tensor:
        return (images + images.flip(3)) / 2


@qbench.method("double", site="feature")
class Double:
    """Features times two."""

    at = "D1"

    def enhance(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        return features * 2


class _Colours(nn.Module):
    """Two layers that answer at every pixel."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, outputs, 1)
        rng = np.random.default_rng(5)
        for parameter in self.parameters():
            drawn = rng.normal(0, 0.5, tuple(parameter.shape)).astype(np.float32)
            parameter.data = torch.from_numpy(drawn)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stem(x).relu())  # type: ignore[no-any-return]


def labels(cell: Cell) -> tuple[str, str, str]:
    return cell.task, cell.method.label, cell.condition.label


def boxes_of(maps: Tensor, images: Tensor) -> list[Boxes]:
    """The box of the places above the mean of the first map, with the mean of the second as its score."""
    found = []
    for plane in maps:
        rows, columns = torch.nonzero(plane[0] >= plane[0].mean(), as_tuple=True)
        corners = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
        score = np.array([float(plane[1].mean().sigmoid())], np.float32)
        found.append(Boxes(corners, np.array([3], np.int32), score))
    return found


class _Declared:
    sites: ClassVar[dict[str, str]] = {"D1": "stem"}
    outputs, decode = 25, staticmethod(lambda output, images: output)

    def identity(self) -> dict[str, int]:
        return {"seed": 5}

    def build(self) -> LoadedModel:
        return LoadedModel(_Colours(self.outputs).eval(), INPUT, self.sites, self.decode)


@qbench.model("four-segmenter")
class FourSegmenter(_Declared):
    """Colours to classes."""

    label = "segmenter"


@qbench.model("four-detector")
class FourDetector(_Declared):
    """Colours to one box."""

    label, outputs, decode = "detector", 2, staticmethod(boxes_of)


@qbench.model("four-classifier")
class FourClassifier(_Declared):
    """Colours to a label."""

    label, outputs, decode = "classifier", 24, staticmethod(lambda output, images: output.mean(dim=(2, 3)))


def task(name: str, model: str, **dataset: Any) -> dict[str, Any]:
    return {
        "task": name,
        "dataset": {"name": "scenes", "count": COUNT, **dataset},
        "models": [model],
        "view": {"resize": None, "crop": None},
        "conditions": ["clean", {"jpeg": {"quality": 9}}],
        "methods": ["direct", "blend", "double"],
    }


@qbench.method("nan-pictures", site="image")
class NanPictures:
    """Divides nothing by nothing."""

    def restore(self, images: Tensor, context: Context) -> Tensor:
        return images * torch.nan


@qbench.method("nan-features", site="feature")
class NanFeatures:
    """The same, inside."""

    at = "D1"

    def enhance(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        return features * torch.nan


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> qbench.Results:
    tasks = [
        task("classification", "four-classifier"),
        task("segmentation", "four-segmenter", target="mask"),
        task("detection", "four-detector", target="boxes"),
        task("restoration", "identity"),
    ]
    suite = {"suite": "four", "seed": SEED, "tasks": tasks, "tables": ["accuracy-by-quality"]}
    return qbench.run(suite, out=tmp_path_factory.mktemp("four"), device="cpu", own_store=True)


def records(results: qbench.Results, name: str, method: str) -> Any:
    (result,) = [
        r for r in results.info.cells if labels(r.cell) == (name, method, "jpeg@9")
    ]  # fmt: skip
    from qbench.runs.store import read_cell

    return read_cell(results.folder, results.info, result.cell)


def seen(index: int, method: str) -> tuple[Any, Tensor]:
    """A scene, and what the model sees of it."""
    scene = Scenes(count=COUNT).scene(index)
    image, _ = degrade(scene.image, "jpeg", quality=9)
    picture = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
    return scene, (picture + picture.flip(3)) / 2 if method == "blend" else picture


def answer(outputs: int, picture: Tensor, method: str) -> Tensor:
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (INPUT.mean, INPUT.std))
    net = _Colours(outputs)
    with torch.no_grad():
        features = net.stem((picture - mean) / std)
        return net.head((features * 2 if method == "double" else features).relu())  # type: ignore[no-any-return]


@pytest.mark.parametrize("method", ["direct", "blend", "double"])
def test_every_task_sees_the_same_method(results: qbench.Results, method: str) -> None:
    labels, masks = records(results, "classification", method), records(results, "segmentation", method)
    boxes = records(results, "detection", method)
    for index in range(COUNT):
        scene, picture = seen(index, method)
        assert labels["prediction"][index] == int(answer(24, picture, method).mean(dim=(2, 3)).argmax())
        called = answer(25, picture, method).argmax(1)[0].numpy()
        hits = [int(((called == k) & (scene.mask == k)).sum()) for k in range(25)]
        assert list(masks["tp"][index]) == hits
        (box,) = boxes_of(answer(2, picture, method), picture)
        assert list(boxes["det_corners"][index]) == pytest.approx(list(box.corners.ravel()))
        assert list(boxes["gt_labels"][index]) == [b[4] for b in scene.boxes]


def test_restoration_scores_the_picture_and_says_where_a_method_has_no_place(results: qbench.Results) -> None:
    for method in ("direct", "blend"):
        found = records(results, "restoration", method)
        for index in range(COUNT):
            scene, picture = seen(index, method)
            levels = (picture[0].permute(1, 2, 0) * 255).round().numpy()
            error = np.mean((levels - scene.image.astype(np.float64)) ** 2)
            assert found["psnr"][index] == pytest.approx(10 * np.log10(255**2 / error), abs=0.01)
    (cell,) = [r for r in results.info.cells if labels(r.cell) == ("restoration", "double", "jpeg@9")]
    assert cell.status == "n/a"
    assert "D1" in cell.reason


@pytest.mark.parametrize("method", ["nan-pictures", "nan-features"])
def test_a_method_whose_values_are_not_finite_fails_in_detection_too(method: str, tmp_path: Path) -> None:
    """No detector sees them: most would leave such places out, and find nothing."""
    asked = task("detection", "builtin:scenes-detector", target="boxes") | {"methods": [method]}
    found = qbench.run({"suite": "nan", "tasks": [asked]}, out=tmp_path, device="cpu")
    assert {cell.status for cell in found.info.cells} == {"failed"}
    assert {cell.reason for cell in found.info.cells} == {f"the method's {method[4:]} are not finite"}


@pytest.mark.parametrize(
    ("name", "model", "told"),
    [
        ("classification", "four-detector", r"boxes, and classification needs logits \[B, classes\]"),
        ("classification", "four-segmenter", r"a tensor of \[5, 25, 128, 128\], and classification needs logits"),
        ("segmentation", "four-detector", r"boxes, and segmentation needs logits \[B, classes, H, W\]"),
        ("segmentation", "four-classifier", r"a tensor of \[5, 24\], and segmentation needs logits"),
        ("detection", "four-classifier", r"a tensor of \[5, 24\], and detection needs a list of Boxes"),
        ("restoration", "four-classifier", r"a tensor of \[5, 24\], and restoration needs pictures \[B, 3, H, W\]"),
        ("restoration", "four-segmenter", r"a tensor of \[5, 25, 128, 128\], and restoration needs pictures"),
        ("restoration", "four-detector", r"boxes, and restoration needs pictures \[B, 3, H, W\]"),
    ],
)
def test_a_model_of_another_task_is_told(name: str, model: str, told: str, tmp_path: Path) -> None:
    target = {"segmentation": {"target": "mask"}, "detection": {"target": "boxes"}}.get(name, {})
    asked = task(name, model, **target) | {"methods": ["direct"]}
    found = qbench.run({"suite": "other", "tasks": [asked]}, out=tmp_path, device="cpu")
    assert {cell.status for cell in found.info.cells} == {"failed"}
    assert all(re.search(f"the model gives {told}", cell.reason) for cell in found.info.cells)


@qbench.model("four-renumbered")
class FourRenumbered(FourDetector):
    """A detector that says what its classes are called."""

    def build(self) -> LoadedModel:
        first, second, *rest = Scenes().classes
        return replace(super().build(), names=(second, first, *rest, "and more"))


def test_a_detector_that_numbers_the_classes_otherwise_is_told(tmp_path: Path) -> None:
    asked = task("detection", "four-renumbered", target="boxes") | {"methods": ["direct"]}
    found = qbench.run({"suite": "other", "tasks": [asked]}, out=tmp_path, device="cpu")
    assert {cell.status for cell in found.info.cells} == {"failed"}
    expected = f"class 0 of the dataset is {Scenes().classes[0]!r}, which is class 1 of the model"
    assert all(expected in cell.reason for cell in found.info.cells)


def test_the_report_has_a_table_for_every_score_of_every_task(results: qbench.Results) -> None:
    from qbench.report.build import build
    from qbench.report.render.markdown import page

    report = build(results.folder)
    assert [table.metric for table in report.tables] == ["top1", "miou", "ap", "ap50", "psnr", "ssim"]
    assert "mIoU (%) by quality factor" in page(report)


def test_two_datasets_of_one_reader_keep_their_records_apart(tmp_path: Path) -> None:
    from PIL import Image

    from qbench.report.build import build
    from qbench.report.export import export
    from qbench.report.source import load

    for name, level in (("dark", 10), ("light", 200)):
        (tmp_path / name).mkdir()
        noise = np.random.default_rng(level).integers(0, 50, (40, 40, 3)) + level
        Image.fromarray(noise.astype(np.uint8)).save(tmp_path / name / "a.png")
    tasks = [
        {
            "task": "restoration",
            "dataset": {"name": "photos", "root": str(tmp_path / name)},
            "models": ["identity"],
            "view": {"resize": None, "crop": None},
            "conditions": [{"jpeg": {"quality": 9}}],
        }
        for name in ("dark", "light")
    ]
    suite = {"suite": "two", "tasks": tasks, "tables": ["accuracy-by-quality"]}
    found = qbench.run(suite, out=tmp_path / "run", device="cpu")
    assert len({result.cell.key for result in found.info.cells}) == 1
    export(load(found.folder, whole=True), tmp_path / "export")
    for folder in (found.folder, tmp_path / "export"):
        table = build(folder).tables[0]
        shown = {group.of["dataset"]: group.rows[0].values[1].value for group in table.groups}
        frames = {
            c.dataset.label: v["psnr"][0]
            for c in (result.cell for result in found.info.cells)
            for v in [load(folder).records[c.place]]
        }
        assert shown == pytest.approx(frames)
        assert shown["dark"] != shown["light"]
