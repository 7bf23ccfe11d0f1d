"""Every kind of store, new and empty, for tests that run over all of them."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import obstore.store
import zarr.storage
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import strategies as st

from zarrpipe.stores import (
    FsspecStore,
    LatencyStore,
    LocalStore,
    LoggingStore,
    MappingStore,
    MemoryStore,
    ObjectStore,
    WrapperStore,
    ZipStore,
)


class AwaitedStore(MemoryStore):
    """A store that must be awaited."""

    _supports_sync_io = False


def zarrs_fsspec_store() -> Any:
    fs = AsyncFileSystemWrapper(MemoryFileSystem(), asynchronous=True)
    return zarr.storage.FsspecStore(fs, path=f"/{uuid4().hex}")


# Each makes a store; the argument is a path where nothing is yet.
STORES: dict[str, Callable[[Path], Any]] = {
    "memory": lambda _: MemoryStore(),
    "awaited": lambda _: AwaitedStore(),
    "local": LocalStore,
    "zip": lambda path: ZipStore(path.with_suffix(".zip"), mode="w"),
    "mapping": lambda _: MappingStore(UserDict()),
    "fsspec memory": lambda _: FsspecStore.from_url(f"memory://{uuid4().hex}"),
    "fsspec local": lambda path: FsspecStore.from_url(path.as_uri()),
    "obstore memory": lambda _: ObjectStore(obstore.store.MemoryStore()),
    "obstore local": lambda path: ObjectStore(obstore.store.LocalStore(path, mkdir=True)),
    "zarr obstore": lambda _: zarr.storage.ObjectStore(obstore.store.MemoryStore()),
    "wrapper": lambda path: WrapperStore(LocalStore(path)),
    "logging": lambda _: LoggingStore(MemoryStore()),
    "latency": lambda _: LatencyStore(MemoryStore()),
    "zarr memory": lambda _: zarr.storage.MemoryStore(),
    "zarr local": zarr.storage.LocalStore,
    "zarr memory wrapped": lambda _: LoggingStore(zarr.storage.MemoryStore()),
    "zarr local wrapped": lambda path: LoggingStore(zarr.storage.LocalStore(path)),
    "zarr zip wrapped": lambda path: WrapperStore(zarr.storage.ZipStore(path.with_suffix(".zip"), mode="w")),
    "zarr fsspec wrapped": lambda _: LoggingStore(zarrs_fsspec_store()),
}
# Stores whose keys cannot be deleted: arrays in them cannot shrink.
WITHOUT_DELETES = frozenset({"zarr zip wrapped"})

_forced: Callable[[], Any] | None = None


@contextmanager
def forced(kind: str) -> Iterator[None]:
    """Have `new_store` make stores of one kind, inside."""
    global _forced  # noqa: PLW0603 - hypothesis draws the store deep inside of a case
    with TemporaryDirectory() as folder:
        numbers = count()
        made: list[Any] = []

        def make() -> Any:
            made.append(STORES[kind](Path(folder) / f"{next(numbers)}.zarr"))
            return made[-1]

        _forced = make
        try:
            yield
        finally:
            _forced = None
            for store in made:
                store.close()


def is_forced() -> bool:
    """Whether the kind of store is given."""
    return _forced is not None


def new_store(draw: st.DrawFn | Any) -> Any:
    """Return a store: of the kind that is forced, or else one in memory, to be awaited or not."""
    return draw(st.sampled_from([MemoryStore, AwaitedStore]))() if _forced is None else _forced()
