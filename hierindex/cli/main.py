"""The application: which commands there are, and how it ends."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hierindex import __version__
from hierindex.cli import asking, changing, keeping, looking, making, serve
from hierindex.cli.output import ERR
from hierindex.errors import HierIndexError

__all__ = ["app", "main"]

app = typer.Typer(
    name="hierindex",
    help="Unlabelled images (or ready vectors) in; a learned tree and a fast index out.",
    epilog="Exit codes: 0 done, 1 an error of the library (one line says what), 2 wrong usage, 130 interrupted.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


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


for room in (making, asking, looking, changing, keeping, serve):
    room.register(app)


def main(words: list[str] | None = None) -> None:
    """Run the command line; errors of ours end with one line on standard error and exit code 1.

    Wrong usage ends with exit code 2, Ctrl-C with 130.

    Args:
        words: the arguments; None takes the process's own.
    """
    try:
        app(words)
    except HierIndexError as error:
        ERR.print("error:", style="bold red", end=" ")
        ERR.print(f"{type(error).__name__}: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
