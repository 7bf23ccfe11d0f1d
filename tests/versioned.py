"""A store in memory that tells versions, awaited; its values can be shared by several stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from zarrpipe.abc.store import Store, Versioned
from zarrpipe.errors import ConflictError


class VersionedStore(Store):
    """Keys and values in a dictionary, with the number of the write that made each.

    Parameters
    ----------
    values : dict, optional
        Of another such store, whose values it shares, as another process would.
    latency_s : float
        What each request takes.
    """

    supports_writes = True
    supports_deletes = True
    supports_listing = True

    def __init__(self, values: dict[str, tuple[Any, int]] | None = None, *, latency_s: float = 0.0005) -> None:
        super().__init__()
        self.values = {} if values is None else values
        self.latency_s = latency_s
        # What was asked for: for the tests.
        self.requests: list[tuple[str, str]] = []
        self.conflicts = 0
        self.tells = True

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    async def _request(self, kind: str, key: str) -> None:
        self.requests.append((kind, key))
        await asyncio.sleep(self.latency_s)

    async def get_versioned(
        self, key: str, prototype: Any, byte_range: Any = None, *, version: object | None = None
    ) -> Versioned | None:
        await self._request("get", key)
        found = self.values.get(key)
        if version is not None and (found is None or found[1] != version):
            raise ConflictError(f"{key!r} has another version")
        if found is None:
            return None
        data, number = found
        if byte_range is not None:
            stop = len(data)
            start = stop - byte_range.suffix if hasattr(byte_range, "suffix") else byte_range.start
            data = data[start : getattr(byte_range, "end", stop)]
        return Versioned(prototype.buffer.from_bytes(data), number if self.tells else None, len(found[0]))

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        found = await self.get_versioned(key, prototype, byte_range)
        return None if found is None else found.buffer

    async def get_partial_values(self, prototype: Any, key_ranges: Iterable[tuple[str, Any]]) -> list[Any]:
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    def _put(self, key: str, value: Any) -> None:
        number = self.values.get("", (b"", 0))[1] + 1
        self.values[""] = (b"", number)
        self.values[key] = (value.to_bytes(), number)

    async def set(self, key: str, value: Any) -> None:
        await self._request("set", key)
        self._put(key, value)

    async def set_if_version(self, key: str, value: Any, version: object | None) -> None:
        await self._request("set_if", key)
        found = self.values.get(key)
        if (None if found is None else found[1]) != version:
            self.conflicts += 1
            raise ConflictError(f"{key!r} has another version")
        self._put(key, value)

    async def delete(self, key: str) -> None:
        await self._request("delete", key)
        self.values.pop(key, None)

    async def exists(self, key: str) -> bool:
        return key in self.values

    async def list(self) -> AsyncIterator[str]:
        for key in [*self.values]:
            if key:
                yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        async for key in self.list():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        start = prefix.rstrip("/") + "/" if prefix else ""
        names = {key[len(start) :].split("/")[0] async for key in self.list() if key.startswith(start)}
        for name in sorted(names):
            yield name
