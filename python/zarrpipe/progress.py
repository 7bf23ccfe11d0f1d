"""Progress of long work, as three events that anything can listen to.

Work says how much there is to do, how much of it is done, and that it has ended. A listener may draw a bar, write a
log, or ask for cancellation by raising: an exception from a listener ends the work.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self, runtime_checkable

__all__ = ["Progress", "Silent", "Tracked"]


@runtime_checkable
class Progress(Protocol):
    """A listener. The unit is the caller's: bytes for copies."""

    def on_start(self, total: int) -> None:
        """Work begins; there are `total` units of it."""

    def on_advance(self, n: int) -> None:
        """`n` more units are done."""

    def on_end(self) -> None:
        """Work has ended, whether it succeeded or not. Called once for each `on_start`."""


class Silent:
    """The listener that does nothing."""

    def on_start(self, total: int) -> None:
        """Ignore it."""

    def on_advance(self, n: int) -> None:
        """Ignore it."""

    def on_end(self) -> None:
        """Ignore it."""


class Tracked:
    """Pairs `on_start` with `on_end` around a block of work.

    Parameters
    ----------
    listener : Progress
        Who is told.
    total : int
        Units of work in the block.

    Examples
    --------
    >>> with Tracked(Silent(), total=2) as work:
    ...     work.advance(1)
    ...     work.advance(1)
    """

    def __init__(self, listener: Progress, total: int) -> None:
        self._listener = listener
        self._total = total

    def __enter__(self) -> Self:
        self._listener.on_start(self._total)
        return self

    def advance(self, n: int) -> None:
        """Tell that `n` more units are done."""
        self._listener.on_advance(n)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.on_end()
