"""What the segmenters and detectors of Hugging Face's transformers share."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError, WeightsError, foreign
from qbench.models.files import read_states, sha256
from qbench.models.library import CONFIG, LibraryModel, imported, seeded
from qbench.models.state import check_numbers, fitting, forms, likeliest

PARTS = (".json", ".safetensors", ".bin")


@dataclass(frozen=True, config=CONFIG)
class HuggingFaceModel(LibraryModel):
    """A network of transformers: a folder with its files, or a name of the hub. No feature site is declared."""

    library: ClassVar[str] = "transformers"
    extra: ClassVar[str] = "hf"
    automatic: ClassVar[str]
    """The library's class that finds the network's own."""
    needed: ClassVar[str]
    """What a folder must hold, for whoever gave another."""

    revision: str | None = Field(default=None, description="Branch, tag or commit of the hub. Default: main.")

    @property
    def label(self) -> str:
        folder = Path(self.name)
        return f"{self.prefix}:{folder.name if folder.is_dir() else self.name}"

    @property
    def sites(self) -> Mapping[str, str]:
        return {}

    def _architecture(self) -> Any:
        folder = Path(self.name)
        if not folder.is_dir():
            return f"hub:{self.name}@{self.revision or 'main'}"
        return {file.name: sha256(file) for file in sorted(folder.iterdir()) if file.suffix in PARTS}

    def _hub(self) -> str:
        return "those of the architecture's files"

    @property
    def _origin(self) -> dict[str, Any]:
        """Where the library looks for the files; with `weights` or a folder it touches no network."""
        where: dict[str, Any] = {"local_files_only": self.weights is not None or Path(self.name).is_dir()}
        return where | ({"revision": self.revision} if self.revision else {})

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        """Gives the library, silent and seeded, and turns what it raises into QbenchError."""
        transformers = imported(self.library, self.library, self.extra)
        failed = foreign(f"{self.prefix}:{self.name} cannot be loaded; {self.needed}")
        with failed, seeded(self.seed), _quiet(transformers.utils.logging):
            yield transformers

    def _network(self, transformers: Any, *, fresh: Collection[int], strict: bool) -> Any:
        """The network with its weights; `fresh` and `strict` as of `loaded`. Raises WeightsError."""
        classes = {} if self.classes is None else {"num_labels": self.classes}
        config = transformers.AutoConfig.from_pretrained(self.name, **self._origin, **classes)
        if getattr(config, "use_pretrained_backbone", False):  # it would be fetched, only to be replaced
            config.use_pretrained_backbone = False
        channels = getattr(config, "num_channels", 3)
        if channels != 3:
            raise QbenchError(f"{self.label} takes pictures of {channels} channels; qbench shows a model 3, RGB")
        net = getattr(transformers, self.automatic).from_config(config)
        if self.weights is not None:
            return with_state(net, self.weights)
        return loaded(type(net), config, self.name, fresh, strict, **self._origin) if self.pretrained else net


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """transformers reports and draws progress bars as it loads; what matters of that is checked here."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def with_state(net: Any, file: Path) -> Any:
    """`net` with the state in a file, under the names of its own modules or those of published checkpoints, which
    transformers translates. Raises WeightsError for a misfit."""
    own, states = net.state_dict(), read_states(file)
    if any(form.keys() == own.keys() for state in states for form, _ in forms(state)):
        net.load_state_dict(fitting(own, states, str(file), type(net).__name__), strict=True)
        return net
    state = likeliest(own, states)
    check_numbers(state, str(file), type(net).__name__)
    return loaded(type(net), net.config, str(file), state_dict=state)


def loaded(kind: Any, config: Any, source: str, fresh: Collection[int] = (), strict: bool = True, **origin: Any) -> Any:
    """A network of class `kind` with the tensors of a checkpoint, under their names of any version of the library.

    The library would draw what a checkpoint lacks; here only last layers may be, those of `fresh` outputs. Raises
    WeightsError; `strict`: for tensors that the network does not know, too."""
    net, report = kind.from_pretrained(
        None if "state_dict" in origin else source, config=config, ignore_mismatched_sizes=True,
        output_loading_info=True, **origin,
    )  # fmt: skip
    problems = [
        f"{len(report[key])} {what}, first {min(report[key])!r}"
        for key, what in (("missing_keys", "missing"), ("unexpected_keys", "unknown"))
        if report[key] and (strict or what == "missing")
    ]
    problems += [
        f"{name!r} is {tuple(given)}, expected {tuple(expected)}"
        for name, given, expected in sorted(report["mismatched_keys"])
        if expected[0] not in fresh
    ]
    if problems:
        raise WeightsError(f"weights {source} do not fit {kind.__name__}: {'; '.join(problems[:2])}")
    return net
