"""A store as operations on nodes see it, for sync and async callers alike.

Each operation is written once, as a coroutine over a `NodeAccess`. `run` drives it for sync callers: over a store that
answers without an event loop such a coroutine never waits, and is run in place.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from zarrpipe.abc.metadata import concurrent_map
from zarrpipe.abc.store import Store
from zarrpipe.config import config
from zarrpipe.driver import sync
from zarrpipe.stores import AsyncStoreAdapter, StoreAdapter, supports_sync
from zarrpipe.stores.retries import retried

__all__ = ["NodeAccess", "run"]

T = TypeVar("T")
V = TypeVar("V")


class NodeAccess:
    """A store as operations on nodes see it.

    Parameters
    ----------
    store : Store
        The store.
    blocking : bool
        Whether the caller has a thread of its own to wait in: then no method suspends, if the store answers without an
        event loop.
    """

    def __init__(self, store: Store, *, blocking: bool) -> None:
        self.store: Any = store
        self.is_sync = supports_sync(store)
        self.blocking = blocking and self.is_sync
        # Stores of zarr-python are asked in their own classes.
        self._adapter, self._awaited = StoreAdapter(store), AsyncStoreAdapter(store)

    async def get(self, key: str) -> bytes | None:
        """Return the value of a key; None if there is no such key."""
        if self.blocking:
            answer = self._adapter.get(key, [None])
            return None if answer is None else memoryview(answer[0]).tobytes()
        found = await self._awaited.get(key, None)
        return None if found is None else memoryview(found.data).tobytes()

    async def set(self, key: str, data: bytes) -> None:
        """Store a value."""
        if self.blocking:
            self._adapter.set(key, data)
        else:
            await self._awaited.set(key, data)

    async def delete(self, key: str) -> None:
        """Delete a key; no error if there is none."""
        if self.blocking:
            self._adapter.delete(key)
        else:
            await self._awaited.delete(key)

    async def delete_dir(self, path: str) -> None:
        """Delete all keys below a path."""
        await self._wait(lambda: self.store.delete_dir(path), path)

    async def rename(self, source: str, dest: str) -> None:
        """Move all keys below a path at once. Local files can."""
        await self._wait(lambda: self.store.rename_dir(source, dest), source)

    async def exists(self, key: str) -> bool:
        """Whether there is such a key."""
        if self.blocking and hasattr(self.store, "exists_sync"):
            return bool(self.store.exists_sync(key))
        return await self._wait(lambda: self.store.exists(key), key)

    async def keys(self, path: str) -> list[str]:
        """Return all keys below a path."""
        return await self._wait(lambda: _collect(self.store.list_prefix(_as_prefix(path))), path)

    async def names(self, path: str) -> list[str]:
        """Return the names right below a path, in order."""
        if self.blocking and hasattr(self.store, "list_dir_sync"):
            return sorted(self.store.list_dir_sync(_as_prefix(path)))
        return sorted(await self._wait(lambda: _collect(self.store.list_dir(_as_prefix(path))), path))

    async def is_empty(self, path: str) -> bool:
        """Whether there is no key below a path."""
        return await self._wait(lambda: self.store.is_empty(path), path)

    async def nbytes(self, path: str) -> int:
        """Return the size of all values below a path, in bytes."""
        return await self._wait(lambda: self.store.getsize_prefix(_as_prefix(path)), path)

    async def size(self, key: str) -> int | None:
        """Return the size of a value, in bytes; None if there is no such key."""
        try:
            return await self._wait(lambda: self.store.getsize(key), key)
        except FileNotFoundError:
            return None

    async def pause(self, longest_s: float) -> None:
        """Wait before another attempt: of several that wait, each for another time."""
        pause_s = longest_s * random.uniform(0.5, 1)  # noqa: S311 - no secret
        if self.blocking:
            time.sleep(pause_s)  # noqa: ASYNC251 - the caller has a thread of its own
        else:
            await asyncio.sleep(pause_s)

    async def each(self, items: Iterable[T], ask: Callable[[T], Awaitable[V]]) -> list[V]:
        """Return what `ask` makes of each item: one after the other, or, where they are awaited, many at once."""
        if self.blocking:
            return [await ask(item) for item in items]
        return await concurrent_map([(item,) for item in items], ask, config.current.io_requests)

    async def together(self, first: Callable[[], Awaitable[T]], second: Callable[[], Awaitable[V]]) -> tuple[T, V]:
        """Return the results of two operations, both of them under way at once where they are awaited."""
        if self.blocking:
            return await first(), await second()
        found: Any = await concurrent_map([(first,), (second,)], lambda operation: operation())
        return found[0], found[1]

    async def _wait(self, call: Callable[[], Coroutine[Any, Any, T]], key: str) -> T:
        # Stores list in coroutines only, which may suspend.
        return sync(call, self.store) if self.blocking else await retried(call, key=key)


def _as_prefix(path: str) -> str:
    return path + "/" if path else ""


async def _collect(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


def run(store: Store, operation: Callable[[NodeAccess], Coroutine[Any, Any, T]]) -> T:
    """Run an operation on nodes for a sync caller.

    Parameters
    ----------
    store : Store
        The store.
    operation : callable
        An async function of a `NodeAccess`.

    Raises
    ------
    RuntimeError
        The store needs an event loop, and the caller is on it.
    """
    access = NodeAccess(store, blocking=True)
    if not access.is_sync:
        return sync(lambda: operation(access), store)
    coroutine = operation(access)
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        coroutine.close()
    raise RuntimeError(f"{type(store).__name__} answers without an event loop, but an operation on it waited for one")
