"""`hf-segmentation:NAME`: semantic segmentation networks of Hugging Face's transformers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError, WeightsError
from qbench.models.files import read_state, sha256
from qbench.models.segmentation import CONFIG, Segmenter, imported, installed
from qbench.registry import model
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel

LIBRARY, EXTRA = "transformers", "hf"
PARTS = (".json", ".safetensors", ".bin")


@model("hf-segmentation:*")
@dataclass(frozen=True, config=CONFIG)
class HfSegmentation(Segmenter):
    """A semantic segmentation network of transformers (SegFormer, UPerNet, ...): a folder, or a name of the hub.

    With `weights`, the state comes from that file, and of the folder (or of what the hub's cache holds) only the
    configuration is read: no network is touched. `classes` other than the checkpoint's draw its last layer anew from
    `seed`. No code that a repository brings is run."""

    revision: str | None = Field(default=None, description="Branch, tag or commit of the hub. Default: main.")

    @property
    def label(self) -> str:
        folder = Path(self.name)
        return f"hf-segmentation:{folder.name if folder.is_dir() else self.name}"

    @property
    def sites(self) -> Mapping[str, str]:
        return {}

    def identity(self) -> Mapping[str, Any]:
        return {
            "architecture": self._parts(), "library": installed(LIBRARY, EXTRA), "classes": self.classes,
            "weights": sha256(self.weights) if self.weights else "own" if self.pretrained else "none",
            "seed": self.seed, "input": self.input.given(),
        }  # fmt: skip

    def _parts(self) -> Any:
        folder = Path(self.name)
        if not folder.is_dir():
            return f"hub:{self.name}@{self.revision or 'main'}"
        return {file.name: sha256(file) for file in sorted(folder.iterdir()) if file.suffix in PARTS}

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown name, no library or no network, WeightsError for a misfit."""
        transformers = imported("transformers", LIBRARY, EXTRA)
        where: dict[str, Any] = {"local_files_only": self.weights is not None or Path(self.name).is_dir()}
        where |= {"revision": self.revision} if self.revision else {}
        classes = {} if self.classes is None else {"num_labels": self.classes}
        try:
            with self._seeded(), _quiet(transformers.utils.logging):
                config = transformers.AutoConfig.from_pretrained(self.name, **where, **classes)
                net = transformers.AutoModelForSemanticSegmentation.from_config(config)
                if self.weights is not None:
                    net = _loaded(type(net), config, str(self.weights), state_dict=read_state(self.weights))
                elif self.pretrained:
                    net = _loaded(type(net), config, self.name, fresh=self.classes, **where)
                convention = _convention(transformers, self.name, where)
        except (OSError, ValueError) as error:
            text = str(error).strip().split("\n", 1)[0]
            advice = "give a folder that holds config.json, as transformers saves a model"
            raise QbenchError(f"hf-segmentation:{self.name} cannot be loaded: {text}; {advice}") from error
        return self._ready(net, convention, fold)


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


def _loaded(kind: Any, config: Any, source: str, fresh: int | None = None, **origin: Any) -> Any:
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


def _convention(transformers: Any, name: str, where: Mapping[str, Any]) -> InputConvention:
    """What the checkpoint's image processor does to values; where it has none, ImageNet's usual."""
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(name, **where)
    except (OSError, ValueError):
        return InputConvention(None, None, interpolation="bilinear")
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if getattr(processor, "do_normalize", True):
        mean, std = tuple(processor.image_mean), tuple(processor.image_std)
    scale = 1.0
    if getattr(processor, "do_rescale", True):
        scale = 255.0 * float(getattr(processor, "rescale_factor", 1 / 255))
    channels = "BGR" if getattr(processor, "do_flip_channel_order", False) else "RGB"
    return InputConvention(None, None, channels, round(scale, 6), mean, std, "bilinear")
