"""Locks of keys for what is done in Python between reading a value and writing it.

They queue calls, not threads: on any loop, in any thread. The engine has locks of its own, for what it does itself.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager

__all__ = ["key_lock"]

Name = tuple[str, str]

# Who holds a key, and behind it who waits.
_queues: dict[Name, deque[Future[None]]] = {}
_guard = threading.Lock()


@asynccontextmanager
async def key_lock(identity: str, key: str) -> AsyncIterator[None]:
    """Hold a key of a store inside an ``async with`` block.

    Parameters
    ----------
    identity : str
        The store: see `zarrpipe.stores.adapter.identity_of`.
    key : str
        The key. A call that holds one key must not wait for another.
    """
    name, ticket = (identity, key), Future[None]()
    with _guard:
        queue = _queues.setdefault(name, deque())
        queue.append(ticket)
        is_free = len(queue) == 1
    try:
        if not is_free:
            await asyncio.wrap_future(ticket)
        yield
    finally:
        _leave(name, ticket)


def _leave(name: Name, ticket: Future[None]) -> None:
    with _guard:
        queue = _queues[name]
        was_first = queue[0] is ticket
        queue.remove(ticket)
        following = queue[0] if queue else None
        if following is None:
            del _queues[name]
    # One that was cancelled leaves by itself, and then wakes the next.
    if was_first and following is not None and following.set_running_or_notify_cancel():
        following.set_result(None)


def _after_fork() -> None:
    # Who held a key is not here any more.
    global _guard  # noqa: PLW0603 - one a process
    _guard = threading.Lock()
    _queues.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
