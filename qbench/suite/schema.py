"""What a suite file may say. Keys are the vocabulary's nouns; anything else is an error."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from qbench.data.views import ViewSpec
from qbench.registry.named import Named, NamedItem

TableName: TypeAlias = Literal[
    "accuracy-by-quality",
    "accuracy-by-times",
    "accuracy-by-rate",
    "accuracy-by-corruption",
    "accuracy-by-severity",
    "accuracy-by-condition",
    "accuracy-by-class",
    "corruption-errors",
    "compression-robustness",
    "worst-case",
    "calibration",
    "efficiency",
]
LONGEST_NAME = 100
BY_CLASS: TableName = "accuracy-by-class"
CALIBRATION: TableName = "calibration"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskSpec(_Strict):
    """One task on one dataset: every condition x model x method of it is a cell (x train_seed where trained)."""

    task: str = Field(default="classification", min_length=1)
    dataset: NamedItem = Field(examples=["{name: scenes, count: 64}"])
    view: ViewSpec = ViewSpec()
    models: list[NamedItem] = Field(min_length=1, examples=['["builtin:scenes"]'])
    conditions: list[NamedItem] = Field(min_length=1, examples=["[clean]"])
    methods: list[NamedItem] = Field(default_factory=lambda: [Named(name="direct")], min_length=1)
    metrics: list[NamedItem] = Field(default_factory=list, description="What the tables show; default: the task's own.")
    train_seeds: list[int] = Field(default_factory=lambda: [0], min_length=1)


class EngineSpec(_Strict):
    """What decides the bits of a result besides the cell itself, part of every cell's key, and how work is cut."""

    batch: int = Field(default=16, ge=1, le=65_536, description="Samples that go through a network at once.")
    threads: int = Field(default=1, ge=1, le=1024, description="Threads of one unit of work.")
    shard: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Samples of one unit of work, rounded up to whole batches; null: by the number of samples.",
    )
    max_bad: float = Field(default=0.01, ge=0, le=1, description="Share of unusable samples past which a cell fails.")


class Control(_Strict):
    """A method that others are compared with: the difference of each from it stands in a table of its own."""

    control: str = Field(description="A method's name in tables.")
    methods: tuple[str, ...] = Field(default=(), description="Those compared, by name in tables; none: all others.")


class PublishedSpec(_Strict):
    """A table of a paper to stand beside ours."""

    file: str = Field(description="A file of figures: the bare name of one that ships, or a path.")
    table: str | int = Field(description="The table's number there.")


class Suite(_Strict):
    """A suite file, validated."""

    suite: str = Field(description="Its name; also the name of its run directory.", examples=["my-suite"])
    version: int = Field(ge=1, examples=[1])
    changelog: dict[int, str] = Field(description="What each version changed.", examples=["{1: first version}"])
    title: str = ""
    seed: int = Field(default=0, ge=0)
    plugins: list[str] = Field(default_factory=list)
    engine: EngineSpec = EngineSpec()
    tasks: list[TaskSpec] = Field(min_length=1, examples=["[{dataset: ..., models: [...], conditions: [...]}]"])
    tables: tuple[TableName, ...] = ("accuracy-by-condition",)
    controls: list[Control] = Field(default_factory=list)
    published: list[PublishedSpec] = Field(default_factory=list)

    @field_validator("suite")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not re.fullmatch(r"[\w.-]+", name) or not name.strip("."):
            raise ValueError(f"the suite's name names a folder: letters, digits, `.`, `_` and `-` only, not {name!r}")
        if len(name.encode()) > LONGEST_NAME:
            raise ValueError(f"the suite's name names a folder: at most {LONGEST_NAME} bytes, not {len(name.encode())}")
        return name

    @field_validator("changelog")
    @classmethod
    def _version_is_told(cls, changelog: dict[int, str], info: ValidationInfo) -> dict[int, str]:
        if (version := info.data.get("version", 1)) not in changelog:
            raise ValueError(f"the changelog has no line for version {version}, such as `{version}: what it changed`")
        return changelog
