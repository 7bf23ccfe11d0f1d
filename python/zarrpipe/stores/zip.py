"""Zip files: a key is the name of a member."""

from __future__ import annotations

import asyncio
import os
import zipfile
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Literal, Self

from zarrpipe.abc.buffer import Buffer, BufferPrototype
from zarrpipe.abc.metadata import concurrent_map
from zarrpipe.abc.store import ByteRequest, Store
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.errors import NodeExistsError, NodeNotFoundError, UnsupportedError
from zarrpipe.stores.keys import check_key, is_key, names_below, normalize_prefix
from zarrpipe.stores.values import as_memory, check_value
from zarrpipe.stores.zip_archive import Archive, archive_at, zip_errors

__all__ = ["ZipMode", "ZipStore"]

ZipMode = Literal["r", "w", "a", "x"]

_CONCURRENCY = 16


class ZipStore(Store):
    """Keys and values in a zip file.

    Parts of values that are not compressed are read alone; compressed ones are decoded. Checksums (CRC-32) are
    verified where a value is read whole.

    A zip file is complete when it is closed: `close`, a ``with`` block, or the end of the process, if it ends well.
    Until then other processes cannot read it. Stores of one process over one file share it. A value that is replaced
    or deleted leaves the directory of the file and takes its space until the store is cleared. Several processes
    must not write one file.

    Parameters
    ----------
    path : str, Path or binary file object
        The file. A file object must be seekable, and stay open.
    mode : {"r", "w", "a", "x"}
        Read only; written anew; read and written; written anew, and there must be none yet. What "w" and "x" say is
        done at first use.
    read_only : bool, optional
        Whether writes and deletes are refused; by default, with mode "r".
    compression : int
        What new members are compressed with, as in `zipfile`. By default not at all: chunks mostly are already, and
        parts of values can be read.
    allowZip64 : bool
        Whether the file may grow beyond 4 GiB.

    Examples
    --------
    >>> import tempfile, zarrpipe
    >>> path = tempfile.mkdtemp() + "/data.zip"
    >>> with ZipStore(path, mode="w") as store:
    ...     zarrpipe.create_array(store, shape=(4,), dtype="uint8")[:] = 7
    >>> zarrpipe.open_array(path, mode="r")[:].tolist()
    [7, 7, 7, 7]
    """

    supports_writes: bool = True
    supports_deletes: bool = True
    supports_listing: bool = True

    def __init__(
        self,
        path: Path | str | IO[bytes],
        *,
        mode: ZipMode = "r",
        read_only: bool | None = None,
        compression: int = zipfile.ZIP_STORED,
        allowZip64: bool = True,  # noqa: N803 - the name in zipfile and in zarr-python
    ) -> None:
        super().__init__(read_only=mode == "r" if read_only is None else read_only)
        if mode not in ("r", "w", "a", "x"):
            raise ValueError(f'the mode is "r", "w", "a" or "x", not {mode!r}')
        self.path = Path(path) if isinstance(path, str | os.PathLike) else None
        if self.path is None and not all(callable(getattr(path, name, None)) for name in ("read", "seek", "tell")):
            raise TypeError(f"a ZipStore is made of a path or a binary file object, not of {type(path).__name__}")
        self.compression = compression
        self.allowZip64 = allowZip64
        self._mode: ZipMode = mode
        if self.path is not None:
            self._archive = archive_at(self.path, allow_zip64=allowZip64)
        else:
            self._archive = Archive(path, allow_zip64=allowZip64)  # type: ignore[arg-type]

    def with_read_only(self, read_only: bool = False) -> Self:
        if not read_only and self._mode == "r" and self.path is None:
            raise UnsupportedError("a ZipStore of a file object that is only read cannot be made writable")
        store = self._twin("r" if read_only and self._mode == "r" else "a")
        store._read_only = read_only
        return store

    def _twin(self, mode: ZipMode) -> Self:
        # "w" and "x" are done once, before there is another store.
        if self._mode in ("w", "x"):
            self._ready(None)
        store = type(self).__new__(type(self))
        store.__dict__.update(self.__dict__)
        store._mode, store._is_open = mode, False
        return store

    def __getstate__(self) -> dict[str, Any]:
        if self.path is None:
            raise TypeError("a ZipStore of a file object cannot be pickled")
        if self._mode in ("w", "x"):
            self._ready(None)
        state = dict(self.__dict__)
        del state["_archive"]
        return {**state, "_is_open": False}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._archive = archive_at(state["path"], allow_zip64=self.allowZip64)

    async def _open(self) -> None:
        await asyncio.to_thread(self._directory, None)
        await super()._open()

    def close(self) -> None:
        """Store the directory of the file. The next use opens it again."""
        with zip_errors(self._archive, None):
            self._archive.close()
        super().close()

    def __str__(self) -> str:
        return f"zip://{self._archive}" if self.path is None else f"zip://{self.path.as_posix()}"

    def __repr__(self) -> str:
        read_only = ", read_only=True" if self.read_only else ""
        return f"{type(self).__name__}({str(self._archive if self.path is None else self.path)!r}{read_only})"

    def __eq__(self, value: object) -> bool:
        return isinstance(value, type(self)) and self._archive is value._archive

    def __hash__(self) -> int:
        return hash((type(self), id(self._archive)))

    def _ready(self, key: str | None) -> Archive:
        """Return the archive, after what the mode says to do first."""
        with zip_errors(self._archive, key), self._archive.lock:
            if self._mode in ("w", "x"):
                mode, self._mode = self._mode, "a"
                try:
                    self._archive.truncate(must_be_new=mode == "x")
                except BaseException:
                    self._mode = mode
                    raise
            elif self._mode == "r":
                if not self._archive.is_there():
                    raise NodeNotFoundError(f"there is no file {self.path}", key=key)
                self._archive.must_be_there()
        return self._archive

    def _directory(self, key: str | None) -> Mapping[str, zipfile.ZipInfo]:
        archive = self._ready(key)
        with zip_errors(archive, key):
            return archive.entries()

    # Without an event loop

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """`get`, without an event loop."""
        check_key(key)
        archive = self._ready(key)
        with zip_errors(archive, key):
            data = archive.read(key, byte_range)
        return None if data is None else (prototype or default_buffer_prototype()).buffer.from_bytes(data)

    def set_sync(self, key: str, value: Buffer) -> None:
        """`set`, without an event loop."""
        self._set(key, value, exclusive=False)

    def delete_sync(self, key: str) -> None:
        """`delete`, without an event loop."""
        self._check_writable()
        self._remove([check_key(key)], key)

    def _set(self, key: str, value: Buffer, *, exclusive: bool) -> None:
        self._check_writable()
        data = as_memory(check_value(value, self))
        archive = self._ready(check_key(key))
        with zip_errors(archive, key):
            archive.write(key, data, compression=self.compression, exclusive=exclusive)

    def _remove(self, keys: list[str], key: str) -> None:
        archive = self._ready(key)
        with zip_errors(archive, key):
            archive.remove(keys)

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
        start = normalize_prefix(prefix)
        if not start:
            await self.clear()
            return
        keys = [key for key in await self._keys() if key.startswith(start + "/")]
        await asyncio.to_thread(self._remove, keys, prefix)

    async def clear(self) -> None:
        self._check_writable()

        def clear() -> None:
            archive = self._ready(None)
            with zip_errors(archive, None):
                archive.truncate()

        await asyncio.to_thread(clear)

    async def exists(self, key: str) -> bool:
        return check_key(key) in await asyncio.to_thread(self._directory, key)

    async def getsize(self, key: str) -> int:
        info = (await asyncio.to_thread(self._directory, key)).get(check_key(key))
        if info is None:
            raise NodeNotFoundError("no such key", key=key)
        return info.file_size

    async def move(self, path: Path | str) -> None:
        """Move the file to another path, where there must be none yet."""
        self._check_writable()
        target = Path(path)
        if self.path is None:
            raise UnsupportedError("a ZipStore of a file object has no file to move")
        archive = self._ready(None)

        def move() -> None:
            with zip_errors(archive, None):
                if target.exists():
                    raise NodeExistsError(f"there is something at {target} already")
                target.parent.mkdir(parents=True, exist_ok=True)
                archive.move(os.path.realpath(target))

        await asyncio.to_thread(move)
        self.path = target

    # Listing

    async def _keys(self) -> list[str]:
        # Folders are members too, and other programs may have put in names that are no keys.
        directory = await asyncio.to_thread(self._directory, None)
        with self._archive.lock:
            names = list(directory)
        return [name for name in names if is_key(name)]

    async def list(self) -> AsyncIterator[str]:
        for key in await self._keys():
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for key in await self._keys():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        for name in names_below(await self._keys(), prefix):
            yield name
