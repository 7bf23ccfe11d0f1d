"""Local files: a key is a path below the root."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, Self, cast

from zarrpipe._types import AccessMode
from zarrpipe.abc.buffer import Buffer, BufferPrototype
from zarrpipe.abc.metadata import concurrent_map
from zarrpipe.abc.store import ByteRequest, Store
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.errors import NodeExistsError, NodeNotFoundError, StoreError
from zarrpipe.stores.files import is_partial, read_file, remove_file, wrapped, write_file
from zarrpipe.stores.keys import check_key, normalize_prefix
from zarrpipe.stores.values import as_memory, check_value

__all__ = ["LocalStore"]

_CONCURRENCY = 64


class LocalStore(Store):
    """Keys and values as files below a folder.

    The engine reads and writes chunks of such a store itself; these methods are for documents and for other callers.
    A subclass is used through its methods.

    Parameters
    ----------
    root : str or Path
        The folder. It is made by the first write.
    read_only : bool
        Whether writes and deletes are refused.

    Examples
    --------
    >>> LocalStore("data.zarr", read_only=True)
    LocalStore('data.zarr', read_only=True)
    """

    supports_writes: bool = True
    supports_deletes: bool = True
    supports_listing: bool = True

    root: Path

    def __init__(self, root: Path | str, *, read_only: bool = False) -> None:
        super().__init__(read_only=read_only)
        if not isinstance(root, str | os.PathLike):
            raise TypeError(f"the root of a LocalStore is a path, not {type(root).__name__}")
        self.root = Path(root)

    def with_read_only(self, read_only: bool = False) -> Self:
        return type(self)(self.root, read_only=read_only)

    @classmethod
    async def open(cls, root: Path | str, *, read_only: bool = False, mode: AccessMode | None = None) -> Self:
        """Make a store and open it.

        Parameters
        ----------
        root : str or Path
            The folder.
        read_only : bool
            Whether the store refuses writes and deletes.
        mode : {"r", "r+", "a", "w", "w-"}, optional
            With "r" and "r+" the folder must be there; with the others it is made.

        Raises
        ------
        NodeNotFoundError
            The folder must be there and is not.
        """
        must_exist = read_only if mode is None else mode in ("r", "r+")
        store = cls(root, read_only=read_only)
        await asyncio.to_thread(store._ensure_root, create=not must_exist)
        store._is_open = True
        return store

    async def _open(self) -> None:
        await asyncio.to_thread(self._ensure_root, create=not self.read_only)
        await super()._open()

    def _ensure_root(self, *, create: bool) -> None:
        if create:
            with wrapped(str(self.root)):
                self.root.mkdir(parents=True, exist_ok=True)
        elif not self.root.exists():
            raise NodeNotFoundError(f"there is no folder {self.root}")

    def __str__(self) -> str:
        return f"file://{self.root.as_posix()}"

    def __repr__(self) -> str:
        read_only = ", read_only=True" if self.read_only else ""
        return f"{type(self).__name__}({str(self.root)!r}{read_only})"

    def __eq__(self, value: object) -> bool:
        return isinstance(value, type(self)) and self.root == value.root

    def __hash__(self) -> int:
        return hash((type(self), self.root))

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    # Without an event loop

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """`get`, without an event loop."""
        data = read_file(self._path(key), byte_range, key)
        return None if data is None else (prototype or default_buffer_prototype()).buffer.from_bytes(data)

    def set_sync(self, key: str, value: Buffer) -> None:
        """`set`, without an event loop."""
        self._set(key, value, exclusive=False)

    def delete_sync(self, key: str) -> None:
        """`delete`, without an event loop."""
        self._check_writable()
        remove_file(self._path(key), key)

    def exists_sync(self, key: str) -> bool:
        """`exists`, without an event loop."""
        # Not as a Path: a group's members are asked for by the hundred thousand.
        return os.path.isfile(os.path.join(self.root, check_key(key)))  # noqa: PTH113, PTH118

    def list_dir_sync(self, prefix: str) -> list[str]:
        """`list_dir`, without an event loop."""
        prefix = normalize_prefix(prefix)
        with wrapped(prefix):
            try:
                return sorted(name for name in os.listdir(self.root / prefix) if not is_partial(name))  # noqa: PTH208
            except (FileNotFoundError, NotADirectoryError):
                return []

    def _set(self, key: str, value: Buffer, *, exclusive: bool) -> None:
        self._check_writable()
        write_file(self._path(key), as_memory(check_value(value, self)), key, exclusive=exclusive)

    # With one: in a thread, so that the loop goes on

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        return await asyncio.to_thread(self.get_sync, key, prototype=prototype, byte_range=byte_range)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        requests = [(key, prototype, byte_range) for key, byte_range in key_ranges]
        return await concurrent_map(requests, self.get, _CONCURRENCY)

    async def set(self, key: str, value: Buffer) -> None:
        await asyncio.to_thread(self.set_sync, key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        await asyncio.to_thread(self._set, key, value, exclusive=True)

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self.delete_sync, key)

    async def delete_dir(self, prefix: str) -> None:
        self._check_writable()
        await asyncio.to_thread(self._remove_folder, normalize_prefix(prefix))

    async def clear(self) -> None:
        await self.delete_dir("")

    def _remove_folder(self, prefix: str) -> None:
        folder = self.root / prefix
        with wrapped(prefix):
            if not folder.is_dir():
                if folder.exists():
                    raise StoreError("not a folder", key=prefix)
                return
            if prefix and not folder.is_symlink():
                shutil.rmtree(folder)
                return
            # The root itself stays: others may hold it.
            for entry in list(folder.iterdir()):
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()

    async def exists(self, key: str) -> bool:
        return await asyncio.to_thread(self.exists_sync, key)

    async def getsize(self, key: str) -> int:
        return await asyncio.to_thread(self._getsize, key)

    def _getsize(self, key: str) -> int:
        with wrapped(key):
            try:
                return self._path(key).stat().st_size
            except FileNotFoundError:
                raise NodeNotFoundError("no such key", key=key) from None

    # Listing

    async def list(self) -> AsyncIterator[str]:
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for key in await asyncio.to_thread(lambda: list(self._keys(prefix))):
            yield key

    def _keys(self, prefix: str) -> Iterator[str]:
        """All keys that begin with a prefix, which need not end at a slash."""
        above = normalize_prefix(prefix.rpartition("/")[0])
        start = str(self.root)
        for folder, folders, files in os.walk(self.root / above, onerror=_raise_unless_missing):
            folders.sort()
            below = "" if folder == start else Path(folder).relative_to(self.root).as_posix() + "/"
            # Only what can still begin with the prefix.
            folders[:] = [name for name in folders if _may_begin(below + name + "/", prefix)]
            for name in sorted(files):
                if (below + name).startswith(prefix) and not is_partial(name):
                    yield below + name

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        for name in await asyncio.to_thread(self.list_dir_sync, prefix):
            yield name

    async def rename_dir(self, source: str, dest: str) -> None:
        """Move all keys below a prefix to below another, under which there must be none, in one step."""
        self._check_writable()
        old, new = self.root / check_key(source), self.root / check_key(dest)

        def rename() -> None:
            with wrapped(source):
                new.parent.mkdir(parents=True, exist_ok=True)
                if new.is_dir() and not any(files for _, _, files in os.walk(new)):
                    # Folders without keys in them are nothing to a store.
                    shutil.rmtree(new)
                old.rename(new)

        await asyncio.to_thread(rename)

    async def move(self, dest_root: Path | str) -> None:
        """Move all of the store to another folder, which must not be there yet."""
        self._check_writable()
        target = Path(dest_root)

        def move() -> None:
            with wrapped(str(target)):
                if target.exists():
                    raise NodeExistsError(f"there is something at {target} already")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(self.root, target)

        await asyncio.to_thread(move)
        self.root = target


def _may_begin(folder: str, prefix: str) -> bool:
    return folder.startswith(prefix) or prefix.startswith(folder)


def _raise_unless_missing(error: OSError) -> Any:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise StoreError(error.strerror or str(error), key=cast("str | None", error.filename), errno=error.errno)
