"""One zip file, as the stores over it share it: its directory, its bytes, and the one writer that it may have."""

from __future__ import annotations

import os
import shutil
import stat
import threading
import weakref
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from zarrpipe.abc.store import ByteRequest
from zarrpipe.config import config
from zarrpipe.errors import NodeExistsError, StoreError, UnsupportedError
from zarrpipe.stores.ranges import slice_of

__all__ = ["Archive", "archive_at", "zip_errors"]

_LOCAL_HEADER_NBYTES = 30
_ENCRYPTED = 1
# What `zipfile` and the modules under it raise for bytes that are not as they should be.
_DAMAGED: tuple[type[Exception], ...] = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    OverflowError,
    RuntimeError,
)
try:
    from lzma import LZMAError

    _DAMAGED += (LZMAError,)
except ImportError:  # a Python that was built without
    pass


@contextmanager
def zip_errors(place: object, key: str | None) -> Iterator[None]:
    """Turn what `zipfile` raises into StoreErrors that name the key."""
    try:
        yield
    except (StoreError, UnsupportedError) as error:
        error.key = key if error.key is None else error.key
        raise
    except NotImplementedError as error:
        raise UnsupportedError(f"{place}: {error}", key=key) from error
    except OSError as error:
        raise StoreError(f"{place}: {error.strerror or error}", key=key, errno=error.errno) from error
    except _DAMAGED as error:
        raise StoreError(f"{place}: {error}", key=key) from error


class _Descriptor:
    """A file descriptor that is closed when nobody reads by it any more."""

    def __init__(self, number: int) -> None:
        self.number = os.dup(number)

    def __del__(self) -> None:
        os.close(self.number)


class Archive:
    """A zip file. Its methods may be called by several threads.

    It is read by the directory at its end, and written only when the first key is: until then a file that cannot be
    written can be read, and none is made. While it is written, the directory is in memory; `close` stores it. A key
    that is replaced or deleted leaves the directory, so a name is there once; its bytes stay.

    Parameters
    ----------
    file : str or file object
        The file's path, or an open binary file.
    allow_zip64 : bool
        Whether the archive may grow beyond 4 GiB.
    """

    def __init__(self, file: str | IO[bytes], *, allow_zip64: bool = True) -> None:
        self.path = file if isinstance(file, str) else None
        self.lock = threading.RLock()
        self._file = file
        self._allow_zip64 = allow_zip64
        self._zip: zipfile.ZipFile | None = None
        self._descriptor: _Descriptor | None = None
        self._writing = False
        self._signature: tuple[int, ...] | None = None
        # Where the bytes of a member begin, by where its header does.
        self._offsets: dict[int, int] = {}

    def __str__(self) -> str:
        return str(self._file)

    # Opening and closing. All with the lock held.

    def entries(self) -> Mapping[str, zipfile.ZipInfo]:
        """Return what the directory says of each name; of names that are there twice, the last."""
        with self.lock:
            archive = self._opened()
            return {} if archive is None else archive.NameToInfo

    def is_there(self) -> bool:
        """Whether there is a file."""
        return self._zip is not None or self.path is None or Path(self.path).exists()

    def must_be_there(self) -> None:
        """Open the file, which is an archive that is complete."""
        with self.lock:
            if self._zip is None:
                self._is_new()
                self._open("r")

    def _opened(self) -> zipfile.ZipFile | None:
        """Return the open file; None if there is none yet."""
        if self._zip is None and not self._is_new():
            self._open("r")
        return self._zip

    def _is_new(self) -> bool:
        """Whether there are no bytes yet."""
        if self.path is None:
            file = cast("IO[bytes]", self._file)
            return file.seekable() and file.seek(0, os.SEEK_END) == 0
        try:
            found = Path(self.path).stat()
        except FileNotFoundError:
            return True
        if not stat.S_ISREG(found.st_mode):
            # A FIFO would wait for its writer.
            raise StoreError(f"{self.path} is not a regular file")
        return found.st_size == 0

    def _open(self, mode: Any) -> None:
        self._zip = zipfile.ZipFile(self._file, mode, allowZip64=self._allow_zip64)
        self._writing = mode != "r"
        if self.path is not None:
            descriptor = cast("IO[bytes]", self._zip.fp).fileno()
            found = os.fstat(descriptor)
            self._signature = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            self._descriptor = _Descriptor(descriptor) if hasattr(os, "pread") else None
        if self._writing:
            # So that what nobody closes has its directory at the end of the process.
            self._finalizer = weakref.finalize(self, _finish, self._zip)

    def _writable(self) -> zipfile.ZipFile:
        if not self._writing:
            # What is no archive is found out now: "a" would put one behind it.
            is_new = self._is_new()
            if not is_new:
                self._opened()
            self._let_go()
            self._open("w" if is_new else "a")
        return cast(zipfile.ZipFile, self._zip)

    def _let_go(self) -> None:
        archive, self._zip, self._descriptor = self._zip, None, None
        self._offsets.clear()
        if archive is None:
            return
        if self._writing:
            self._writing = False
            self._finalizer.detach()
        _finish(archive)

    def close(self) -> None:
        """Store the directory. The next use opens the file again."""
        with self.lock:
            self._let_go()

    def refresh(self) -> None:
        """Look at the file again, if another was put in its place."""
        with self.lock:
            if self._zip is None or self._writing or self.path is None:
                return
            try:
                found = Path(self.path).stat()
            except OSError:
                self._let_go()
                return
            if (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns) != self._signature:
                self._let_go()

    def forget(self) -> None:
        """Let go of the file without a write: in a forked process it is the parent's."""
        self.lock = threading.RLock()
        if self._zip is not None:
            # Not closed: that would move the position in the file, which the processes share.
            _kept.append(self._zip)
            cast(Any, self._zip)._didModify = False
        if self._writing:
            self._finalizer.detach()
        self._zip, self._writing, self._descriptor = None, False, None

    def truncate(self, *, must_be_new: bool = False) -> None:
        """Begin an empty archive, in place of what is there."""
        with self.lock:
            if self.path is None:
                self.remove(list(self.entries()))
                return
            if must_be_new and self.is_there():
                raise NodeExistsError(f"there is a file {self.path} already")
            self._let_go()
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            self._open("w")

    def move(self, target: str) -> None:
        """Move the file; nothing may be at the target."""
        with self.lock, _lock:
            self._let_go()
            source = cast(str, self.path)
            if self._is_new():
                raise StoreError(f"there is no file {source}")
            shutil.move(source, target)
            del _archives[source]
            self._file = self.path = target
            _archives[target] = self

    # Reading

    def read(self, key: str, byte_range: ByteRequest | None) -> bytes | None:
        """Return a value, or a part of it; None if there is no such key."""
        with self.lock:
            info = self.entries().get(key)
            if info is None:
                return None
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & _ENCRYPTED:
                return self._decoded(info)[slice_of(byte_range, info.file_size)]
            if info.compress_size != info.file_size:
                raise StoreError("the directory says two sizes for bytes that are not compressed", key=key)
            offset, descriptor = self._offset(info), self._descriptor
        part = slice_of(byte_range, info.file_size)
        nbytes = max(0, min(part.stop, info.file_size) - part.start)
        data = self._read_at(descriptor, offset + part.start, nbytes, key)
        if nbytes == info.file_size and config.current.verify_checksums and zlib.crc32(data) != info.CRC:
            raise StoreError("the checksum (CRC-32) of the zip file differs", key=key)
        return data

    def _decoded(self, info: zipfile.ZipInfo) -> bytes:
        data = cast(zipfile.ZipFile, self._zip).read(info)
        if len(data) != info.file_size:
            raise StoreError(f"{len(data)} bytes, where the directory says {info.file_size}", key=info.filename)
        return data

    def _offset(self, info: zipfile.ZipInfo) -> int:
        """Return where a member's bytes begin: its own header says, not the directory."""
        start = info.header_offset
        if start not in self._offsets:
            header = self._read_at(self._descriptor, start, _LOCAL_HEADER_NBYTES, info.filename)
            if header[:4] != b"PK\3\4":
                raise StoreError("there is no member where the directory says", key=info.filename)
            lengths = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
            name = self._read_at(self._descriptor, start + _LOCAL_HEADER_NBYTES, lengths[0], info.filename)
            encoding = "utf-8" if info.flag_bits & 0x800 else "cp437"
            if name.decode(encoding, "replace") != info.orig_filename:
                raise StoreError("there is another member where the directory says", key=info.filename)
            self._offsets[start] = start + _LOCAL_HEADER_NBYTES + sum(lengths)
        return self._offsets[start]

    def _read_at(self, descriptor: _Descriptor | None, offset: int, nbytes: int, key: str) -> bytes:
        parts, missing = [], nbytes
        while missing:
            data = self._read_once(descriptor, offset + nbytes - missing, missing)
            if not data:
                raise StoreError("the zip file ends before the value does", key=key)
            parts.append(data)
            missing -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read_once(self, descriptor: _Descriptor | None, offset: int, nbytes: int) -> bytes:
        if descriptor is not None:
            return os.pread(descriptor.number, nbytes, offset)
        with self.lock:
            file = cast("IO[bytes]", cast(zipfile.ZipFile, self._zip).fp)
            file.seek(offset)
            return bytes(file.read(nbytes))

    # Writing

    def write(self, key: str, data: memoryview, *, compression: int, exclusive: bool = False) -> None:
        """Add a value, in place of the old one; with `exclusive` only if there is none."""
        with self.lock:
            if exclusive and key in self.entries():
                return
            archive = self._writable()
            # Not the time of day: the same keys and values are the same file.
            info = zipfile.ZipInfo(key)
            info.compress_type = compression
            info.external_attr = 0o644 << 16
            # Before it is written: a name that is there twice is a warning.
            old = archive.NameToInfo.pop(key, None)
            try:
                archive.writestr(info, cast(Any, data))
                # Other processes, and reads by the descriptor, see what is in the file.
                cast("IO[bytes]", archive.fp).flush()
            except BaseException:
                archive.NameToInfo.pop(key, None)
                if old is not None:
                    archive.NameToInfo[key] = old
                raise

    def remove(self, keys: list[str]) -> None:
        """Take keys out of the directory; no error for those that are not there."""
        with self.lock:
            found = [key for key in keys if key in self.entries()]
            if not found:
                return
            archive: Any = self._writable()
            for key in found:
                del archive.NameToInfo[key]
            archive._didModify = True


def _finish(archive: zipfile.ZipFile) -> None:
    # What was replaced or removed is in the list still.
    archive.filelist = list(archive.NameToInfo.values())
    archive.close()


# Archives by the real path of their file: two writers of one file would each store a directory.
_archives: weakref.WeakValueDictionary[str, Archive] = weakref.WeakValueDictionary()
_lock = threading.Lock()
# What a forked process inherited.
_kept: list[zipfile.ZipFile] = []


def archive_at(path: Path, *, allow_zip64: bool) -> Archive:
    """Return the process's archive for a file."""
    name = os.path.realpath(path)
    with _lock:
        archive = _archives.get(name)
        if archive is None:
            archive = _archives[name] = Archive(name, allow_zip64=allow_zip64)
        archive.refresh()
        return archive


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - a thread that is not here may have held it
    _lock = threading.Lock()
    for archive in list(_archives.values()):
        archive.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
