"""A store whose values are replaced on condition that they are those that were read."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from zarrpipe.abc.store import Store
from zarrpipe.driver import sync
from zarrpipe.errors import ConflictError
from zarrpipe.nodes.access import NodeAccess
from zarrpipe.stores.adapter import no_versions

__all__ = ["ConditionalAccess", "OvertakenError"]

T = TypeVar("T")


class OvertakenError(ConflictError):
    """Another writer has replaced a value since it was read."""


class ConditionalAccess(NodeAccess):
    """A store for one change: what it sets was read by it, and has not changed since, or it raises OvertakenError.

    Parameters
    ----------
    store : Store
        With `get_versioned` and `set_if_version`.
    blocking : bool
        As for `NodeAccess`.

    Raises
    ------
    UnsupportedError
        The store does not tell versions.
    """

    def __init__(self, store: Store, *, blocking: bool) -> None:
        super().__init__(store, blocking=blocking)
        if not self._awaited.has_versions:
            raise no_versions(store)
        self._versions: dict[str, Any] = {}

    async def get(self, key: str) -> bytes | None:
        found = await self._by_loop(lambda: self._awaited.get(key, None))
        if found is None:
            self._versions[key] = None
            return None
        if found.version is None:
            raise no_versions(self.store)
        self._versions[key] = found.version
        return memoryview(found.data).tobytes()

    async def set(self, key: str, data: bytes) -> None:
        try:
            await self._by_loop(lambda: self._awaited.set(key, data, (self._versions.get(key),)))
        except ConflictError as error:
            raise OvertakenError(f"{key!r} was replaced by another writer since it was read") from error

    async def _by_loop(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        # Versions are told in coroutines only, which may suspend.
        return sync(call, self.store) if self.blocking else await call()
