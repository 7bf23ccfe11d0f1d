"""The store contract: where keys and their values lie.

A store maps keys, such as ``a/zarr.json`` and ``a/c/0/1``, to bytes. Its methods have the names of `zarr.abc.store`.
A store that can answer without an event loop has `get_sync`, `set_sync` and `delete_sync` too, all three.

Source: Zarr v3 core specification, "Stores".
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeAlias, runtime_checkable

from zarrpipe.abc.metadata import concurrent_map
from zarrpipe.errors import NodeNotFoundError, ReadOnlyError, UnsupportedError

if TYPE_CHECKING:
    from zarrpipe.abc.buffer import Buffer, BufferPrototype

__all__ = [
    "ByteGetter",
    "ByteRequest",
    "ByteSetter",
    "OffsetByteRequest",
    "RangeByteRequest",
    "Store",
    "SuffixByteRequest",
    "SupportsDeleteSync",
    "SupportsGetSync",
    "SupportsSetSync",
    "SupportsSyncStore",
    "SupportsVersions",
    "SyncByteGetter",
    "SyncByteSetter",
    "Versioned",
    "set_or_delete",
]

# Requests of one call that are under way at once, where the store does not bound them itself.
_REQUEST_CONCURRENCY = 64


@dataclass(frozen=True, slots=True)
class RangeByteRequest:
    """The bytes from `start` up to but not including `end`; fewer where the value ends before.

    Parameters
    ----------
    start : int
        The first byte.
    end : int
        The byte behind the last.
    """

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class OffsetByteRequest:
    """All bytes from `offset` on.

    Parameters
    ----------
    offset : int
        The first byte.
    """

    offset: int


@dataclass(frozen=True, slots=True)
class SuffixByteRequest:
    """The last bytes; fewer where the value is shorter.

    Parameters
    ----------
    suffix : int
        How many.
    """

    suffix: int


ByteRequest: TypeAlias = RangeByteRequest | OffsetByteRequest | SuffixByteRequest


class Store(ABC):  # noqa: PLW1641 - a subclass says what equal stores are
    """Keys and their values.

    Parameters
    ----------
    read_only : bool
        Whether writes and deletes are refused.
    """

    _read_only: bool
    _is_open: bool

    def __init__(self, *, read_only: bool = False) -> None:
        self._is_open = False
        self._read_only = read_only

    # Opening and closing

    @classmethod
    async def open(cls, *args: Any, **kwargs: Any) -> Self:
        """Make a store with these arguments, and open it."""
        store = cls(*args, **kwargs)
        await store._open()
        return store

    async def _open(self) -> None:
        if self._is_open:
            raise ValueError(f"this {type(self).__name__} is open already")
        self._is_open = True

    async def _ensure_open(self) -> None:
        if not self._is_open:
            await self._open()

    def close(self) -> None:
        """Let go of what the store holds."""
        self._is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def __eq__(self, value: object) -> bool:
        """Whether `value` is a store of the same keys."""

    # What the store can do

    @property
    def read_only(self) -> bool:
        """Whether writes and deletes are refused."""
        return self._read_only

    def with_read_only(self, read_only: bool = False) -> Store:  # noqa: ARG002
        """Return a store of the same keys with this setting. Neither store is opened or closed."""
        raise UnsupportedError(f"{type(self).__name__} cannot be made read-only or writable afterwards")

    @property
    @abstractmethod
    def supports_writes(self) -> bool:
        """Whether `set` works."""

    @property
    @abstractmethod
    def supports_deletes(self) -> bool:
        """Whether `delete` works."""

    @property
    @abstractmethod
    def supports_listing(self) -> bool:
        """Whether `list`, `list_prefix` and `list_dir` work."""

    @property
    def supports_partial_writes(self) -> Literal[False]:
        """Always false: a key is replaced as a whole."""
        return False

    @property
    def supports_consolidated_metadata(self) -> bool:
        """Whether consolidated metadata may be written to the store."""
        return True

    def _check_writable(self) -> None:
        if self.read_only:
            raise ReadOnlyError(f"this {type(self).__name__} was opened read-only")

    def _check_can_clear(self) -> None:
        if not (self.supports_deletes and self.supports_listing):
            raise UnsupportedError(f"{type(self).__name__} cannot both list and delete")
        self._check_writable()

    # Reading

    @abstractmethod
    async def get(
        self,
        key: str,
        prototype: BufferPrototype,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Return the value of a key, or a part of it.

        Parameters
        ----------
        key : str
            The key.
        prototype : BufferPrototype
            Which class of buffer to answer with.
        byte_range : ByteRequest, optional
            Which part; None for all.

        Returns
        -------
        Buffer or None
            None if there is no such key, and only then.
        """

    @abstractmethod
    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """`get` for several keys and ranges; a key may occur several times."""

    async def _get_many(
        self, requests: Iterable[tuple[str, BufferPrototype, ByteRequest | None]]
    ) -> AsyncGenerator[tuple[str, Buffer | None], None]:
        """`get` for several keys, in any order, each with its key."""
        for request in requests:
            yield request[0], await self.get(*request)

    async def get_ranges(
        self,
        key: str,
        byte_ranges: Sequence[ByteRequest | None],
        *,
        prototype: BufferPrototype,
        max_concurrency: int = 10,
        max_gap_bytes: int = 1 << 20,
        max_coalesced_bytes: int = 16 << 20,
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        """Many ranges of one key, those that lie close together in one request.

        Parameters
        ----------
        key : str
            The key.
        byte_ranges : sequence of (ByteRequest or None)
            Which parts; None for all of the value.
        prototype : BufferPrototype
            Which class of buffer to answer with.
        max_concurrency : int
            Requests under way at once.
        max_gap_bytes : int
            Ranges with at most this many bytes between them may share a request.
        max_coalesced_bytes : int
            The size of a shared request, at most.

        Yields
        ------
        sequence of (int, Buffer)
            For each request its ranges, by their index in `byte_ranges`, in the order in which requests end.

        Raises
        ------
        BaseExceptionGroup
            Of what the requests raised; FileNotFoundError stands for a missing key.
        """
        limit = asyncio.Semaphore(max_concurrency)

        async def fetch(group: _Group) -> Sequence[tuple[int, Buffer | None]]:
            async with limit:
                value = await self.get(key, prototype, group.request)
            return group.cut(value, key)

        tasks = [
            asyncio.ensure_future(fetch(group)) for group in _groups(byte_ranges, max_gap_bytes, max_coalesced_bytes)
        ]
        try:
            for done in asyncio.as_completed(tasks):
                try:
                    yield await done
                except Exception as error:  # noqa: BLE001 - raised again, in the group that callers expect
                    raise BaseExceptionGroup(f"reading ranges of {key!r} failed", [error]) from None
        finally:
            # The caller may stop early, or one request may have failed.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def get_ranges_sync(
        self,
        key: str,
        byte_ranges: Sequence[ByteRequest | None],
        *,
        prototype: BufferPrototype,
        max_gap_bytes: int = 1 << 20,
        max_coalesced_bytes: int = 16 << 20,
    ) -> Sequence[tuple[int, Buffer | None]]:
        """`get_ranges` without an event loop, for a store with `get_sync`."""
        if not isinstance(self, SupportsGetSync):
            raise TypeError(f"{type(self).__name__} has no get_sync")
        found: list[tuple[int, Buffer | None]] = []
        for group in _groups(byte_ranges, max_gap_bytes, max_coalesced_bytes):
            try:
                found += group.cut(self.get_sync(key, prototype=prototype, byte_range=group.request), key)
            except Exception as error:  # noqa: BLE001 - raised again, in the group that callers expect
                raise BaseExceptionGroup(f"reading ranges of {key!r} failed", [error]) from None
        return found

    @abstractmethod
    async def exists(self, key: str) -> bool:
        """Whether there is such a key."""

    async def getsize(self, key: str) -> int:
        """Return the size of a value, in bytes. This default reads all of it.

        Raises
        ------
        FileNotFoundError
            There is no such key.
        """
        # The concrete buffers stand above the contract, which may not depend on them: looked up when it is asked for.
        prototype: BufferPrototype = import_module("zarrpipe.buffer").default_buffer_prototype()
        value = await self.get(key, prototype)
        if value is None:
            raise NodeNotFoundError("no such key", key=key)
        return len(value)

    async def getsize_prefix(self, prefix: str) -> int:
        """Return the size of all values under a prefix, in bytes."""
        keys = [(key,) async for key in self.list_prefix(_as_directory(prefix))]
        return sum(await concurrent_map(keys, self.getsize, _REQUEST_CONCURRENCY))

    # Writing

    @abstractmethod
    async def set(self, key: str, value: Buffer) -> None:
        """Store a value, in place of the old one."""

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Store a value unless the key is there. This default is not safe against other writers of the key."""
        if not await self.exists(key):
            await self.set(key, value)

    async def _set_many(self, values: Iterable[tuple[str, Buffer]]) -> None:
        """`set` for several keys."""
        await concurrent_map(values, self.set, _REQUEST_CONCURRENCY)

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Delete a key; no error if there is none."""

    async def delete_dir(self, prefix: str) -> None:
        """Delete all keys under a prefix."""
        self._check_can_clear()
        # Listed before the first delete: a listing that changes under way may skip keys.
        keys = [(key,) async for key in self.list_prefix(_as_directory(prefix))]
        await concurrent_map(keys, self.delete, _REQUEST_CONCURRENCY)

    async def clear(self) -> None:
        """Delete all keys."""
        self._check_can_clear()
        await self.delete_dir("")

    # Listing. Async iterators, but not `async def`: a subclass may write them as async generators.

    @abstractmethod
    def list(self) -> AsyncIterator[str]:
        """All keys."""

    @abstractmethod
    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """All keys that begin with `prefix`, as full keys."""

    @abstractmethod
    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Return the names right below `prefix`: the last parts of keys, and of prefixes of keys."""

    async def is_empty(self, prefix: str) -> bool:
        """Whether there is no key under a prefix."""
        if not self.supports_listing:
            raise UnsupportedError(f"{type(self).__name__} cannot list")
        async for _ in self.list_prefix(_as_directory(prefix)):
            return False
        return True


def _as_directory(prefix: str) -> str:
    """With a slash at the end, so that "a" does not stand for "ab" too."""
    return prefix if not prefix or prefix.endswith("/") else prefix + "/"


@dataclass(frozen=True, slots=True)
class _Group:
    """Ranges that share a request."""

    request: ByteRequest | None
    members: tuple[tuple[int, ByteRequest | None], ...]

    def cut(self, value: Buffer | None, key: str) -> Sequence[tuple[int, Buffer | None]]:
        """Return the members' parts of what the request brought."""
        if value is None:
            raise NodeNotFoundError("no such key", key=key)
        if len(self.members) == 1:
            return [(self.members[0][0], value)]
        start = self.request.start if isinstance(self.request, RangeByteRequest) else 0
        return [
            (index, value[part.start - start : part.end - start])
            for index, part in self.members
            if isinstance(part, RangeByteRequest)
        ]


def _groups(byte_ranges: Sequence[ByteRequest | None], max_gap: int, max_nbytes: int) -> Sequence[_Group]:
    """Which ranges share a request: neighbours by their start. The other kinds of request stand alone."""
    groups = [
        _Group(part, ((i, part),)) for i, part in enumerate(byte_ranges) if not isinstance(part, RangeByteRequest)
    ]
    ranges = [(i, part) for i, part in enumerate(byte_ranges) if isinstance(part, RangeByteRequest)]
    for index, part in sorted(ranges, key=lambda item: item[1].start):
        last = groups[-1].request if groups else None
        if isinstance(last, RangeByteRequest):
            joined = RangeByteRequest(last.start, max(last.end, part.end))
            if part.start - last.end <= max_gap and joined.end - joined.start <= max_nbytes:
                groups[-1] = _Group(joined, (*groups[-1].members, (index, part)))
                continue
        groups.append(_Group(part, ((index, part),)))
    return groups


@dataclass(frozen=True, slots=True)
class Versioned:
    """A value, or a part of it, with what tells it from other values of its key.

    Parameters
    ----------
    buffer : Buffer
        The bytes.
    version : object, optional
        Equal for the same value, such as an ETag; None where the store told none.
    nbytes : int, optional
        The size of the whole value, where the store says it.
    """

    buffer: Buffer
    version: object | None = None
    nbytes: int | None = None


@runtime_checkable
class SupportsVersions(Protocol):
    """A store that tells the values of a key apart. `Store` does not ask for it; the engine uses it where it is there.

    What is read in several requests is then of one version, and what several writers change is not lost.
    """

    async def get_versioned(
        self,
        key: str,
        prototype: BufferPrototype,
        byte_range: ByteRequest | None = None,
        *,
        version: object | None = None,
    ) -> Versioned | None:
        """Return a value or a part of it, as `Store.get` does, with its version.

        Parameters
        ----------
        key : str
            The key.
        prototype : BufferPrototype
            Which class of buffer to answer with.
        byte_range : ByteRequest, optional
            Which part; None for all.
        version : object, optional
            The version that is asked for; None for any.

        Raises
        ------
        ConflictError
            The key has another version, or no value any more.
        """
        ...

    async def set_if_version(self, key: str, value: Buffer, version: object | None) -> None:
        """Store a value if the key still has a version; with None, if there is no such key.

        Raises
        ------
        ConflictError
            It has another.
        """
        ...


@runtime_checkable
class ByteGetter(Protocol):
    """One key, to read."""

    async def get(self, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None: ...


@runtime_checkable
class ByteSetter(Protocol):
    """One key, to read and write."""

    async def get(self, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None: ...

    async def set(self, value: Buffer) -> None: ...

    async def delete(self) -> None: ...

    async def set_if_not_exists(self, default: Buffer) -> None: ...


@runtime_checkable
class SyncByteGetter(Protocol):
    """One key, to read without an event loop."""

    def get_sync(
        self, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None: ...


@runtime_checkable
class SyncByteSetter(SyncByteGetter, Protocol):
    """One key, to read and write without an event loop."""

    def set_sync(self, value: Buffer) -> None: ...

    def delete_sync(self) -> None: ...


@runtime_checkable
class SupportsGetSync(Protocol):
    """A store that reads without an event loop."""

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None: ...


@runtime_checkable
class SupportsSetSync(Protocol):
    """A store that writes without an event loop."""

    def set_sync(self, key: str, value: Buffer) -> None: ...


@runtime_checkable
class SupportsDeleteSync(Protocol):
    """A store that deletes without an event loop."""

    def delete_sync(self, key: str) -> None: ...


@runtime_checkable
class SupportsSyncStore(SupportsGetSync, SupportsSetSync, SupportsDeleteSync, Protocol):
    """A store that does all three without an event loop."""


def _store_supports_sync_io(store: object) -> bool:
    """Whether a store can be called without an event loop, now: a wrapper's `_supports_sync_io` may deny it."""
    return isinstance(store, SupportsSyncStore) and bool(getattr(store, "_supports_sync_io", True))


async def set_or_delete(byte_setter: ByteSetter, value: Buffer | None) -> None:
    """Store a value, or delete the key where it is None."""
    if value is None:
        await byte_setter.delete()
    else:
        await byte_setter.set(value)
