"""What live code executes and reads, wherever its lines stand."""

from __future__ import annotations

import dis
import functools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from qbench.keys.sources import origin

Of = Callable[[Any], str]
_Descriptor = (
    types.WrapperDescriptorType
    | types.MethodDescriptorType
    | types.ClassMethodDescriptorType
    | types.GetSetDescriptorType
    | types.MemberDescriptorType
)
_COMPUTE_NOTHING = {
    "__module__", "__qualname__", "__dict__", "__weakref__", "__doc__", "__annotations__", "__firstlineno__",
    "__static_attributes__", "_abc_impl",
    "__pydantic_core_schema__", "__pydantic_validator__", "__pydantic_serializer__",  # made of the fields
}  # fmt: skip


def parts_of_code(value: Any, of: Of) -> list[Any] | None:
    """What decides what a module, class, function, method or descriptor does, with `of` for the digests of what it
    holds; None for any other object. Raises TypeError for compiled code of no known version."""
    if isinstance(value, types.ModuleType):
        return parts_of_module(value.__name__)
    if isinstance(value, type):
        return _named(value, value.__module__) or _class(value, of)
    if isinstance(value, types.FunctionType):
        return _named(value, value.__globals__.get("__name__")) or _function(value, of)
    if isinstance(value, types.CodeType):
        return _code(value, of)
    if isinstance(value, types.MethodType):
        return [of(value.__func__), of(value.__self__)]
    if isinstance(value, types.BuiltinFunctionType):
        return _builtin(value, of)
    if isinstance(value, _Descriptor):
        return [of(value.__objclass__), value.__name__]
    if isinstance(value, types.MethodWrapperType):
        return [of(value.__self__), value.__name__]
    if isinstance(value, property):
        return [of(value.fget), of(value.fset), of(value.fdel)]
    if isinstance(value, functools.cached_property):
        return [of(value.func)]
    if isinstance(value, staticmethod | classmethod | functools._lru_cache_wrapper):
        return [of(value.__wrapped__)]
    return None


def parts_of_module(name: str) -> list[Any]:
    """Raises TypeError where nothing tells what it does."""
    if (found := origin(name)) is None:
        raise TypeError(f"{name} has no source")
    return [name, found]


def _named(value: Any, module: Any) -> list[Any] | None:
    """The name of what its module has under it, with the module's origin; None for what is told by its contents: what
    was made at run time, at a prompt, or in the script that runs."""
    if not isinstance(module, str) or module == "__main__" or origin(module) is None:
        return None
    found: Any = sys.modules.get(module)
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return [value.__qualname__, *parts_of_module(module)] if found is value else None


def _class(kind: type, of: Of) -> list[Any]:
    own = {name: held for name, held in sorted(vars(kind).items()) if name not in _COMPUTE_NOTHING}
    return [kind.__qualname__, of(type(kind)), *map(of, kind.__bases__), *map(of, own.items())]


def _function(function: types.FunctionType, of: Of) -> list[Any]:
    held = {name: of(cell) for name, cell in _cells(function)}
    names = sorted(set(_globals(function.__code__)) & function.__globals__.keys())
    read = {name: of(function.__globals__[name]) for name in names}
    given = [function.__defaults__, function.__kwdefaults__, vars(function)]
    return [of(function.__code__), held, read, *map(of, given)]


def _cells(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function holds of those around it; a name that is not set yet has an empty cell."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            continue


def _globals(code: types.CodeType) -> Iterator[str]:
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield step.argval
        elif isinstance(step.argval, types.CodeType):
            yield from _globals(step.argval)


def _code(code: types.CodeType, of: Of) -> list[Any]:
    """Its steps with what they take, and so neither docstrings, which no step takes, nor numbers of lines."""
    steps = [[step.opname, _taken(step, of)] for step in dis.get_instructions(code)]
    count = code.co_argcount + code.co_kwonlyargcount
    shape = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags]
    return [steps, shape, code.co_varnames[:count], code.co_exceptiontable.hex()]


def _taken(step: dis.Instruction, of: Of) -> Any:
    return [step.argval, origin(step.argval)] if step.opname == "IMPORT_NAME" else of(step.argval)


def _builtin(function: types.BuiltinFunctionType, of: Of) -> list[Any]:
    """A compiled function, or a method that is bound to an object."""
    bound = function.__self__
    if bound is not None and not isinstance(bound, types.ModuleType):
        return [function.__name__, of(bound)]
    return [function.__qualname__, *parts_of_module(function.__module__)]
