"""Where a node is, and for what: store, path and mode.

Modes: "r" read only, must exist; "r+" read and write, must exist; "a" read and write, created if it does not exist;
"w" created, in place of what is there; "w-" created, must not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zarrpipe._types import AccessMode
from zarrpipe.errors import ReadOnlyError, UnsupportedError
from zarrpipe.metadata import normalize_path
from zarrpipe.stores import StorePath, make_store_path

__all__ = ["default_mode", "refuse", "resolve_place"]

_MODES = ("r", "r+", "a", "w", "w-")


def resolve_place(
    store: Any,
    path: str | None,
    mode: AccessMode | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> StorePath:
    """Return the place of a node, its store read-only if the mode is "r".

    Raises
    ------
    MetadataError
        No node may have that path.
    NodeNotFoundError
        The store is a zip file that is not there, and the mode does not create.
    UnsupportedError
        The store is a URL that needs an extra, which the message names.
    TypeError
        It is not a store, or takes no `storage_options`.
    ReadOnlyError
        The mode writes, and the store does not.
    """
    if mode is not None and mode not in _MODES:
        raise ValueError(f"the mode is one of {', '.join(_MODES)}, not {mode!r}")
    place = make_store_path(store, normalize_path(path), mode, storage_options)
    if mode == "r" and not place.read_only:
        return StorePath(place.store.with_read_only(True), place.path)
    if mode not in (None, "r") and place.read_only:
        raise ReadOnlyError(f"{place.store} is read-only, and the mode is {mode!r}")
    return place


def default_mode(store: Any) -> AccessMode:
    """Return the mode in which a store is opened if none is given."""
    return "r" if getattr(store, "read_only", False) else "a"


def refuse(**options: object) -> None:
    """Raise UnsupportedError unless all are None or False: for parameters of zarr-python without meaning here."""
    for name, value in options.items():
        if value is not None and value is not False:
            raise UnsupportedError(f"{name}= is not implemented")
