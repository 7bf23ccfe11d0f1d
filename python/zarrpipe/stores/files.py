"""Values as files: read with care for what else may stand at a path, and replaced as a whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from zarrpipe.abc.store import ByteRequest
from zarrpipe.config import config
from zarrpipe.errors import StoreError
from zarrpipe.stores.ranges import slice_of

__all__ = ["is_partial", "read_file", "remove_file", "wrapped", "write_file"]

# Non-blocking, so that a FIFO does not wait for a writer. All three are missing on some platform.
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def is_partial(name: str) -> bool:
    """Whether a file is no value: one that is being written, here or by the Rust store, or its lock file."""
    return name.startswith(".zarrpipe-") and (name.endswith(".partial") or name == ".zarrpipe-lock")


@contextmanager
def wrapped(key: str) -> Iterator[None]:
    """Turn the operating system's errors into StoreErrors that name the key."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(error.strerror or str(error), key=key, errno=error.errno) from error


def read_file(path: Path, byte_range: ByteRequest | None, key: str) -> bytes | None:
    """Return a file's bytes, or a part of them.

    Parameters
    ----------
    path : Path
        The file.
    byte_range : ByteRequest, optional
        Which part; what lies behind the end is left out.
    key : str
        For the message.

    Returns
    -------
    bytes or None
        None if there is nothing at the path, and only then.

    Raises
    ------
    StoreError
        There is something else than a regular file, or it cannot be read.
    """
    with wrapped(key):
        try:
            descriptor = os.open(path, _READ_FLAGS)
        except FileNotFoundError:
            if path.is_symlink():
                # Its value has been moved away (git-annex, an unmounted disk): that is not "no such key".
                raise
            return None
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise StoreError("not a regular file", key=key)
            part = slice_of(byte_range, found.st_size)
            file.seek(part.start)
            return _read(file.fileno(), max(0, min(part.stop, found.st_size) - part.start))


def _read(descriptor: int, nbytes: int) -> bytes:
    """Exactly so many bytes: the system may give fewer at once, and gives 2 GiB at most."""
    parts = []
    while nbytes:
        data = os.read(descriptor, nbytes)
        if not data:
            raise StoreError("the file became shorter while it was read")
        parts.append(data)
        nbytes -= len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def write_file(path: Path, data: memoryview, key: str, *, exclusive: bool = False) -> bool:
    """Replace a file as a whole: readers see the old bytes or the new ones.

    Parameters
    ----------
    path : Path
        The file; the folders above it are made.
    data : memoryview
        Its new bytes.
    key : str
        For the message.
    exclusive : bool
        Whether a file that is there stays.

    Returns
    -------
    bool
        Whether it was written.

    Raises
    ------
    StoreError
        It could not be written; then the old bytes are there.
    """
    # The Rust store writes chunks in the same way; this is for documents, and for calls from Python.
    fsync = config.current.fsync
    with wrapped(key):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".zarrpipe-{uuid4().hex}.partial"
        descriptor = os.open(temporary, _WRITE_FLAGS, 0o666)
        try:
            with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor
                _write(descriptor, data)
                if fsync != "none":
                    os.fsync(file.fileno())
            written = _publish(temporary, path, exclusive=exclusive)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        if fsync == "full":
            _sync_folder(path.parent)
    return written


def _write(descriptor: int, data: memoryview) -> None:
    data = data.cast("B") if data.nbytes else memoryview(b"")
    while data:
        data = data[os.write(descriptor, data) :]


def _publish(temporary: Path, path: Path, *, exclusive: bool) -> bool:
    if not exclusive:
        temporary.replace(path)
        return True
    try:
        # A rename would replace what is there.
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_file(path: Path, key: str) -> None:
    """Remove a file; no error if there is none."""
    with wrapped(key):
        path.unlink(missing_ok=True)
