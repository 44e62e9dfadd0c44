"""The code that the pages of QuAC and QuARF show makes networks that read the quality."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import torch
from torch import nn

from qbench.methods import adaptive
from qbench.methods.adaptive import adaptive_modules
from qbench.quality.features import features
from tests.conftest import ROOT


@pytest.mark.parametrize(("page", "part"), [("quac", "QAcon"), ("quarf", "Quarf")])
def test_the_code_of_a_page_puts_modules_into_a_network_that_read_the_quality(
    page: str, part: str, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "methods" / f"{page}.md").read_text("utf-8")
    code = re.findall(r"^```python run\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[0]
    (tmp_path / "page.py").write_text(code)
    torch.manual_seed(0)
    with torch.inference_mode():
        names = runpy.run_path(str(tmp_path / "page.py"))
        net, images, normalised = names["net"], names["images"], names["normalised"]
        inserted = adaptive_modules(net)
        assert {type(module).__name__ for module in inserted} == {part}
        for module in inserted:
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        outputs = [with_quality(net, quality, normalised) for quality in qualities(page, images)]
    assert names["output"].shape == (2, 1000)
    assert names["output"].isfinite().all()
    assert not torch.allclose(*outputs)


def with_quality(net: nn.Module, quality: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
    with adaptive.given(net, quality):
        return net(batch)


def qualities(page: str, images: torch.Tensor) -> list[torch.Tensor]:
    """Of the pictures, and of the same pictures blurred."""
    blurred = torch.nn.functional.avg_pool2d(images, 5, 1, 2)
    return [features({"quac": "brisque", "quarf": "encoder"}[page], batch) for batch in (images, blurred)]
