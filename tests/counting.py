"""Stores that count what they are asked, and rounds of requests that wait for each other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from zarrpipe.stores import MemoryStore


class CountingStore(MemoryStore):
    """A store that answers at once."""

    def __init__(self, store_dict: Any = None, *, read_only: bool = False) -> None:
        super().__init__(store_dict, read_only=read_only)
        self.counts: Counter[str] = Counter()

    def with_read_only(self, read_only: bool = False) -> CountingStore:
        other = type(self)(self._store_dict, read_only=read_only)
        other.counts = self.counts
        return other

    def taken(self) -> dict[str, int]:
        """Return the counts, and begin anew."""
        counts = dict(self.counts)
        self.counts.clear()
        return counts

    def get_sync(self, key: str, **options: Any) -> Any:
        self.counts["get"] += 1
        return super().get_sync(key, **options)

    def set_sync(self, key: str, value: Any) -> None:
        self.counts["set"] += 1
        super().set_sync(key, value)

    def delete_sync(self, key: str) -> None:
        self.counts["delete"] += 1
        super().delete_sync(key)

    def exists_sync(self, key: str) -> bool:
        self.counts["exists"] += 1
        return super().exists_sync(key)

    def list_dir_sync(self, prefix: str) -> list[str]:
        self.counts["list"] += 1
        return super().list_dir_sync(prefix)

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        self.counts["list"] += 1
        return super().list_prefix(prefix)


class AwaitedCountingStore(CountingStore):
    """A store that must be awaited. Requests that are under way together are a round."""

    _supports_sync_io = False

    def __init__(self, store_dict: Any = None, *, read_only: bool = False) -> None:
        super().__init__(store_dict, read_only=read_only)
        self._waiting: list[asyncio.Event] = []

    async def _wait(self) -> None:
        """Wait until nobody else comes: then all that wait go on, and that was a round."""
        event = asyncio.Event()
        self._waiting.append(event)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(0.002, self._go_on)
        await event.wait()

    def _go_on(self) -> None:
        self.counts["rounds"] += 1
        for event in self._waiting:
            event.set()
        self._waiting = []

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        await self._wait()
        return self.get_sync(key, prototype=prototype, byte_range=byte_range)

    async def set(self, key: str, value: Any) -> None:
        await self._wait()
        self.set_sync(key, value)

    async def delete(self, key: str) -> None:
        await self._wait()
        self.delete_sync(key)

    async def exists(self, key: str) -> bool:
        await self._wait()
        return self.exists_sync(key)

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        await self._wait()
        for name in self.list_dir_sync(prefix):
            yield name
