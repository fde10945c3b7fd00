"""The commands. Each is a thin reading of its arguments; the work is in `HierIndex`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hierindex import __version__
from hierindex.api import BuildConfig, HierIndex
from hierindex.api.build import ImageOptions, assist
from hierindex.cli import browse, comparing, demo, inputs, keeping, serve
from hierindex.cli.arguments import IndexPath, Json
from hierindex.cli.output import ERR, OUT, say, show_json, table
from hierindex.errors import HierIndexError
from hierindex.index.config import IndexConfig
from hierindex.learning.config import EncoderConfig, EncoderName, LearnConfig, LossConfig, TrainConfig
from hierindex.learning.objectives.settings import ObjectiveName
from hierindex.learning.ranks import rank
from hierindex.vectors import positive

__all__ = ["app", "main"]

app = typer.Typer(
    name="hierindex",
    help="Unlabelled images (or ready vectors) in; a learned tree and a fast index out.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]
Neighbours = Annotated[int, typer.Option("-k", help="How many neighbours.")]
Recall = Annotated[float, typer.Option(help="Share of the true neighbours to find, on average; 1 is exact.")]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before every command."""


@app.command()
def build(
    source: Annotated[
        Path, typer.Argument(help="A folder of images, a Parquet file with an image column, or a .npy file.")
    ],
    out: Annotated[Path, typer.Argument(help="Where to save the index.", show_default=False)],
    metric: Annotated[str, typer.Option(help="For vectors: cosine, l2 or ip.")] = "cosine",
    limit: Annotated[int | None, typer.Option(help="Take only the first so many images or vectors.")] = None,
    encoder: Annotated[EncoderName, typer.Option(help="auto: small on a CPU, resnet18 on a GPU.")] = EncoderName.AUTO,
    objective: Annotated[
        ObjectiveName, typer.Option(help="What the encoder learns from two views; byol to swav need hierindex[ssl].")
    ] = ObjectiveName.NT_XENT,
    epochs: Annotated[int | None, typer.Option(help="Default: by the number of images and the device.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Bring all images to this many pixels a side.")] = None,
    mode: Annotated[str | None, typer.Option(help="L (grey) or RGB: convert all images.")] = None,
    on_error: Annotated[str, typer.Option(help="raise, or skip unreadable images.")] = "raise",
    checkpoint: Annotated[Path | None, typer.Option(help="A file for the training's state, to go on from.")] = None,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Learn an encoder and a tree, and save the index.

    Example: `hierindex build photos/ photos.index --image-size 64`

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
    if rank() > 0:  # the first process of torchrun lays out, prints and writes; the others help it to learn
        if not inputs.are_vectors(points):
            assist(points, ImageOptions(config, checkpoint=checkpoint))
        return
    if inputs.are_vectors(points):
        index = HierIndex.from_vectors(points, metric=metric, config=config, path=out, progress=not quiet)
    else:
        index = HierIndex.build(points, config=config, path=out, checkpoint=checkpoint, progress=not quiet)
    _report(index, as_json)


@app.command()
def search(
    index: IndexPath,
    query: Annotated[list[str], typer.Argument(help="Image files, a folder, or one .npy or .parquet file.")],
    k: Annotated[int | None, typer.Option("-k", help="How many neighbours; default: 10, or all in --radius.")] = None,
    recall: Recall = 0.95,
    radius: Annotated[float | None, typer.Option(help="Only points at most so far away; without -k all.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads for many queries; default: the index's own.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many queries of a file or folder.")] = None,
    as_json: Json = False,
) -> None:
    """Find the nearest points of images or vectors.

    Example: `hierindex search photos.index cat.png -k 5`
    """
    opened = HierIndex.open(index)
    asked = inputs.read_many(query)
    if limit is not None:
        asked = opened.encode(asked)[: positive(limit, "limit")]
    how: dict[str, Any] = {"recall": recall, "num_threads": threads}
    hits = opened.search(asked, k, **how) if radius is None else opened.search(asked, k, radius=radius, **how)
    if as_json:
        show_json([[{"id": h.id, "distance": h.distance, "leaf": h.leaf} for h in found] for found in hits])
        return
    for at, found in enumerate(hits):
        name = query[at] if len(query) == len(hits) else f"query {at}"
        rows = [[place, h.id, h.distance, h.leaf] for place, h in enumerate(found, 1)]
        table(name, ["", "id", f"{opened.metric.value} distance", "leaf"], rows)


@app.command()
def add(
    index: IndexPath,
    source: Annotated[list[str], typer.Argument(help="Image files, a folder, or one .npy or .parquet file.")],
    on_error: Annotated[str, typer.Option(help="raise, or skip unreadable images.")] = "raise",
    as_json: Json = False,
) -> None:
    """Add images or vectors to a saved index.

    Example: `hierindex add photos.index more-photos/`
    """
    opened = HierIndex.open(index)
    added = opened.add(inputs.read_many(source), on_error=on_error)
    if as_json:
        show_json({"added": added.tolist(), "points": len(opened), "version": opened.version})
    else:
        say(f"added {len(added):,} points; the index now holds {len(opened):,} (version {opened.version})")


@app.command()
def delete(
    index: IndexPath,
    ids: Annotated[list[str], typer.Argument(help="Ids of the points to remove.")],
    missing: Annotated[str, typer.Option(help="error, or ignore ids that are not there.")] = "error",
    as_json: Json = False,
) -> None:
    """Remove points from a saved index.

    Example: `hierindex delete photos.index old.png`
    """
    opened = HierIndex.open(index)
    gone = opened.delete(inputs.ids_like(opened.ids, ids), missing=missing)
    if as_json:
        show_json({"deleted": gone, "points": len(opened), "version": opened.version})
    else:
        say(f"deleted {gone:,} points; the index now holds {len(opened):,} (version {opened.version})")


keeping.register(app)
serve.register(app)


@app.command()
def info(index: IndexPath, as_json: Json = False) -> None:
    """Say what an index holds and how it searches.

    Example: `hierindex info photos.index --json`
    """
    _report(HierIndex.open(index), as_json)


@app.command()
def tree(
    index: IndexPath,
    node: Annotated[int | None, typer.Option(help="Start at this node; default: the root.")] = None,
    depth: Annotated[
        int | None, typer.Option(help="How many levels; default: 4 to show, all to export.", show_default=False)
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write it to this .nwk, .graphml, .ttl, .nt or .parquet file.")
    ] = None,
    clusters: Annotated[int | None, typer.Option(help="For --export: only the cut into so many branches.")] = None,
    newick: Annotated[bool, typer.Option(help="Print the whole tree in Newick form.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the Poincare disk into this PNG file.")] = None,
    as_json: Json = False,
) -> None:
    """Look at the learned tree.

    Example: `hierindex tree photos.index --depth 3`
    """
    opened = HierIndex.open(index)
    shown = 4 if depth is None else depth
    if export is not None:
        written = opened.export(export, depth=depth, n_clusters=clusters)
        say(f"wrote {', '.join(map(str, written))}")
    elif newick:
        typer.echo(opened.tree.newick([str(name) for name in opened.ids]))
    elif plot is not None:
        browse.draw(opened, plot)
        say(f"drew {plot}")
    elif as_json:
        show_json(browse.as_json(opened, node, shown))
    else:
        OUT.print(browse.as_rich(opened, node, shown))


@app.command()
def tiers(
    index: IndexPath,
    queries: Annotated[list[str], typer.Argument(help="Past queries: image files, a folder, or a .npy or .parquet.")],
    k: Neighbours = 10,
    recall: Recall = 0.95,
    shares: Annotated[list[float] | None, typer.Option("--share", help="Traffic of the tiers so far.")] = None,
    as_json: Json = False,
) -> None:
    """Replay queries and say which leaves belong on hot, warm and cold storage.

    Example: `hierindex tiers photos.index last-week/ --share 0.8 --share 0.95`
    """
    opened = HierIndex.open(index)
    opened.record_heat()
    opened.search(inputs.read_many(queries), k, recall=recall)
    placed = opened.tiers(shares or (0.8, 0.95))
    if as_json:
        show_json([{"traffic": t.traffic, "points": len(t.ids), "leaves": t.leaves.tolist()} for t in placed])
        return
    rows = [[at, len(t.leaves), len(t.ids), len(t.ids) / len(opened), t.traffic] for at, t in enumerate(placed, 1)]
    table(repr(opened), ["tier", "leaves", "points", "of the points", "of the traffic"], rows)


@app.command()
def bench(
    index: IndexPath,
    queries: Annotated[
        Path | None, typer.Option(help="Unseen queries; default: stored points, themselves left out.")
    ] = None,
    k: Neighbours = 10,
    limit: Annotated[int, typer.Option(help="At most so many queries.")] = 1_000,
    as_json: Json = False,
) -> None:
    """Measure recall and latency beside flat FAISS over the same vectors.

    Example: `hierindex bench photos.index --queries unseen/`
    """
    opened = HierIndex.open(index)
    result = comparing.compare(opened, None if queries is None else inputs.read(queries), k, positive(limit, "limit"))
    if as_json:
        show_json(result)
    else:
        comparing.show(result)


@app.command(name="demo")
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


def main(words: list[str] | None = None) -> None:
    """Run the command line; errors of ours end with one line on standard error and exit code 1, wrong usage with 2.

    Args:
        words: the arguments; None takes the process's own.
    """
    try:
        app(words)
    except HierIndexError as error:
        ERR.print("error:", style="bold red", end=" ")
        ERR.print(f"{type(error).__name__}: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


def _report(index: HierIndex, as_json: bool) -> None:
    facts = index.info()
    if as_json:
        show_json(facts)
        return
    facts["tree"].pop("chosen_by")
    table(repr(index), ["", ""], _flat(facts))


def _flat(facts: dict[str, Any], prefix: str = "") -> list[list[Any]]:
    """Nested facts as rows of dotted names and values."""
    rows: list[list[Any]] = []
    for name, value in facts.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append([f"{prefix}{name}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)])
    return rows
