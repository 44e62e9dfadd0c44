"""`qbench preview`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import typer

from qbench.cli.options import LARGEST, Plugin
from qbench.cli.streams import say


def preview(
    image: Annotated[
        Path | None, typer.Argument(help="A picture file. Default: a built-in scene.", show_default=False)
    ] = None,
    condition: Annotated[
        list[str] | None, typer.Option(help="As in a suite; a list of values makes a row of tiles. Repeatable.")
    ] = None,
    suite: Annotated[Path | None, typer.Option(help="All conditions of this suite.")] = None,
    out: Annotated[Path, typer.Option(help="The picture file to write; its suffix says the format.")] = Path(
        "preview.png"
    ),
    scene: Annotated[int, typer.Option(min=0, help="Which built-in scene, without IMAGE.")] = 0,
    crop: Annotated[
        int, typer.Option(min=32, max=LARGEST, help="Cut N x N pixels from the middle (scaled up if smaller).")
    ] = 224,
    resize: Annotated[
        int | None, typer.Option(min=1, max=LARGEST, help="Scale the short side to N pixels first.")
    ] = None,
    tile: Annotated[int, typer.Option(min=48, max=2048, help="Pixels of a tile on the sheet.")] = 224,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws, as a suite's `seed`.")] = 0,
    plugin: Plugin = None,
) -> None:
    """Draw a contact sheet: what conditions do to a picture.

    Each tile has its condition's name, its PSNR to the clean picture and facts such as bits per pixel. Conditions are
    written as in a suite.

    Examples:

        qbench preview --condition "jpeg: {quality: [50, 25, 10]}" --condition "fog: {severity: [1, 3, 5]}"

        qbench preview photo.jpg --suite suites/jpeg.yaml --out sheet.png
    """
    from PIL import Image as Pillow

    from qbench import registry
    from qbench.data.decoding import decode
    from qbench.data.scenes.dataset import Scenes
    from qbench.data.views import View
    from qbench.degrade.chain import condition_from
    from qbench.documents import inline
    from qbench.draws import Draw
    from qbench.errors import QbenchError, foreign, one_line
    from qbench.pictures import sheet
    from qbench.storage.files import write_bytes
    from qbench.suite.conditions import conditions_of

    registry.load_plugins([], plugin or [])
    kind = Pillow.registered_extensions().get(out.suffix.lower())
    if kind not in Pillow.SAVE:
        raise QbenchError(f"--out {out}: no picture format ends in {out.suffix!r}; try .png or .jpg")
    if not condition and suite is None:
        raise QbenchError('name what to show: --condition "jpeg: {quality: [25, 7]}" or --suite suites/jpeg.yaml')
    rows = [inline.conditions(text) for text in condition or ()]
    if suite is not None:
        rows += conditions_of(suite)
    sample = Scenes(count=scene + 1).load(scene) if image is None else None
    name = sample.id if sample else str(image)
    clean = View(resize, crop).apply(sample.image if sample else decode(Path(name)))
    draw = Draw(seed, name)
    tiles = [
        [sheet.tile(built, one_line(named.label or built.label), clean, draw) for named, built in row] for row in rows
    ]
    first = sheet.tile(condition_from("clean"), "clean", clean, draw)
    picture = sheet.sheet([[first, *row] for row in tiles], tile)
    content = io.BytesIO()
    with foreign(f"--out {out}: this sheet cannot be written in the format {kind}"):
        picture.save(content, kind)
    write_bytes(out.absolute(), content.getvalue())
    say(f"{out}: {sum(map(len, tiles))} tiles of {name}, {clean.shape[1]}x{clean.shape[0]} pixels")
