"""Tests against OpenMMLab's own inference: only where it is installed, as `tox -e openmmlab` does."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

collect_ignore_glob = [] if find_spec("mmengine") and find_spec("mmdet") and find_spec("mmseg") else ["test_*.py"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The last bits depend on how many threads share a sum."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
