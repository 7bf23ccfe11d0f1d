"""What can go wrong, as one tree.

::

    ZarrpipeError(Exception)
    ├── MetadataError(ValueError)               .at .key
    ├── UnsupportedError(NotImplementedError)   .at .key
    ├── SelectionError(IndexError)
    ├── CodecError(ValueError)                  .array .key .chunk .codec
    │   ├── ChecksumError
    │   ├── TruncatedError
    │   ├── SizeError
    │   ├── ShardIndexError
    │   └── LimitError
    ├── StoreError(OSError)                     .key .errno
    │   ├── NodeNotFoundError(FileNotFoundError)
    │   ├── NodeExistsError(FileExistsError)
    │   ├── MissingChunkError(KeyError)
    │   └── ReadOnlyError(PermissionError)
    ├── ConflictError(RuntimeError)
    └── ConfigError(ValueError)

One warning, StaleMetadataWarning(UserWarning), stands beside it.

Each class is also the builtin that callers already catch. The attributes are keyword-only and may be filled in later,
by the layer that knows them; `str()` shows the message and whatever is known of the place.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "ChecksumError",
    "CodecError",
    "ConfigError",
    "ConflictError",
    "LimitError",
    "MetadataError",
    "MissingChunkError",
    "NodeExistsError",
    "NodeNotFoundError",
    "ReadOnlyError",
    "SelectionError",
    "ShardIndexError",
    "SizeError",
    "StaleMetadataWarning",
    "StoreError",
    "TruncatedError",
    "UnsupportedError",
    "ZarrpipeError",
]


class ZarrpipeError(Exception):
    """Everything that zarrpipe raises on purpose.

    Parameters
    ----------
    message : str
        What is wrong, without the place.
    """

    # Attributes that make up the place, in the order in which `str()` shows them.
    _location: ClassVar[tuple[str, ...]] = ()

    def __init__(self, message: str = "") -> None:
        super().__init__(message)

    @property
    def message(self) -> str:
        """What is wrong, without the place."""
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        known = [(name, getattr(self, name, None)) for name in self._location]
        place = ", ".join(f"{name} {_shown(value)}" for name, value in known if value is not None)
        if not place:
            return self.message
        return f"{self.message} ({place})" if self.message else place

    def __reduce__(self) -> tuple[Any, ...]:
        # Not the default: OSError keeps `errno` outside of `__dict__`, and would lose it.
        state = dict(self.__dict__)
        if isinstance(self, OSError) and self.errno is not None:
            state["errno"] = self.errno
        return (type(self), self.args, state)


def _shown(value: object) -> str:
    """Strings as they are: a key in quotes inside a message in quotes is hard to read."""
    return value if isinstance(value, str) else repr(value)


class MetadataError(ZarrpipeError, ValueError):
    """A metadata document, or a part of one, is not valid Zarr.

    Parameters
    ----------
    message : str
        What is wrong.
    at : str, optional
        Where in the document, as a JSON pointer: ``/chunk_grid/configuration/chunk_shape``.
    key : str, optional
        The store key of the document.
    """

    _location = ("at", "key")

    def __init__(self, message: str = "", *, at: str | None = None, key: str | None = None) -> None:
        super().__init__(message)
        self.at = at
        self.key = key


class UnsupportedError(ZarrpipeError, NotImplementedError):
    """Valid Zarr that is not implemented, or that needs an extra: the message says which to install.

    Parameters
    ----------
    message : str
        What is not supported.
    at : str, optional
        Where in the document, as a JSON pointer.
    key : str, optional
        The store key of the document.
    """

    _location = ("at", "key")

    def __init__(self, message: str = "", *, at: str | None = None, key: str | None = None) -> None:
        super().__init__(message)
        self.at = at
        self.key = key


class SelectionError(ZarrpipeError, IndexError):
    """A selection is out of bounds, has too many axes, or is of a kind that does not fit the call."""


class CodecError(ZarrpipeError, ValueError):
    """A chunk could not be encoded or decoded.

    Parameters
    ----------
    message : str
        What is wrong.
    array : str, optional
        Path of the array in its store.
    key : str, optional
        Store key of the chunk.
    chunk : tuple of int, optional
        Coordinates of the chunk in the grid.
    codec : str, optional
        Name of the codec that failed.
    """

    _location = ("array", "key", "chunk", "codec")

    def __init__(
        self,
        message: str = "",
        *,
        array: str | None = None,
        key: str | None = None,
        chunk: tuple[int, ...] | None = None,
        codec: str | None = None,
    ) -> None:
        super().__init__(message)
        self.array = array
        self.key = key
        self.chunk = chunk
        self.codec = codec


class ChecksumError(CodecError):
    """A stored checksum differs from that of the bytes beside it."""


class TruncatedError(CodecError):
    """The encoded bytes end too early."""


class SizeError(CodecError):
    """A chunk decodes to another number of bytes than its shape and data type ask for."""


class ShardIndexError(CodecError):
    """A shard's index points outside of the shard, or contradicts itself."""


class LimitError(CodecError):
    """Going on would cost more memory or time than the limits allow."""


class StoreError(ZarrpipeError, OSError):
    """A store could not read, write, list or delete.

    Parameters
    ----------
    message : str
        What is wrong.
    key : str, optional
        The key that was asked for.
    errno : int, optional
        The operating system's error number.
    """

    _location = ("key",)

    def __init__(self, message: str = "", *, key: str | None = None, errno: int | None = None) -> None:
        super().__init__(message)
        self.key = key
        if errno is not None:
            self.errno = errno


class NodeNotFoundError(StoreError, FileNotFoundError):
    """There is no array or group at the path."""


class NodeExistsError(StoreError, FileExistsError):
    """There is an array or group at the path already."""


class MissingChunkError(StoreError, KeyError):
    """A chunk is not stored, where the settings make its absence an error."""


class ReadOnlyError(StoreError, PermissionError):
    """A write to a store, array or group that was opened for reading only."""


class ConflictError(ZarrpipeError, RuntimeError):
    """Another writer changed the same key in between."""


class ConfigError(ZarrpipeError, ValueError):
    """A setting has a value that it cannot have."""


class StaleMetadataWarning(UserWarning):
    """Consolidated metadata said something else of a node than its own document."""
