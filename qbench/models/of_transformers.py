"""What the segmenters and detectors of Hugging Face's transformers share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from qbench.errors import QbenchError, WeightsError
from qbench.models.files import sha256
from qbench.models.segmentation.torchvision import installed

LIBRARY, EXTRA = "transformers", "hf"
PARTS = (".json", ".safetensors", ".bin")


class OfTransformers:
    """A network of transformers: a folder with its files, or a name of the hub. No feature site is declared."""

    prefix: ClassVar[str]
    """What stands before the colon in a suite."""
    needed: ClassVar[str]
    """What a folder must hold, for whoever gave another."""
    name: str
    weights: Path | None
    pretrained: bool
    classes: int | None
    revision: str | None
    seed: int

    @property
    def label(self) -> str:
        folder = Path(self.name)
        return f"{self.prefix}:{folder.name if folder.is_dir() else self.name}"

    @property
    def sites(self) -> Mapping[str, str]:
        return {}

    def identity(self) -> Mapping[str, Any]:
        return {
            "architecture": self._parts(), "library": installed(LIBRARY, EXTRA), "classes": self.classes,
            "weights": sha256(self.weights) if self.weights else "own" if self.pretrained else "none",
            "seed": self.seed,
        }  # fmt: skip

    def _parts(self) -> Any:
        folder = Path(self.name)
        if not folder.is_dir():
            return f"hub:{self.name}@{self.revision or 'main'}"
        return {file.name: sha256(file) for file in sorted(folder.iterdir()) if file.suffix in PARTS}

    def _origin(self) -> dict[str, Any]:
        """Where the library looks for the files; with `weights` or a folder it touches no network."""
        where: dict[str, Any] = {"local_files_only": self.weights is not None or Path(self.name).is_dir()}
        return where | ({"revision": self.revision} if self.revision else {})

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turns what the library raises into QbenchError."""
        try:
            yield
        except (OSError, ValueError) as error:
            text = str(error).strip().split("\n", 1)[0]
            raise QbenchError(f"{self.prefix}:{self.name} cannot be loaded: {text}; {self.needed}") from error


def loaded(kind: Any, config: Any, source: str, fresh: int | None = None, **origin: Any) -> Any:
    """A network of class `kind` with the tensors of a checkpoint, under their names of any version of the library.

    The library would draw what a checkpoint lacks; here only a last layer of `fresh` classes may be. Raises
    WeightsError."""
    net, found = kind.from_pretrained(
        None if "state_dict" in origin else source, config=config, ignore_mismatched_sizes=True,
        output_loading_info=True, **origin,
    )  # fmt: skip
    problems = [
        f"{len(found[key])} {what}, first {min(found[key])!r}"
        for key, what in (("missing_keys", "missing"), ("unexpected_keys", "unknown"))
        if found[key]
    ]
    problems += [
        f"{name!r} is {tuple(there)}, expected {tuple(wanted)}"
        for name, there, wanted in sorted(found["mismatched_keys"])
        if fresh is None or wanted[0] != fresh
    ]
    if problems:
        raise WeightsError(f"weights {source} do not fit {kind.__name__}: {'; '.join(problems[:2])}")
    return net
