"""The chain of a v2 array, from its filters and its compressor; and the way back, to numcodecs' configurations.

Format 2 runs numcodecs' codecs one after the other, the first of them over the array's memory. As a chain that is: a
transpose for order "F", the filters that take arrays, `bytes` in the byte order of what reaches it, and the others. So
each codec is implemented once, for both formats. What is no such chain, an array filter behind one that gives bytes, is
left to numcodecs as a whole.

Source: Zarr v2 specification, "Filters"; numcodecs (https://numcodecs.readthedocs.io).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from zarrpipe._types import JSON, Endianness
from zarrpipe.codecs.bytes import BytesCodec
from zarrpipe.codecs.chain import parse_codec
from zarrpipe.codecs.foreign import NO_PICKLES, NumcodecsBytesBytes, NumcodecsFilters, is_numcodecs_object
from zarrpipe.codecs.numcodecs.objects import ItemList
from zarrpipe.codecs.registry import numcodecs_document
from zarrpipe.codecs.stage import codec_kind
from zarrpipe.codecs.transpose import TransposeCodec
from zarrpipe.dtypes import byte_orders
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.metadata import ArrayV2Metadata, dumps, loads, parse_numcodecs_config
from zarrpipe.metadata.json import located, pointer

__all__ = ["chain_v2", "codec_from_numcodecs_config", "to_numcodecs_config"]

_PREFIX: Final = "numcodecs."
_SHUFFLES: Final = ("noshuffle", "shuffle", "bitshuffle")


def codec_from_numcodecs_config(config: Mapping[str, JSON]) -> Any:
    """Return the codec that numcodecs' configuration means.

    Parameters
    ----------
    config : mapping
        With the codec's `id`, as `.zarray` has it.

    Raises
    ------
    MetadataError
        The codec cannot have that configuration.
    UnsupportedError
        It is not implemented, or refused.

    Examples
    --------
    >>> codec_from_numcodecs_config({"id": "gzip", "level": 3}).to_dict()["configuration"]
    {'level': 3}
    """
    if config["id"] == "pickle":
        raise UnsupportedError(NO_PICKLES)
    if config["id"] == "shuffle" and config.get("elementsize") == 0:
        # HDF5's 0 is the item's size, and so is netCDF-C's, which numcodecs takes for no shuffle at all.
        config = {**config, "elementsize": None}
    try:
        return parse_codec(numcodecs_document(config))
    except (MetadataError, UnsupportedError) as error:
        # In format 2 the configuration's members stand beside the codec's name, which is called its id.
        error.at = (error.at or "").removeprefix("/configuration").replace("/name", "/id")
        raise


def chain_v2(metadata: ArrayV2Metadata) -> tuple[Any, ...]:
    """Return the codecs of a v2 array, in the order of encoding.

    Parameters
    ----------
    metadata : ArrayV2Metadata
        The array's.

    Raises
    ------
    MetadataError
        A codec cannot have its configuration, or stand at its place.
    UnsupportedError
        A codec is not implemented, or needs a package.

    Examples
    --------
    >>> array = ArrayV2Metadata(shape=(4, 4), chunks=(2, 2), dtype=">i2", compressor=None, order="F")
    >>> chain_v2(array)
    (TransposeCodec(order=(1, 0)), BytesCodec(endian='big'))
    """
    return _translated(metadata) or (_as_numcodecs(metadata),)


def _translated(metadata: ArrayV2Metadata) -> tuple[Any, ...] | None:
    """Return the chain of format 3 that does the same; None if there is none."""
    order = _byte_order(metadata.dtype.to_native_dtype())
    before: list[Any] = []
    behind: list[Any] = []
    if metadata.order == "F" and metadata.ndim > 1:
        before.append(TransposeCodec(order=range(metadata.ndim)[::-1]))
    serializer, has_filters, is_chain = None, False, True
    for at, config in _places(metadata):
        with located(at):
            codec = codec_from_numcodecs_config(config)
            is_first = serializer is None and not behind
            if is_first and isinstance(codec, NumcodecsBytesBytes):
                # One of numcodecs' that is not built in. It may look at the array itself, as image codecs do.
                codec = codec.as_serializer()
                # In Fortran order, and behind filters, numcodecs gives it another array than a chain does.
                is_chain = is_chain and not before
            kind = codec_kind(codec)
            if kind == "bytes_bytes":
                behind.append(codec)
            elif not is_first:
                is_chain = False
            elif kind == "array_bytes":
                if isinstance(codec, ItemList) and before and not has_filters:
                    # It has the items by their places, in either order.
                    before.clear()
                    codec = replace(codec, order="F")
                serializer = codec
            else:
                before.append(codec)
                has_filters = True
                is_chain = is_chain and _takes(config, order)
                order = _order_behind(config, order)
    if not is_chain:
        return None
    return (*before, BytesCodec(endian=order) if serializer is None else serializer, *behind)


def _as_numcodecs(metadata: ArrayV2Metadata) -> NumcodecsFilters:
    return NumcodecsFilters([config for _, config in _places(metadata)], metadata.order)


def _places(metadata: ArrayV2Metadata) -> Iterator[tuple[str, dict[str, JSON]]]:
    for index, config in enumerate(metadata.filters or ()):
        yield "/filters" + pointer(index), config
    if metadata.compressor is not None:
        yield "/compressor", metadata.compressor


def _byte_order(dtype: np.dtype[Any]) -> Endianness | None:
    """Return the byte order of items; None where they have none.

    Where fields have both, chunks are in the one that the host has not: see `zarrpipe.dtypes.as_stored`.
    """
    orders = byte_orders(dtype)
    if len(orders) > 1:
        return "big" if sys.byteorder == "little" else "little"
    return orders.pop() if orders else None


def _takes(config: Mapping[str, JSON], order: Endianness | None) -> bool:
    """Whether an array filter names the byte order that it gets: else numcodecs takes the bytes for other numbers."""
    given = _named_type(config, "decode_dtype", "dtype")
    return given is None or order is None or _byte_order(given) in (order, None)


def _order_behind(config: Mapping[str, JSON], order: Endianness | None) -> Endianness | None:
    """Return the byte order behind an array filter, whose configuration names data types as NumPy writes them."""
    encoded = _named_type(config, "encode_dtype", "astype", "dtype")
    return order if encoded is None else _byte_order(encoded)


def _named_type(config: Mapping[str, JSON], *names: str) -> np.dtype[Any] | None:
    for name in names:
        value = config.get(name)
        if isinstance(value, str):
            try:
                return np.dtype(value)
            except TypeError:
                raise MetadataError(f"{value!r} is not a data type", at=pointer(name)) from None
    return None


def to_numcodecs_config(codec: Any) -> dict[str, JSON]:
    """Return numcodecs' configuration of a codec, as `.zarray` has it.

    Parameters
    ----------
    codec : mapping, str or codec
        Such a configuration; an object of numcodecs'; or a codec as chains of format 3 have it, which numcodecs has
        too.

    Raises
    ------
    MetadataError
        It is no codec, or one that format 2 does not have.

    Examples
    --------
    >>> from zarrpipe.codecs import BloscCodec
    >>> to_numcodecs_config(BloscCodec(cname="lz4", shuffle="bitshuffle"))
    {'id': 'blosc', 'cname': 'lz4', 'clevel': 5, 'shuffle': 2, 'blocksize': 0}
    """
    if isinstance(codec, Mapping) and "id" in codec:
        return parse_numcodecs_config(codec)
    if is_numcodecs_object(codec):
        config = dict(codec.get_config())
        if config["id"] == "zstd" and not config.get("checksum"):
            # Readers older than the parameter refuse it.
            config.pop("checksum", None)
        return _plain(config)
    document = parse_codec(codec).to_dict()
    name, configuration = str(document["name"]), dict(document.get("configuration", {}))
    if name.startswith(_PREFIX):
        return _plain({"id": name.removeprefix(_PREFIX), **configuration})
    match name:
        case "gzip" | "crc32c" | "vlen-utf8" | "vlen-bytes" | "vlen-array":
            pass
        case "zstd":
            if not configuration.get("checksum"):
                configuration.pop("checksum", None)
        case "blosc":
            shuffle = configuration.get("shuffle")
            # -1 leaves the choice to the codec, by the size of items.
            number = -1 if shuffle is None else _SHUFFLES.index(str(shuffle))
            names = ("cname", "clevel", "shuffle", "blocksize")
            configuration = {key: {**configuration, "shuffle": number}[key] for key in names}
        case _:
            raise MetadataError(f"the codec {name!r} has no form in format 2")
    return _plain({"id": name, **configuration})


def _plain(config: Mapping[str, Any]) -> dict[str, JSON]:
    """Return a configuration as it will be read again: objects may give tuples, and NumPy's numbers."""
    document: Any = loads(dumps({"codec": config}))
    return parse_numcodecs_config(document["codec"])
