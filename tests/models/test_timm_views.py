"""What a network of timm is shown, against timm's own transform of an evaluation at its test size."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from timm.models import get_pretrained_cfg

from qbench.data.views import View, ViewSpec
from qbench.errors import QbenchError
from qbench.models.classification.timm import Timm, timm_input
from qbench.models.classification.torchvision import Torchvision
from qbench.models.library import InputChanges
from qbench.vocabulary import InputConvention

SHAPES = [(360, 640), (451, 300), (77, 50), (640, 640), (30, 900)]
SQUARES = [(640, 640), (251, 251)]


def picture(height: int, width: int) -> np.ndarray:
    """Red tells the column, green the row, blue is noise."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    noise = np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width))
    return np.stack([x, y, noise], -1).astype(np.uint8)


def by_timm(config: Mapping[str, Any], image: np.ndarray) -> np.ndarray:
    """The steps before the tensor is made and normalised."""
    resolved = resolve_data_config(pretrained_cfg=config, use_test_size=True)
    shown = Image.fromarray(image)
    for step in create_transform(**resolved, is_training=False).transforms:
        if type(step).__name__ not in {"ToTensor", "MaybeToTensor", "Normalize"}:
            shown = step(shown)
    return np.asarray(shown)


def by_qbench(config: Mapping[str, Any], image: np.ndarray) -> np.ndarray:
    return ViewSpec().of(timm_input(config, "timm:x")).apply(image)


@cache
def declared() -> tuple[tuple[str, dict[str, Any]], ...]:
    """One name of each geometry that a pretrained network of timm declares, but for those that are no squares."""
    configs = {}
    for name in timm.list_pretrained():
        config: Any = get_pretrained_cfg(name)
        resolved = resolve_data_config(pretrained_cfg=config.to_dict(), use_test_size=True)
        if resolved["input_size"][1] == resolved["input_size"][2]:
            configs.setdefault(tuple(resolved.values()), (name, config.to_dict()))
    return tuple(configs.values())


def of_mode(mode: str) -> list[tuple[str, dict[str, Any]]]:
    return [(name, config) for name, config in declared() if config.get("crop_mode", "center") == mode]


@pytest.mark.parametrize("mode", ["squash", "border"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_squashed_and_bordered_pictures_are_timms_to_the_bit(mode: str, shape: tuple[int, int]) -> None:
    image, configs = picture(*shape), of_mode(mode)
    assert len(configs) >= 2
    for name, config in configs:
        assert np.array_equal(by_qbench(config, image), by_timm(config, image)), name


@pytest.mark.parametrize("shape", SQUARES, ids=str)
def test_crops_of_squares_are_timms_but_for_an_odd_margin(shape: tuple[int, int]) -> None:
    """An odd margin leaves its odd pixel on the right here, and on the even side in timm."""
    image, configs = picture(*shape), of_mode("center")
    assert len(configs) > 100
    for name, config in configs:
        made = timm_input(config, name)
        assert made.size is not None
        assert made.resize is not None
        if made.crop_mode == "center" and (made.resize - made.size) % 4 == 3:
            continue
        assert np.array_equal(by_qbench(config, image), by_timm(config, image)), name


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_crops_of_any_picture_are_timms_within_a_pixel(shape: tuple[int, int]) -> None:
    """Red and green rise with the column and the row: no pixel shows another place than timm's."""
    image = picture(*shape)
    per_pixel = 255 / (np.array(shape[::-1]) - 1)
    for name, config in of_mode("center")[::9]:
        ours, theirs = (made.astype(int)[..., :2] for made in (by_qbench(config, image), by_timm(config, image)))
        short = min(shape) / (timm_input(config, name).resize or 1)
        assert ours.shape == theirs.shape, name
        assert (abs(ours - theirs).max((0, 1)) <= per_pixel * max(short, 1) * 2 + 2).all(), name


def test_a_crop_larger_than_the_resize_has_a_black_border() -> None:
    """VOLO declares a crop_pct of 1.15."""
    config: Any = get_pretrained_cfg("volo_d4_448.sail_in1k")
    for shape in SHAPES:
        made = by_qbench(config.to_dict(), picture(*shape))
        assert np.array_equal(made, by_timm(config.to_dict(), picture(*shape)))
        assert not made[0, 0].any()


@pytest.mark.parametrize(
    ("mode", "resize", "crop"),
    [(mode, resize, 64) for mode in ("squash", "border", "padded") for resize in (64, 70, 71, 73)]
    + [("padded", 60, 64), ("padded", 57, 64)],
)
def test_margins_and_borders_of_any_parity_are_torchvisions(mode: Any, resize: int, crop: int) -> None:
    from timm.data.transforms import CenterCropOrPad, ResizeKeepRatio
    from torchvision.transforms import CenterCrop, InterpolationMode, Resize

    fill = (10, 20, 30) if mode == "border" else (0, 0, 0)
    steps: Any = {
        "squash": (Resize((resize, resize), InterpolationMode.BICUBIC), CenterCrop(crop)),
        "border": (ResizeKeepRatio(resize, 1.0, "bicubic"), CenterCropOrPad(crop, fill=fill)),
        "padded": (Resize(resize, InterpolationMode.BICUBIC), CenterCrop(crop)),
    }
    for shape in SHAPES:
        expected: Any = Image.fromarray(picture(*shape))
        for step in steps[mode]:
            expected = step(expected)
        made = View(resize, crop, "bicubic", mode, fill).apply(picture(*shape))
        assert np.array_equal(made, np.asarray(expected)), shape


@pytest.mark.parametrize("mode", ["squash", "border", "padded"])
def test_masks_move_along_and_borders_count_for_nothing(mode: Any) -> None:
    """A mask that says where its picture is red stays one."""
    mask = np.zeros((60, 90), np.uint8)
    mask[20:40, 30:60] = 1
    view = View(40 if mode == "padded" else 48, 48, "bilinear", mode, (99, 99, 99))
    moved, seen = view.mask(mask), view.apply(np.repeat(mask[..., None] * 255, 3, 2))
    inside = moved != 255
    assert moved.shape == (48, 48)
    assert inside.all() == (mode == "squash")
    assert (seen[~inside] == 99).all()
    assert abs((seen[..., 0] > 127)[inside].mean() - moved[inside].mean()) < 0.05


def test_what_a_suite_says_comes_before_the_model() -> None:
    """A short side that the suite gives is a short side; a crop leaves the model's way of resizing."""
    squashing = InputConvention(size=64, resize=72, crop_mode="squash")
    assert ViewSpec().of(squashing) == View(72, 64, "bicubic", "squash")
    assert ViewSpec(crop=32).of(squashing) == View(72, 32, "bicubic", "squash")
    assert np.array_equal(
        ViewSpec(crop=96).of(squashing).apply(picture(50, 90)), View(96, 96, "bicubic", "squash").apply(picture(50, 90))
    ), "a crop past the resizing enlarges"
    assert ViewSpec(resize=80).of(squashing) == View(80, 64)
    assert ViewSpec(resize=None).of(squashing) == View(None, 64)
    bordered = InputConvention(size=64, resize=64, crop_mode="border", mean=(0.1, 0.5, 1.0))
    assert ViewSpec().of(bordered).fill == (26, 128, 255)
    assert ViewSpec(crop=None).of(bordered).apply(picture(30, 90)).shape == (21, 64, 3)
    blue_first = InputConvention(64, 64, "BGR", 255.0, (104.0, 117.0, 123.0), crop_mode="border")
    assert ViewSpec().of(blue_first).fill == (123, 117, 104)


def test_the_network_is_built_with_what_timm_declares() -> None:
    made = Timm(name="resnet18.a1_in1k", pretrained=False).build()
    assert (made.input.size, made.input.resize, made.input.crop_mode, made.classes) == (288, 288, "center", 1000)
    squashed = Timm(
        name="mobilenetv4_conv_small.e1200_r224_in1k", pretrained=False, input=InputChanges(crop_mode="squash")
    )
    assert squashed.build().input.crop_mode == "squash"


SQUARE = {"input_size": (3, 64, 64), "crop_pct": 0.9, "mean": (0.5,) * 3, "std": (0.5,) * 3}


@pytest.mark.parametrize(
    ("change", "changes", "said"),
    [
        ({"input_size": (1, 64, 64)}, {}, "takes pictures of 1 channels; qbench shows a model RGB pictures"),
        ({"test_input_size": (4, 64, 64)}, {"size": 64}, "takes pictures of 4 channels"),
        (
            {"input_size": (3, 64, 32)},
            {},
            "takes pictures of 64 x 32 pixels, and views are squares; give `input: {size",
        ),
        ({"interpolation": "box"}, {}, "resizes pictures by 'box'; give `input: {interpolation: ...}`: bilinear"),
    ],
)
def test_what_no_view_shows_is_refused(change: dict[str, Any], changes: dict[str, Any], said: str) -> None:
    with pytest.raises(QbenchError) as caught:
        timm_input({**SQUARE, **change}, "timm:x", InputChanges(**changes))
    assert str(caught.value).startswith("timm:x ")
    assert said in str(caught.value)


def test_those_that_can_be_mended_take_the_change() -> None:
    assert timm_input({**SQUARE, "input_size": (3, 64, 32)}, "x", InputChanges(size=48)).mean == (0.5, 0.5, 0.5)
    assert timm_input({**SQUARE, "interpolation": "box"}, "x", InputChanges(interpolation="lanczos")).size == 64


@pytest.mark.parametrize("kind", [Timm, Torchvision])
def test_a_network_of_one_size_says_how_to_give_it(kind: Any) -> None:
    name = "vit_tiny_patch16_224" if kind is Timm else "vit_b_32"
    made = kind(name=name, pretrained=False, input=InputChanges(size=64)).build()
    with torch.inference_mode(), pytest.raises(QbenchError) as caught:
        made.predict(torch.zeros(1, 3, 64, 64))
    assert str(caught.value).startswith(
        "the network cannot take pictures of 64 x 64 pixels; it was made for 224 x 224: leave `size` out of its "
        "`input`, and `crop` out of the view (AssertionError: "
    )
