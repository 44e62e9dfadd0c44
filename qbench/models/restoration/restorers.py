"""Models of the task restoration: pictures in, pictures out, of any size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.errors import WeightsError
from qbench.models.files import sha256
from qbench.models.library import CONFIG, installed
from qbench.models.restoration.declared import entry_of, restorer
from qbench.registry import Entry, model
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from torch import nn

    from qbench.models.base import LoadedModel

INPUT = InputConvention(size=None, resize=None, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def _loaded(net: nn.Module, sites: Mapping[str, str], tile: int | None = None, overlap: int = 0) -> LoadedModel:
    from qbench.models.base import LoadedModel
    from qbench.models.restoration.running import Tiled, in_range

    whole = net.eval() if tile is None else Tiled(net.eval(), tile, overlap)
    return LoadedModel(whole, INPUT, {} if tile else sites, in_range)


@model("identity")
@dataclass(frozen=True, config=CONFIG)
class Identity:
    """The degraded picture as it is: what a restorer has to beat, and what image methods are scored through."""

    @property
    def label(self) -> str:
        return "identity"

    @property
    def sites(self) -> Mapping[str, str]:
        return {}

    def identity(self) -> Mapping[str, Any]:
        return {"model": "identity"}

    def build(self) -> LoadedModel:
        from torch import nn

        return _loaded(nn.Identity(), {})


@dataclass(frozen=True, config=CONFIG)
class _Tiling:
    """Large pictures in tiles of `tile` pixels, each seen with `overlap` more on every side. Tiles have no sites."""

    tile: int | None = Field(
        default=None, ge=32, le=16_384, kw_only=True, description="Pixels of a tile's side. Default: the whole picture."
    )
    overlap: int = Field(
        default=32, ge=0, le=4096, kw_only=True, description="Pixels that a tile sees of its neighbours."
    )


@model("restorer:*")
@dataclass(frozen=True, config=CONFIG)
class Restorer(_Tiling):
    """A restorer that is declared as a method, such as `arcnn`, with the weights of a recipe on its card.

    `recipe` may be left out where the weights of one alone ship; `weights` is a file to use instead."""

    name: str
    recipe: str | None = None
    train_seed: int = 0
    weights: Path | None = None

    def __post_init__(self) -> None:
        entry_of(self.name)

    @property
    def label(self) -> str:
        return f"{self.name} ({self.recipe})" if self.recipe else self.name

    @property
    def sites(self) -> Mapping[str, str]:
        return restorer(self.name).sites

    @property
    def runs_through(self) -> tuple[Entry, ...]:
        return (entry_of(self.name),)

    @property
    def file(self) -> Path:
        """Where its weights lie. Raises QbenchError where the card has several recipes and none is named, WeightsError
        where the card's were not trained yet."""
        from qbench.cards.lookup import find_weights, missing, shipped_recipe

        if self.weights is not None:
            return self.weights
        recipe = self.recipe or shipped_recipe(self.name)
        weights = find_weights(self.name, None, None, self.train_seed, recipe)
        if weights is None:
            raise WeightsError(f"{self.label}: {missing(self.name, None, None, self.train_seed, recipe)}")
        return weights.path

    def identity(self) -> Mapping[str, Any]:
        return {"model": self.name, "weights": sha256(self.file), "tile": self.tile, "overlap": self.overlap}

    def build(self) -> LoadedModel:
        """Raises WeightsError for weights that are missing or made for another network."""
        import torch

        from qbench.models.base import load_weights
        from qbench.models.restoration.running import empty

        net = empty(self.name)
        load_weights(net, self.file)
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return _loaded(net, self.sites, self.tile, self.overlap)


@model("dncnn3")
@dataclass(frozen=True, config=CONFIG)
class Dncnn3(_Tiling):
    """DnCNN-3, one blind network for JPEG, noise and super-resolution (Zhang et al., TIP 2017), with given `weights`.

    20 convolutions on luma in [0, 1]; colour pictures keep their chroma. The published weights state no licence and do
    not ship: convert the authors' `DnCNN3.mat` to safetensors, `conv00.weight` to `conv19.bias`."""

    weights: Path

    @property
    def label(self) -> str:
        return "dncnn3"

    @property
    def sites(self) -> Mapping[str, str]:
        return {"D1": "net.layers.0", "D2": "net.layers.1"}

    def identity(self) -> Mapping[str, Any]:
        return {"model": "dncnn3", "weights": sha256(self.weights), "tile": self.tile, "overlap": self.overlap}

    def build(self) -> LoadedModel:
        """Raises WeightsError for weights that are missing or made for another network."""
        from qbench.models.restoration.networks import OnLuma, dncnn3

        return _loaded(OnLuma(dncnn3(self.weights)), self.sites, self.tile, self.overlap)


@model("aodnet")
@dataclass(frozen=True, config=CONFIG)
class AodNet(_Tiling):
    """AOD-Net, dehazing by five convolutions, 1,761 parameters (Li et al., ICCV 2017), with given `weights`."""

    weights: Path

    @property
    def label(self) -> str:
        return "aodnet"

    @property
    def sites(self) -> Mapping[str, str]:
        return {"D1": "e_conv1"}

    def identity(self) -> Mapping[str, Any]:
        return {"model": "aodnet", "weights": sha256(self.weights), "tile": self.tile, "overlap": self.overlap}

    def build(self) -> LoadedModel:
        """Raises WeightsError for weights that are missing or made for another network."""
        from qbench.models.base import load_weights
        from qbench.models.restoration.networks import AodNet as Network

        net = Network()
        load_weights(net, self.weights)
        return _loaded(net, self.sites, self.tile, self.overlap)


@model("spandrel:*")
@dataclass(frozen=True, config=CONFIG)
class Spandrel(_Tiling):
    """A restorer from a checkpoint whose architecture spandrel knows (extra `restorers`): `spandrel:PATH`.

    SwinIR, NAFNet, FBCNN, SCUNet, DRUNet and others; safetensors, or a PyTorch file of tensors only. It must keep the
    picture's size. Networks of one channel restore luma."""

    file: Path
    tile: int | None = Field(
        default=512, ge=32, le=16_384, kw_only=True, description="Pixels of a tile's side; null: the whole picture."
    )

    @property
    def label(self) -> str:
        return f"spandrel:{self.file.name}"

    @property
    def sites(self) -> Mapping[str, str]:
        return {}

    def identity(self) -> Mapping[str, Any]:
        library = installed("spandrel", "restorers")
        return {"model": library, "weights": sha256(self.file), "tile": self.tile, "overlap": self.overlap}

    def build(self) -> LoadedModel:
        """Raises QbenchError without spandrel, WeightsError for a file that it does not know or that changes sizes."""
        from qbench.models.restoration.networks import from_spandrel

        installed("spandrel", "restorers")
        return _loaded(from_spandrel(self.file), {}, self.tile, self.overlap)
