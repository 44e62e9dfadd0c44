"""Devices that are not there, and weights that are no file of weights."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.corpus.case import Arguments, Case, run


def device(name: str, line: str) -> Case:
    return Case(f"device {name}", lambda folder: [*run(folder)[:-1], name], line)


def weights(what: str, name: str, write: Callable[[Path], object], line: str, code: int = 1) -> Case:
    """The built-in classifier with this file. What is no file is seen in the plan, what is in it when it is read."""

    def make(folder: Path) -> Arguments:
        write(folder / name)
        model = f"{{'builtin:scenes': {{weights: '{name}'}}}}"
        return run(folder, dataset="{name: scenes, count: 2}", model=model)

    return Case(what, make, line, code)


class Planted:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch ran",)


def cut(file: Path) -> None:
    save_file({"weight": torch.ones(1000)}, file)
    file.write_bytes(file.read_bytes()[:-100])


def unharmed(folder: Path, said: object) -> None:
    assert not (folder / "ran").exists()


CODE = weights(
    "code in a pickle", "w.pth", lambda file: file.write_bytes(pickle.dumps(Planted())), "cannot be read: it "
)
CASES = [
    device("gpu", "--device takes auto, cpu, cuda, cuda:N or mps, not 'gpu'; this machine has cpu"),
    device("cuda:x", "--device takes auto, cpu, cuda, cuda:N or mps, not 'cuda:x'; this machine has cpu"),
    device("cuda:-1", "not 'cuda:-1'; this machine has cpu"),
    device("CPU", "not 'CPU'; this machine has cpu"),
    device("cuda:999", "--device cuda:999 is not here: torch can use cpu"),
    weights("a folder", "w.pth", Path.mkdir, "weights w.pth cannot be read: Is a directory", 2),
    weights("a pipe", "w.pth", os.mkfifo, "weights w.pth are no file, but a pipe or device; check `weights:`", 2),
    weights("no file", "w.pth", lambda file: None, "weights w.pth cannot be read: No such file or directory", 2),
    weights("cut safetensors", "w.safetensors", cut, "weights w.safetensors cannot be read as safetensors: Safetensor"),
    weights(
        "text as safetensors", "w.safetensors", lambda file: file.write_text("hello world"),
        "weights w.safetensors cannot be read as safetensors",
    ),
    weights(
        "text as a pickle", "w.pth", lambda file: file.write_text("hello world"),
        "weights w.pth cannot be read: it is damaged, or no file of PyTorch; give safetensors",
    ),
    weights("an empty file", "w.pth", Path.touch, "weights w.pth cannot be read: it is damaged, or no file of PyTorch"),
    Case(CODE.name, CODE.make, CODE.line, CODE.code, unharmed),
    weights(
        "a whole network", "w.pth", lambda file: torch.save(torch.nn.Linear(2, 2), file),
        "it asks for torch.nn.modules.linear.Linear, which is not run; give safetensors or a state dictionary",
    ),
]  # fmt: skip
