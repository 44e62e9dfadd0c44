"""What the declarations of networks of libraries share."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from qbench.errors import QbenchError
from qbench.models.detection.transformers import HfDetection
from qbench.models.restoration.restorers import Spandrel
from qbench.models.segmentation.smp import Smp
from qbench.models.segmentation.transformers import HfSegmentation


@pytest.mark.parametrize(
    ("declared", "extra"),
    [
        (HfSegmentation("x/y"), "hf"),
        (HfDetection("x/y"), "hf"),
        (Smp("unet", classes=3), "smp"),
        (Spandrel(Path("x.safetensors")), "restorers"),
    ],
)
def test_a_missing_library_names_its_extra(declared: Any, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("qbench.models.library.version", missing)
    for use in (declared.identity, declared.build):
        with pytest.raises(QbenchError, match=rf"install the extra with `pip install 'qbench\[{extra}\]'`"):
            use()
