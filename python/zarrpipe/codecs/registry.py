"""Which class a codec's name means.

In this order: what the user registered; the built-in table; the entry points ``zarrpipe.codecs`` of installed
packages; and, for names that none of these know, the codecs of other libraries: the entry points ``zarr.codecs``, then
numcodecs, by its id.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from zarrpipe._types import JSON
from zarrpipe.errors import UnsupportedError

__all__ = ["BUILT_IN", "get_codec_class", "numcodecs_document", "register_codec", "unregister_codec"]

BUILT_IN: dict[str, tuple[str, str]] = {
    "bytes": ("zarrpipe.codecs.bytes", "BytesCodec"),
    "endian": ("zarrpipe.codecs.bytes", "BytesCodec"),
    "bitround": ("zarrpipe.codecs.bitround", "BitRoundCodec"),
    "cast_value": ("zarrpipe.codecs.cast_value", "CastValue"),
    "numcodecs.astype": ("zarrpipe.codecs.numcodecs", "AsType"),
    "numcodecs.bitround": ("zarrpipe.codecs.numcodecs", "BitRound"),
    "numcodecs.delta": ("zarrpipe.codecs.numcodecs", "Delta"),
    "numcodecs.fixedscaleoffset": ("zarrpipe.codecs.numcodecs", "FixedScaleOffset"),
    "numcodecs.quantize": ("zarrpipe.codecs.numcodecs", "Quantize"),
    "scale_offset": ("zarrpipe.codecs.scale_offset", "ScaleOffset"),
    "transpose": ("zarrpipe.codecs.transpose", "TransposeCodec"),
    "gzip": ("zarrpipe.codecs.gzip", "GzipCodec"),
    "zstd": ("zarrpipe.codecs.zstd", "ZstdCodec"),
    "blosc": ("zarrpipe.codecs.blosc", "BloscCodec"),
    "crc32c": ("zarrpipe.codecs.crc32c", "Crc32cCodec"),
    "conditional": ("zarrpipe.codecs.conditional", "ConditionalCodec"),
    "n5_lz4": ("zarrpipe.codecs.n5_lz4", "N5Lz4Codec"),
    "numcodecs.adler32": ("zarrpipe.codecs.numcodecs", "Adler32"),
    "numcodecs.blosc": ("zarrpipe.codecs.numcodecs", "Blosc"),
    "numcodecs.bz2": ("zarrpipe.codecs.numcodecs", "BZ2"),
    "numcodecs.crc32": ("zarrpipe.codecs.numcodecs", "CRC32"),
    "numcodecs.crc32c": ("zarrpipe.codecs.numcodecs", "CRC32C"),
    "numcodecs.fletcher32": ("zarrpipe.codecs.numcodecs", "Fletcher32"),
    "numcodecs.gzip": ("zarrpipe.codecs.numcodecs", "GZip"),
    "numcodecs.jenkins_lookup3": ("zarrpipe.codecs.numcodecs", "JenkinsLookup3"),
    "numcodecs.json2": ("zarrpipe.codecs.numcodecs", "JSON2"),
    "numcodecs.lz4": ("zarrpipe.codecs.numcodecs", "LZ4"),
    "numcodecs.lzma": ("zarrpipe.codecs.numcodecs", "LZMA"),
    "numcodecs.shuffle": ("zarrpipe.codecs.numcodecs", "Shuffle"),
    "numcodecs.zlib": ("zarrpipe.codecs.numcodecs", "Zlib"),
    "numcodecs.zstd": ("zarrpipe.codecs.numcodecs", "Zstd"),
    "numcodecs.msgpack2": ("zarrpipe.codecs.numcodecs", "MsgPack2"),
    "numcodecs.packbits": ("zarrpipe.codecs.numcodecs", "PackBits"),
    "numcodecs.pcodec": ("zarrpipe.codecs.numcodecs", "PCodec"),
    "pcodec": ("zarrpipe.codecs.numcodecs", "PCodec"),
    "https://codec.zarrs.dev/array_to_bytes/pcodec": ("zarrpipe.codecs.numcodecs", "PCodec"),
    "numcodecs.zfpy": ("zarrpipe.codecs.numcodecs", "ZFPY"),
    "packbits": ("zarrpipe.codecs.packbits", "PackBitsCodec"),
    "zfp": ("zarrpipe.codecs.zfp", "ZfpCodec"),
    "n5_default": ("zarrpipe.codecs.n5_default", "N5DefaultCodec"),
    "reshape": ("zarrpipe.codecs.reshape", "ReshapeCodec"),
    "zarrs.squeeze": ("zarrpipe.codecs.reshape", "SqueezeCodec"),
    "squeeze": ("zarrpipe.codecs.reshape", "SqueezeCodec"),
    "https://codec.zarrs.dev/array_to_array/squeeze": ("zarrpipe.codecs.reshape", "SqueezeCodec"),
    "vlen-utf8": ("zarrpipe.codecs.vlen", "VLenUTF8Codec"),
    "vlen-bytes": ("zarrpipe.codecs.vlen", "VLenBytesCodec"),
    "vlen-array": ("zarrpipe.codecs.vlen", "VLenArrayCodec"),
    "zarrs.vlen": ("zarrpipe.codecs.zarrs_vlen", "VLenCodec"),
    "zarrs.vlen_v2": ("zarrpipe.codecs.zarrs_vlen", "VLenV2Codec"),
    "sharding_indexed": ("zarrpipe.codecs.sharding_indexed", "ShardingCodec"),
}
"""Module and class by name. By name, because the sharding codec itself needs the registry."""

_ENTRY_POINTS = "zarrpipe.codecs"

# Names whose codecs are known to lie elsewhere, by how they begin, and what to install.
_KNOWN_ELSEWHERE = {
    "numcodecs.imagecodecs_": "numcodecs imagecodecs",
    "imagecodecs_": "numcodecs imagecodecs",
    "numcodecs.": "zarrpipe[numcodecs]",
}

# Names whose codecs cannot be built in, and why.
_NOT_OFFERED = dict.fromkeys(
    ("gdeflate", "zarrs.gdeflate"),
    "GDeflate has no maintained library for the CPU; store the chunks anew with zarrs, with another codec",
) | dict.fromkeys(
    ("optional", "zarrs.optional"),
    "it stores items that may be missing, with a data type for which NumPy has no form",
)

# numcodecs' ids that documents have as they are.
_NO_PREFIX = frozenset({"vlen-utf8", "vlen-bytes", "vlen-array"})

_registered: dict[str, type[Any]] = {}


def register_codec(key: str, codec_cls: type[Any]) -> None:
    """Make a class the one for a codec's name: before the built-in one, if there is one.

    Parameters
    ----------
    key : str
        The name in metadata documents.
    codec_cls : type
        A codec's class, with `from_dict`.

    Examples
    --------
    >>> from zarrpipe.codecs import GzipCodec
    >>> register_codec("example.gzip", GzipCodec)
    >>> get_codec_class("example.gzip").__name__
    'GzipCodec'
    >>> unregister_codec("example.gzip")
    """
    _registered[key] = codec_cls


def unregister_codec(key: str) -> None:
    """Forget what `register_codec` was told of a name; KeyError if it was told nothing."""
    del _registered[key]


def get_codec_class(key: str) -> type[Any]:
    """Return the class of a codec's name.

    Parameters
    ----------
    key : str
        The name in metadata documents.

    Raises
    ------
    UnsupportedError
        There is none; where it is known, the message says which package has the codec.
    """
    if key in _registered:
        return _registered[key]
    if key in BUILT_IN:
        module, name = BUILT_IN[key]
        return _as_class(getattr(import_module(module), name))
    for entry_point in entry_points(group=_ENTRY_POINTS, name=key):
        return _as_class(entry_point.load())
    # It stands above: it needs codecs' specs, and those the data types.
    found = import_module("zarrpipe.codecs.foreign").find_class(key)
    if found is not None:
        return _as_class(found)
    raise UnsupportedError(_unknown(key))


def numcodecs_document(config: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return a codec's document for its configuration as numcodecs has it, with an ``id``.

    Examples
    --------
    >>> numcodecs_document({"id": "zlib", "level": 1})
    {'name': 'numcodecs.zlib', 'configuration': {'level': 1}}
    """
    codec_id = str(config["id"])
    configuration = {name: value for name, value in config.items() if name != "id"}
    if codec_id == "shuffle":
        # In chains of format 3 absence means the item's size.
        configuration.setdefault("elementsize", 4)
    name = codec_id if codec_id in _NO_PREFIX else f"numcodecs.{codec_id}"
    return {"name": name, "configuration": configuration} if configuration else {"name": name}


def _as_class(found: Any) -> type[Any]:
    if not isinstance(found, type):
        raise UnsupportedError(f"the entry point of the codec is not a class but {found!r}")
    return found


def _unknown(key: str) -> str:
    if key in _NOT_OFFERED:
        return f"the codec {key!r} is not implemented: {_NOT_OFFERED[key]}"
    for start, package in _KNOWN_ELSEWHERE.items():
        if key.startswith(start):
            return f"the codec {key!r} is not built in, nor found in an installed package: pip install {package}"
    return f"the codec {key!r} is not implemented; built in are {', '.join(BUILT_IN)}"
