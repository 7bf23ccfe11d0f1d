"""For the tests of what is wrong: a valid array for every codec of the table, every data type and every grid."""

from __future__ import annotations

from typing import Any

import numpy as np

SHAPE, CHUNK = (24, 32), (12, 16)
LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
TRANSPOSE = {"name": "transpose", "configuration": {"order": [1, 0]}}
CRC = {"name": "crc32c"}


def codec(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name, "configuration": configuration}


def sharding(codecs: list[Any], index_codecs: list[Any], where: str = "end") -> dict[str, Any]:
    return codec("sharding_indexed", chunk_shape=[6, 8], codecs=codecs, index_codecs=index_codecs, index_location=where)


def _filter(name: str, **configuration: Any) -> list[Any]:
    return [codec(name, **configuration), LITTLE]


def _behind(name: str, **configuration: Any) -> list[Any]:
    return [LITTLE, codec(name, **configuration)]


_N5 = [TRANSPOSE, BIG]
_LZMA2 = {"id": 0x21, "dict_size": 4096}

CODECS: dict[str, tuple[str, list[Any]]] = {
    "bytes": ("uint16", [BIG]),
    "bytes bool": ("bool", [{"name": "bytes"}]),
    "bytes int4": ("int4", [{"name": "bytes"}]),
    "transpose": ("uint16", [TRANSPOSE, LITTLE]),
    "reshape": ("uint16", _filter("reshape", shape=[[0], 4, -1])),
    "zarrs.squeeze": ("uint16", [codec("reshape", shape=[12, 1, 16]), {"name": "zarrs.squeeze"}, LITTLE]),
    "bitround": ("float32", _filter("bitround", keepbits=3)),
    "cast_value": (
        "float32",
        _filter(
            "cast_value",
            data_type="int16",
            rounding="towards-zero",
            out_of_range="clamp",
            scalar_map={"encode": [["NaN", -32768]], "decode": [[-32768, "NaN"]]},
        ),
    ),
    "cast_value wider": ("uint8", _filter("cast_value", data_type="int64")),
    "scale_offset": ("int32", _filter("scale_offset", offset=5, scale=3)),
    "numcodecs.astype": ("uint16", _filter("numcodecs.astype", encode_dtype="<f8", decode_dtype="<u2")),
    "numcodecs.bitround": ("float64", _filter("numcodecs.bitround", keepbits=3)),
    "numcodecs.delta": ("int32", _filter("numcodecs.delta", dtype="<i4", astype="<i2")),
    "numcodecs.fixedscaleoffset": (
        "float64",
        _filter("numcodecs.fixedscaleoffset", offset=10, scale=100, dtype="<f8", astype="<i4"),
    ),
    "numcodecs.quantize": ("float64", _filter("numcodecs.quantize", digits=3, dtype="<f8", astype="<f4")),
    "numcodecs.packbits": ("bool", _filter("numcodecs.packbits")),
    "packbits": ("bool", [codec("packbits", padding_encoding="first_byte")]),
    "packbits of bits": ("uint16", [codec("packbits", padding_encoding="last_byte", first_bit=1, last_bit=9)]),
    "numcodecs.pcodec": ("float64", [codec("numcodecs.pcodec", level=8, mode_spec="auto", equal_pages_up_to=100)]),
    "pcodec": ("uint32", [codec("pcodec", level=3, delta_spec="try_consecutive", delta_encoding_order=2)]),
    "numcodecs.zfpy": ("float64", [codec("numcodecs.zfpy", mode=4, tolerance=0.01, rate=-1, precision=-1)]),
    "zfp reversible": ("int16", [codec("zfp", mode="reversible")]),
    "zfp rate": ("float32", [codec("zfp", mode="fixed_rate", rate=12)]),
    "zfp precision": ("float64", [codec("zfp", mode="fixed_precision", precision=20)]),
    "zfp accuracy": ("float32", [codec("zfp", mode="fixed_accuracy", tolerance=0.05)]),
    "n5_default": ("uint16", [codec("n5_default", codecs=_N5)]),
    "n5_default gzip": ("uint16", [codec("n5_default", codecs=[*_N5, codec("gzip", level=5)])]),
    "n5_lz4": ("uint16", [codec("n5_default", codecs=[*_N5, {"name": "n5_lz4"}])]),
    "vlen-utf8": ("string", [{"name": "vlen-utf8"}]),
    "vlen-utf8 gzip": ("string", [{"name": "vlen-utf8"}, codec("gzip", level=5)]),
    "vlen-bytes": ("bytes", [TRANSPOSE, {"name": "vlen-bytes"}]),
    "zarrs.vlen": (
        "string",
        [codec("zarrs.vlen", index_codecs=[LITTLE], data_codecs=[{"name": "bytes"}], index_data_type="uint32")],
    ),
    "zarrs.vlen packed": (
        "bytes",
        [
            codec(
                "zarrs.vlen",
                index_codecs=[LITTLE, codec("gzip", level=1)],
                data_codecs=[{"name": "bytes"}, codec("zstd", level=1, checksum=False)],
                index_data_type="uint64",
                index_location="end",
            )
        ],
    ),
    "zarrs.vlen_v2": ("bytes", [{"name": "zarrs.vlen_v2"}]),
    "sharding_indexed": ("uint16", [sharding([LITTLE], [LITTLE])]),
    "sharding_indexed packbits": ("bool", [sharding([codec("packbits", padding_encoding="none")], [LITTLE], "start")]),
    "sharding_indexed pcodec": ("uint32", [sharding([codec("pcodec")], [LITTLE, CRC])]),
    "sharding_indexed vlen": ("string", [sharding([{"name": "vlen-utf8"}], [LITTLE])]),
    "sharding_indexed delta": ("int32", [sharding(_filter("numcodecs.delta", dtype="<i4"), [LITTLE])]),
    "sharding_indexed cast": ("float32", [codec("cast_value", data_type="float64"), sharding([BIG], [LITTLE])]),
    "blosc": (
        "uint16",
        _behind("blosc", cname="lz4", clevel=5, shuffle="shuffle", typesize=2, blocksize=0),
    ),
    "gzip": ("uint16", _behind("gzip", level=1)),
    "zstd": ("uint16", _behind("zstd", level=1, checksum=False)),
    "crc32c": ("uint16", [LITTLE, CRC]),
    "conditional": ("uint16", _behind("conditional", codecs=[{"name": "numcodecs.shuffle"}, CRC], header_bits=8)),
    "numcodecs.adler32": ("uint16", _behind("numcodecs.adler32", location="end")),
    "numcodecs.blosc": ("uint16", _behind("numcodecs.blosc", cname="zstd", clevel=5, shuffle=1, blocksize=0)),
    "numcodecs.bz2": ("uint16", _behind("numcodecs.bz2", level=1)),
    "numcodecs.crc32": ("uint16", _behind("numcodecs.crc32", location="start")),
    "numcodecs.crc32c": ("uint16", _behind("numcodecs.crc32c", location="end")),
    "numcodecs.fletcher32": ("uint16", _behind("numcodecs.fletcher32")),
    "numcodecs.gzip": ("uint16", _behind("numcodecs.gzip", level=1)),
    "numcodecs.jenkins_lookup3": ("uint16", _behind("numcodecs.jenkins_lookup3", initval=3, prefix=[1, 2])),
    "numcodecs.lz4": ("uint16", _behind("numcodecs.lz4", acceleration=1)),
    "numcodecs.lzma": ("uint16", _behind("numcodecs.lzma", format=1, check=0, preset=0)),
    "numcodecs.lzma raw": ("uint16", _behind("numcodecs.lzma", format=3, filters=[{"id": 3, "dist": 2}, _LZMA2])),
    "numcodecs.shuffle": ("uint16", _behind("numcodecs.shuffle", elementsize=2)),
    "numcodecs.zlib": ("uint16", _behind("numcodecs.zlib", level=1)),
    "numcodecs.zstd": ("uint16", _behind("numcodecs.zstd", level=1, checksum=True)),
}
"""The data type of a chunk of `CHUNK` and its codecs."""


OBJECTS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "json2": ({"id": "json2"}, ["a", [1, {"b": None}], 3.5, {}]),
    "msgpack2": ({"id": "msgpack2"}, ["a", [1, {"b": None}], 3.5, b"\xff"]),
    "vlen-array": ({"id": "vlen-array", "dtype": "<i4"}, [np.arange(n, dtype="i4") for n in range(4)]),
    "categorize": (
        {"id": "categorize", "labels": ["a", "b", "ü"], "dtype": "|O", "astype": "|u1"},
        ["a", "b", "ü", ""],
    ),
}
"""The filters of format 2 that make bytes of objects, and some objects."""


def objects(name: str, shape: tuple[int, ...] = SHAPE) -> Any:
    """An array of these objects over and over."""
    given, items = OBJECTS[name][1], np.empty(shape, dtype=object)
    for n, at in enumerate(np.ndindex(shape)):
        items[at] = given[n % len(given)]
    return items


def values(dtype: Any, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Any:
    """Items that every codec can store: small numbers, short words."""
    chance = np.random.default_rng(seed)
    numbers = chance.integers(0, 7, shape)
    name = str(dtype)
    if name == "bool":
        return numbers % 2 == 0
    if name == "string":
        return np.array([["é" * n for n in row] for row in numbers], dtype=np.dtypes.StringDType())
    if name == "bytes":
        words = np.empty(shape, dtype=object)
        for at, n in np.ndenumerate(numbers):
            words[at] = b"\xff" * n
        return words
    return numbers
