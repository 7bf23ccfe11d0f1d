"""New arrays of format 2: from what a user asks for to `.zarray`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zarrpipe._types import MemoryOrder
from zarrpipe.codecs import to_numcodecs_config
from zarrpipe.dtypes import HasObjectCodec, VariableLengthUTF8, ZDType, ZDTypeLike, object_data_type, parse_dtype
from zarrpipe.errors import MetadataError
from zarrpipe.metadata import ArrayV2Metadata, V2ChunkKeyEncoding, parse_object_dtype
from zarrpipe.metadata.json import located, pointer

__all__ = ["default_filters_v2", "parse_dtype_v2", "plan_metadata_v2", "refuse_v3_options"]


def refuse_v3_options(options: Mapping[str, Any]) -> None:
    """Raise ValueError for what only arrays of format 3 have."""
    for name in ("shards", "codecs", "dimension_names"):
        if options.get(name) is not None:
            raise ValueError(f"arrays of Zarr format 2 have no {name}")
    if options.get("serializer") not in (None, "auto"):
        raise ValueError("arrays of Zarr format 2 have no serializer: filters= and compressors= are all their codecs")


def parse_dtype_v2(dtype: ZDTypeLike, filters: Sequence[Any]) -> ZDType[Any, Any]:
    """Return the data type that a user means: that of objects is what their codec takes.

    Parameters
    ----------
    dtype : ZDType or what NumPy can make a data type of
        ``object``, for instance.
    filters : sequence of codec
        Among which that codec is: see `zarrpipe.codecs.to_numcodecs_config`.

    Raises
    ------
    MetadataError
        There is no such codec.
    UnsupportedError
        There is no such data type.

    Examples
    --------
    >>> parse_dtype_v2(object, [{"id": "json2"}])
    JSONObjects()
    """
    is_object = not isinstance(dtype, ZDType | Mapping) and dtype in (object, "O", "|O", "object")
    data_type = None if is_object else parse_dtype(dtype, zarr_format=2)
    if data_type is not None and type(data_type) is not VariableLengthUTF8:
        return data_type
    configs = [config for config in map(_config_or_none, filters) if config is not None]
    if data_type is None:
        with located("/dtype"):
            return parse_object_dtype(configs)
    # Text, which objects may be too.
    return next(filter(None, map(object_data_type, configs)), data_type)


def _config_or_none(codec: Any) -> dict[str, Any] | None:
    try:
        return to_numcodecs_config(codec)
    except MetadataError:
        # What is wrong with it is told with its place.
        return None


def default_filters_v2(data_type: ZDType[Any, Any]) -> tuple[dict[str, Any], ...]:
    """Return the filters that a data type needs: the codec that turns its objects into bytes."""
    return (data_type.object_codec,) if isinstance(data_type, HasObjectCodec) else ()


def plan_metadata_v2(
    data_type: ZDType[Any, Any],
    *,
    filters: Sequence[Any],
    compressors: Sequence[Any],
    chunk_key_encoding: Any,
    order: MemoryOrder,
    **fields: Any,
) -> ArrayV2Metadata:
    """Return the metadata of a new array.

    Parameters
    ----------
    data_type : ZDType
        The data type.
    filters, compressors : sequence of codec
        Codecs that numcodecs has too: see `zarrpipe.codecs.to_numcodecs_config`.
    chunk_key_encoding : ChunkKeyEncoding
        The encoding `v2`.
    order : {"C", "F"}
        The order of items in a chunk.
    **fields
        The others of `ArrayV2Metadata`.

    Raises
    ------
    TypeError
        There are several compressors.
    ValueError
        The encoding is another one, or the codec that the data type needs is missing.
    MetadataError
        A codec has no form in format 2.
    """
    if chunk_key_encoding.name != V2ChunkKeyEncoding.name:
        raise ValueError(f"arrays of Zarr format 2 name chunks by the encoding 'v2', not {chunk_key_encoding.name!r}")
    if len(compressors) > 1:
        raise TypeError(f"arrays of Zarr format 2 have one compressor, not {len(compressors)}: others are filters")
    configs = []
    for index, codec in enumerate(filters):
        with located("/filters" + pointer(index)):
            configs.append(_check_portable(to_numcodecs_config(codec)))
    with located("/compressor"):
        compressor = _check_portable(to_numcodecs_config(compressors[0])) if compressors else None
    named = {config["id"] for config in (*configs, *([compressor] if compressor else ()))}
    for needed in default_filters_v2(data_type):
        if needed["id"] not in named:
            raise ValueError(f"arrays of {data_type} need the filter {needed['id']!r}")
    return ArrayV2Metadata(
        dtype=data_type,
        filters=tuple(configs) or None,
        compressor=compressor,
        order=order,
        dimension_separator=chunk_key_encoding.separator,
        **fields,
    )


def _check_portable(config: dict[str, Any]) -> dict[str, Any]:
    """Raise MetadataError for a configuration that readers take in different ways."""
    if config["id"] == "shuffle" and config.get("elementsize") == 0:
        raise MetadataError(
            "0 is no shuffle to some readers, and one of items to others: say which size", at="/elementsize"
        )
    return config
