"""A store that hands everything to another, through one place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Generic, Self, TypeAlias, TypeVar, cast

from zarrpipe.abc.buffer import Buffer, BufferPrototype
from zarrpipe.abc.metadata import concurrent_map
from zarrpipe.abc.store import ByteRequest, Store, Versioned, _store_supports_sync_io
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.stores.values import as_memory
from zarrpipe.stores.wrappers.request import Request
from zarrpipe.stores.zarr import is_zarr_object, zarr_prototype, zarr_request

__all__ = ["Ask", "AskSync", "Request", "WrapperStore"]

T = TypeVar("T")
StoreT = TypeVar("StoreT")

Ask: TypeAlias = Callable[[Request], Awaitable[T]]
AskSync: TypeAlias = Callable[[Request], T]

_CONCURRENCY = 64
_SYNC = frozenset({"get_sync", "set_sync", "delete_sync"})


class _Offered:
    """A method that an object has if `_offers` says so.

    What a store can do is found out by looking for its methods.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, instance: Any, owner: type) -> Any:
        name = self._method.__name__
        if instance is not None and not instance._offers(name):
            raise AttributeError(f"{owner.__name__} has no {name}: the store that it wraps has none")
        return self._method.__get__(instance, owner)


def offered(method: T) -> T:
    """Mark a method that is there only where the wrapped store has it."""
    return cast(T, _Offered(cast(Any, method)))


class WrapperStore(Store, Generic[StoreT]):
    """A store that hands every request to another.

    A subclass changes what it wants to. All requests pass `_ask`, `_ask_sync` or `_ask_names`, so a subclass that is
    about requests as such overrides these three alone. What concerns several keys (`get_partial_values`,
    `get_ranges`) is made of requests for one key.

    The methods without an event loop (`get_sync`) and those for versions (`get_versioned`) are there if the wrapped
    store has them.

    Parameters
    ----------
    store : Store
        The store to wrap: one of zarrpipe's or of zarr-python's, or a wrapper.

    Examples
    --------
    >>> from zarrpipe.buffer import Buffer
    >>> from zarrpipe.stores import MemoryStore
    >>> class Quiet(WrapperStore):
    ...     async def exists(self, key):
    ...         return not key.startswith("secret/") and await super().exists(key)
    >>> store = Quiet(MemoryStore())
    >>> store.set_sync("a", Buffer.from_bytes(b"1"))
    >>> store.get_sync("a").to_bytes()
    b'1'
    """

    def __init__(self, store: StoreT) -> None:
        # Not the base's: whether the store is open and may be written is the wrapped store's own.
        self._store: Any = store

    @property
    def wrapped_store(self) -> StoreT:
        """The wrapped store."""
        return cast(StoreT, self._store)

    def _with_store(self, store: Any) -> Self:
        """Return a wrapper like this one around another store. A subclass with more parameters overrides it."""
        return type(self)(store)

    # The three places that all requests pass

    async def _ask(self, request: Request, ask: Ask[T]) -> T:
        """Return the answer to a request: what `ask`, awaited with it or another, gives."""
        return await ask(request)

    def _ask_sync(self, request: Request, ask: AskSync[T]) -> T:
        """`_ask`, for the methods without an event loop."""
        return ask(request)

    def _ask_names(self, request: Request, names: AsyncIterator[str]) -> AsyncIterator[str]:  # noqa: ARG002
        """Return the names of a listing."""
        return names

    def _offers(self, method: str) -> bool:
        """Whether there is one of the methods that only some stores have."""
        if method in _SYNC and not _store_supports_sync_io(self._store):
            return False
        return hasattr(self._store, method)

    @property
    def _supports_sync_io(self) -> bool:
        return all(self._offers(method) for method in _SYNC)

    # Opening and closing

    @classmethod
    async def open(cls, store_cls: type[Any], *args: Any, **kwargs: Any) -> Self:
        """Open a store of class `store_cls`, made with the other arguments, and wrap it."""
        return cls(await store_cls.open(*args, **kwargs))

    @property
    def _is_open(self) -> bool:
        return bool(self._store._is_open)

    @_is_open.setter
    def _is_open(self, value: bool) -> None:
        self._store._is_open = value

    async def _open(self) -> None:
        await self._store._open()

    async def _ensure_open(self) -> None:
        await self._store._ensure_open()

    def close(self) -> None:
        self._store.close()

    def with_read_only(self, read_only: bool = False) -> Self:
        return self._with_store(self._store.with_read_only(read_only))

    def __eq__(self, value: object) -> bool:
        return type(value) is type(self) and self._store == cast(Any, value)._store

    def __hash__(self) -> int:
        return hash((type(self), self._store))

    def __str__(self) -> str:
        return f"{type(self).__name__.lower()}-{self._store}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._store!r})"

    # What the store can do

    @property
    def read_only(self) -> bool:
        return bool(self._store.read_only)

    @property
    def supports_writes(self) -> bool:
        return bool(self._store.supports_writes)

    @property
    def supports_deletes(self) -> bool:
        return bool(self._store.supports_deletes)

    @property
    def supports_listing(self) -> bool:
        return bool(self._store.supports_listing)

    @property
    def supports_consolidated_metadata(self) -> bool:
        return bool(self._store.supports_consolidated_metadata)

    # zarr-python's stores know zarr-python's requests and buffers alone.

    def _arguments(self, request: Request, prototype: BufferPrototype) -> dict[str, Any]:
        if is_zarr_object(self._store):
            return {"prototype": zarr_prototype(), "byte_range": zarr_request(request.byte_range)}
        return {"prototype": prototype, "byte_range": request.byte_range}

    def _answer(self, found: Any, prototype: BufferPrototype) -> Any:
        if found is None or not is_zarr_object(self._store):
            return found
        return prototype.buffer.from_bytes(as_memory(found))

    def _value(self, value: Any) -> Any:
        if is_zarr_object(self._store):
            return zarr_prototype().buffer.from_bytes(as_memory(value))
        return value

    # Reading

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        wanted = prototype or default_buffer_prototype()

        async def ask(request: Request) -> Buffer | None:
            found = await self._store.get(request.key, **self._arguments(request, wanted))
            return cast("Buffer | None", self._answer(found, wanted))

        return await self._ask(Request("get", key, byte_range), ask)

    @offered
    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """`get`, without an event loop."""
        wanted = prototype or default_buffer_prototype()

        def ask(request: Request) -> Buffer | None:
            found = self._store.get_sync(request.key, **self._arguments(request, wanted))
            return cast("Buffer | None", self._answer(found, wanted))

        return self._ask_sync(Request("get_sync", key, byte_range), ask)

    @offered
    async def get_versioned(
        self,
        key: str,
        prototype: BufferPrototype,
        byte_range: ByteRequest | None = None,
        *,
        version: object | None = None,
    ) -> Versioned | None:
        """See `zarrpipe.abc.store.SupportsVersions`."""

        async def ask(request: Request) -> Versioned | None:
            found = await self._store.get_versioned(request.key, prototype, request.byte_range, version=version)
            return cast("Versioned | None", found)

        return await self._ask(Request("get_versioned", key, byte_range), ask)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        requests = [(key, prototype, byte_range) for key, byte_range in key_ranges]
        return await concurrent_map(requests, self.get, _CONCURRENCY)

    def get_ranges_sync(self, key: str, *args: Any, **kwargs: Any) -> Any:
        """`get_ranges` without an event loop, for a store with `get_sync`."""
        if not self._supports_sync_io:
            raise TypeError(f"{self!r} has no get_sync")
        return super().get_ranges_sync(key, *args, **kwargs)

    async def exists(self, key: str) -> bool:
        return bool(await self._ask(Request("exists", key), lambda request: self._store.exists(request.key)))

    async def getsize(self, key: str) -> int:
        return int(await self._ask(Request("getsize", key), lambda request: self._store.getsize(request.key)))

    # Writing

    async def set(self, key: str, value: Buffer) -> None:
        await self._ask(
            Request("set", key, value=value),
            lambda request: self._store.set(request.key, self._value(request.value)),
        )

    @offered
    def set_sync(self, key: str, value: Buffer) -> None:
        """`set`, without an event loop."""
        self._ask_sync(
            Request("set_sync", key, value=value),
            lambda request: self._store.set_sync(request.key, self._value(request.value)),
        )

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        await self._ask(
            Request("set_if_not_exists", key, value=value),
            lambda request: self._store.set_if_not_exists(request.key, self._value(request.value)),
        )

    @offered
    async def set_if_version(self, key: str, value: Buffer, version: object | None) -> None:
        """See `zarrpipe.abc.store.SupportsVersions`."""
        await self._ask(
            Request("set_if_version", key, value=value),
            lambda request: self._store.set_if_version(request.key, request.value, version),
        )

    async def delete(self, key: str) -> None:
        await self._ask(Request("delete", key), lambda request: self._store.delete(request.key))

    @offered
    def delete_sync(self, key: str) -> None:
        """`delete`, without an event loop."""
        self._ask_sync(Request("delete_sync", key), lambda request: self._store.delete_sync(request.key))

    async def delete_dir(self, prefix: str) -> None:
        await self._ask(Request("delete_dir", prefix), lambda request: self._store.delete_dir(request.key))

    async def clear(self) -> None:
        await self._ask(Request("clear", ""), lambda _: self._store.clear())

    # Listing

    def list(self) -> AsyncIterator[str]:
        return self._ask_names(Request("list", ""), self._store.list())

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        return self._ask_names(Request("list_prefix", prefix), self._store.list_prefix(prefix))

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        return self._ask_names(Request("list_dir", prefix), self._store.list_dir(prefix))

    async def is_empty(self, prefix: str) -> bool:
        return bool(await self._ask(Request("is_empty", prefix), lambda request: self._store.is_empty(request.key)))
