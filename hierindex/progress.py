"""Progress of long work, told by the rooms that do it and shown by whoever called them.

The rooms call `Progress`; `Silent` is the null case, so that no caller asks "is there a bar?"; `Bars` shows rich bars
with rates and remaining time.
"""

from __future__ import annotations

from types import TracebackType
from typing import IO, Protocol, Self

__all__ = ["Bars", "Progress", "Silent"]


class Progress(Protocol):
    """Told of stages, one after another; a stage has a number of steps."""

    def stage(self, name: str, total: int) -> None:
        """A new stage of ``total`` steps begins (the one before, if any, is over)."""

    def step(self, n: int = 1, note: str = "") -> None:
        """``n`` more steps of the stage are done; ``note`` is a short figure such as ``loss 1.23``."""


class Silent:
    """Says nothing."""

    def stage(self, name: str, total: int) -> None:
        """Nothing."""

    def step(self, n: int = 1, note: str = "") -> None:
        """Nothing."""


class Bars:
    """One rich progress bar a stage, on standard error: steps done, their rate, and the time that is left.

    Args:
        file: where to show them; None for standard error.

    Example:
        >>> with Bars() as bars:
        ...     bars.stage("encode", 2)
        ...     bars.step(2)
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        # rich is imported here: a server that never shows a bar should not pay for it
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            ProgressColumn,
            Task,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress
        from rich.text import Text

        class Rate(ProgressColumn):
            def render(self, task: Task) -> Text:
                return TaskProgressColumn.render_speed(task.finished_speed or task.speed)

        columns = (
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=10),
            MofNCompleteColumn(),
            Rate(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("{task.fields[note]}"),
        )
        console = Console(stderr=True) if file is None else Console(file=file)
        self._room = max(console.width - 66, 0)  # for notes: what does not fit is cut there, and nowhere before
        self._rich = RichProgress(*columns, console=console)
        self._task = self._rich.add_task("", total=0, visible=False, note="")

    def __enter__(self) -> Self:
        self._rich.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rich.stop()

    def stage(self, name: str, total: int) -> None:
        """Open a bar of ``total`` steps."""
        self._task = self._rich.add_task(name, total=total, note="")

    def step(self, n: int = 1, note: str = "") -> None:
        """Move the open bar on."""
        if note:
            self._rich.update(self._task, advance=n, note=note[: self._room])
        else:
            self._rich.advance(self._task, n)
