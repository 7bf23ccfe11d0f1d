"""New arrays: from what a user asks for to the document that is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt

from zarrpipe._types import JSON, DimensionNames, MemoryOrder, ShapeLike, ZarrFormat
from zarrpipe.abc.metadata import parse_shapelike
from zarrpipe.arrays.array import Array
from zarrpipe.arrays.chunk_shapes import (
    ChunksLike,
    ShardsLike,
    auto_shards,
    inner_chunks,
    is_auto,
    parse_chunks,
    parse_shards,
)
from zarrpipe.arrays.new_array_v2 import default_filters_v2, parse_dtype_v2, plan_metadata_v2, refuse_v3_options
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.codecs import chain_v2, codec_documents, compile_chain, evolve_codecs, parse_codecs
from zarrpipe.driver import apply_settings
from zarrpipe.dtypes import HasObjectCodec, ZDType, as_stored, parse_dtype
from zarrpipe.dtypes.registry import ZDTypeLike
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.metadata import (
    ArrayMetadata,
    ArrayV2Metadata,
    ChunkGrid,
    ChunkKeyEncoding,
    DefaultChunkKeyEncoding,
    RegularChunkGrid,
    V2ChunkKeyEncoding,
    dumps,
    loads,
    parse_chunk_key_encoding,
)
from zarrpipe.metadata.grid import sample_chunk_shapes
from zarrpipe.metadata.json import located
from zarrpipe.nodes import NodeAccess, Owner, create_node
from zarrpipe.spec import ArrayConfig, ArrayConfigLike, ArrayConfigParams, ArraySpec, parse_array_config
from zarrpipe.stores import StorePath

__all__ = [
    "DEFAULT_FILL_VALUE",
    "ArrayOptions",
    "ChunkKeyEncodingLike",
    "CodecLike",
    "CodecsLike",
    "CreateOptions",
    "NewArray",
    "check_zarr_format",
    "plan_array",
]

CodecLike: TypeAlias = Any
"""A codec's document, its name, or an object."""
CodecsLike: TypeAlias = Iterable[CodecLike] | CodecLike | Literal["auto"] | None
ChunkKeyEncodingLike: TypeAlias = ChunkKeyEncoding | Mapping[str, JSON] | tuple[str, str] | str


class _DefaultFillValue:
    """What stands for a fill value that was not given: None is one, in format 2."""

    def __repr__(self) -> str:
        return "the data type's zero"


DEFAULT_FILL_VALUE: Final = _DefaultFillValue()


class ArrayOptions(TypedDict, total=False):
    """What an array is created with: see `zarrpipe.create_array`."""

    shape: ShapeLike | None
    dtype: ZDTypeLike | None
    data: npt.ArrayLike | None
    chunks: ChunksLike
    shards: ShardsLike
    filters: CodecsLike
    compressors: CodecsLike
    serializer: CodecLike
    codecs: Iterable[CodecLike] | None
    fill_value: Any
    order: MemoryOrder | None
    attributes: Mapping[str, JSON] | None
    chunk_key_encoding: ChunkKeyEncodingLike | None
    dimension_names: DimensionNames
    overwrite: bool
    write_data: bool


class CreateOptions(ArrayOptions, total=False):
    """`ArrayOptions`, with what opening an array takes too."""

    zarr_format: ZarrFormat | None
    config: ArrayConfigLike | None


class NewArray:
    """An array that is planned and not written yet.

    Parameters
    ----------
    metadata : ArrayMetadata or ArrayV2Metadata
        Its document.
    codecs : tuple of codec
        Its chain.
    config : ArrayConfig
        How it will be read and written.
    overwrite : bool
        Whether a node that is there is deleted.
    data : numpy.ndarray, optional
        What it will hold.
    """

    def __init__(
        self,
        metadata: ArrayMetadata | ArrayV2Metadata,
        codecs: tuple[Any, ...],
        *,
        config: ArrayConfig,
        overwrite: bool,
        data: npt.NDArray[Any] | None,
    ) -> None:
        self._metadata = metadata
        self._codecs = codecs
        self._config = config
        self._overwrite = overwrite
        self.data = data

    def at(self, store_path: StorePath) -> Array:
        """Return the array at a place. Nothing is written: there is no such node before its document is."""
        return Array(self._metadata, store_path, self._config, self._codecs)

    async def write(self, access: NodeAccess, store_path: StorePath, owner: Owner | None = None) -> Array:
        """Write the document, and return the array; its data are still to be written.

        Parameters
        ----------
        access : NodeAccess
            The store.
        store_path : StorePath
            Where.
        owner : Owner, optional
            The group above with consolidated metadata.

        Raises
        ------
        NodeExistsError
            There is a node at the path, or an array above it.
        ReadOnlyError
            The store refuses writes.
        """
        await create_node(access, store_path.path, self._metadata, overwrite=self._overwrite, owner=owner)
        return Array(self._metadata, store_path, self._config, self._codecs, owner=owner)


def plan_array(options: CreateOptions) -> NewArray:
    """Plan an array. All that can be wrong with what the user asks for is found here, before anything is written.

    Parameters
    ----------
    options : CreateOptions
        See `zarrpipe.create_array`.

    Raises
    ------
    ValueError, TypeError
        The options contradict each other, or have impossible values.
    MetadataError
        The codecs do not fit each other or the data type.
    UnsupportedError
        They ask for what is not implemented.
    """
    zarr_format = check_zarr_format(options.get("zarr_format"))
    apply_settings()
    data, shape, dtype = _parse_data(options.get("data"), options.get("shape"), options.get("dtype"))
    if zarr_format == 2:
        data_type = parse_dtype_v2(dtype, _parse_list(options.get("filters", "auto"), ()))
    else:
        data_type = _parse_dtype_v3(dtype)
    plan = _plan_v2 if zarr_format == 2 else _plan_v3
    metadata, codecs, config = plan(options, shape, data_type)
    metadata.documents()  # attributes may be no JSON
    return NewArray(
        metadata,
        codecs,
        config=config,
        overwrite=options.get("overwrite", False),
        data=data if options.get("write_data", True) else None,
    )


def _plan_v3(
    options: CreateOptions, shape: tuple[int, ...], data_type: ZDType[Any, Any]
) -> tuple[ArrayMetadata, tuple[Any, ...], ArrayConfig]:
    plan_codecs = _plan_parts if options.get("codecs") is None else _plan_chain
    chunk_grid, codecs = plan_codecs(options, shape, data_type)
    fill_value = options.get("fill_value")
    is_default = fill_value is None or fill_value is DEFAULT_FILL_VALUE
    fill_value = data_type.default_scalar() if is_default else data_type.cast_scalar(fill_value)
    config = parse_array_config(_parse_config(options.get("config"), options.get("order")))
    chunk_shapes = list(sample_chunk_shapes(chunk_grid, shape))
    spec = ArraySpec(chunk_shapes[0], data_type, fill_value, config, default_buffer_prototype())
    with located("/codecs"):
        codecs = evolve_codecs(codecs, spec)
        for chunk_shape in chunk_shapes:
            compile_chain(codecs, replace(spec, shape=chunk_shape))
    dimension_names: Any = options.get("dimension_names")  # checked there
    metadata = ArrayMetadata(
        shape=shape,
        data_type=data_type,
        chunk_grid=chunk_grid,
        chunk_key_encoding=_parse_chunk_key_encoding(options.get("chunk_key_encoding"), DefaultChunkKeyEncoding()),
        fill_value=fill_value,
        codecs=_documents(codecs),
        attributes=dict(options.get("attributes") or {}),
        dimension_names=dimension_names,
    )
    return metadata, codecs, config


def _plan_v2(
    options: CreateOptions, shape: tuple[int, ...], data_type: ZDType[Any, Any]
) -> tuple[ArrayV2Metadata, tuple[Any, ...], ArrayConfig]:
    refuse_v3_options(options)
    # The order is one of the document here: of what is stored, and so of what is read.
    config = parse_array_config(options.get("config"))
    grid = parse_chunks(options.get("chunks", "auto"), shape, data_type.to_native_dtype().itemsize)
    if not isinstance(grid, RegularChunkGrid):
        raise ValueError("arrays of Zarr format 2 have chunks of one shape")  # noqa: TRY004 - it is of the right type
    fill_value = options.get("fill_value", DEFAULT_FILL_VALUE)
    metadata = plan_metadata_v2(
        data_type,
        shape=shape,
        chunks=grid.chunk_shape,
        filters=_parse_list(options.get("filters", "auto"), default_filters_v2(data_type)),
        compressors=_parse_list(options.get("compressors", "auto"), ({"id": "zstd", "level": 0},)),
        chunk_key_encoding=_parse_chunk_key_encoding(options.get("chunk_key_encoding"), V2ChunkKeyEncoding()),
        order=options.get("order") or config.order,
        fill_value=data_type.default_scalar() if fill_value is DEFAULT_FILL_VALUE else fill_value,
        attributes=dict(options.get("attributes") or {}),
    )
    codecs = chain_v2(metadata)
    spec = ArraySpec(grid.chunk_shape, as_stored(data_type), metadata.fill_value, config, default_buffer_prototype())
    compile_chain(codecs, spec)
    return metadata, codecs, config


def _documents(codecs: tuple[Any, ...]) -> tuple[dict[str, Any], ...]:
    """Return the codecs' JSON as it will be read again: codecs may give tuples, and NumPy's numbers."""
    document: Any = loads(dumps({"codecs": codec_documents(codecs)}))
    return tuple(document["codecs"])


def check_zarr_format(zarr_format: object) -> ZarrFormat:
    """Return the format in which documents are written, 3 by default.

    Raises
    ------
    UnsupportedError
        It is N5, which is only read.
    ValueError
        It is none.
    """
    if zarr_format is None or zarr_format == 3:
        return 3
    if zarr_format == 2:
        return 2
    if zarr_format == "n5":
        raise UnsupportedError("N5 is only read: mode='r' opens it")
    raise ValueError(f"zarr_format is 2 or 3, not {zarr_format!r}")


def _parse_data(
    data: npt.ArrayLike | None, shape: ShapeLike | None, dtype: ZDTypeLike | None
) -> tuple[npt.NDArray[Any] | None, tuple[int, ...], ZDTypeLike]:
    if data is None:
        if shape is None or dtype is None:
            missing = "shape" if shape is None else "dtype"
            raise ValueError(f"an array is made from data, or from shape and dtype: {missing} is missing")
        return None, parse_shapelike(shape), dtype
    if shape is not None or dtype is not None:
        raise ValueError("the shape and the data type are those of the data: do not give them beside it")
    items = np.asarray(data)
    return items, items.shape, items.dtype


def _parse_dtype_v3(dtype: ZDTypeLike) -> ZDType[Any, Any]:
    data_type = parse_dtype(dtype)
    native: np.dtype[Any] = data_type.to_native_dtype()
    if native.isnative:
        return data_type
    # As it will be when the array is opened: documents of format 3 have no byte order.
    return type(data_type).from_native_dtype(native.newbyteorder("="))


def _parse_list(codecs: CodecsLike, default: tuple[CodecLike, ...]) -> tuple[CodecLike, ...]:
    """Several codecs, one, none, or the default."""
    if isinstance(codecs, str) and codecs == "auto":
        return default
    if codecs is None:
        return ()
    if isinstance(codecs, str | Mapping) or not isinstance(codecs, Iterable):
        return (codecs,)
    return tuple(codecs)


def _plan_parts(
    options: CreateOptions, shape: tuple[int, ...], data_type: ZDType[Any, Any]
) -> tuple[ChunkGrid, tuple[Any, ...]]:
    """Return the grid of what has a key, and the chain of filters, serializer, compressors and shards."""
    item_nbytes = data_type.to_native_dtype().itemsize
    shards = options.get("shards")
    grid = parse_chunks(options.get("chunks", "auto"), shape, item_nbytes, in_shards=shards is not None)
    serializer = options.get("serializer", "auto")
    if serializer is None or (isinstance(serializer, str) and serializer == "auto"):
        serializer = _default_serializer(data_type)
    zstd = {"name": "zstd", "configuration": {"level": 0, "checksum": False}}
    parts = [
        *_parse_list(options.get("filters", "auto"), ()),
        serializer,
        *_parse_list(options.get("compressors", "auto"), (zstd,)),
    ]
    with located("/codecs"):
        codecs = parse_codecs(parts)
    if shards is None:
        return grid, codecs
    shard_grid, index_location = parse_shards(shards, grid, shape, item_nbytes)
    if shard_grid is None:
        return grid, codecs
    index_codecs = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    configuration = {
        "chunk_shape": list(grid.chunk_shape_at((0,) * len(shape))),
        "codecs": codecs,
        "index_codecs": index_codecs,
        "index_location": index_location,
    }
    return shard_grid, parse_codecs([{"name": "sharding_indexed", "configuration": configuration}])


def _default_serializer(data_type: ZDType[Any, Any]) -> dict[str, Any]:
    if isinstance(data_type, HasObjectCodec):
        return {"name": data_type.object_codec_id}
    # Filters may have made other items: the codec drops the byte order where those that reach it have none.
    return {"name": "bytes", "configuration": {"endian": "little"}}


def _plan_chain(
    options: CreateOptions, shape: tuple[int, ...], data_type: ZDType[Any, Any]
) -> tuple[ChunkGrid, tuple[Any, ...]]:
    """Return the grid of what has a key, and the chain that the user gives as a whole."""
    item_nbytes = data_type.to_native_dtype().itemsize
    for name in ("filters", "serializer", "compressors"):
        given: Any = options.get(name, "auto")
        if given is not None and not (isinstance(given, str) and given == "auto"):
            raise ValueError(f"codecs= is the whole chain: leave out {name}=, or write the chain as its parts")
    if options.get("shards") is not None:
        raise ValueError("codecs= is the whole chain: shards are its sharding_indexed codec, and chunks= their shape")
    with located("/codecs"):
        codecs = parse_codecs(options.get("codecs") or ())
    if not codecs:
        raise MetadataError("an array has at least one codec", at="/codecs")
    chunks = options.get("chunks", "auto")
    inner = inner_chunks(codec_documents(codecs))
    if inner is not None and is_auto(chunks):
        if len(inner) != len(shape):
            raise ValueError(f"chunks have {len(inner)} axes, but the array has {len(shape)}")
        return RegularChunkGrid(auto_shards(shape, inner, item_nbytes)), codecs
    return parse_chunks(chunks, shape, item_nbytes), codecs


def _parse_chunk_key_encoding(encoding: ChunkKeyEncodingLike | None, default: ChunkKeyEncoding) -> ChunkKeyEncoding:
    """Return an encoding, also from ("default", "/") and {"name": "v2", "separator": "."}, as in zarr-python."""
    if encoding is None:
        return default
    if isinstance(encoding, tuple):
        name, separator = encoding
        return parse_chunk_key_encoding({"name": name, "configuration": {"separator": separator}})
    if isinstance(encoding, Mapping) and "separator" in encoding:
        document = {name: value for name, value in encoding.items() if name != "separator"}
        return parse_chunk_key_encoding({**document, "configuration": {"separator": encoding["separator"]}})
    return parse_chunk_key_encoding(encoding)


def _parse_config(config: ArrayConfigLike | None, order: MemoryOrder | None) -> ArrayConfigLike | None:
    if order is None:
        return config
    if config is None:
        return ArrayConfigParams(order=order)
    raise ValueError("the order is a part of config=: do not give it twice")
