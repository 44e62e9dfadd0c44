"""The tensors of a checkpoint under the names of a network, whatever wrapped either when it was saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qbench.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

State = Mapping[str, "Tensor"]
AVERAGED = ("state_dict_ema", "model_ema", "params_ema", "ema")
WRAPPERS = (*AVERAGED, "state_dict", "model_state_dict", "model_state", "params", "model", "net")
"""Where training codes put the tensors of the network in a checkpoint, beside those of the optimiser. Weights that were
averaged over the training come first."""
COMPILED = "_orig_mod."
"""What torch.compile puts into names, anywhere."""
PREFIXES = ("module.", "model.")
"""What names begin with when the network was wrapped for several devices, or was part of another module."""
COUNTERS = ("n_averaged",)
"""What averaging keeps beside the network's tensors."""
DEEPEST = 3


def states_in(content: Any, depth: int = 0) -> list[dict[str, Tensor]]:
    """The dictionaries of tensors in a checkpoint, the one that its network is most likely to be in first."""
    from torch import Tensor

    if not isinstance(content, Mapping) or depth > DEEPEST:
        return []
    inner = [state for name in WRAPPERS for state in states_in(content.get(name), depth + 1)]
    own = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    return [*inner, own] if own else inner


def forms(state: State) -> Iterator[tuple[State, str]]:
    """A state as it is, then without one wrapper's part of the names after the other; and the parts left out so far."""
    left_out = ""
    while True:
        yield state, left_out
        names = [name for name in state if name not in COUNTERS]
        part = next((part for part in PREFIXES if names and all(name.startswith(part) for name in names)), "")
        if any(COMPILED in name for name in names):
            part = COMPILED
            state = {name.replace(COMPILED, ""): value for name, value in state.items()}
        elif part:
            state = {name.removeprefix(part): state[name] for name in names}
        else:
            return
        left_out += part


def fitting(
    expected: State, states: Sequence[State], source: str, owner: str, *, without: tuple[str, ...] = ()
) -> State:
    """The first of the states, in the first of its forms, that has exactly the names of `expected`, the tensors of
    `owner`. Names that start with one of `without` are left out: parts that no prediction uses.

    Raises WeightsError for none, for other shapes, and for values that the network cannot have."""
    from qbench.models.base import check_tensors

    candidates = [
        ({name: value for name, value in form.items() if not name.startswith(without)}, left_out)
        for state in states
        for form, left_out in forms(state)
    ]
    if not candidates:
        raise WeightsError(f"weights {source} hold no tensors by name; expected those of {owner}")
    found = next((form for form, _ in candidates if form.keys() == expected.keys()), None)
    if found is not None:
        check_tensors(expected, found, source, owner)
        return found
    nearest, left_out = max(candidates, key=lambda candidate: len(candidate[0].keys() & expected.keys()))
    prefixes = max((parts for _, parts in candidates), key=len)
    try:
        check_tensors(expected, nearest, source, owner)
    except WeightsError as error:
        if not prefixes:
            raise
        tried = "" if left_out else "; without it fewer fit"
        raise WeightsError(f"{error.message}; the file's names have {prefixes!r} in front{tried}") from None
    return nearest


def likeliest(expected: State, states: Sequence[State]) -> State:
    """The form of the states that shares most names with `expected`; nothing where there is no state."""
    known = [form for state in states for form, _ in forms(state)]
    return max(known, key=lambda form: len(form.keys() & expected.keys()), default={})


def check_values(expected: State, state: State, source: str, owner: str) -> None:
    """Raise WeightsError for tensors of kinds that a network's numbers do not come from, and for such as are not finite
    where the network's own are."""
    for name, value in state.items():
        check_dense(name, value, source)
        own = expected[name]
        if own.is_floating_point() or value.is_complex() != own.is_complex():
            check_kind(name, value, source, owner)
        if not _finite(value) and (own.is_meta or _finite(own)):
            raise WeightsError(f"weights {source} are damaged: {name!r} holds values that are not finite")


def check_dense(name: str, value: Tensor, source: str) -> None:
    """Raise WeightsError for a tensor that does not hold each of its values."""
    import torch

    if value.is_meta or value.is_nested or value.layout != torch.strided:
        kind = "on the device meta" if value.is_meta else "nested" if value.is_nested else "sparse"
        raise WeightsError(f"weights {source}: {name!r} is {kind}, and does not hold all values; save it dense")


def check_kind(name: str, value: Tensor, source: str, owner: str) -> None:
    """Raise WeightsError for a tensor that is none of real numbers as networks hold them."""
    import torch

    if value.dtype in {torch.float16, torch.bfloat16, torch.float32, torch.float64}:
        return
    advice = "save the network's own numbers" if value.is_complex() else "quantised weights are not read"
    given = str(value.dtype).removeprefix("torch.")
    raise WeightsError(f"weights {source} do not fit {owner}: {name!r} is {given}, expected float32; {advice}")


def check_numbers(state: State, source: str, owner: str) -> None:
    """As `check_values` of a state whose network is not known yet: whole numbers of 8 bits are taken for quantised."""
    import torch

    for name, value in state.items():
        check_dense(name, value, source)
        if value.dtype not in {torch.int16, torch.int32, torch.int64, torch.bool}:
            check_kind(name, value, source, owner)
        if not _finite(value):
            raise WeightsError(f"weights {source} are damaged: {name!r} holds values that are not finite")


def _finite(value: Tensor) -> bool:
    """The sum is cheaper to look at, and may overflow where no value does."""
    if not value.is_floating_point() or value.is_meta:  # a network's own may hold none yet
        return True
    return bool(value.sum().isfinite()) or bool(value.isfinite().all())
