"""The commands that make an index: build, and the demo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from hierindex.api import BuildConfig, HierIndex
from hierindex.api.build import ImageOptions, assist
from hierindex.cli import demo, inputs
from hierindex.cli.arguments import MAKE, IdsFile, Json, OnError, Payload, Quiet
from hierindex.cli.looking import report
from hierindex.cli.output import say
from hierindex.errors import StorageError
from hierindex.index.config import IndexConfig
from hierindex.learning.config import EncoderConfig, EncoderName, LearnConfig, LossConfig, TrainConfig
from hierindex.learning.objectives.settings import ObjectiveName
from hierindex.learning.ranks import rank
from hierindex.storage import Store

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(rich_help_panel=MAKE)(build)
    app.command(name="demo", rich_help_panel=MAKE)(run_demo)


def build(
    source: Annotated[
        Path, typer.Argument(help="A folder of images, a Parquet file with an image column, a .csv or a .npy file.")
    ],
    out: Annotated[str, typer.Argument(help="Where to save the index.", show_default=False)],
    metric: Annotated[str, typer.Option(help="For vectors: cosine, l2 or ip.")] = "cosine",
    limit: Annotated[int | None, typer.Option(help="Take only the first so many images or vectors.")] = None,
    ids: IdsFile = None,
    payload: Payload = None,
    encoder: Annotated[EncoderName, typer.Option(help="auto: small on a CPU, resnet18 on a GPU.")] = EncoderName.AUTO,
    objective: Annotated[
        ObjectiveName, typer.Option(help="What the encoder learns from two views; byol to swav need hierindex[ssl].")
    ] = ObjectiveName.NT_XENT,
    epochs: Annotated[int | None, typer.Option(help="Default: by the number of images and the device.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Bring all images to this many pixels a side.")] = None,
    mode: Annotated[str | None, typer.Option(help="L (grey) or RGB: convert all images.")] = None,
    on_error: OnError = "raise",
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="A file for the training's state; default: OUT.checkpoint, which goes when all is done."),
    ] = None,
    keep_state: Annotated[
        bool, typer.Option("--checkpoint-each-epoch/--no-checkpoint", help="Write that file.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Learn an encoder and a tree, and save the index.

    Example: `hierindex build photos/ photos.index --image-size 64`

    Ctrl-C is safe: nothing is half-written, and the same command goes on after the last epoch that was done.

    Several processes or GPUs: `torchrun --nproc-per-node 2 -m hierindex build photos/ photos.index`
    """
    config = BuildConfig(
        learn=LearnConfig(
            encoder=EncoderConfig(name=encoder),
            training=TrainConfig(epochs=epochs),
            losses=LossConfig(objective=objective),
            seed=seed,
        ),
        index=IndexConfig(seed=seed),
        image_size=image_size,
        image_mode=mode,
        on_error=on_error,
    )
    points = inputs.read(source, limit)
    names = None if ids is None else inputs.ids_like(None, inputs.lines(ids))
    what: dict[str, Any] = {"ids": names, "payload": inputs.payload(payload), "config": config, "path": out}
    state = _state_file(out, checkpoint) if keep_state else None
    if rank() > 0:  # the first process of torchrun lays out, prints and writes; the others help it to learn
        if not inputs.are_vectors(points):
            assist(points, ImageOptions(config, checkpoint=state))
        return
    if inputs.are_vectors(points):
        with _interruptible(out, None):
            index = HierIndex.from_vectors(points, metric=metric, **what, progress=not quiet)
    else:
        with _interruptible(out, state):
            index = HierIndex.build(points, **what, checkpoint=state, progress=not quiet)
        if state is not None and checkpoint is None:
            state.unlink(missing_ok=True)
    report(index, as_json)


def run_demo(
    images: Annotated[
        Path | None, typer.Argument(help="Your own folder of images; default: scikit-learn's digits.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the index and the pictures go.")] = Path("demo-out"),
    epochs: Annotated[int | None, typer.Option(help="Default: by the number of images and the device.")] = None,
    image_size: Annotated[int | None, typer.Option(help="For your own images: pixels a side.")] = None,
) -> None:
    """Watch images become a tree and an index: build, search, draw, save, reopen, add.

    Example: `hierindex demo photos/ --out demo-out`
    """
    demo.run(images, out, epochs, image_size)


def _state_file(out: str, chosen: Path | None) -> Path | None:
    """Where the training's state is kept: beside the index, unless that lies in an object store."""
    if chosen is not None or "://" in out:
        return chosen
    return Path(out.rstrip("/") + ".checkpoint")


@contextmanager
def _interruptible(out: str, state: Path | None) -> Iterator[None]:
    """Say where the work stands when Ctrl-C ends it; the exit code is 130 then."""
    if state is not None and state.exists():
        say(f"going on from {state}")
    try:
        yield
    except KeyboardInterrupt:
        say(f"interrupted; {_standing(out, state)}")
        raise


def _standing(out: str, state: Path | None) -> str:
    with suppress(StorageError):
        return f"{out} had just been saved, as version {Store.open(out).version}"
    goes_on = f"the same command goes on from {state}" if state is not None and state.exists() else "nothing was kept"
    return f"{out} was not written; {goes_on}"
