"""A network's tensors are found under whatever wrapped it when it was saved, and refused where they are not its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.parallel import DataParallel
from torch.optim.swa_utils import AveragedModel

from qbench.errors import WeightsError
from qbench.models.base import load_weights
from qbench.models.files import load_any, read_state, sha256
from qbench.models.state import COMPILED, WRAPPERS, forms, states_in

State = dict[str, Tensor]


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 2, 1)))


class Held(nn.Module):
    """A network inside another module, as trainers hold theirs."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.model = net


WRAPPED: dict[str, Callable[[nn.Module], Any]] = {
    "as it is": lambda net: net.state_dict(),
    "for several devices": lambda net: DataParallel(net).state_dict(),
    "compiled": lambda net: {COMPILED + name: value for name, value in net.state_dict().items()},
    "compiled in parts": lambda net: {name.replace("2.", "2._orig_mod."): v for name, v in net.state_dict().items()},
    "held by a trainer": lambda net: {"state_dict": Held(net).state_dict(), "epoch": 3, "hyper_parameters": {"a": 1}},
    "all of them": lambda net: {"model": {f"module._orig_mod.model.{n}": v for n, v in net.state_dict().items()}},
    "averaged": lambda net: {"model": network(5).state_dict(), "model_ema": AveragedModel(net).state_dict()},
    "averaged by timm": lambda net: {"state_dict": network(5).state_dict(), "state_dict_ema": net.state_dict()},
    "deeper": lambda net: {"ema": {"model": net.state_dict(), "decay": 0.9}, "model": network(5).state_dict()},
    "beside another": lambda net: {"ema": {"decay": torch.ones(1)}, "params": net.state_dict()},
    "half": lambda net: {name: v.half() if v.is_floating_point() else v for name, v in net.state_dict().items()},
}


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_the_networks_own_tensors_are_loaded(wrapped: str, tmp_path: Path) -> None:
    file = tmp_path / "net.pth"
    original = network(1)
    torch.save(WRAPPED[wrapped](original), file)
    loaded = network(2)
    load_any(loaded, file)
    tolerance = 1e-3 if wrapped == "half" else 0.0
    for name, value in original.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=tolerance, atol=tolerance)


def test_safetensors_are_unwrapped_too(tmp_path: Path) -> None:
    save_file(DataParallel(network(1)).state_dict(), tmp_path / "net.safetensors")
    loaded = network(2)
    load_weights(loaded, tmp_path / "net.safetensors")
    assert torch.equal(loaded.state_dict()["0.weight"], network(1).state_dict()["0.weight"])


def test_a_network_whose_own_names_look_wrapped_keeps_them(tmp_path: Path) -> None:
    torch.save(Held(network(1)).state_dict(), tmp_path / "net.pth")
    held = Held(network(2))
    load_any(held, tmp_path / "net.pth")
    assert torch.equal(held.model.state_dict()["0.bias"], network(1).state_dict()["0.bias"])


def changed(name: str, change: Callable[[Tensor], Tensor]) -> State:
    state = network(1).state_dict()
    return {**state, name: change(state[name])}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            {f"module.{name}x": value for name, value in network().state_dict().items()},
            "do not fit Sequential: 9 missing, first '0.bias'; 9 unknown, first 'module.0.biasx'; the file's names "
            "have 'module.' in front; without it fewer fit",
        ),
        (
            {f"module.{name}": value for name, value in network().state_dict().items() if name != "0.bias"},
            "1 missing, first '0.bias'; the file's names have 'module.' in front",
        ),
        (changed("0.weight", lambda w: (w * 100).to(torch.int8)), "'0.weight' is int8, expected float32; quantised"),
        (changed("0.weight", lambda w: w.to(torch.complex64)), "'0.weight' is complex64, expected float32; save the"),
        (changed("0.weight", lambda w: w.to(torch.float8_e4m3fn)), "'0.weight' is float8_e4m3fn, expected float32"),
        (changed("2.1.weight", lambda w: w[..., 0, 0].to_sparse()), "(2, 4), expected (2, 4, 1, 1)"),
        (changed("2.1.weight", lambda w: w.to_sparse()), ": '2.1.weight' is sparse, and does not hold all values"),
        (changed("2.1.weight", lambda w: w.to("meta")), ": '2.1.weight' is on the device meta"),
        (changed("1.running_var", lambda w: w * torch.nan), "are damaged: '1.running_var' holds values that"),
        (changed("2.1.bias", lambda w: w / 0), "are damaged: '2.1.bias' holds values that are not finite"),
        (changed("0.bias", lambda w: w[:2]), "'0.bias' is (2,), expected (4,)"),
        ([1, 2], "hold no tensors by name; expected those of Sequential"),
        ({"epoch": 3, "optimizer": {}}, "hold no tensors by name"),
    ],
)  # fmt: skip
def test_what_is_no_state_of_the_network_is_one_line(content: Any, said: str, tmp_path: Path) -> None:
    file = tmp_path / "net.pth"
    torch.save(content, file)
    with pytest.raises(WeightsError) as caught:
        load_any(network(), file)
    assert str(caught.value).startswith(f"weights {file}")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_buffer_that_is_infinite_by_design_stays_so(tmp_path: Path) -> None:
    net = network()
    net.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    torch.save(net.state_dict(), tmp_path / "net.pth")
    load_any(net, tmp_path / "net.pth")


def test_a_checkpoint_inside_itself_ends() -> None:
    content: dict[str, Any] = {"weight": torch.ones(1)}
    content["model"] = content
    assert {tuple(state) for state in states_in(content)} == {("weight",)}


def test_every_wrapper_is_looked_into() -> None:
    for name in WRAPPERS:
        assert [list(state) for state in states_in({name: {"w": torch.ones(1)}, "epoch": 1})] == [["w"]]


def test_forms_end_where_no_wrapper_is_left() -> None:
    state = {"module.model.model.a": torch.ones(1), "module.model.model.b": torch.ones(1)}
    assert [left_out for _, left_out in forms(state)] == ["", "module.", "module.model.", "module.model.model."]
    assert [left_out for _, left_out in forms({})] == [""]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    file = tmp_path / "net.pth"
    os.mkfifo(file)
    for use in (sha256, read_state):
        with pytest.raises(WeightsError, match=r"are no file, but a pipe or device; check `weights:`"):
            use(file)
