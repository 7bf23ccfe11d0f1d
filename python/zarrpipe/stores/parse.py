"""What a user may give as a store."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from zarrpipe._types import AccessMode
from zarrpipe.errors import UnsupportedError
from zarrpipe.stores.keys import join_keys, normalize_prefix
from zarrpipe.stores.local import LocalStore
from zarrpipe.stores.memory import MemoryStore
from zarrpipe.stores.store_path import StorePath

__all__ = ["make_store", "make_store_path"]

# Two letters at least: "C:\data" is a path on Windows.
_SCHEME = re.compile("([A-Za-z][A-Za-z0-9+.-]+)(?:://|::)")
_REMOTE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "azure", "http", "https"})


def make_store(store_like: Any, mode: AccessMode | None = None) -> Any:
    """Return the store that a user means. Nothing is read, made or deleted.

    Parameters
    ----------
    store_like : str, Path, Store, StorePath, dict or None
        A path or ``file://`` URL; a store, zarr-python's too, which is returned as it is; a dictionary for a store in
        memory; None for a new one.
    mode : {"r", "r+", "a", "w", "w-"}, optional
        With "r" a store that is made here is read-only.

    Raises
    ------
    UnsupportedError
        It is a URL for which there is no store yet: the message names the extra.
    TypeError
        It is none of these.

    Examples
    --------
    >>> make_store("data.zarr", mode="r")
    LocalStore('data.zarr', read_only=True)
    """
    read_only = mode == "r"
    if store_like is None:
        return MemoryStore(read_only=read_only)
    if isinstance(store_like, dict):
        return MemoryStore(store_like, read_only=read_only)
    if isinstance(store_like, str):
        return LocalStore(_local_path(store_like), read_only=read_only)
    if isinstance(store_like, os.PathLike):
        return LocalStore(Path(store_like), read_only=read_only)
    if isinstance(store_like, StorePath) or (hasattr(store_like, "store") and hasattr(store_like, "path")):
        return store_like.store
    if all(callable(getattr(store_like, name, None)) for name in ("get", "set", "delete", "list_dir")):
        return store_like
    raise TypeError(f"a store is a path, a store object or a dict, not {type(store_like).__name__}")


def make_store_path(store_like: Any, path: str | None = None, mode: AccessMode | None = None) -> StorePath:
    """Return the place that a user means by a store and a path in it.

    Parameters
    ----------
    store_like : str, Path, Store, StorePath, dict or None
        See `make_store`; a StorePath's own path comes before `path`.
    path : str, optional
        Of a node in the store.
    mode : {"r", "r+", "a", "w", "w-"}, optional
        See `make_store`.

    Raises
    ------
    UnsupportedError
        It is a URL for which there is no store yet.
    TypeError
        It is not a store.
    """
    above = ""
    if not isinstance(store_like, str | dict) and hasattr(store_like, "store") and hasattr(store_like, "path"):
        above = store_like.path
    return StorePath(make_store(store_like, mode), join_keys(above, normalize_prefix(path or "")))


def _local_path(text: str) -> Path:
    scheme = _SCHEME.match(text)
    if scheme is None:
        return Path(text)
    name = scheme[1].lower()
    if name == "file":
        return Path(unquote(urlsplit(text).path))
    extra = "remote" if name in _REMOTE else "fsspec"
    raise UnsupportedError(
        f"there is no store for {name}:// yet; it will come with zarrpipe[{extra}]. A store object, such as one of "
        "zarr-python's, can be used now"
    )
