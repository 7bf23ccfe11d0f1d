"""Creating arrays and groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

import numpy.typing as npt

from zarrpipe._types import JSON, DimensionNames, MemoryOrder, ShapeLike, StoredFormat, ZarrFormat
from zarrpipe.api.place import resolve_place
from zarrpipe.arrays import (
    DEFAULT_FILL_VALUE,
    Array,
    ChunkKeyEncodingLike,
    ChunksLike,
    CodecLike,
    CodecsLike,
    CreateOptions,
    NewArray,
    ShardsLike,
    check_zarr_format,
    plan_array,
)
from zarrpipe.dtypes.registry import ZDTypeLike
from zarrpipe.group import Group
from zarrpipe.metadata import join_key, normalize_path
from zarrpipe.nodes import NodeAccess, create_node, group_metadata, run
from zarrpipe.spec import ArrayConfigLike
from zarrpipe.stores import StorePath

__all__ = [
    "create_array",
    "create_array_async",
    "create_at",
    "create_at_async",
    "create_group",
    "create_group_async",
    "create_group_at",
]


def _create_args(
    store: Any, name: str | None, storage_options: Mapping[str, Any] | None, options: CreateOptions
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
    fill_value: Any = DEFAULT_FILL_VALUE,
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
    store : str, Path, Store, StorePath or mapping
        Where: a path or a URL, a store object, or a dictionary for memory: see `zarrpipe.stores.make_store`.
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
        has at most 4 MiB, inside shards 1 MiB. An axis may have a list of the lengths of its chunks, or of (length,
        count) for equal ones, in place of one length: ``[[10, 20, 30], 5]`` makes a rectilinear grid.
    shards : int, iterable of int, mapping, "auto" or None
        The shape of a shard, a whole number of chunks; or a mapping of `shape` and `index_location`. "auto" makes
        shards of up to 64 MiB. An axis may have a list of lengths, as for `chunks`. By default there are none.
    filters, compressors : codec, iterable of codec, "auto" or None
        The array-to-array and the bytes-to-bytes codecs; documents, names or objects. "auto" is no filter, and zstd.
        Of format 2, one compressor at most, and filters of any kind: numcodecs' objects and configurations
        (``{"id": "zlib", "level": 1}``), and codecs that numcodecs has too.
    serializer : codec or "auto"
        The array-to-bytes codec; "auto" is `bytes`, little-endian.
    codecs : iterable of codec, optional
        The whole chain, in place of these and of `shards`: with a `sharding_indexed` codec in it, `chunks` is the
        shape of a shard.
    fill_value : scalar, optional
        What items that were never written read as. By default zero. None is the same, but in format 2, where it
        leaves undefined what they are.
    order : {"C", "F"}, optional
        The memory layout of arrays read; a part of `config`. In format 2 also that of what is stored.
    zarr_format : {3, 2}
        The format of the documents.
    attributes : mapping, optional
        Any JSON.
    chunk_key_encoding : ChunkKeyEncoding, mapping or tuple, optional
        How chunks are named: ``("v2", ".")``, which is the default of format 2. Else it is ``("default", "/")``.
    dimension_names : iterable of str or None, optional
        One for each axis.
    storage_options : mapping, optional
        For the URL of a remote store: parameters of obstore's store or of fsspec's file system.
    overwrite : bool
        Whether a node that is there is deleted first, with all that is below it.
    config : ArrayConfig or mapping, optional
        How the array is read and written: `order`, `write_empty_chunks`, `read_missing_chunks`, and `locking`, which
        keeps writers in other processes apart.
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
    options = CreateOptions(
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
    **options: Unpack[CreateOptions],
) -> Array:
    """`create_array` without blocking the running event loop."""
    new, place = _create_args(store, name, storage_options, options)
    return await create_at_async(new, place)


async def create_group_at(
    access: NodeAccess,
    place: StorePath,
    attributes: Mapping[str, JSON] | None,
    *,
    overwrite: bool,
    zarr_format: StoredFormat | None,
) -> Group:
    """Write a group's documents."""
    metadata = group_metadata(check_zarr_format(zarr_format), dict(attributes or {}))
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
    store : str, Path, Store, StorePath or mapping
        Where: a path or a URL, a store object, or a dictionary for memory: see `zarrpipe.stores.make_store`.
    path : str, optional
        The path in the store; groups on the way are created. By default the root.
    zarr_format : {3, 2}, optional
        The format of the documents, 3 by default.
    overwrite : bool
        Whether a node that is there is deleted first, with all that is below it.
    attributes : mapping, optional
        Any JSON.
    storage_options : mapping, optional
        For the URL of a remote store: parameters of obstore's store or of fsspec's file system.

    Raises
    ------
    NodeExistsError
        There is a node, or an array above it.
    ReadOnlyError
        The store refuses writes.
    """
    place = resolve_place(store, path, None, storage_options)
    return run(
        place.store,
        lambda access: create_group_at(access, place, attributes, overwrite=overwrite, zarr_format=zarr_format),
    )


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
    place = resolve_place(store, path, None, storage_options)
    access = NodeAccess(place.store, blocking=False)
    return await create_group_at(access, place, attributes, overwrite=overwrite, zarr_format=zarr_format)
