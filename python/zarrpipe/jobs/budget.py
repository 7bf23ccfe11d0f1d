"""How much is under way at once: in count, and in bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Budget"]


class Budget:
    """Lets work begin while there is room for it, in the order in which it asked.

    Parameters
    ----------
    count : int
        Pieces of work under way at once, at most.
    nbytes : int
        What they hold in memory together, at most; a larger one is under way alone.
    """

    def __init__(self, count: int, nbytes: int) -> None:
        self._count = count
        self._nbytes = nbytes
        self._running = 0
        self._held = 0
        self._turn = asyncio.Lock()
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def room(self, nbytes: int) -> AsyncIterator[None]:
        """Hold room for a piece of work of this size, once there is some."""
        # Whoever waits for much is not overtaken by those who ask for less.
        async with self._turn, self._freed:
            await self._freed.wait_for(lambda: self._has_room(nbytes))
            self._running += 1
            self._held += nbytes
        try:
            yield
        finally:
            self._running -= 1
            self._held -= nbytes
            async with self._freed:
                self._freed.notify_all()

    def _has_room(self, nbytes: int) -> bool:
        return not self._running or (self._running < self._count and self._held + nbytes <= self._nbytes)
