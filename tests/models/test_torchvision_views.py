"""What a classifier of torchvision is shown and does, against torchvision's own transforms and networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models
from torchvision.transforms.functional import center_crop, resize

from qbench.data.views import ViewSpec
from qbench.models.base import LoadedModel
from qbench.models.classification.torchvision import Torchvision, torchvision_input
from tests.models.test_classifiers import randomised

HUB = [
    weights
    for name in models.list_models(module=models)
    for weights in models.get_model_weights(name)
]  # fmt: skip


def test_every_tag_of_the_hub_is_shown_what_its_transforms_show() -> None:
    """Of a square picture, whose crop has even margins, to the bit, and normalised as they do."""
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    seen: set[Any] = set()
    for weights in HUB:
        preset: Any = weights.transforms()
        made = torchvision_input(preset, "x")
        if made in seen or (int(preset.resize_size[0]) - int(preset.crop_size[0])) % 4 == 3:
            continue
        seen.add(made)
        viewed = ViewSpec().of(made).apply(image)
        cut = resize(Image.fromarray(image), preset.resize_size, preset.interpolation, antialias=preset.antialias)
        assert np.array_equal(viewed, np.asarray(center_crop(cut, preset.crop_size))), weights
        given = LoadedModel(torch.nn.Identity(), made, {}).predict(
            torch.from_numpy(viewed).permute(2, 0, 1)[None] / 255
        )
        torch.testing.assert_close(given[0], preset(Image.fromarray(image)), rtol=1e-5, atol=1e-5)
    assert len(seen) > 15


def test_a_state_of_the_hub_runs_as_the_hub_runs_it(tmp_path: Path) -> None:
    """GoogLeNet and Inception normalise once more inside, where torchvision makes them for its weights."""
    torch.manual_seed(0)
    original = randomised(models.googlenet(transform_input=True, init_weights=False))
    torch.save(original.state_dict(), tmp_path / "net.pth")
    images = torch.rand(1, 3, 64, 64)
    model = Torchvision("googlenet", weights=tmp_path / "net.pth").build()
    with torch.inference_mode():
        torch.testing.assert_close(model.logits(images), original(model.normalise(images)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("tag", "size"), [("IMAGENET1K_V1", 224), ("IMAGENET1K_SWAG_E2E_V1", 384)])
def test_a_transformer_has_the_size_of_its_tag(tag: str, size: int) -> None:
    hub = models.get_model_weights("vit_b_16")[tag]
    assert Torchvision("vit_b_16", tag=tag)._as_fetched(hub) == {"image_size": size}
    assert torchvision_input(hub.transforms(), "x").size == size
