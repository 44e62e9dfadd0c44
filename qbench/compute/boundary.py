"""The boundary to code that is not qbench's: what it is lent, what it may give back, and the process after it.

What a plug-in sees are copies, what it gives is checked here, and the process is put back in order after each visit.
The entries that qbench declares itself are lent the originals; tests see that they write into none of them."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from qbench.draws import Draw
from qbench.errors import QbenchError
from qbench.models.base import LoadedModel
from qbench.vocabulary import Condition, Context, Dataset, Facts, Image, Manifest, Sample

T = TypeVar("T")
OVERSHOOT = 0.5
"""How far restored values may lie outside of [0, 1]: a filter overshoots at edges, and 0-255 is another scale."""


@contextmanager
def visit(*key: object) -> Iterator[None]:
    """Inside, the global random generators are seeded by `key`. Afterwards the process is as it was: the generators,
    the default dtype, threads, gradients, determinism, working directory and environment.

    Raises QbenchError in place of SystemExit: a plug-in does not end a run."""
    restore = _state()
    _seed(key)
    try:
        yield
    except SystemExit as error:
        raise QbenchError(f"it asked the process to exit (sys.exit({error.code!r}))") from error
    finally:
        restore()


def _seed(key: tuple[object, ...]) -> None:
    words = hashlib.blake2b(repr(key).encode(), digest_size=12).digest()
    number = int.from_bytes(words[:8], "little") >> 1
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(number)
    np.random.seed(int.from_bytes(words[8:], "little"))
    random.seed(words)


def _state() -> Callable[[], None]:
    """What puts the process back into its present state."""
    generators = torch.get_rng_state(), np.random.get_state(), random.getstate()
    on_devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    dtype, threads, gradients = torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    deterministic, folder, environment = torch.are_deterministic_algorithms_enabled(), Path.cwd(), dict(os.environ)

    def restore() -> None:
        torch.set_rng_state(generators[0])
        np.random.set_state(generators[1])
        random.setstate(generators[2])
        if on_devices:
            torch.cuda.set_rng_state_all(on_devices)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)
        if torch.are_deterministic_algorithms_enabled() != deterministic:
            torch.use_deterministic_algorithms(deterministic)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        os.chdir(folder)
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)

    return restore


class LentContext:
    """A context's copy for one method: made when it is looked at, and seen by nobody else."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._computed: dict[str, Any] = {}
        self.ids = context.ids
        self.draw = context.draw

    @cached_property
    def degraded(self) -> Tensor:
        return self._context.degraded.clone()

    @cached_property
    def facts(self) -> tuple[Facts, ...]:
        return copy.deepcopy(self._context.facts)

    def once(self, name: str, compute: Callable[[Tensor], T]) -> T:
        """As `Context.once`, for this method alone."""
        if name not in self._computed:
            self._computed[name] = compute(self._context.degraded.clone())
        value: T = self._computed[name]
        return value


class ForeignMethod:
    """A method of a plug-in at the image or feature site: lent copies, and checked in what it gives."""

    def __init__(self, method: Any, name: str) -> None:
        self.method = method
        self._who = f"method {name!r} ({type(method).__qualname__})"
        self.network = getattr(method, "network", None)

    @property
    def at(self) -> str:
        """The site. Raises QbenchError for a method without one."""
        site = getattr(self.method, "at", None)
        if not isinstance(site, str):
            raise QbenchError(f"{self._who} has {_described(site)} for `at`; expected the name of a site, such as 'D2'")
        return site

    def restore(self, images: Tensor, context: Context) -> Tensor:
        """Raises QbenchError for anything but pictures of the same size, float32 in [0, 1]."""
        pictures = _tensor_like(self.method.restore(images.clone(), LentContext(context)), images, self._who, "restore")
        low, high = float(pictures.min()), float(pictures.max())
        if low < -OVERSHOOT or high > 1 + OVERSHOOT:
            raise QbenchError(f"{self._who}: restore gave values from {low:g} to {high:g}; expected pictures in [0, 1]")
        return pictures

    def enhance(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        """Raises QbenchError for anything but features of the same shape and type."""
        enhanced = self.method.enhance(features.clone(), images.clone(), LentContext(context))
        return _tensor_like(enhanced, features, self._who, "enhance")


def _tensor_like(value: Any, given: Tensor, who: str, call: str) -> Tensor:
    if isinstance(value, Tensor) and _described(value) == _described(given):
        return value
    raise QbenchError(f"{who}: {call} gave {_described(value)}; expected {_described(given)}")


def _described(value: Any) -> str:
    """What came, in words."""
    if isinstance(value, Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of {list(value.shape)} on {value.device}"
    if isinstance(value, np.ndarray):
        return f"a numpy array, {value.dtype} {list(value.shape)}"
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def checked_model(model: Any, who: str) -> LoadedModel:
    """The model of a plug-in: what it runs beside its network sees copies of the pictures. Raises QbenchError for
    anything but a LoadedModel in eval mode."""
    if not isinstance(model, LoadedModel):
        raise QbenchError(f"{who} gave {_described(model)}; expected a qbench.models.base.LoadedModel")
    training = [name or "the network" for name, module in model.net.named_modules() if module.training]
    if training:
        text = f"{who} gave a network in training mode ({training[0]}): its predictions would depend on the batch"
        raise QbenchError(f"{text}; call net.eval()")
    decode, beside = model.decode, None if model.beside is None else LentBeside(model.beside)
    return replace(model, decode=lambda output, images: decode(output, images.clone()), beside=beside)


class LentBeside:
    """What a plug-in's model gives to modules inside its network, lent copies (see `qbench.models.base.Beside`)."""

    def __init__(self, beside: Any) -> None:
        self._beside = beside

    @property
    def networks(self) -> Sequence[nn.Module]:
        networks: Sequence[nn.Module] = self._beside.networks
        return networks

    def __call__(self, net: nn.Module, images: Tensor, context: Context | None) -> AbstractContextManager[None]:
        lent = None if context is None else LentContext(context)
        given: AbstractContextManager[None] = self._beside(net, images.clone(), lent)
        return given


class ForeignDataset:
    """A dataset of a plug-in: its samples are copies, and checked."""

    def __init__(self, dataset: Dataset, name: str) -> None:
        self._dataset = dataset
        self._who = f"dataset {name!r}"
        self.label = dataset.label
        self.classes = tuple(getattr(dataset, "classes", ()))

    @cached_property
    def _manifest(self) -> Manifest:
        with visit(self._who, "manifest"):
            return self._dataset.manifest()

    def manifest(self) -> Manifest:
        """As the plug-in's, which is asked once: it may read every picture for it."""
        return self._manifest

    def load(self, index: int) -> Sample:
        """Raises QbenchError for anything but the manifest's sample, with a picture uint8 [H, W, 3]."""
        expected = self._manifest.ids[index]
        with visit(self._who, expected):
            sample = self._dataset.load(index)
        if not isinstance(sample, Sample):
            raise QbenchError(f"{self._who}: load gave {_described(sample)}; expected a qbench.vocabulary.Sample")
        if sample.id != expected:
            raise QbenchError(f"{self._who}: load({index}) gave sample {sample.id!r}; its manifest says {expected!r}")
        image = sample.image
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise QbenchError(f"{self._who}: its picture is {_described(image)}; expected uint8 [height, width, 3]")
        return replace(sample, image=image.copy(), target=copy.deepcopy(sample.target))


class ForeignCondition:
    """A condition of a plug-in. Its pictures are checked where all conditions' are; its facts here."""

    def __init__(self, condition: Condition, name: str) -> None:
        self._condition = condition
        self._who = f"condition {name!r}"
        self.label, self.axis = condition.label, condition.axis
        self.family = str(getattr(condition, "family", name))

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        """Raises QbenchError for facts that JSON does not hold, and for anything but a pair."""
        with visit(draw.seed, self._who, self.label, draw.sample_id):
            result = self._condition.apply(image, draw)
        if not isinstance(result, tuple) or len(result) != 2:
            raise QbenchError(f"{self._who}: apply gave {_described(result)}; expected a picture and its facts")
        picture, facts = result
        try:
            plain: Facts = json.loads(json.dumps(dict(facts)))
        except (TypeError, ValueError) as error:
            raise QbenchError(
                f"{self._who}: its facts are no plain values ({error}); expected what JSON holds"
            ) from None
        return picture.copy() if isinstance(picture, np.ndarray) else picture, plain
