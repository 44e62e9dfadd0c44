"""Reading a user's own weights: the tensors of the network, wherever a training code put them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from qbench.errors import WeightsError
from qbench.models.files import read_state
from qbench.models.state import WRAPPERS

TENSORS = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}


def saved(content: Any, tmp_path: Path) -> Path:
    file = tmp_path / "some.pth"
    torch.save(content, file)
    return file


def assert_same(state: dict[str, torch.Tensor]) -> None:
    assert state.keys() == TENSORS.keys()
    assert all(torch.equal(state[name], TENSORS[name]) for name in TENSORS)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_tensors_are_found_below_the_usual_names(wrapper: str, tmp_path: Path) -> None:
    checkpoint = {wrapper: TENSORS, "optimizer": {"lr": 0.1}, "epoch": 3}
    assert_same(read_state(saved(checkpoint, tmp_path)))


def test_bare_tensors_in_either_format(tmp_path: Path) -> None:
    assert_same(read_state(saved(TENSORS | {"note": "not a tensor"}, tmp_path)))
    save_file(TENSORS, tmp_path / "some.safetensors")
    assert_same(read_state(tmp_path / "some.safetensors"))


def test_averaged_weights_come_before_the_raw_ones(tmp_path: Path) -> None:
    raw = {name: value + 1 for name, value in TENSORS.items()}
    assert_same(read_state(saved({"params": raw, "params_ema": TENSORS}, tmp_path)))


def test_a_tensor_that_is_called_like_a_wrapper_is_a_tensor(tmp_path: Path) -> None:
    assert read_state(saved({"net": torch.ones(1)}, tmp_path)).keys() == {"net"}


@pytest.mark.parametrize("content", [[torch.ones(1)], torch.ones(2), 3])
def test_what_is_no_dictionary_holds_no_tensors(content: Any, tmp_path: Path) -> None:
    assert read_state(saved(content, tmp_path)) == {}


class Planted:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("exit 1",)


def test_code_in_a_file_is_refused_in_one_line_that_does_not_advise_to_run_it(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        read_state(saved({"state_dict": TENSORS, "more": Planted()}, tmp_path))
    reason = "it asks for posix.system, which is not run; give safetensors or a state dictionary of plain tensors"
    assert str(caught.value) == f"weights {tmp_path / 'some.pth'} cannot be read: {reason}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is damaged, or no file of PyTorch"),
        (b"hello world this is text\n", "it is damaged, or no file of PyTorch"),
        (b"\x80\x02junk", "it is damaged, or no file of PyTorch"),
        (None, "Is a directory"),
    ],
)
def test_what_is_no_file_of_pytorch_is_one_line(content: bytes | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "some.pth"
    file.mkdir() if content is None else file.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        read_state(file)
    assert f"cannot be read: {said}; give safetensors" in str(caught.value)
