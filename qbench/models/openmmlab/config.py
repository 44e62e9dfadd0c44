"""What OpenMMLab's configuration files say, as far as it can be read without running them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from qbench.errors import QbenchError, foreign
from qbench.storage.shipped import shipped

SHIPPED = "baselines"
_RESNET = {"D1": "backbone.conv1", "D2": "backbone.relu", "D3": "backbone.layer1.0", "D4": "backbone.layer1"}
_DEEP = {**_RESNET, "D1": "backbone.stem.0", "D2": "backbone.stem"}
_CSP = {"D2": "backbone.stem", "D3": "backbone.stage1.0", "D4": "backbone.stage1"}
SITES = {
    **dict.fromkeys(("ResNet", "ResNeXt", "ResNeSt", "SEResNet"), _RESNET),
    **dict.fromkeys(("ResNetV1c", "ResNetV1d"), _DEEP),
    "CSPNeXt": {"D1": "backbone.stem.0.conv", **_CSP},
    "CSPDarknet": {"D1": "backbone.stem.conv.conv", **_CSP},
    "MobileNetV2": {
        "D1": "backbone.conv1.conv", "D2": "backbone.conv1", "D3": "backbone.layer1", "D4": "backbone.layer2",
    },
}  # fmt: skip
"""Sites by the backbone's type: its stem convolution, the stem's end, the first block, the first stage."""


def place(file: Path) -> Path:
    """The configuration or weights file itself, or the one that ships under this name (`baselines/...`)."""
    return shipped(str(file)) if not file.exists() and file.parts[:1] == (SHIPPED,) else file


def sources(file: Path) -> tuple[Path, ...]:
    """The file and the files beside it that it builds on, each once, in the order of reading.

    Bases inside an installed package (`mmdet::...`) are left out: its version tells. Raises QbenchError for a file
    that cannot be read."""
    files: list[Path] = []
    waiting = [file]
    while waiting:
        current = waiting.pop(0)
        if current not in files:
            files.append(current)
            waiting.extend(current.parent / base for base in _bases(current) if "::" not in base)
    return tuple(files)


def backbone(file: Path) -> str:
    """The type of the backbone, as the first of the `sources` that names one writes it; "" where none does."""
    for source in sources(file):
        for name, value in _entries(source):
            kind = dict(_pairs(value)).get("type") if name == "backbone" else None
            if isinstance(kind, ast.Constant | ast.Name | ast.Attribute):
                return str(kind.value) if isinstance(kind, ast.Constant) else ast.unparse(kind).rpartition(".")[2]
    return ""


def _tree(file: Path) -> ast.Module:
    """A file of any of the three formats as Python's syntax tree; JSON is YAML too."""
    with foreign(f"configuration {file} cannot be read"):
        if file.exists() and not file.is_file():
            raise QbenchError(f"configuration {file} cannot be read: it is no file; check `config:`")
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise QbenchError(f"configuration {file} cannot be read: {error.strerror}; check `config:`") from None
        return ast.parse(text if file.suffix == ".py" else repr(yaml.safe_load(text)))


def _entries(file: Path) -> Iterator[tuple[str, ast.expr]]:
    """Every name that is given a value anywhere in the file: assignments, keywords, keys."""
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        yield from _pairs(node)


def _pairs(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Of `dict(...)` or `{...}`."""
    if isinstance(node, ast.Call):
        yield from ((keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant):
                yield str(key.value), value


def _bases(file: Path) -> list[str]:
    """`_base_`, and relative imports, which stand under `read_base()` in the newer style."""
    bases: list[str] = []
    for name, value in _entries(file):
        if name == "_base_":
            given: Any = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
            bases += [node.value for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            bases.append("../" * (node.level - 1) + node.module.replace(".", "/") + ".py")
    return bases
