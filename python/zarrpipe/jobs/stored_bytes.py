"""Copying values as they are stored, many at once.

Nothing is decoded, and a chunk that is not stored stays so.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

from zarrpipe.abc.metadata import concurrent_map
from zarrpipe.arrays.stored_chunks import chunk_count, grid_shape
from zarrpipe.config import config
from zarrpipe.dtypes import ObjectDType
from zarrpipe.errors import StoreError
from zarrpipe.jobs.budget import Budget
from zarrpipe.jobs.planning import ArrayCopy
from zarrpipe.metadata import AnyArrayMetadata, join_key
from zarrpipe.nodes import NodeAccess
from zarrpipe.stores import AsyncStoreAdapter

__all__ = ["StoredBytes", "naming", "tells_size"]


class StoredBytes:
    """Copies the chunks of arrays from one store to another.

    Parameters
    ----------
    source, dest : NodeAccess
        The stores.
    """

    def __init__(self, source: NodeAccess, dest: NodeAccess) -> None:
        settings = config.current
        self._source, self._dest = source, dest
        self._reading, self._writing = AsyncStoreAdapter(source.store), AsyncStoreAdapter(dest.store)
        self._budget = Budget(settings.io_requests, settings.io_nbytes)
        self._tells_size = tells_size(source.store)
        # A value that may be larger than its share of the memory is asked for its size first.
        self._share = settings.io_nbytes // settings.io_requests
        self.keys_copied = 0
        self.keys_skipped = 0
        self.nbytes_copied = 0

    async def copy(self, array: ArrayCopy, advance: Callable[[int], None], *, resume: bool) -> None:
        """Copy the chunks of an array.

        Parameters
        ----------
        array : ArrayCopy
            Which one.
        advance : callable
            Told how many items' bytes are done.
        resume : bool
            Whether values that are there, and have the right size, are those of an earlier copy.

        Raises
        ------
        StoreError
            A value could not be read or written; it names the key.
        """
        there = await self._asks_there(array) if resume else None
        total, done = array.source.nbytes, 0
        count = chunk_count(array.source.metadata) if array.keys is None else len(array.keys)
        bound = _largest_nbytes(array.source.metadata)

        async def copy_one(key: str) -> None:
            nonlocal done
            await self._copy_key(array, key, bound, there)
            done += 1
            advance(total * done // count - total * (done - 1) // count)

        keys = array.keys if array.keys is not None else _grid_keys(array.source.metadata)
        await concurrent_map([(key,) for key in keys], copy_one, config.current.io_requests)
        if not count:
            advance(total)

    async def _asks_there(self, array: ArrayCopy) -> Callable[[str], Awaitable[bool]]:
        """Return what says whether a key of the copy is there."""
        if not self._dest.store.supports_listing:
            return self._dest.exists
        keys = frozenset(await self._dest.keys(array.dest.path))

        async def is_there(key: str) -> bool:
            return key in keys

        return is_there

    async def _copy_key(
        self, array: ArrayCopy, key: str, bound: int | None, there: Callable[[str], Awaitable[bool]] | None
    ) -> None:
        source, dest = join_key(array.source.path, key), join_key(array.dest.path, array.dest_key(key))
        size: int | None = None
        if there is not None and await there(dest):
            size = await self._source.size(source) if self._tells_size else None
            if not self._tells_size or (size is not None and size == await self._dest.size(dest)):
                self.keys_skipped += 1
                return
        if size is None and self._tells_size and (bound is None or bound > self._share):
            size = await self._source.size(source)
        async with self._budget.room(size if size is not None else bound or self._share):
            with naming(source):
                found = await self._reading.get(source, None)
            if found is None:
                if array.keys is None:
                    return
                raise StoreError("the key was deleted while it was copied", key=source)
            with naming(dest):
                await self._writing.set(dest, found.data)
            self.keys_copied += 1
            self.nbytes_copied += len(found.data)


def _grid_keys(metadata: AnyArrayMetadata) -> Iterator[str]:
    return (metadata.encode_chunk_key(at) for at in product(*map(range, grid_shape(metadata))))


def _largest_nbytes(metadata: AnyArrayMetadata) -> int | None:
    """Return about how large a chunk is at most where it is not compressed; None where that is not known."""
    if isinstance(metadata.data_type, ObjectDType):
        return None
    items = math.prod(max(axis.lengths) for axis in metadata.chunk_grid.axes)
    return items * int(metadata.data_type.to_native_dtype().itemsize)


@contextmanager
def naming(key: str) -> Iterator[None]:
    """Have foreign exceptions, too, say which key they are about."""
    try:
        yield
    except Exception as error:
        if getattr(error, "key", None) is None:
            error.add_note(f"key {key}")
        raise


def tells_size(store: Any) -> bool:
    """Whether a store tells the size of a value without reading it, as the contract's default does."""
    while hasattr(store, "wrapped_store"):
        store = store.wrapped_store
    method: Any = getattr(type(store), "getsize", None)
    return bool(method is not None and method.__qualname__ != "Store.getsize")
