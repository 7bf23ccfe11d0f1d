"""Consolidated metadata: written, and groups opened by them."""

from __future__ import annotations

from typing import Any, Literal

from zarrpipe._types import StoredFormat
from zarrpipe.api.opening import open_group, open_group_async
from zarrpipe.api.place import resolve_place
from zarrpipe.group import Group
from zarrpipe.nodes import NodeAccess, consolidate, run

__all__ = ["consolidate_metadata", "consolidate_metadata_async", "open_consolidated", "open_consolidated_async"]


def consolidate_metadata(store: Any, path: str | None = None, zarr_format: StoredFormat | None = None) -> Group:
    """Write the documents of all nodes below a group into one: into the group's own, or `.zmetadata` for format 2.

    Who opens the group then finds its members without asking the store. Changes that are made through such a group, or
    through what was reached from it, are written there too. Of others, by a path of their own or another program, it
    does not hear: `Group.check_consolidated` tells what is stale, and another call of this makes it new.

    The documents are taken as they are: what they name need not be implemented here.

    Parameters
    ----------
    store : str, Path, Store, StorePath or dict
        Where.
    path : str, optional
        The group's path in the store. By default the root.
    zarr_format : {3, 2}, optional
        The group's format; by default what is there.

    Returns
    -------
    Group
        The group, with consolidated metadata.

    Raises
    ------
    NodeNotFoundError
        There is no group.
    UnsupportedError
        The store holds no consolidated metadata, or the group is one of N5.
    MetadataError
        A document is not JSON, or of format 3 below a group of format 2.
    ReadOnlyError
        The store refuses writes.

    Examples
    --------
    >>> import zarrpipe
    >>> store = {}
    >>> array = zarrpipe.create_array(store, name="a/b", shape=(4,), dtype="uint8")
    >>> group = zarrpipe.consolidate_metadata(store)
    >>> group.is_consolidated, zarrpipe.open_consolidated(store)["a/b"] == array
    (True, True)
    """
    place = resolve_place(store, path, "r+")
    metadata, owner = run(place.store, lambda access: consolidate(access, place.path, zarr_format))
    return Group(metadata, place, owner)


async def consolidate_metadata_async(
    store: Any, path: str | None = None, zarr_format: StoredFormat | None = None
) -> Group:
    """`consolidate_metadata` without blocking the running event loop."""
    place = resolve_place(store, path, "r+")
    metadata, owner = await consolidate(NodeAccess(place.store, blocking=False), place.path, zarr_format)
    return Group(metadata, place, owner)


def open_consolidated(store: Any, *, use_consolidated: Literal[True] | str = True, **options: Any) -> Group:
    """Open a group by its consolidated metadata, which must be there.

    Parameters
    ----------
    store : str, Path, Store, StorePath or dict
        Where.
    use_consolidated : True or str
        Of format 2, the name of the document that holds them, in place of ".zmetadata".
    **options
        See `open_group`.

    Raises
    ------
    MetadataError
        There are no consolidated metadata; and see `open_group`.
    """
    return open_group(store, use_consolidated=_check_used(use_consolidated), **options)


async def open_consolidated_async(store: Any, *, use_consolidated: Literal[True] | str = True, **options: Any) -> Group:
    """`open_consolidated` without blocking the running event loop."""
    return await open_group_async(store, use_consolidated=_check_used(use_consolidated), **options)


def _check_used(use_consolidated: Any) -> bool | str:
    if use_consolidated is not True and not isinstance(use_consolidated, str):
        raise TypeError(f"use_consolidated is True here, or a name, not {use_consolidated!r}: see open_group")
    return use_consolidated
