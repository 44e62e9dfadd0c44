"""What a declared class looks like: its name, the parameters that a file may give it, and what it has to have."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from qbench.errors import QbenchError, described, short

NEEDED: Mapping[str, tuple[str, ...]] = {
    "dataset": ("manifest", "load"),
    "condition": ("apply",),
    "model": ("identity", "build"),
    "image": ("restore",),
    "feature": ("enhance",),
    "model site": ("adapt",),
}
"""What objects of a kind, and methods at a site, are asked for."""
_NAME = re.compile(r"[^\W_][\w.+-]{0,99}(:(\*|[\w.+-]{1,100}))?")


def needed(kind: str, site: str = "") -> tuple[str, ...]:
    """The functions that an object of a kind must have; of a method, at its site."""
    return NEEDED.get({"model": "model site"}.get(site, site) if kind == "method" else kind, ())


def check_name(kind: str, name: Any) -> None:
    """Raise QbenchError for a name that a suite could not write."""
    if not isinstance(name, str):
        text = f"a {kind} is declared under a name, such as @qbench.{kind}('mine'), not under {short(name)}"
        raise QbenchError(text)
    if not _NAME.fullmatch(name):
        text = f"the name of a {kind} is of letters, digits, `.`, `_`, `+` and `-`, with `:*` for what follows a colon"
        raise QbenchError(f"{text}, not {short(name)}")


def check_names(kind: str, name: str, key: str, given: Any) -> tuple[str, ...]:
    """A list of names that a decorator is given, as a tuple. Raises QbenchError for anything else."""
    if isinstance(given, list | tuple) and all(isinstance(one, str) for one in given):
        return tuple(given)
    raise QbenchError(f"{kind} {name!r}: `{key}` is a list of names, such as {key}=['a'], not {short(given)}")


def check_target(kind: str, name: str, target: Any) -> None:
    """Raise QbenchError for what is no class, or for one that cannot be made from keys."""
    if not isinstance(target, type):
        raise QbenchError(f"{kind} {name!r} is declared on {short(target)}; expected a class")
    for parameter in parameters_of(target)[name.endswith(":*") :]:
        if parameter.kind is parameter.POSITIONAL_ONLY and required(parameter):
            text = f"{kind} {name!r}: a suite gives parameters by name, and {parameter.name!r} takes none"
            raise QbenchError(f"{text}; leave out the `/` behind it")


def parameters_of(schema: Any) -> list[inspect.Parameter]:
    """The parameters of a class, in order. Raises QbenchError where Python cannot tell them."""
    try:
        return list(inspect.signature(schema).parameters.values())
    except Exception as error:
        raise QbenchError(f"the parameters of {short(schema)} cannot be told: {described(error)}") from None


def required(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind not in (
        parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD
    )  # fmt: skip


def keys_of(schema: Any, takes_rest: bool) -> tuple[list[str], list[str], bool]:
    """The keys that a file may give, those that it must give, and whether any other is taken too."""
    parameters = parameters_of(schema)[takes_rest:]
    named = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    must = [one.name for one in named if required(one)]
    return [one.name for one in named], must, any(one.kind is one.VAR_KEYWORD for one in parameters)
