from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from qbench.cards.schema import CropView, MixPart
from qbench.degrade.drawn import Drawn
from qbench.degrade.jpeg import jpeg
from qbench.documents.load import load_yaml
from qbench.draws import keyed
from qbench.errors import DataError, SuiteError
from qbench.registry.named import Named
from qbench.train.core.batches import Ahead, Samples
from qbench.train.core.crops import Window, tilted, window
from qbench.train.core.mix import mix
from qbench.vocabulary import Boxes, Image, Sample

from .pictures import Noise, batches, jpeg_mix


def test_a_batch_depends_on_its_keys_only(tmp_path: Path) -> None:
    make = batches(tmp_path)
    forward = [make(step) for step in range(5)]
    for step in (4, 1, 3, 0, 2):
        again = batches(tmp_path)(step)
        assert torch.equal(again.degraded, forward[step].degraded)
        assert torch.equal(again.clean, forward[step].clean)
    for other in (batches(tmp_path, seed=1), batches(tmp_path, name="stage1/source")):
        assert not torch.equal(other(0).clean, forward[0].clean)
    with Ahead(make, 5) as ahead:
        assert all(torch.equal(ahead(step).degraded, forward[step].degraded) for step in range(5))


def test_the_same_sample_is_cut_anew_at_every_step(tmp_path: Path) -> None:
    make = replace(batches(tmp_path, size=1), samples=Samples(Noise(), 1))
    crops = {make(step).clean.numpy().tobytes() for step in range(6)}
    assert len(crops) == 6


def test_every_sample_comes_once_an_epoch_in_a_new_order(tmp_path: Path) -> None:
    make = batches(tmp_path, size=7)
    first, second = ([make.index(step, slot) for slot in range(7)] for step in (0, 1))
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second


def test_values_layout_and_labels(tmp_path: Path) -> None:
    make = batches(tmp_path, size=7)
    batch = make(0)
    assert batch.clean.shape == batch.degraded.shape == (7, 3, 16, 16)
    assert batch.clean.is_contiguous(memory_format=torch.channels_last)
    assert float(batch.clean.min()) >= 0
    assert float(batch.clean.max()) <= 1
    assert batch.targets is not None
    assert batch.targets.tolist() == [make.index(0, slot) % 3 for slot in range(7)]
    same = [bool(torch.equal(a, b)) for a, b in zip(batch.clean, batch.degraded, strict=True)]
    assert same == [not help_ for help_ in batch.help.tolist()]
    assert 0 < sum(same) < 7


def test_the_shares_of_the_mix(tmp_path: Path) -> None:
    make = batches(tmp_path, size=300)
    clean = 1 - make(0).help.double().mean().item()
    assert abs(clean - 1 / 3) < 4 * (2 / 9 / 300) ** 0.5


def test_an_aligned_degradation_is_that_of_the_crop_itself(tmp_path: Path) -> None:
    """Compressing the clean crop again must give the degraded crop; a shifted grid must not."""
    fixed = Named(name="jpeg", params={"quality": 7})
    only = mix([MixPart(condition=fixed)])
    for aligned in (True, False):
        batch = replace(batches(tmp_path, view=CropView(size=16, aligned=aligned)), mix=only)(0)
        clean = (batch.clean * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        again = np.stack([jpeg(np.ascontiguousarray(picture), 7)[0] for picture in clean])
        degraded = (batch.degraded * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        assert np.array_equal(again, degraded) == aligned


def test_tilted_samples_are_turned_in_pairs_and_the_grid_of_the_codec_with_them(tmp_path: Path) -> None:
    """A share of them; the others, and all without `tilt`, keep their bits. Corners turned out of sight are black."""
    plain = batches(tmp_path, size=60, view=CropView(size=16))(0)
    turned = batches(tmp_path, size=60, view=CropView(size=16, tilt=0.5))(0)
    whole = [bool(torch.equal(a, b)) for a, b in zip(plain.clean, turned.clean, strict=True)]
    assert 15 < sum(whole) < 45
    for i, same in enumerate(whole):
        assert torch.equal(plain.degraded[i], turned.degraded[i]) == same
        angles = [] if same else [
            turn for turn in range(-180, 181)
            if all(np.array_equal(tilted(_bytes(before[i]), turn), _bytes(after[i]))
                   for before, after in ((plain.clean, turned.clean), (plain.degraded, turned.degraded)))
        ]  # fmt: skip
        assert same or angles
    corners = torch.stack([turned.clean[i, :, 0, 0] for i, same in enumerate(whole) if not same])
    assert float((corners == 0).all(1).double().mean()) > 0.6


def test_a_right_angle_turns_as_numpy_does_and_any_angle_keeps_the_middle() -> None:
    picture = Noise().load(0).image[:15, :15]
    assert np.array_equal(tilted(picture, 90), np.rot90(picture))
    assert np.array_equal(tilted(picture, 37)[7, 7], picture[7, 7])
    assert tilted(picture, -180).shape == picture.shape


def test_samples_with_boxes_cannot_be_tilted(tmp_path: Path) -> None:
    class Boxed(Noise):
        def load(self, index: int) -> Sample:
            return replace(super().load(index), target=Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64)))

    make = replace(batches(tmp_path, view=CropView(size=16, tilt=1)), samples=Samples(Boxed(), 1))
    with pytest.raises(DataError, match="turns pictures alone"):
        make(0)


def _bytes(picture: torch.Tensor) -> Image:
    return (picture * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def crop(image: Image, view: CropView, step: int) -> Image:
    return window(*image.shape[:2], view, keyed(0, "crop", step, ""), view.size).picture(image)


def test_crops_at_scale_one_are_parts_of_the_picture() -> None:
    image = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    for step in range(20):
        cut = crop(image, CropView(size=8, flip=False), step)
        assert any(np.array_equal(cut, image[y : y + 8, x : x + 8]) for y in range(13) for x in range(23))


def test_small_pictures_are_enlarged_and_scales_stay_in_range() -> None:
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 100, 0).repeat(3, 2)
    for step in range(30):
        cut = crop(ramp, CropView(size=50, scale=(0.5, 0.8), flip=False), step)
        slope = (float(cut[25, 40, 0]) - float(cut[25, 10, 0])) / 30
        assert 1 / 0.8 - 0.1 <= slope <= 1 / 0.5 + 0.1
    small = crop(ramp[:10, :10], CropView(size=32), 0)
    assert small.shape == (32, 32, 3)


def painted(boxes: Boxes, height: int, width: int) -> Image:
    """A picture whose second channel is 255 inside of the boxes."""
    image = np.zeros((height, width, 3), np.uint8)
    for x0, y0, x1, y1 in boxes.corners.astype(int):
        image[y0:y1, x0:x1, 1] = 255
    return image


def test_boxes_move_with_the_picture() -> None:
    """The box must be what is painted in the crop, after every scale, cut, mirroring and turn."""
    boxes = Boxes(np.array([[20, 30, 60, 55]], np.float32), np.array([4], np.int32))
    image = painted(boxes, 90, 120)
    view = CropView(size=64, scale=(0.6, 1.4), rotate=True)
    seen = 0
    for step in range(60):
        place = window(90, 120, view, keyed(0, "boxes", step, ""), 64)
        moved, inside = place.boxes(boxes), place.picture(image)[:, :, 1] > 127
        if not len(moved.labels):
            assert inside.sum() < 0.45 * 40 * 25 * place.scale**2
            continue
        seen += 1
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        painted_corners = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        assert moved.labels.tolist() == [4]
        assert np.abs(moved.corners[0] - painted_corners).max() <= 1.01
    assert seen >= 30


def test_crowds_and_boxes_that_are_mostly_cut_off_are_left_out() -> None:
    corners = np.array([[0, 0, 10, 10], [0, 0, 40, 10], [30, 30, 40, 40]], np.float32)
    boxes = Boxes(corners, np.array([0, 1, 2], np.int32), crowd=np.array([False, False, True]))
    moved = Window(left=30, top=0, side=50, size=50).boxes(boxes)
    assert moved.labels.tolist() == []
    nearer = Window(left=20, top=0, side=50, size=50).boxes(boxes)
    assert nearer.labels.tolist() == [1]
    assert nearer.corners.tolist() == [[0, 0, 20, 10]]


def test_masks_are_scaled_by_the_nearest_value() -> None:
    mask = np.kron(np.array([[0, 255], [7, 3]], np.uint8), np.ones((20, 20), np.uint8))
    image = np.dstack([mask, mask, mask, mask])
    for step in range(10):
        cut = window(40, 40, CropView(size=24, scale=(0.6, 0.9)), keyed(0, "m", step, ""), 24).picture(image)
        assert set(np.unique(cut[:, :, 3])) <= {0, 3, 7, 255}
        assert (np.abs(cut[:, :, 0].astype(int) - cut[:, :, 3]) < 40).mean() > 0.7


def test_draws_that_a_condition_makes_itself_are_left_to_it() -> None:
    many = Named(name="rejpeg", params={"times": {"between": [2, 3]}, "quality": {"any": [25, 7]}})
    drawn = mix([MixPart(condition=many)]).parts[0].condition
    assert isinstance(drawn, Drawn)
    assert drawn.drawn["times"].tried == (2, 3)
    assert drawn.fixed == {"quality": {"any": [25, 7]}}


def test_all_qualities_of_a_range_are_drawn(tmp_path: Path) -> None:
    from qbench.draws import Draw

    drawn = jpeg_mix(tmp_path).parts[1].condition
    assert isinstance(drawn, Drawn)
    labels = {drawn.condition(Draw(0, str(i))).label for i in range(200)}
    assert labels == {f"jpeg@{quality}" for quality in range(5, 10)}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("jpeg: {quality: {between: [0, 9]}}", "1..100, not 0"),
        ("jpeg: {quality: {betwen: [5, 9]}}", "between: [low, high]"),
        ("jpg: {quality: 9}", "did you mean 'jpeg'"),
        ("jpeg: {qualty: 9}", "did you mean 'quality'"),
    ],
)
def test_errors_name_the_place_in_the_card(tmp_path: Path, line: str, said: str) -> None:
    card = tmp_path / "mix.yaml"
    card.write_text(f"degradation:\n  - condition: {{{line}}}\n")
    document = load_yaml(card)
    parts = [MixPart.model_validate(item) for item in document.data["degradation"]]
    with pytest.raises(SuiteError) as caught, document.at(("degradation",)):
        mix(parts)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{card}:2:")
