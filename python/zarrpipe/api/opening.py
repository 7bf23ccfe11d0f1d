"""Opening arrays and groups, or creating them where the mode says so: see `zarrpipe.api.place`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from zarrpipe._types import JSON, AccessMode, StoredFormat
from zarrpipe.api.creating import create_at, create_at_async, create_group_at
from zarrpipe.api.place import default_mode, refuse, resolve_place
from zarrpipe.arrays import Array, ArrayOptions, CreateOptions, NewArray, check_zarr_format, plan_array
from zarrpipe.errors import NodeNotFoundError, UnsupportedError
from zarrpipe.group import Group, beside_group, group_of
from zarrpipe.metadata import AnyArrayMetadata
from zarrpipe.nodes import NodeAccess, find_node, load_array, load_group, not_found, run
from zarrpipe.spec import ArrayConfigLike, parse_array_config
from zarrpipe.stores import StorePath

__all__ = ["open", "open_array", "open_array_async", "open_async", "open_group", "open_group_async"]

_CREATING = ("a", "w", "w-")


def _as_array(metadata: AnyArrayMetadata, place: StorePath, config: ArrayConfigLike | None) -> Array:
    return Array(metadata, place, parse_array_config(config))


async def _find_array(
    access: NodeAccess, place: StorePath, mode: AccessMode | None, zarr_format: StoredFormat | None
) -> AnyArrayMetadata | None:
    """Return the metadata of the array that is to be opened; None where one is to be created."""
    if mode in ("w", "w-"):
        return None
    try:
        found = await load_array(access, place.path, zarr_format)
    except NodeNotFoundError:
        # A group in the way is found again by who creates.
        if mode not in _CREATING:
            raise
        return None
    _check_mode(found.zarr_format, mode)
    return found


def open_array(
    store: Any = None,
    *,
    zarr_format: StoredFormat | None = None,
    path: str | None = "",
    storage_options: Mapping[str, Any] | None = None,
    config: ArrayConfigLike | None = None,
    mode: AccessMode | None = None,
    **options: Unpack[ArrayOptions],
) -> Array:
    """Open an array, or create one.

    Parameters
    ----------
    store : str, Path, Store, StorePath or mapping
        Where: a path or a URL, a store object, or a dictionary for memory: see `zarrpipe.stores.make_store`.
    zarr_format : {3, 2, "n5"}, optional
        The format. By default what is there: v3 is looked for first, then v2, then N5, which is only read; and 3 where
        something is created.
    path : str
        The path in the store.
    storage_options : mapping, optional
        For the URL of a remote store: parameters of obstore's store or of fsspec's file system.
    config : ArrayConfig or mapping, optional
        How the array is read and written.
    mode : {"r", "r+", "a", "w", "w-"}, optional
        Read only; read and write; the same, and created where there is none; created in place of what is there; created
        where there is nothing. By default an array that exists is opened, for writing too if the store allows it.
    **options
        For `create_array`, where an array is created. Without `dtype`, it is float64.

    Raises
    ------
    NodeNotFoundError
        There is no array.
    NodeExistsError
        There is a node where one is to be created.
    MetadataError
        The document is not valid.
    UnsupportedError
        It names what is not implemented.
    ReadOnlyError
        The mode writes, and the store does not.

    Examples
    --------
    >>> import zarrpipe
    >>> store = {}
    >>> zarrpipe.open_array(store, mode="a", shape=(4,), dtype="uint8")[1:] = 5
    >>> zarrpipe.open_array(store, mode="r")[:].tolist()
    [0, 5, 5, 5]
    """
    place = resolve_place(store, path, mode, storage_options)
    found = run(place.store, lambda access: _find_array(access, place, mode, zarr_format))
    if found is not None:
        return _as_array(found, place, config)
    return create_at(_plan_opened(mode, zarr_format, config, options), place)


async def open_array_async(
    store: Any = None,
    *,
    zarr_format: StoredFormat | None = None,
    path: str | None = "",
    storage_options: Mapping[str, Any] | None = None,
    config: ArrayConfigLike | None = None,
    mode: AccessMode | None = None,
    **options: Unpack[ArrayOptions],
) -> Array:
    """`open_array` without blocking the running event loop."""
    place = resolve_place(store, path, mode, storage_options)
    found = await _find_array(NodeAccess(place.store, blocking=False), place, mode, zarr_format)
    if found is not None:
        return _as_array(found, place, config)
    return await create_at_async(_plan_opened(mode, zarr_format, config, options), place)


def _plan_opened(
    mode: AccessMode | None, zarr_format: StoredFormat | None, config: ArrayConfigLike | None, options: ArrayOptions
) -> NewArray:
    planned = CreateOptions(**options, zarr_format=check_zarr_format(zarr_format), config=config)
    planned["overwrite"] = mode == "w" or options.get("overwrite", False)
    if options.get("data") is None and options.get("dtype") is None:
        planned["dtype"] = "float64"
    return plan_array(planned)


def _check_mode(found: StoredFormat, mode: AccessMode | None) -> None:
    """Raise UnsupportedError if what was found cannot be written and the mode says that it will be.

    Of the modes that say it, "a" is the default of functions that only open, too.
    """
    if found == "n5" and mode == "r+":
        raise UnsupportedError("N5 is only read: mode='r' opens it")


async def _open_group(
    access: NodeAccess,
    place: StorePath,
    mode: AccessMode,
    attributes: Mapping[str, JSON] | None,
    zarr_format: StoredFormat | None,
    use_consolidated: bool | str | None,
) -> Group:
    if mode in ("r", "r+", "a"):
        beside = beside_group(place.store, use_consolidated)
        try:
            metadata, found = await load_group(access, place.path, zarr_format, beside=beside)
            _check_mode(metadata.zarr_format, mode)
            return group_of(metadata, found, place, use_consolidated)
        except NodeNotFoundError:
            if mode != "a":
                raise
    return await create_group_at(access, place, attributes, overwrite=mode == "w", zarr_format=zarr_format)


def open_group(
    store: Any = None,
    *,
    mode: AccessMode = "a",
    cache_attrs: bool | None = None,
    synchronizer: Any = None,
    path: str | None = None,
    chunk_store: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    zarr_format: StoredFormat | None = None,
    meta_array: Any = None,
    attributes: Mapping[str, JSON] | None = None,
    use_consolidated: bool | str | None = None,
) -> Group:
    """Open a group, or create one.

    Parameters
    ----------
    store : str, Path, Store, StorePath or mapping
        Where: a path or a URL, a store object, or a dictionary for memory: see `zarrpipe.stores.make_store`.
    mode : {"r", "r+", "a", "w", "w-"}
        Read only; read and write; the same, and created where there is none; created in place of what is there; created
        where there is nothing.
    path : str, optional
        The path in the store.
    storage_options : mapping, optional
        For the URL of a remote store: parameters of obstore's store or of fsspec's file system.
    zarr_format : {3, 2, "n5"}, optional
        The format. By default what is there: v3 is looked for first, then v2, then N5, which is only read; and 3 where
        something is created.
    attributes : mapping, optional
        Those of a group that is created.
    use_consolidated : bool or str, optional
        Whether members are looked up in consolidated metadata, without asking the store for them: by default where the
        group has some; with True they must be there; with False they are not used. For format 2, the name of the
        document that holds them, in place of ".zmetadata".
    cache_attrs, synchronizer, chunk_store, meta_array
        Parameters of zarr-python, not implemented: None or False.

    Raises
    ------
    NodeNotFoundError
        There is no group.
    NodeExistsError
        There is an array, or a node where a group is to be created.
    MetadataError
        The document is not valid, or there are no consolidated metadata and there must be.
    UnsupportedError
        Consolidated metadata are asked for, and the store holds none.
    ReadOnlyError
        The mode writes, and the store does not.
    """
    refuse(
        cache_attrs=cache_attrs,
        synchronizer=synchronizer,
        chunk_store=chunk_store,
        meta_array=meta_array,
    )
    place = resolve_place(store, path, mode, storage_options)
    return run(place.store, lambda access: _open_group(access, place, mode, attributes, zarr_format, use_consolidated))


async def open_group_async(
    store: Any = None,
    *,
    mode: AccessMode = "a",
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    zarr_format: StoredFormat | None = None,
    attributes: Mapping[str, JSON] | None = None,
    use_consolidated: bool | str | None = None,
) -> Group:
    """`open_group` without blocking the running event loop."""
    place = resolve_place(store, path, mode, storage_options)
    access = NodeAccess(place.store, blocking=False)
    return await _open_group(access, place, mode, attributes, zarr_format, use_consolidated)


async def _open_either(
    access: NodeAccess,
    place: StorePath,
    mode: AccessMode,
    config: ArrayConfigLike | None,
    zarr_format: StoredFormat | None,
    use_consolidated: bool | str | None,
    options: Mapping[str, Any],
) -> Array | Group:
    attributes = options.get("attributes")
    if unknown := sorted(set(options) - {"attributes"}):
        raise TypeError(f"{unknown[0]}= is for arrays that are created, and these need a shape=")
    if mode in ("r", "r+", "a"):
        beside = beside_group(place.store, use_consolidated)
        found = await find_node(access, place.path, zarr_format, beside=beside)
        if found is not None:
            node = found.parse()
            _check_mode(node.zarr_format, mode)
            if isinstance(node, AnyArrayMetadata):
                return _as_array(node, place, config)
            _check_no_config(config)
            return group_of(node, found, place, use_consolidated)
        if mode != "a":
            raise not_found(place.store, place.path, "array or group")
    _check_no_config(config)
    return await create_group_at(access, place, attributes, overwrite=mode == "w", zarr_format=zarr_format)


def _check_no_config(config: ArrayConfigLike | None) -> None:
    if config is not None:
        raise TypeError("config= is for arrays, and this is a group")


def open(  # noqa: A001 - zarr-python's name
    store: Any = None,
    *,
    mode: AccessMode | None = None,
    zarr_format: StoredFormat | None = None,
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    config: ArrayConfigLike | None = None,
    use_consolidated: bool | str | None = None,
    **options: Unpack[ArrayOptions],
) -> Array | Group:
    """Open the array or group at a place, or create one: with a shape an array, without a group.

    Parameters
    ----------
    store : str, Path, Store, StorePath or mapping
        Where: a path or a URL, a store object, or a dictionary for memory: see `zarrpipe.stores.make_store`.
    mode : {"r", "r+", "a", "w", "w-"}, optional
        See `open_array`. By default "r" for a store object that is read-only, else "a".
    zarr_format : {3, 2, "n5"}, optional
        The format. By default what is there: v3 is looked for first, then v2, then N5, which is only read; and 3 where
        something is created.
    path : str, optional
        The path in the store.
    storage_options : mapping, optional
        For the URL of a remote store: parameters of obstore's store or of fsspec's file system.
    config : ArrayConfig or mapping, optional
        How an array is read and written.
    use_consolidated : bool or str, optional
        See `open_group`.
    **options
        For `create_array`, if an array is created.

    Raises
    ------
    NodeNotFoundError
        There is nothing.
    NodeExistsError
        There is a node where one is to be created.
    MetadataError, UnsupportedError
        The document is not valid, or names what is not implemented.
    ReadOnlyError
        The mode writes, and the store does not.

    Examples
    --------
    >>> import zarrpipe
    >>> store = {}
    >>> group = zarrpipe.open(store)
    >>> array = zarrpipe.open(store, path="a", shape=(2,), dtype="uint8")
    >>> zarrpipe.open(store, path="a") == group["a"]
    True
    """
    mode = mode or default_mode(store)
    if options.get("shape") is not None:
        return open_array(
            store,
            zarr_format=zarr_format,
            path=path,
            storage_options=storage_options,
            config=config,
            mode=mode,
            **options,
        )
    place, known_mode = resolve_place(store, path, mode, storage_options), mode
    return run(
        place.store,
        lambda access: _open_either(access, place, known_mode, config, zarr_format, use_consolidated, options),
    )


async def open_async(
    store: Any = None,
    *,
    mode: AccessMode | None = None,
    zarr_format: StoredFormat | None = None,
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    config: ArrayConfigLike | None = None,
    use_consolidated: bool | str | None = None,
    **options: Unpack[ArrayOptions],
) -> Array | Group:
    """`open` without blocking the running event loop."""
    mode = mode or default_mode(store)
    if options.get("shape") is not None:
        return await open_array_async(
            store,
            zarr_format=zarr_format,
            path=path,
            storage_options=storage_options,
            config=config,
            mode=mode,
            **options,
        )
    place = resolve_place(store, path, mode, storage_options)
    access = NodeAccess(place.store, blocking=False)
    return await _open_either(access, place, mode, config, zarr_format, use_consolidated, options)
