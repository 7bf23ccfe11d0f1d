"""What is shown on a terminal, and how numbers are written for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from zarrpipe.progress import Progress, Silent

__all__ = ["bar", "format_fields", "format_nbytes"]


class Bar:
    """A progress bar on stderr, so that stdout stays what the command prints.

    Parameters
    ----------
    label : str
        What is being done.
    """

    def __init__(self, label: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._bars = Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
        self._label = label
        self._task: TaskID | None = None

    def on_start(self, total: int) -> None:
        """Show the bar."""
        self._bars.start()
        self._task = self._bars.add_task(self._label, total=total)

    def on_advance(self, n: int) -> None:
        """Move it."""
        if self._task is not None:
            self._bars.advance(self._task, n)

    def on_end(self) -> None:
        """Take it away."""
        self._bars.stop()


def bar(label: str) -> Progress:
    """Return a progress bar on a terminal, and nothing in a pipe."""
    return Bar(label) if sys.stderr.isatty() else Silent()


def format_nbytes(nbytes: int) -> str:
    """Write a size with a decimal unit: 933.1 MB."""
    size = float(nbytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def format_fields(fields: Iterable[tuple[str, str]]) -> str:
    """Write names and values in two columns."""
    rows = list(fields)
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
