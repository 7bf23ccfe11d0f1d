"""Opening and creating nodes by place and mode.

Modes: "r" read only, must exist; "r+" read and write, must exist; "a" read and write, created if it does not exist;
"w" created, in place of what is there; "w-" created, must not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

import numpy.typing as npt

from zarrpipe._types import JSON, AccessMode, DimensionNames, MemoryOrder, ShapeLike, ZarrFormat
from zarrpipe.array import Array
from zarrpipe.chunking import ChunksLike, ShardsLike
from zarrpipe.creation import (
    ArrayOptions,
    ChunkKeyEncodingLike,
    CodecLike,
    CodecsLike,
    NewArray,
    check_zarr_format,
    plan_array,
)
from zarrpipe.dtypes.registry import ZDTypeLike
from zarrpipe.errors import NodeNotFoundError, ReadOnlyError, UnsupportedError
from zarrpipe.group import Group, node_at
from zarrpipe.metadata import ArrayMetadata, GroupMetadata, join_key, normalize_path
from zarrpipe.nodes import NodeAccess, create_node, load_array, load_group, load_node, not_found, run
from zarrpipe.spec import ArrayConfigLike, parse_array_config
from zarrpipe.stores import StorePath, make_store_path

__all__ = [
    "create_array",
    "create_array_async",
    "create_group",
    "create_group_async",
    "open",
    "open_array",
    "open_array_async",
    "open_async",
    "open_group",
    "open_group_async",
    "resolve_place",
]

_MODES = ("r", "r+", "a", "w", "w-")
_CREATING = ("a", "w", "w-")


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
    ReadOnlyError
        The mode writes, and the store does not.
    """
    if storage_options:
        raise UnsupportedError("storage_options are for URLs, which are not implemented yet: pass a store object")
    if mode is not None and mode not in _MODES:
        raise ValueError(f"the mode is one of {', '.join(_MODES)}, not {mode!r}")
    place = make_store_path(store, normalize_path(path), mode)
    if mode == "r" and not place.read_only:
        return StorePath(place.store.with_read_only(True), place.path)
    if mode not in (None, "r") and place.read_only:
        raise ReadOnlyError(f"{place.store} is read-only, and the mode is {mode!r}")
    return place


def _default_mode(store: Any) -> AccessMode:
    return "r" if getattr(store, "read_only", False) else "a"


def _refuse(**options: object) -> None:
    """For parameters of zarr-python that are accepted where they say nothing."""
    for name, value in options.items():
        if value is not None and value is not False:
            raise UnsupportedError(f"{name}= is not implemented")


# Arrays


def _create_args(
    store: Any, name: str | None, storage_options: Mapping[str, Any] | None, options: ArrayOptions
) -> tuple[NewArray, StorePath]:
    place = resolve_place(store, None, None, storage_options)
    return plan_array(options), StorePath(place.store, join_key(place.path, normalize_path(name)).rstrip("/"))


def create_array(
    store: Any,
    *,
    name: str | None = None,
    shape: ShapeLike | None = None,
    dtype: ZDTypeLike | None = None,
    data: npt.ArrayLike | None = None,
    chunks: ChunksLike = "auto",
    shards: ShardsLike = None,
    filters: CodecsLike = "auto",
    compressors: CodecsLike = "auto",
    serializer: CodecLike = "auto",
    codecs: Iterable[CodecLike] | None = None,
    fill_value: Any = None,
    order: MemoryOrder | None = None,
    zarr_format: ZarrFormat | None = 3,
    attributes: Mapping[str, JSON] | None = None,
    chunk_key_encoding: ChunkKeyEncodingLike | None = None,
    dimension_names: DimensionNames = None,
    storage_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    config: ArrayConfigLike | None = None,
    write_data: bool = True,
) -> Array:
    """Create an array.

    Parameters
    ----------
    store : str, Path, Store, StorePath or dict
        Where: a path, a store object, or a dictionary for memory.
    name : str, optional
        The path in the store; groups on the way are created. By default the root.
    shape : int or iterable of int
        The length of each axis.
    dtype : ZDType, str, dict, type or numpy.dtype
        The data type.
    data : array_like, optional
        What the array will hold, in place of `shape` and `dtype`.
    chunks : int, iterable of int, bool or "auto"
        The shape of a chunk (with `shards`, of a chunk inside them), in which -1 stands for all of an axis; one
        number is for all axes, and False for a single chunk. "auto" halves the array's longest axes until a chunk
        has at most 4 MiB, inside shards 1 MiB.
    shards : int, iterable of int, mapping, "auto" or None
        The shape of a shard, a whole number of chunks; or a mapping of `shape` and `index_location`. "auto" makes
        shards of up to 64 MiB. By default there are none.
    filters, compressors : codec, iterable of codec, "auto" or None
        The array-to-array and the bytes-to-bytes codecs; documents, names or objects. "auto" is no filter, and zstd.
    serializer : codec or "auto"
        The array-to-bytes codec; "auto" is `bytes`, little-endian.
    codecs : iterable of codec, optional
        The whole chain, in place of these and of `shards`: with a `sharding_indexed` codec in it, `chunks` is the
        shape of a shard.
    fill_value : scalar, optional
        What items that were never written read as. By default zero.
    order : {"C", "F"}, optional
        The memory layout of arrays read; a part of `config`.
    zarr_format : 3
        The format of the document.
    attributes : mapping, optional
        Any JSON.
    chunk_key_encoding : ChunkKeyEncoding, mapping or tuple, optional
        How chunks are named: ``("v2", ".")``. By default ``("default", "/")``.
    dimension_names : iterable of str or None, optional
        One for each axis.
    storage_options : mapping, optional
        Not implemented.
    overwrite : bool
        Whether a node that is there is deleted first, with all that is below it.
    config : ArrayConfig or mapping, optional
        How the array is read and written: `order`, `write_empty_chunks`, `read_missing_chunks`.
    write_data : bool
        Whether `data` are written, or only give shape and data type.

    Returns
    -------
    Array

    Raises
    ------
    NodeExistsError
        There is a node, or an array above it.
    ValueError, TypeError
        The parameters contradict each other, or have impossible values.
    MetadataError
        The codecs do not fit each other or the data type.
    UnsupportedError
        Something is asked for that is not implemented.
    ReadOnlyError
        The store refuses writes.

    Examples
    --------
    >>> import zarrpipe
    >>> array = zarrpipe.create_array({}, shape=(100, 100), dtype="float32", chunks=(10, 10), shards=(50, 50))
    >>> array.chunks, array.shards
    ((10, 10), (50, 50))
    """
    options = ArrayOptions(
        shape=shape,
        dtype=dtype,
        data=data,
        chunks=chunks,
        shards=shards,
        filters=filters,
        compressors=compressors,
        serializer=serializer,
        codecs=codecs,
        fill_value=fill_value,
        order=order,
        zarr_format=zarr_format,
        attributes=attributes,
        chunk_key_encoding=chunk_key_encoding,
        dimension_names=dimension_names,
        overwrite=overwrite,
        config=config,
        write_data=write_data,
    )
    new, place = _create_args(store, name, storage_options, options)
    return create_at(new, place)


def create_at(new: NewArray, place: StorePath) -> Array:
    """Write a planned array, and its data."""
    array = run(place.store, lambda access: new.write(access, place))
    if new.data is not None:
        array[...] = new.data
    return array


async def create_at_async(new: NewArray, place: StorePath) -> Array:
    """`create_at` without blocking the running event loop."""
    array = await new.write(NodeAccess(place.store, blocking=False), place)
    if new.data is not None:
        await array.write_async(..., new.data)
    return array


async def create_array_async(
    store: Any,
    *,
    name: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    **options: Unpack[ArrayOptions],
) -> Array:
    """`create_array` without blocking the running event loop."""
    new, place = _create_args(store, name, storage_options, options)
    return await create_at_async(new, place)


def _as_array(metadata: ArrayMetadata, place: StorePath, config: ArrayConfigLike | None) -> Array:
    return Array(metadata, place, parse_array_config(config))


async def _find_array(access: NodeAccess, place: StorePath, mode: AccessMode | None) -> ArrayMetadata | None:
    """Return the metadata of the array that is to be opened; None where one is to be created."""
    if mode in ("w", "w-"):
        return None
    try:
        return await load_array(access, place.path)
    except NodeNotFoundError:
        # A group in the way is found again by who creates.
        if mode not in _CREATING:
            raise
        return None


def open_array(
    store: Any = None,
    *,
    zarr_format: ZarrFormat | None = None,
    path: str | None = "",
    storage_options: Mapping[str, Any] | None = None,
    config: ArrayConfigLike | None = None,
    mode: AccessMode | None = None,
    **options: Unpack[ArrayOptions],
) -> Array:
    """Open an array, or create one.

    Parameters
    ----------
    store : str, Path, Store, StorePath or dict
        Where: a path, a store object, or a dictionary for memory.
    zarr_format : 3, optional
        The format of a document that is created.
    path : str
        The path in the store.
    storage_options : mapping, optional
        Not implemented.
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
    check_zarr_format(zarr_format)
    place = resolve_place(store, path, mode, storage_options)
    found = run(place.store, lambda access: _find_array(access, place, mode))
    if found is not None:
        return _as_array(found, place, config)
    return create_at(_plan_opened(mode, config, options), place)


async def open_array_async(
    store: Any = None,
    *,
    zarr_format: ZarrFormat | None = None,
    path: str | None = "",
    storage_options: Mapping[str, Any] | None = None,
    config: ArrayConfigLike | None = None,
    mode: AccessMode | None = None,
    **options: Unpack[ArrayOptions],
) -> Array:
    """`open_array` without blocking the running event loop."""
    check_zarr_format(zarr_format)
    place = resolve_place(store, path, mode, storage_options)
    found = await _find_array(NodeAccess(place.store, blocking=False), place, mode)
    if found is not None:
        return _as_array(found, place, config)
    return await create_at_async(_plan_opened(mode, config, options), place)


def _plan_opened(mode: AccessMode | None, config: ArrayConfigLike | None, options: ArrayOptions) -> NewArray:
    if options.get("data") is None and options.get("dtype") is None:
        options = {**options, "dtype": "float64"}
    overwrite = mode == "w" or options.get("overwrite", False)
    return plan_array({**options, "config": config, "overwrite": overwrite})


# Groups


async def _create_group(
    access: NodeAccess, place: StorePath, attributes: Mapping[str, JSON] | None, overwrite: bool
) -> Group:
    metadata = GroupMetadata(attributes=dict(attributes or {}))
    await create_node(access, place.path, metadata, overwrite=overwrite)
    return Group(metadata, place)


def create_group(
    store: Any,
    *,
    path: str | None = None,
    zarr_format: ZarrFormat | None = None,
    overwrite: bool = False,
    attributes: Mapping[str, JSON] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Group:
    """Create a group.

    Parameters
    ----------
    store : str, Path, Store, StorePath or dict
        Where: a path, a store object, or a dictionary for memory.
    path : str, optional
        The path in the store; groups on the way are created. By default the root.
    zarr_format : 3, optional
        The format of the document.
    overwrite : bool
        Whether a node that is there is deleted first, with all that is below it.
    attributes : mapping, optional
        Any JSON.
    storage_options : mapping, optional
        Not implemented.

    Raises
    ------
    NodeExistsError
        There is a node, or an array above it.
    ReadOnlyError
        The store refuses writes.
    """
    check_zarr_format(zarr_format)
    place = resolve_place(store, path, None, storage_options)
    return run(place.store, lambda access: _create_group(access, place, attributes, overwrite))


async def create_group_async(
    store: Any,
    *,
    path: str | None = None,
    zarr_format: ZarrFormat | None = None,
    overwrite: bool = False,
    attributes: Mapping[str, JSON] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Group:
    """`create_group` without blocking the running event loop."""
    check_zarr_format(zarr_format)
    place = resolve_place(store, path, None, storage_options)
    return await _create_group(NodeAccess(place.store, blocking=False), place, attributes, overwrite)


async def _open_group(
    access: NodeAccess, place: StorePath, mode: AccessMode, attributes: Mapping[str, JSON] | None
) -> Group:
    if mode in ("r", "r+", "a"):
        try:
            return Group(await load_group(access, place.path), place)
        except NodeNotFoundError:
            if mode != "a":
                raise
    return await _create_group(access, place, attributes, overwrite=mode == "w")


def open_group(
    store: Any = None,
    *,
    mode: AccessMode = "a",
    cache_attrs: bool | None = None,
    synchronizer: Any = None,
    path: str | None = None,
    chunk_store: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    zarr_format: ZarrFormat | None = None,
    meta_array: Any = None,
    attributes: Mapping[str, JSON] | None = None,
    use_consolidated: bool | str | None = None,
) -> Group:
    """Open a group, or create one.

    Parameters
    ----------
    store : str, Path, Store, StorePath or dict
        Where: a path, a store object, or a dictionary for memory.
    mode : {"r", "r+", "a", "w", "w-"}
        Read only; read and write; the same, and created where there is none; created in place of what is there; created
        where there is nothing.
    path : str, optional
        The path in the store.
    storage_options : mapping, optional
        Not implemented.
    zarr_format : 3, optional
        The format of a document that is created.
    attributes : mapping, optional
        Those of a group that is created.
    cache_attrs, synchronizer, chunk_store, meta_array, use_consolidated
        Parameters of zarr-python, not implemented: None or False.

    Raises
    ------
    NodeNotFoundError
        There is no group.
    NodeExistsError
        There is an array, or a node where a group is to be created.
    MetadataError
        The document is not valid.
    ReadOnlyError
        The mode writes, and the store does not.
    """
    _refuse(
        cache_attrs=cache_attrs,
        synchronizer=synchronizer,
        chunk_store=chunk_store,
        meta_array=meta_array,
        use_consolidated=use_consolidated,
    )
    check_zarr_format(zarr_format)
    place = resolve_place(store, path, mode, storage_options)
    return run(place.store, lambda access: _open_group(access, place, mode, attributes))


async def open_group_async(
    store: Any = None,
    *,
    mode: AccessMode = "a",
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    zarr_format: ZarrFormat | None = None,
    attributes: Mapping[str, JSON] | None = None,
) -> Group:
    """`open_group` without blocking the running event loop."""
    check_zarr_format(zarr_format)
    place = resolve_place(store, path, mode, storage_options)
    return await _open_group(NodeAccess(place.store, blocking=False), place, mode, attributes)


# Either


async def _open_either(
    access: NodeAccess, place: StorePath, mode: AccessMode, config: ArrayConfigLike | None, options: Mapping[str, Any]
) -> Array | Group:
    attributes = options.get("attributes")
    if unknown := sorted(set(options) - {"attributes"}):
        raise TypeError(f"{unknown[0]}= is for arrays that are created, and these need a shape=")
    if mode in ("r", "r+", "a"):
        node = await load_node(access, place.path)
        if isinstance(node, ArrayMetadata):
            return _as_array(node, place, config)
        if node is not None:
            _check_no_config(config)
            return node_at(node, place)
        if mode != "a":
            raise not_found(place.store, place.path, "array or group")
    _check_no_config(config)
    return await _create_group(access, place, attributes, overwrite=mode == "w")


def _check_no_config(config: ArrayConfigLike | None) -> None:
    if config is not None:
        raise TypeError("config= is for arrays, and this is a group")


def open(  # noqa: A001 - zarr-python's name
    store: Any = None,
    *,
    mode: AccessMode | None = None,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    config: ArrayConfigLike | None = None,
    **options: Unpack[ArrayOptions],
) -> Array | Group:
    """Open the array or group at a place, or create one: with a shape an array, without a group.

    Parameters
    ----------
    store : str, Path, Store, StorePath or dict
        Where: a path, a store object, or a dictionary for memory.
    mode : {"r", "r+", "a", "w", "w-"}, optional
        See `open_array`. By default "r" for a store object that is read-only, else "a".
    zarr_format : 3, optional
        The format of a document that is created.
    path : str, optional
        The path in the store.
    storage_options : mapping, optional
        Not implemented.
    config : ArrayConfig or mapping, optional
        How an array is read and written.
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
    mode = mode or _default_mode(store)
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
    check_zarr_format(zarr_format)
    place, known_mode = resolve_place(store, path, mode, storage_options), mode
    return run(place.store, lambda access: _open_either(access, place, known_mode, config, options))


async def open_async(
    store: Any = None,
    *,
    mode: AccessMode | None = None,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    config: ArrayConfigLike | None = None,
    **options: Unpack[ArrayOptions],
) -> Array | Group:
    """`open` without blocking the running event loop."""
    mode = mode or _default_mode(store)
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
    check_zarr_format(zarr_format)
    place = resolve_place(store, path, mode, storage_options)
    return await _open_either(NodeAccess(place.store, blocking=False), place, mode, config, options)
