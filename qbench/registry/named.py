"""How a file names something of the registry with its parameters: in suites, in cards and in chains alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator


class Spec(Protocol):
    """Anything that has a registered name and parameters."""

    @property
    def name(self) -> str: ...

    @property
    def params(self) -> Mapping[str, Any]: ...


class Named(BaseModel):
    """Something of the registry with its parameters: `NAME`, `{NAME: {key: value}}` or `{name: NAME, key: value}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    params: dict[str, Any] = Field(default_factory=dict)
    label: str | None = Field(default=None, description="Its name in tables, where two would be the same.")
    inner: bool = Field(default=False, description="Whether the file writes the parameters one level below the name.")

    @field_validator("label")
    @classmethod
    def _in_one_line(cls, label: str | None) -> str | None:
        if label is not None and not label.isprintable():
            raise ValueError(f"a label is one line of printable characters, not {label!r}")
        return label

    def path(self, *keys: str | int) -> tuple[str | int, ...]:
        """Where the file writes these keys of the parameters, from the name's own place."""
        return (self.name, *keys) if self.inner else keys


def rest_of(name: str) -> str:
    """What follows the colon: `resnet50` of `timm:resnet50`; empty without one."""
    return name.partition(":")[2]


def plain(value: Any) -> Any:
    """A parameter as data that JSON holds."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def text_of(named: Spec) -> str:
    """The name with its parameters as JSON, the same for equal ones: `jpeg {"quality": 10}`."""
    return f"{named.name} {json.dumps(plain(named.params), sort_keys=True)}"


def _named(value: Any) -> Any:
    if isinstance(value, Named):
        return value
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        raise ValueError(f"expected a name, or a name with its parameters, not {value!r}")
    if "name" in value:
        params = {key: item for key, item in value.items() if key not in {"name", "label"}}
        return {"name": value["name"], "params": params, "label": value.get("label")}
    if len(value) != 1:
        raise ValueError(f"expected one name with its parameters below it, not the keys {', '.join(map(str, value))}")
    ((name, params),) = value.items()
    if params is not None and not isinstance(params, dict):
        raise ValueError(f"expected parameters below {name!r} as `key: value`, not {params!r}")
    params = dict(params or {})
    return {"name": name, "label": params.pop("label", None), "params": params, "inner": True}


NamedItem = Annotated[Named, BeforeValidator(_named)]
