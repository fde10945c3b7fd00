"""What commands print: tables for people, JSON for programs (``--json``); messages go to standard error."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

__all__ = ["ERR", "OUT", "say", "show_json", "table"]

# a pipe has no width: 100 columns keep the tables whole there
OUT = Console(width=None if sys.stdout.isatty() else 100)
ERR = Console(stderr=True)


def show_json(value: object) -> None:
    """One JSON document on standard output, without colours or wrapping."""
    typer.echo(json.dumps(value, indent=2, default=str))


def say(message: str) -> None:
    """A line for the person at the terminal."""
    ERR.print(message, highlight=False, soft_wrap=True)


def table(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """A titled table; numbers are right-aligned."""
    shown = Table(title=title, title_justify="left", header_style="bold", show_header=any(columns))
    for at, column in enumerate(columns):
        numeric = bool(rows) and isinstance(rows[0][at], (int, float))
        shown.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(_text(value) for value in row))
    OUT.print(shown)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
