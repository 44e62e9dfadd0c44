"""Through qbench, networks of OpenMMLab predict what their own inference predicts, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mmdet
import mmseg
import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector, init_detector
from mmseg.apis import inference_model, init_model
from torch import Tensor, nn

from qbench.data.scenes.dataset import Scenes
from qbench.degrade import degrade
from qbench.models.base import LoadedModel
from qbench.models.openmmlab.declared import MMDetection, MMSegmentation
from qbench.vocabulary import Boxes
from tests.openmmlab.states import CONFIGS, SHIPPED, batch_of, pictures, random_checkpoint, trained_checkpoint

PUBLISHED_DETECTORS = Path(mmdet.__file__).parent / ".mim" / "configs"
PUBLISHED_SEGMENTERS = Path(mmseg.__file__).parent / ".mim" / "configs"
SIZES = [(128, 128), (150, 201), (97, 64)]
DETECTORS = [SHIPPED / "scenes_detector.py", CONFIGS / "detector_scaled.py", CONFIGS / "detector_two_stages.py"]
SEGMENTERS = [SHIPPED / "scenes_segmenter.py", CONFIGS / "segmenter_windows.py", CONFIGS / "segmenter_one_channel.py"]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

Pair = tuple[LoadedModel, Any]


def detector(config: Path, folder: Path) -> Pair:
    file = random_checkpoint(config, folder, "mmdet")
    return MMDetection(config=config, checkpoint=file, trust=True).build(), init_detector(
        config, str(file), device="cpu"
    )


def segmenter(config: Path, folder: Path) -> Pair:
    file = random_checkpoint(config, folder, "mmseg")
    return MMSegmentation(config=config, checkpoint=file, trust=True).build(), init_model(
        config, str(file), device="cpu"
    )


def same_boxes(answer: Boxes, theirs: Any) -> None:
    expected = theirs.pred_instances
    np.testing.assert_array_equal(answer.labels, expected.labels.numpy())
    np.testing.assert_array_equal(answer.scores, expected.scores.numpy())
    np.testing.assert_array_equal(answer.corners, expected.bboxes.numpy())


def bgr(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.ascontiguousarray(image[..., ::-1])


@torch.inference_mode()
def predicted(model: LoadedModel, images: Tensor) -> Any:
    return model.predict(images)


@pytest.mark.parametrize("config", DETECTORS, ids=lambda file: file.stem)
def test_detections_are_theirs(config: Path, tmp_path: Path) -> None:
    model, theirs = detector(config, tmp_path)
    number = 0
    for height, width in SIZES:
        images = pictures(height, width, 3)
        for answer, image in zip(predicted(model, batch_of(images)), images, strict=True):
            same_boxes(answer, inference_detector(theirs, bgr(image)))
            number += len(answer.labels)
    assert number > 50


@pytest.mark.parametrize("config", SEGMENTERS, ids=lambda file: file.stem)
def test_masks_are_theirs(config: Path, tmp_path: Path) -> None:
    model, theirs = segmenter(config, tmp_path)
    classes = set()
    for height, width in SIZES:
        images = pictures(height, width, 3)
        answer = predicted(model, batch_of(images))
        assert answer.shape[-2:] == (height, width)
        for logits, image in zip(answer, images, strict=True):
            expected = inference_model(theirs, bgr(image))
            assert torch.equal(logits[-len(expected.seg_logits.data) :], expected.seg_logits.data)
            assert torch.equal(logits.argmax(0), expected.pred_sem_seg.data[0].long())
            classes |= set(logits.argmax(0).unique().tolist())
    assert len(classes) > 1


def scenes_and_their_jpegs() -> list[np.ndarray[Any, Any]]:
    """Scenes, then the same at quality 10."""
    clean = pictures(128, 128, 6)
    return [*clean, *(degrade(image, "jpeg", quality=10)[0] for image in clean)]


def test_the_trained_detector_finds_what_theirs_finds(tmp_path: Path) -> None:
    config, images = SHIPPED / "scenes_detector.py", scenes_and_their_jpegs()
    model = MMDetection(config=config, weights=config.with_suffix(".safetensors"), trust=True).build()
    theirs = init_detector(config, str(trained_checkpoint("scenes_detector", tmp_path)), device="cpu")
    likely = 0
    for answer, image in zip(predicted(model, batch_of(images)), images, strict=True):
        same_boxes(answer, inference_detector(theirs, bgr(image)))
        likely += int((answer.scores > 0.3).sum())
    assert likely > 12, "it finds the objects, not noise"


def test_the_trained_segmenter_marks_what_theirs_marks(tmp_path: Path) -> None:
    config, images = SHIPPED / "scenes_segmenter.py", scenes_and_their_jpegs()
    model = MMSegmentation(config=config, weights=config.with_suffix(".safetensors"), trust=True).build()
    theirs = init_model(config, str(trained_checkpoint("scenes_segmenter", tmp_path)), device="cpu")
    right = []
    for index, (logits, image) in enumerate(zip(predicted(model, batch_of(images)), images, strict=True)):
        expected = inference_model(theirs, bgr(image))
        assert torch.equal(logits, expected.seg_logits.data)
        assert torch.equal(logits.argmax(0), expected.pred_sem_seg.data[0].long())
        truth = Scenes(count=6, split="val").scene(index % 6).mask
        right.append(float((logits.argmax(0).numpy() == truth).mean()))
    assert np.mean(right) > 0.6, "it marks the objects, not noise"


@pytest.mark.parametrize("name", ["rtmdet/rtmdet_tiny_8xb32-300e_coco.py", "yolox/yolox_tiny_8xb8-300e_coco.py"])
def test_a_published_detector(name: str, tmp_path: Path) -> None:
    model, theirs = detector(PUBLISHED_DETECTORS / name, tmp_path)
    image = pictures(140, 171, 1)[0]
    (answer,) = predicted(model, batch_of([image]))
    same_boxes(answer, inference_detector(theirs, bgr(image)))
    assert len(answer.labels) > 10


@pytest.mark.parametrize("name", ["segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py"])
def test_a_published_segmenter(name: str, tmp_path: Path) -> None:
    model, theirs = segmenter(PUBLISHED_SEGMENTERS / name, tmp_path)
    image = pictures(128, 150, 1)[0]
    answer = predicted(model, batch_of([image]))
    assert torch.equal(answer[0], inference_model(theirs, bgr(image)).seg_logits.data)


def test_pictures_between_levels_keep_their_fractions(tmp_path: Path) -> None:
    """A restored picture is not rounded: the frameworks take float pictures too."""
    model, theirs = detector(DETECTORS[1], tmp_path)
    rng = np.random.default_rng(0)
    image = np.clip(pictures(128, 150, 1)[0] + rng.uniform(-0.4, 0.4, (128, 150, 3)), 0, 255)
    levels = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None] / 255
    (answer,) = predicted(model, levels)
    given = (levels[0] * 255).permute(1, 2, 0).numpy()
    same_boxes(answer, inference_detector(theirs, bgr(given)))
    (rounded,) = predicted(model, (levels * 255).round() / 255)
    assert not np.array_equal(answer.scores, rounded.scores)


def test_another_channel_order_would_be_seen(tmp_path: Path) -> None:
    """The planted fault: what the frameworks would be given without the turn to BGR."""
    model, theirs = detector(DETECTORS[0], tmp_path)
    image = pictures(128, 128, 1)[0]
    (answer,) = predicted(model, batch_of([image]))
    with pytest.raises(AssertionError):
        same_boxes(answer, inference_detector(theirs, image))


@pytest.mark.parametrize("kind", ["detector", "segmenter"])
def test_halves_of_a_cut_are_the_whole(kind: str, tmp_path: Path) -> None:
    model, _ = (
        detector(DETECTORS[1], tmp_path) if kind == "detector" else segmenter(SHIPPED / "scenes_segmenter.py", tmp_path)
    )
    images = batch_of(pictures(128, 128, 3))
    assert set(model.sites) == {"D1", "D2", "D3", "D4"}
    for site in (*model.sites, "neck.fpn_convs.0.conv"):
        halves = model.cut(site)
        with torch.inference_mode():
            features, whole = halves.front(images), model.predict(images)
            again, changed = halves.back(features, images), halves.back(features * 0, images)
        assert len(features) == 3
        assert same(again, whole)
        assert not same(changed, whole)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    return all(np.array_equal(a.scores, b.scores) for a, b in zip(one, other, strict=True))


def test_a_sites_geometry_counts_pixels_of_the_picture(tmp_path: Path) -> None:
    """The stem's stride is 2; in a picture of 224 pixels that the pipeline scales to 140 it spans 3.2."""
    plain, _ = detector(DETECTORS[0], tmp_path)
    scaled, _ = detector(DETECTORS[1], tmp_path)
    assert plain.cut("D2").geometry().stride == 2
    assert scaled.cut("D2").geometry().stride == pytest.approx(2 * 224 / 140, abs=1)


def test_gradients_reach_pictures_and_parameters(tmp_path: Path) -> None:
    model, _ = segmenter(SEGMENTERS[0], tmp_path)
    images = batch_of(pictures(128, 128, 2)).requires_grad_(True)
    model.predict(images).square().mean().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert all(p.grad is not None for p in model.net.parameters() if p.requires_grad)


def test_paths_are_those_of_the_framework(tmp_path: Path) -> None:
    """Weights keep their names, so that a fine-tuned state of either side fits the other."""
    model, theirs = detector(DETECTORS[0], tmp_path)
    assert isinstance(model.net, nn.Module)
    assert list(model.net.state_dict()) == list(theirs.state_dict())
