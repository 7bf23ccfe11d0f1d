"""A store that takes its time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any, Generic, Self, TypeVar

from zarrpipe.stores.wrappers.request import Request
from zarrpipe.stores.wrappers.wrapper import _SYNC, Ask, AskSync, StoreT, WrapperStore

__all__ = ["LatencyStore"]

T = TypeVar("T")


class LatencyStore(WrapperStore[StoreT], Generic[StoreT]):
    """A store that answers each request after a while: a stand-in for one far away.

    Requests are awaited, also those to a store that could answer at once: so as many are under way as there would be
    over a network.

    Parameters
    ----------
    store : Store
        The store to wrap.
    get_latency : float or (float, float)
        Seconds that reads, looks and listings wait; two numbers are mean and standard deviation.
    set_latency : float or (float, float)
        Seconds that writes and deletes wait.
    sync : bool
        Whether the methods without an event loop (`get_sync`) are there too, if the wrapped store has them: then
        these are used, and each blocks its thread.

    Examples
    --------
    >>> import zarrpipe
    >>> from zarrpipe.stores import LatencyStore, MemoryStore
    >>> store = LatencyStore(MemoryStore(), get_latency=0.01)
    >>> zarrpipe.create_array(store, shape=(4,), dtype="uint8")[:].tolist()
    [0, 0, 0, 0]
    >>> hasattr(store, "get_sync")
    False
    """

    def __init__(
        self,
        store: StoreT,
        *,
        get_latency: float | tuple[float, float] = 0.0,
        set_latency: float | tuple[float, float] = 0.0,
        sync: bool = False,
    ) -> None:
        super().__init__(store)
        self.get_latency = get_latency
        self.set_latency = set_latency
        self._sync = sync
        # Seeded: two runs of a test wait alike.
        self._random = random.Random(0)  # noqa: S311 - no secret

    def _with_store(self, store: Any) -> Self:
        return type(self)(store, get_latency=self.get_latency, set_latency=self.set_latency, sync=self._sync)

    def _offers(self, method: str) -> bool:
        return (self._sync or method not in _SYNC) and super()._offers(method)

    def _latency_s(self, request: Request) -> float:
        latency = self.set_latency if request.kind in ("set", "delete") else self.get_latency
        return max(0.0, self._random.gauss(*latency)) if isinstance(latency, tuple) else float(latency)

    async def _ask(self, request: Request, ask: Ask[T]) -> T:
        await asyncio.sleep(self._latency_s(request))
        return await ask(request)

    def _ask_sync(self, request: Request, ask: AskSync[T]) -> T:
        time.sleep(self._latency_s(request))
        return ask(request)

    async def _ask_names(self, request: Request, names: AsyncIterator[str]) -> AsyncIterator[str]:
        await asyncio.sleep(self._latency_s(request))
        async for name in names:
            yield name
