"""Getters and setters of single keys, as if they were a store whose keys are their numbers.

The `CodecPipeline` contract hands a pipeline a `ByteGetter` for each chunk. Those that are places in one store are
asked as that store (`zarrpipe.pipeline`); for any others this stands in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zarrpipe.abc.store import SyncByteGetter, SyncByteSetter
from zarrpipe.stores.adapter import Condition, Found, Range, Words

if TYPE_CHECKING:
    from zarrpipe import _core

__all__ = ["AsyncGetterAdapter", "GetterAdapter", "core_store_of_getters"]


class GetterAdapter:
    """Getters that answer at once.

    Parameters
    ----------
    getters : sequence of SyncByteGetter
        Key "0" is the first of them.
    """

    def __init__(self, getters: Sequence[Any]) -> None:
        self._getters = getters
        self._words = [Words(getter) for getter in getters]

    def get(self, key: str, ranges: Sequence[Range]) -> Sequence[Any] | None:
        """Return a bytes-like for each range, or None where there is no value."""
        getter, words = self._getters[int(key)], self._words[int(key)]
        answers = [getter.get_sync(prototype=words.prototype, byte_range=words.request(part)) for part in ranges]
        return None if any(answer is None for answer in answers) else [answer.as_numpy_array() for answer in answers]

    def set(self, key: str, data: Any) -> None:
        """Store a bytes-like."""
        self._getters[int(key)].set_sync(self._words[int(key)].buffer(data))

    def delete(self, key: str) -> None:
        """Delete what is there."""
        self._getters[int(key)].delete_sync()


class AsyncGetterAdapter:
    """Getters that must be awaited, as the driver asks them.

    Parameters
    ----------
    getters : sequence of ByteGetter
        Key "0" is the first of them.
    """

    is_adapter = True

    def __init__(self, getters: Sequence[Any]) -> None:
        self._getters = getters
        self._words = [Words(getter) for getter in getters]

    async def get(self, key: str, part: Range, version: object | None = None) -> Found | None:  # noqa: ARG002
        """Return a range of a value, or None where there is none; a getter tells no versions."""
        getter, words = self._getters[int(key)], self._words[int(key)]
        answer = await getter.get(prototype=words.prototype, byte_range=words.request(part))
        return None if answer is None else Found(answer.as_numpy_array(), None, None)

    async def set(self, key: str, data: Any, condition: Condition = None) -> None:  # noqa: ARG002
        """Store a bytes-like."""
        await self._getters[int(key)].set(self._words[int(key)].buffer(data))

    async def delete(self, key: str) -> None:
        """Delete what is there."""
        await self._getters[int(key)].delete()

    def setter(self, key: str) -> Any:
        """Return what stands behind a key."""
        return self._getters[int(key)]


def core_store_of_getters(getters: Sequence[Any], *, write: bool) -> _core.Store:
    """Return the getters as a store of the engine: one that workers ask where all of them answer at once."""
    from zarrpipe import _core

    words: type = SyncByteSetter if write else SyncByteGetter
    # A place in a store has these methods whether its store has them or not.
    is_sync = all(isinstance(getter, words) and not hasattr(getter, "store") for getter in getters)
    # No other call knows these keys, so they need no name that lasts.
    identity = f"getters:{id(getters)}"
    return _core.Store.python(GetterAdapter(getters) if is_sync else None, identity)
