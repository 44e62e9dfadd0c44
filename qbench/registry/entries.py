"""One table of everything that a suite can name, filled by one decorator a kind.

Nothing of this decides a number, so that no cell's key holds it. Built-in entries are declared in modules that load no
torch; a user's own come by plug-in."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Literal, TypeVar, get_args
from uuid import uuid4

from qbench.errors import QbenchError, SuiteError, closest, nearest, short
from qbench.registry.importing import importing
from qbench.registry.shapes import check_name, check_names, check_target, keys_of, needed

Kind = Literal["task", "dataset", "condition", "model", "method", "metric", "recipe"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Site = Literal["none", "image", "feature", "model"]
SITES: tuple[Site, ...] = get_args(Site)
BUILTIN = (
    "qbench.tasks.classification",
    "qbench.tasks.classification.metrics",
    "qbench.tasks.segmentation",
    "qbench.tasks.segmentation.metrics",
    "qbench.tasks.detection",
    "qbench.tasks.detection.metrics",
    "qbench.tasks.restoration",
    "qbench.tasks.restoration.metrics",
    "qbench.data.readers",
    "qbench.data.pairs",
    "qbench.data.patches",
    "qbench.data.scenes.dataset",
    "qbench.data.imagenet_c",
    "qbench.data.boxes",
    "qbench.data.boxes_voc",
    "qbench.data.masks",
    "qbench.data.mask_layouts",
    "qbench.degrade.chain",
    "qbench.degrade.corruptions.noise",
    "qbench.degrade.corruptions.blur",
    "qbench.degrade.corruptions.glass",
    "qbench.degrade.corruptions.snow",
    "qbench.degrade.corruptions.frost",
    "qbench.degrade.corruptions.fog",
    "qbench.degrade.corruptions.spatter",
    "qbench.degrade.corruptions.colour",
    "qbench.degrade.corruptions.elastic",
    "qbench.degrade.corruptions.pixelate",
    "qbench.degrade.corruptions.jpeg_compression",
    "qbench.degrade.clean",
    "qbench.degrade.jpeg",
    "qbench.degrade.codecs.webp",
    "qbench.degrade.codecs.avif",
    "qbench.degrade.codecs.jpeg2000",
    "qbench.degrade.codecs.jxl",
    "qbench.degrade.codecs.heic",
    "qbench.degrade.codecs.steps",
    "qbench.degrade.optics.conditions",
    "qbench.degrade.blur.conditions",
    "qbench.degrade.weather.conditions",
    "qbench.degrade.noise.conditions",
    "qbench.models.builtin.declared",
    "qbench.models.classification.timm",
    "qbench.models.classification.torchvision",
    "qbench.models.classification.imagenet",
    "qbench.models.restoration.restorers",
    "qbench.models.segmentation.torchvision",
    "qbench.models.segmentation.transformers",
    "qbench.models.segmentation.smp",
    "qbench.models.detection.torchvision",
    "qbench.models.detection.fcos",
    "qbench.models.detection.transformers",
    "qbench.models.openmmlab.declared",
    "qbench.methods.direct",
    "qbench.methods.restorers.plain",
    "qbench.methods.any_restorer",
    "qbench.methods.osr",
    "qbench.methods.afd",
    "qbench.methods.qdmr",
    "qbench.methods.finetune",
    "qbench.methods.quac",
    "qbench.methods.quarf",
    "qbench.train.recipes.restorer",
    "qbench.train.recipes.osr",
    "qbench.train.recipes.qdmr",
    "qbench.train.recipes.afd",
    "qbench.train.recipes.adaptive",
    "qbench.train.recipes.finetune",
    "qbench.train.recipes.dense",
    "qbench.train.recipes.quality",
)
WEIGHTS_KEYS = ("recipe", "weights", "train_seeds")
"""Keys below a trained method that say which weights it gets; they are not its own parameters."""
_LISTS = ("whole", "libraries", "terms", "roles")
"""Facts that are lists of names."""
T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """What a name stands for: the class or function, the module that defines it, and facts such as a method's site."""

    kind: Kind
    name: str
    target: Any
    facts: Mapping[str, Any] = field(default_factory=dict)
    declaration: str = field(default_factory=lambda: uuid4().hex)
    """Tells this declaration from every other, of this process and of others."""

    @property
    def builtin(self) -> bool:
        """Whether qbench declares it: the module that it names is one of qbench's, and holds this very object."""
        value: Any = sys.modules.get(self.module) if self.module in BUILTIN else None
        for name in self.target.__qualname__.split("."):
            value = getattr(value, name, None)
        return value is self.target

    @property
    def takes_rest(self) -> bool:
        """Whether what follows the colon of a name is the first argument, as of `timm:*`."""
        return self.name.endswith(":*")

    @property
    def schema(self) -> Any:
        """The class or function whose parameters are the keys that a file may give: its own, or of its `options`."""
        return self.facts.get("options") or self.target

    @property
    def parameters(self) -> list[str]:
        """The keys that a file may give it."""
        keys = list(keys_of(self.schema, self.takes_rest)[0])
        if self.kind == "method":
            keys = [key for key in keys if key not in WEIGHTS_KEYS]
            keys += WEIGHTS_KEYS if self.facts.get("trained") else ()
        return [*keys, "label"]

    def check(self, name: str, params: Mapping[str, Any]) -> None:
        """Raise SuiteError for nothing behind the colon of `name`, and for a parameter that there is not."""
        prefix, _, rest = name.partition(":")
        if self.takes_rest and not rest:
            raise SuiteError(f"{self.kind} {name!r} names nothing behind the colon: {prefix}:NAME")
        _, must, any_key = keys_of(self.schema, self.takes_rest)
        for key in () if any_key else params:
            if key in self.parameters:
                continue
            text = f"{self.kind} {name!r} has no parameter {key!r}{nearest(key, self.parameters)}"
            if self.kind == "method" and key in WEIGHTS_KEYS:
                text = f"method {name!r} is not declared as trained; it takes no {key!r}"
            raise SuiteError(text, path=(key,))
        if not hasattr(self.schema, "__pydantic_fields__"):  # pydantic tells it itself
            for key in must:
                if key not in params:
                    raise SuiteError(f"{self.kind} {name!r} needs the parameter {key!r}")

    @property
    def required(self) -> list[str]:
        """Those that a file must give it."""
        return keys_of(self.schema, self.takes_rest)[1]

    def check_whole(self) -> None:
        """Raise SuiteError for a class without the functions that its objects are asked for."""
        for name in needed(self.kind, self.facts.get("site", "")):
            if not callable(getattr(self.target, name, None)):
                site = f" at the site {self.facts['site']!r}" if self.kind == "method" else ""
                raise SuiteError(f"{self.kind} {self.name!r} has no `{name}`; a {self.kind}{site} has `{name}(...)`")

    @property
    def module(self) -> str:
        return str(self.target.__module__)

    @property
    def summary(self) -> str:
        return (self.target.__doc__ or "").strip().split("\n", 1)[0]


_entries: dict[tuple[Kind, str], Entry] = {}


def _register(kind: Kind, name: str, version: str | None, facts: Mapping[str, Any]) -> Callable[[T], T]:
    check_name(kind, name)
    lists = {key: check_names(kind, name, key, facts[key]) for key in _LISTS if key in facts}

    def decorate(target: T) -> T:
        check_target(kind, name, target)
        new = Entry(kind, name, target, {**facts, **lists, **({"version": version} if version else {})})
        old = _entries.get((kind, name))
        if old is not None and (old.module, old.target.__qualname__) != (new.module, new.target.__qualname__):
            raise QbenchError(f"{kind} {name!r} is declared twice: in {old.module} and in {new.module}; rename one")
        _entries[kind, name] = new
        return target

    return decorate


def method(
    name: str,
    *,
    site: Site,
    trained: bool = False,
    oracle: bool = False,
    options: type | None = None,
    version: str | None = None,
) -> Callable[[T], T]:
    """Declare a method under `name` at its `site`. `trained` methods need weights from their card; `oracle` ones read
    facts of the degradation that a real picture would not bring, and are marked in tables. With `options`, a class of
    pydantic, a suite's parameters become one object of it, which is the method's first argument.

    Raises QbenchError for a site that there is not."""
    if site not in SITES:
        text = f"method {name!r}: the site is one of {', '.join(SITES)}, not {short(site)}"
        raise QbenchError(text + nearest(str(site), SITES))
    return _register("method", name, version, {"site": site, "trained": trained, "oracle": oracle, "options": options})


def model(name: str, *, version: str | None = None) -> Callable[[T], T]:
    """Declare a model. A name that ends in `:*` takes the rest of the suite's name as its first argument."""
    return _register("model", name, version, {})


def dataset(name: str, *, whole: Sequence[str] = (), version: str | None = None) -> Callable[[T], T]:
    """Declare a dataset: a class whose arguments are the suite's keys (see `qbench.vocabulary.Dataset`).

    A list given for a parameter fans out into datasets, except for the parameters in `whole`, which take the list."""
    return _register("dataset", name, version, {"whole": whole})


def condition(
    name: str, *, libraries: Sequence[str] = (), whole: Sequence[str] = (), version: str | None = None
) -> Callable[[T], T]:
    """Declare a condition: a class with `label`, `axis` and `apply` (see `qbench.vocabulary.Condition`).

    `libraries` and codecs that decide its pixels are part of its cells' keys (names as
    `qbench.keys.versions.library_version` knows them). A list given for a parameter fans out into cells, except
    for the parameters in `whole`, which take the list itself."""
    return _register("condition", name, version, {"libraries": libraries, "whole": whole})


def metric(name: str, *, task: str, version: str | None = None) -> Callable[[T], T]:
    """Declare a metric of a task: a class with `statistic(records, weights)`, `higher_is_better` and `range`; of
    restoration, with `measure()` (see `qbench.tasks.restoration.metrics.PictureMetric`)."""
    return _register("metric", name, version, {"task": task})


def task(name: str, *, version: str | None = None) -> Callable[[T], T]:
    """Declare a task: what is predicted, what a record holds and how it is scored."""
    return _register("task", name, version, {})


def recipe(
    name: str,
    *,
    terms: Sequence[str],
    build: str | Callable[[Any], Any],
    model: bool | None = True,
    roles: Sequence[str] = (),
    planes: Mapping[str, Sequence[str]] | None = None,
    check: Callable[[Any], None] | None = None,
) -> Callable[[T], T]:
    """Declare a kind of training: the class of pydantic that a card's `network` becomes an object of.

    A card's `loss` has some of `terms`. `build`: a function from `qbench.train.recipes.common.Parts` to a recipe of the
    loop, or where it is (`module:function`), so that reading cards loads no torch. `model`: whether the card names one
    (None: it may). `roles`: the data roles beside `source` and `validation`. `planes`: what of a scene a term needs
    beside the picture. `check` is given the card's recipe and raises ValueError."""
    facts = {"terms": terms, "build": build, "model": model, "roles": roles}
    return _register("recipe", name, None, {**facts, "planes": planes or {}, "check": check})


def get(kind: Kind, name: str) -> Entry:
    """The entry of that name, or of its prefix (`timm:resnet50` finds `timm:*`).

    Raises QbenchError that names the nearest valid name."""
    load_builtin()
    entry = _entries.get((kind, name))
    if entry is None and ":" in name:
        entry = _entries.get((kind, name.partition(":")[0] + ":*"))
    if entry is None:
        raise QbenchError(f"unknown {kind} {name!r}{_near(kind, name)}; `qbench list {kind}s` shows all")
    return entry


def _near(kind: Kind, name: str) -> str:
    """The nearest name. What stands behind the colon of a library's network is kept, and where there is no colon and
    nothing close, classifiers of the two libraries are told."""
    known = [n for k, n in _entries if k == kind]
    prefix, colon, rest = name.partition(":")
    if colon and (library := closest(prefix, [n.removesuffix(":*") for n in known if n.endswith(":*")])):
        return f" (did you mean {f'{library}:{rest}'!r}?)"
    near = nearest(name, [n.replace(":*", ":NAME") for n in known])
    if kind != "model" or colon or closest(name, known, 0.8):
        return near
    return f"{near}; classifiers of libraries are named such as timm:{name} or torchvision:{name}"


def names(kind: Kind, pattern: str = "*") -> list[str]:
    """All names of a kind that match the shell-style pattern, sorted."""
    load_builtin()
    return sorted(n for k, n in _entries if k == kind and fnmatchcase(n, pattern))


@cache
def load_builtin() -> None:
    """Import the built-in modules and the installed entry points, once a process."""
    for name in BUILTIN:
        importlib.import_module(name)
    for point in entry_points(group="qbench"):
        with importing(f"the installed plugin {point.name!r} from {point.value}", "install it again or uninstall it"):
            point.load()
