"""`qbench train`: weights from a card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qbench.cli.options import Device, Plugin, tell
from qbench.cli.streams import say


def train(
    card: Annotated[
        str, typer.Argument(help="A card: the bare name of a shipped one (afd), or the path of a YAML file.")
    ],
    recipe: Annotated[
        str | None, typer.Argument(help="Which of its recipes; needed where the card has several.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for what is written. Default: $QBENCH_HOME/weights, where runs look.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="The train_seed. Default: the recipe's.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="A trial: at most so many steps a stage; the files are named -shortN.")
    ] = None,
    device: Device = "cpu",
    threads: Annotated[int, typer.Option(min=1, max=1024, help="CPU threads; part of what decides the last bits.")] = 1,
    plugin: Plugin = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew, without the checkpoint or the old result.")
    ] = False,
) -> None:
    """Train a method's weights as its card says.

    A card (baselines/NAME.yaml) holds named recipes: data, degradations, loss, stages, seed. The training writes
    METHOD-RECIPE-sSEED.safetensors, a .json sidecar with its sha256, the losses as .csv and .png. Ctrl-C stops it
    cleanly and the same command goes on where it was, to the same bits.

    Examples:

        qbench train dncnn-small scenes

        QBENCH_DATA=/data qbench train afd squeezenet --seed 1

        qbench train my-card.yaml --steps 50 --out /tmp/trial
    """
    from qbench import registry
    from qbench.cards import lookup as cards
    from qbench.cli.progress import training
    from qbench.runs.machine import check_device
    from qbench.runs.plan import resolve_device
    from qbench.runtime import keep_freed_memory
    from qbench.train.run import Order, read_job, run

    keep_freed_memory()
    registry.load_plugins([], plugin or ())
    used = resolve_device(device)
    check_device(used)
    job = read_job(Order(cards.card_path(card), recipe, out, seed, steps, used, threads, restart))
    with training(job.stem, job.steps) as report:
        trained = run(job, report, tell)
    facts = trained.facts
    said = "trained" if trained.fresh else "was trained before (--restart trains again)"
    say(f"{trained.weights} {said}: {facts['steps']} steps, {facts['minutes']} minutes")
    for name, value in {**facts["losses"], **facts["measured"]}.items():
        say(f"  {name}: {value:.5g}")
    say(f"weights: {{file: {trained.weights.name}, sha256: {trained.sha256}, train_seed: {facts['train_seed']}}}")
