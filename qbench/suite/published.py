"""Figures of papers as data: tables that a report sets beside its own."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from qbench.documents.faults import validated
from qbench.documents.load import load_yaml
from qbench.errors import SuiteError, below, nearest
from qbench.storage.shipped import shipped
from qbench.suite.schema import Suite

FOLDER = "baselines/published"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figures(_Part):
    """A row of a table: top-1 accuracies in percent of the table's methods, of one model under one condition."""

    model: str = Field(description="Its name in the tables of suites that replicate the paper.")
    condition: str = Field(description="Its name in tables here, such as `jpeg@25`.")
    values: tuple[float, ...]


class Averages(_Part):
    """The averages over a model's rows as the paper prints them."""

    model: str
    values: tuple[float, ...]


class Misprint(_Part):
    """A printed average that is not the mean of the printed cells to rounding."""

    model: str
    method: str = Field(description="The column's name in the paper.")
    printed: float
    mean: float


class Costs(_Part):
    """What a method (or with `direct` the model alone) costs: millions of parameters, billions of multiply-accumulates
    for one picture of 224 pixels, and milliseconds on the paper's phone."""

    method: str
    model: str = ""
    parameters: float
    macs: float
    cpu_ms: float | None = None
    gpu_ms: float | None = None


class PublishedTable(_Part):
    """One table of a paper: of accuracies (`rows`) or of `costs`."""

    title: str
    where: str = Field(description="Its number and section in the paper.")
    methods: dict[str, str] = Field(default_factory=dict, description="Column in the paper to the name in suites.")
    rows: tuple[Figures, ...] = ()
    averages: tuple[Averages, ...] = ()
    misprints: tuple[Misprint, ...] = ()
    costs: tuple[Costs, ...] = ()
    phone: str = ""
    data: str = Field(default="", description="What was tested, where it differs from the rest of the paper.")
    notes: str = ""

    @model_validator(mode="after")
    def _whole(self) -> PublishedTable:
        if bool(self.rows) == bool(self.costs):
            raise ValueError("a table has either `rows` or `costs`")
        given: list[Figures | Averages] = [*self.rows, *self.averages]
        for row in given:
            if len(row.values) != len(self.methods):
                raise ValueError(f"{len(row.values)} values of {row.model} for {len(self.methods)} methods")
        return self


class Paper(_Part):
    """A paper's tables by number."""

    paper: str
    citation: str
    data: str = ""
    tables: dict[str, PublishedTable] = Field(min_length=1)


class Shown(_Part):
    """A table as a run carries it: with the paper that it comes from."""

    name: str
    citation: str
    data: str
    table: PublishedTable


def read_paper(file: str) -> Paper:
    """A file of figures, by path or by the bare name of one that ships. Raises SuiteError."""
    path = Path(file)
    if path.suffix not in {".yaml", ".yml"}:
        known = sorted(path.stem for path in shipped(FOLDER).glob("*.yaml"))
        if file not in known:
            raise SuiteError(f"no published figures {file!r}{nearest(file, known)}; there are: {' '.join(known)}")
        path = shipped(f"{FOLDER}/{file}.yaml")
    return validated(Paper, load_yaml(path))


def shown(file: str, table: str) -> Shown:
    """One table of such a file. Raises SuiteError with the nearest name."""
    paper = read_paper(file)
    if table not in paper.tables:
        known = " ".join(paper.tables)
        raise SuiteError(f"no table {table!r} in {file}{nearest(table, paper.tables)}; there are: {known}")
    return _shown(paper, table)


def shown_of(file: str) -> tuple[Shown, ...]:
    """All tables of such a file. Raises SuiteError."""
    paper = read_paper(file)
    return tuple(_shown(paper, table) for table in paper.tables)


def _shown(paper: Paper, table: str) -> Shown:
    published = paper.tables[table]
    return Shown(name=f"published-{paper.paper}-{table}", citation=paper.citation.strip(),
                 data=(published.data or paper.data).strip(), table=published)  # fmt: skip


def published_tables(suite: Suite) -> tuple[Shown, ...]:
    """The tables of papers that a suite names. Raises SuiteError for one that is not there or not valid."""
    tables = []
    for number, spec in enumerate(suite.published):
        with below("published", number):
            tables.append(shown(spec.file, str(spec.table)))
    return tuple(tables)
