"""How a file names something of the registry with its parameters: in suites, in cards and in chains alike."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Named(BaseModel):
    """Something of the registry with its parameters: `NAME`, `{NAME: {key: value}}` or `{name: NAME, key: value}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    params: dict[str, Any] = Field(default_factory=dict)
    label: str | None = Field(default=None, description="Its name in tables, where two would be the same.")
    inner: bool = Field(default=False, description="Whether the file writes the parameters one level below the name.")


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
