"""The commands of the server: `serve` an index, and make a `key` for it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated

import typer

from hierindex.api import HierIndex
from hierindex.cli.output import say
from hierindex.errors import InputError, need

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (serve, key):
        app.command(rich_help_panel="Serve it")(command)


def serve(  # each argument is an option of the command
    index: Annotated[str, typer.Argument(help="A saved index: a folder, or s3://bucket/name.", show_default=False)],
    host: Annotated[str, typer.Option(help="Where to listen; beyond this machine only with keys.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one and says which.")] = 8080,
    images: Annotated[Path | None, typer.Option(help="The folder of the images, for thumbnails.")] = None,
    image_column: Annotated[
        str | None, typer.Option(help="The payload column with each image's path in --images, or its bytes.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="Lines 'read KEY' or 'write KEY'; see `hierindex key`. Also by environment.")
    ] = None,
    writable: Annotated[bool, typer.Option("--writable", help="Without keys: let everyone change the index.")] = False,
    open_to_all: Annotated[bool, typer.Option("--open-to-all", help="Without keys: listen at any --host.")] = False,
    cors: Annotated[list[str] | None, typer.Option(help="A web origin whose pages may call; once for each.")] = None,
    allow_host: Annotated[list[str] | None, typer.Option(help="A name that callers may use; once for each.")] = None,
    rows: Annotated[str, typer.Option(help="memory; or mapped: from a file, for more rows than memory.")] = "memory",
    rows_folder: Annotated[Path | None, typer.Option(help="Where the file of mapped rows is kept.")] = None,
    refresh: Annotated[float | None, typer.Option(help="Look every so many seconds for what others wrote.")] = None,
    threads: Annotated[int | None, typer.Option(help="Searches at the same time; default: one for each core.")] = None,
    max_body_mib: Annotated[float, typer.Option(help="Largest body of a request.")] = 32.0,
    max_megapixels: Annotated[float, typer.Option(help="Largest image.")] = 50.0,
    max_k: Annotated[int, typer.Option(help="Most neighbours of a query.")] = 1_000,
    max_batch: Annotated[int, typer.Option(help="Most queries or points in a request.")] = 1_000,
    max_seconds: Annotated[float, typer.Option(help="Longest that a request waits or searches.")] = 30.0,
    certificate: Annotated[Path | None, typer.Option(help="A PEM file: serve https.")] = None,
    private_key: Annotated[Path | None, typer.Option(help="Its key, where that is in another file.")] = None,
    cluster: Annotated[
        int | None, typer.Option(help="Serve by so many copies of the index on the machines of a Ray cluster.")
    ] = None,
) -> None:
    """Serve an index over HTTP: search, changes, the tree and its page, metrics.

    Example: `hierindex serve photos.index --images photos/ --port 8080`
    """
    need("fastapi", "serve")
    from hierindex.server.config import Limits, ServerConfig
    from hierindex.server.keys import Keys
    from hierindex.server.run import Listen
    from hierindex.server.run import serve as run

    keys = Keys.of_environment(os.environ)
    if key_file is not None:
        keys += Keys.of_file(key_file)
        _warn_of_readers(key_file)
    settings = ServerConfig(
        images=images,
        image_column=image_column,
        keys=keys,
        writable=writable,
        origins=tuple(cors or ()),
        hosts=tuple(allow_host or ()),
        limits=Limits(
            body_bytes=int(max_body_mib * 2**20),
            image_pixels=int(max_megapixels * 1e6),
            k=max_k,
            batch=max_batch,
            seconds=max_seconds,
        ),
        threads=threads,
        refresh_seconds=refresh,
    )
    listen = Listen(host, port, open_to_all, certificate, private_key)
    if cluster is not None:
        from hierindex.cluster.serving import serve_on_cluster

        serve_on_cluster(index, settings, listen, cluster)
        return
    run(HierIndex.open(index, rows=rows, rows_folder=rows_folder), settings, listen)


def key(
    scope: Annotated[str, typer.Argument(help="read, or write (which may read too).")] = "read",
    name: Annotated[str, typer.Option(help="Whose it is; logs show it.")] = "",
    key_file: Annotated[Path | None, typer.Option(help="Add the key's line to this file.")] = None,
) -> None:
    """Make an API key: it is printed once, and the file keeps only its hash.

    Example: `hierindex key write --name shop --key-file keys.txt`
    """
    from hierindex.server.keys import Scope, new_key
    from hierindex.vectors import member

    made, line = new_key(member(Scope, scope, "scope"), name or scope)
    typer.echo(made)
    if key_file is None:
        say(f"the line for a key file: {line}")
        return
    try:
        with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a") as file:
            file.write(f"{line}\n")
    except OSError as error:
        raise InputError(f"{key_file} should be a file to write keys to; found: {error}") from error


def _warn_of_readers(path: Path) -> None:
    if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        say(f"warning: others on this machine may read {path}; chmod 600 keeps them out")
