"""Arrays from arrays: created like another, with its data, a part at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from zarrpipe._types import JSON, DimensionNames, MemoryOrder, ZarrFormat
from zarrpipe.api.place import resolve_place
from zarrpipe.arrays import (
    DEFAULT_FILL_VALUE,
    Array,
    ChunkKeyEncodingLike,
    ChunksLike,
    CodecLike,
    CodecsLike,
    NewArray,
    ShardsLike,
    aligned_slabs,
    check_zarr_format,
    layout_of,
    plan_array,
    slices,
)
from zarrpipe.errors import UnsupportedError
from zarrpipe.metadata import AnyArrayMetadata, ArrayV2Metadata, N5ArrayMetadata, StoredNode
from zarrpipe.nodes import NodeAccess, delete_node, run
from zarrpipe.spec import ArrayConfigLike, parse_array_config
from zarrpipe.stores import StorePath, identity_of, is_zarr_object, zarr_prototype

__all__ = ["check_apart", "from_array", "from_array_async", "plan_alike"]

Keep: TypeAlias = Literal["keep"]

_PARTS: Final = ("chunks", "shards", "filters", "compressors", "serializer")
# The defaults of `from_array`.
_GIVEN: Final[dict[str, Any]] = {
    **dict.fromkeys(_PARTS, "keep"),
    **dict.fromkeys(
        ("codecs", "order", "zarr_format", "attributes", "chunk_key_encoding", "dimension_names", "config")
    ),
    "fill_value": DEFAULT_FILL_VALUE,
    "overwrite": False,
}
_DEFAULTS: Final[dict[str, Any]] = {**dict.fromkeys(_PARTS, "auto"), "shards": None}


def from_array(
    store: Any,
    *,
    data: Any,
    write_data: bool = True,
    name: str | None = None,
    chunks: ChunksLike | Keep = "keep",
    shards: ShardsLike | Keep = "keep",
    filters: CodecsLike | Keep = "keep",
    compressors: CodecsLike | Keep = "keep",
    serializer: CodecLike | Keep = "keep",
    codecs: Iterable[CodecLike] | None = None,
    fill_value: Any = DEFAULT_FILL_VALUE,
    order: MemoryOrder | None = None,
    zarr_format: ZarrFormat | None = None,
    attributes: Mapping[str, JSON] | None = None,
    chunk_key_encoding: ChunkKeyEncodingLike | None = None,
    dimension_names: DimensionNames = None,
    storage_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    config: ArrayConfigLike | None = None,
) -> Array:
    """Create an array from another one.

    The data are copied a part at a time, each a whole number of the new array's shards (of its chunks where it has no
    shards), so memory is bounded and nothing is written twice. If that fails, what was created is deleted.

    Parameters
    ----------
    store : str, Path, Store, StorePath or dict
        Where the new array will lie.
    data : array_like
        An array of zarrpipe's or zarr-python's, or anything with a shape, a data type and brackets, such as those of
        NumPy, Dask and h5py; or what NumPy makes an array of.
    write_data : bool
        Whether the data are copied, or only give the shape and the data type.
    name : str, optional
        The path in the store; groups on the way are created. By default the root.
    chunks, shards, filters, compressors, serializer
        See `create_array`. "keep" is what `data` has; the default of `create_array` where it is no array of Zarr's, or
        where it has codecs that the new array's format does not.
    codecs : iterable of codec, optional
        The whole chain, in place of these.
    fill_value, order, attributes, dimension_names, config
        See `create_array`. By default what `data` has.
    zarr_format : {3, 2}, optional
        The format of the documents, by default that of `data`.
    chunk_key_encoding : ChunkKeyEncoding, mapping or tuple, optional
        How chunks are named; by default as those of `data`, if they have the same format.
    storage_options : mapping, optional
        See `create_array`.
    overwrite : bool
        Whether a node that is there is deleted first, with all that is below it.

    Raises
    ------
    NodeExistsError
        There is a node.
    ValueError
        The new array would overwrite the old one; and see `create_array`.
    MetadataError, UnsupportedError
        See `create_array`.

    Examples
    --------
    >>> import zarrpipe
    >>> array = zarrpipe.create_array({}, shape=(4, 6), chunks=(2, 3), dtype="int16", fill_value=7)
    >>> copy = zarrpipe.from_array({}, data=array, chunks=(4, 1))
    >>> copy.chunks, int(copy.fill_value)
    ((4, 1), 7)
    """
    given = {
        "chunks": chunks,
        "shards": shards,
        "filters": filters,
        "compressors": compressors,
        "serializer": serializer,
        "codecs": codecs,
        "fill_value": fill_value,
        "order": order,
        "zarr_format": zarr_format,
        "attributes": attributes,
        "chunk_key_encoding": chunk_key_encoding,
        "dimension_names": dimension_names,
        "overwrite": overwrite,
        "config": config,
    }
    source, new, place = _plan(store, name, data, storage_options, given, write_data=write_data)
    created = run(place.store, lambda access: new.write(access, place))
    if write_data:
        try:
            for region in aligned_slabs(created):
                selection = slices(region)
                created[selection] = _part(source, selection)
        except BaseException:
            # Half an array would look whole.
            run(place.store, lambda access: delete_node(access, place.path))
            raise
    return created


async def from_array_async(
    store: Any,
    *,
    data: Any,
    write_data: bool = True,
    name: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> Array:
    """`from_array` without blocking the running event loop."""
    if unknown := sorted(options.keys() - _GIVEN.keys()):
        raise TypeError(f"an array is not created from another with {unknown[0]}=")
    given = {**_GIVEN, **options}
    source, new, place = _plan(store, name, data, storage_options, given, write_data=write_data)
    access = NodeAccess(place.store, blocking=False)
    created = await new.write(access, place)
    if write_data:
        try:
            for region in aligned_slabs(created):
                selection = slices(region)
                await created.write_async(selection, await _part_async(source, selection))
        except BaseException:
            await delete_node(access, place.path)
            raise
    return created


def _part(source: Any, selection: tuple[Any, ...]) -> npt.NDArray[Any]:
    return source.read(selection) if isinstance(source, Array) else np.asarray(source[selection])


async def _part_async(source: Any, selection: tuple[Any, ...]) -> npt.NDArray[Any]:
    if isinstance(source, Array):
        return await source.read_async(selection)
    # Brackets may compute for long, as Dask's do.
    return await asyncio.to_thread(_part, source, selection)


def _plan(
    store: Any,
    name: str | None,
    data: Any,
    storage_options: Mapping[str, Any] | None,
    given: Mapping[str, Any],
    *,
    write_data: bool,
) -> tuple[Any, NewArray, StorePath]:
    """Return what is copied from, the new array, and its place."""
    place = resolve_place(store, name, "a", storage_options)
    source = _as_source(data)
    if write_data and given["overwrite"] and isinstance(source, Array):
        check_apart(source.store_path, place)
    if isinstance(source, Array):
        return source, plan_alike(source, given), place
    options: Any = {**given, **_of_items(source, given), "shape": source.shape}
    return source, plan_array(options), place


def plan_alike(source: Array, given: Mapping[str, Any]) -> NewArray:
    """Plan an array like another, but for what is given: see `from_array` for the names and their defaults."""
    given = {**_GIVEN, **given}
    options: Any = {**given, **_of_array(source, given), "shape": source.shape}
    return plan_array(options)


def _as_source(data: Any) -> Any:
    """Return an array of ours, or something with a shape, a data type and brackets."""
    if isinstance(data, Array):
        return data
    if is_zarr_object(data) and hasattr(data, "store_path") and hasattr(data, "shape"):
        try:
            return _from_zarr(data)
        except UnsupportedError:
            # With a codec or a data type that zarr-python alone has: it reads it.
            return data
    return data if hasattr(data, "shape") and hasattr(data, "dtype") else np.asarray(data)


def _from_zarr(data: Any) -> Array:
    documents = data.metadata.to_buffer_dict(zarr_prototype())
    place = StorePath(data.store_path.store, data.store_path.path)
    metadata = StoredNode.from_bytes(place.path, {name: found.to_bytes() for name, found in documents.items()}).parse()
    if not isinstance(metadata, AnyArrayMetadata):
        raise TypeError(f"data are an array, not {type(data).__name__}")
    array = Array(metadata, place, parse_array_config(None))
    array.codecs  # noqa: B018 - those that are not implemented say so now
    return array


def check_apart(source: StorePath, place: StorePath) -> None:
    """Raise ValueError if the place of a copy is in that of what is copied, or the other way round."""
    one, other = (f"{identity_of(at.store)}/{at.path}/".replace("//", "/") for at in (source, place))
    if one.startswith(other) or other.startswith(one):
        raise ValueError(f"{'/' + source.path!r} cannot be overwritten by its own copy at {'/' + place.path!r}")


def _is_keep(value: Any) -> bool:
    return isinstance(value, str) and value == "keep"


def _of_items(source: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that follow from what is no array of Zarr's."""
    return {"dtype": source.dtype, **{name: _DEFAULTS[name] for name in _PARTS if _is_keep(given[name])}}


def _of_array(source: Array, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that follow from an array, but for those that are given."""
    metadata = source.metadata
    own_format = 3 if isinstance(metadata, N5ArrayMetadata) else metadata.zarr_format
    zarr_format = check_zarr_format(given["zarr_format"] or own_format)
    is_same = zarr_format == source.zarr_format
    options: dict[str, Any] = {"zarr_format": zarr_format, **_layout(source, given, zarr_format)}
    options["dtype"] = metadata.dtype if isinstance(metadata, ArrayV2Metadata) and is_same else metadata.data_type
    if given["fill_value"] is DEFAULT_FILL_VALUE:
        options["fill_value"] = source.fill_value
    if given["attributes"] is None:
        options["attributes"] = deepcopy(metadata.attributes)
    if given["dimension_names"] is None and zarr_format == 3:
        options["dimension_names"] = metadata.dimension_names
    if given["chunk_key_encoding"] is None and is_same:
        options["chunk_key_encoding"] = metadata.chunk_key_encoding
    if given["order"] is None and (given["config"] is None or zarr_format == 2):
        options["order"] = source.order
    return options


def _layout(source: Array, given: Mapping[str, Any], zarr_format: ZarrFormat) -> dict[str, Any]:
    """Return chunks and codecs for an array of a format."""
    kept = [name for name in _PARTS if _is_keep(given[name])]
    defaults = {name: _DEFAULTS[name] for name in kept}
    if given["codecs"] is not None:
        # The chain is whole, and `chunks` what it encodes.
        return {**defaults, **({"chunks": source.metadata.chunk_grid} if "chunks" in kept else {})}
    if len(kept) == len(_PARTS):
        layout = layout_of(source, zarr_format)
        return {**defaults, **{name: layout[name] for name in (*_PARTS, "codecs") if name in layout}}
    parts: dict[str, Any] = {"chunks": source._chunk_grid}
    if zarr_format == 3 and source.shards is not None:
        parts["shards"] = source.shards
    if zarr_format == source.zarr_format:
        parts["filters"], parts["compressors"] = source.filters, source.compressors
        if zarr_format == 3:
            parts["serializer"] = source.serializer
    return {**defaults, **{name: parts[name] for name in kept if name in parts}}
