"""What a user may give as a store."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from zarrpipe._types import AccessMode
from zarrpipe.errors import NodeNotFoundError, UnsupportedError
from zarrpipe.stores.keys import join_keys, normalize_prefix
from zarrpipe.stores.local import LocalStore
from zarrpipe.stores.memory import ManagedMemoryStore, MemoryStore
from zarrpipe.stores.store_path import StorePath

__all__ = ["is_url", "make_store", "make_store_path"]

# Two letters at least: "C:\data" is a path on Windows.
_SCHEME = re.compile("([A-Za-z][A-Za-z0-9+.-]+)(?:://|::)")
_REMOTE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "azure", "http", "https"})

Options = Mapping[str, Any] | None


def is_url(text: str) -> bool:
    """Whether a string is a URL and not a path."""
    return _SCHEME.match(text) is not None


def make_store(store_like: Any, mode: AccessMode | None = None, storage_options: Options = None) -> Any:
    """Return the store that a user means. Nothing is read, made or deleted.

    Parameters
    ----------
    store_like : str, Path, UPath, Store, StorePath, mapping or None
        A path, for local files, or, where it ends in ``.zip``, a zip file; a URL: ``file://``, ``memory://name``,
        ``s3://``, ``gs://``, ``az://``, ``abfs://``, ``http(s)://``, and any other that fsspec knows; a store,
        zarr-python's too, which is returned as it is; a dictionary for a store in memory, or any other mapping; a
        mapping of fsspec's; None for a new store in memory.
    mode : {"r", "r+", "a", "w", "w-"}, optional
        With "r" a store that is made here is read-only; with "r" and "r+" a zip file must be there.
    storage_options : mapping, optional
        For URLs of remote stores: parameters of obstore's store or of fsspec's file system.

    Raises
    ------
    UnsupportedError
        There is no store for such a URL, or it needs an extra, which the message names.
    NodeNotFoundError
        It is a zip file that must be there and is not.
    TypeError
        It is none of these, or one that takes no `storage_options`.

    Examples
    --------
    >>> make_store("data.zarr", mode="r")
    LocalStore('data.zarr', read_only=True)
    >>> make_store("memory://name")
    ManagedMemoryStore('name')
    """
    if isinstance(store_like, str) and _scheme(store_like) not in ("", "file", "memory"):
        return _at_url(store_like, storage_options, mode == "r")
    if storage_options:
        raise TypeError("storage_options are for URLs of remote stores")
    return _without_options(store_like, mode)


def _without_options(store_like: Any, mode: AccessMode | None) -> Any:
    read_only = mode == "r"
    if store_like is None:
        return MemoryStore(read_only=read_only)
    if isinstance(store_like, dict):
        return MemoryStore(store_like, read_only=read_only)
    if isinstance(store_like, str) and _scheme(store_like) == "memory":
        return ManagedMemoryStore(_memory_place(store_like)[0], read_only=read_only)
    if isinstance(store_like, str):
        return _at_path(_local_path(store_like), mode)
    if _is_of(store_like, "upath"):
        return _at_upath(store_like, mode)
    if isinstance(store_like, os.PathLike):
        return _at_path(Path(store_like), mode)
    if isinstance(store_like, StorePath) or (hasattr(store_like, "store") and hasattr(store_like, "path")):
        return store_like.store
    if all(callable(getattr(store_like, name, None)) for name in ("get", "set", "delete", "list_dir")):
        return store_like
    if isinstance(store_like, Mapping):
        return _of_mapping(store_like, read_only)
    raise TypeError(f"a store is a path, a URL, a store object or a mapping, not {type(store_like).__name__}")


def make_store_path(
    store_like: Any, path: str | None = None, mode: AccessMode | None = None, storage_options: Options = None
) -> StorePath:
    """Return the place that a user means by a store and a path in it.

    Parameters
    ----------
    store_like : str, Path, UPath, Store, StorePath, mapping or None
        See `make_store`; a StorePath's own path, and what follows the name in ``memory://name/path``, come before
        `path`.
    path : str, optional
        Of a node in the store.
    mode : {"r", "r+", "a", "w", "w-"}, optional
        See `make_store`.
    storage_options : mapping, optional
        See `make_store`.

    Raises
    ------
    UnsupportedError
        There is no store for such a URL.
    NodeNotFoundError
        It is a zip file that must be there and is not.
    TypeError
        It is not a store.
    """
    above = ""
    if isinstance(store_like, str):
        above = _memory_place(store_like)[1] if _scheme(store_like) == "memory" else ""
    elif not isinstance(store_like, Mapping | os.PathLike) and not _is_of(store_like, "upath"):
        above = store_like.path if hasattr(store_like, "store") and hasattr(store_like, "path") else ""
    store = make_store(store_like, mode, storage_options)
    return StorePath(store, join_keys(above, normalize_prefix(path or "")))


def _scheme(text: str) -> str:
    scheme = _SCHEME.match(text)
    if scheme is None:
        return ""
    # "simplecache::s3://bucket" is for fsspec, whatever is cached.
    return scheme[1].lower() if scheme[0].endswith("://") else "::"


def _is_of(item: object, package: str) -> bool:
    """Whether an object's class is of a package, which is not imported to find out."""
    return any(base.__module__.partition(".")[0] == package for base in type(item).__mro__)


# Local


def _local_path(text: str) -> Path:
    return Path(unquote(urlsplit(text).path)) if _scheme(text) == "file" else Path(text)


def _at_path(path: Path, mode: AccessMode | None) -> Any:
    if path.suffix.lower() != ".zip" or path.is_dir():
        return LocalStore(path, read_only=mode == "r")
    if mode in ("r", "r+") and not path.exists():
        raise NodeNotFoundError(f"there is no file {path}")
    from zarrpipe.stores.zip import ZipStore

    # Not "w", which would empty it: what a mode does concerns the node.
    return ZipStore(path, mode="r" if mode == "r" else "a")


def _memory_place(url: str) -> tuple[str, str]:
    name, _, path = url.partition("://")[2].partition("/")
    return name, normalize_prefix(path)


# Elsewhere


def _at_url(url: str, options: Options, read_only: bool) -> Any:
    scheme = _scheme(url)
    is_remote = scheme in _REMOTE
    if is_remote and find_spec("obstore") is not None and find_spec("zarrpipe.stores.object") is not None:
        object_store = import_module("zarrpipe.stores.object").ObjectStore
        return object_store.from_url(url, storage_options=options, read_only=read_only)
    extra = "remote" if is_remote else "fsspec"
    if find_spec("fsspec") is None:
        raise UnsupportedError(f"there is no store for {url}: pip install 'zarrpipe[{extra}]'")
    from zarrpipe.stores.fsspec import FsspecStore

    try:
        return FsspecStore.from_url(url, storage_options=options, read_only=read_only)
    except UnsupportedError as error:
        hint = ", or pip install 'zarrpipe[remote]'" if is_remote else ""
        raise UnsupportedError(f"{error.message}{hint}") from error


def _at_upath(upath: Any, mode: AccessMode | None) -> Any:
    if upath.protocol in ("", "file", "local"):
        return _at_path(Path(upath.path), mode)
    from zarrpipe.stores.fsspec import FsspecStore

    return FsspecStore.from_upath(upath, read_only=mode == "r")


def _of_mapping(mapping: Mapping[str, Any], read_only: bool) -> Any:
    if _is_of(mapping, "fsspec"):
        from zarrpipe.stores.fsspec import FsspecStore

        return FsspecStore.from_mapper(mapping, read_only=read_only)
    from zarrpipe.stores.mapping import MappingStore

    return MappingStore(mapping, read_only=read_only)
