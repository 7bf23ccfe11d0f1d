"""Every data type through every codec, to zarr-python, zarrs and tensorstore and back.

What each combination showed is the table in ``docs/parity.md``, which must be what is measured here. To renew it:
``python tests/test_parity_matrix.py``.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

import zarrpipe
from peers import PEERS, any_failure, same
from zarrpipe.dtypes import parse_dtype
from zarrpipe.errors import MetadataError, UnsupportedError

DOCUMENT = Path(__file__).parent.parent / "docs" / "parity.md"
SHAPE = (4, 6)
CHUNKS = (2, 3)

SMALL = ["int2", "int4", "uint2", "uint4", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"]
FLOAT8 = ["e3m4", "e4m3", "e4m3b11fnuz", "e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz", "e8m0fnu"]
COMPLEX = ["float16", "float32", "float64", "bfloat16", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"]
TIME = {"unit": "s", "scale_factor": 10}
FIELDS = [{"name": "a", "data_type": "int16"}, {"name": "b", "data_type": "float64"}]
STRUCT = {"name": "struct", "configuration": {"fields": FIELDS}}
FAMILIES: dict[str, list[Any]] = {
    "Booleans and integers": ["bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))],
    "Floats and complex numbers": ["float16", "float32", "float64", "bfloat16", "complex64", "complex128"],
    "Small types": [*SMALL, *(f"float8_{name}" for name in FLOAT8)],
    "Complex numbers of other components": [
        *(f"complex_{name}" for name in COMPLEX),
        *(f"complex_float8_{name}" for name in FLOAT8 if name != "e4m3fn"),
    ],
    "Bytes, text, times, structures": [
        "r24",
        {"name": "raw_bytes", "configuration": {"length_bytes": 3}},
        {"name": "null_terminated_bytes", "configuration": {"length_bytes": 3}},
        {"name": "fixed_length_utf32", "configuration": {"length_bytes": 12}},
        {"name": "numpy.datetime64", "configuration": TIME},
        {"name": "numpy.timedelta64", "configuration": TIME},
        STRUCT,
        "string",
        "bytes",
    ],
}
BYTES_TO_BYTES = "Bytes-to-bytes codecs"
SEEN_BY_BYTES: list[Any] = ["uint16", "float8_e5m2", STRUCT, "string"]
"""Data types that stand for all others where a codec sees bytes only: a plain one, a small one, a mixed one, text."""

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
ZSTD = {"name": "zstd", "configuration": {"level": 0, "checksum": False}}
GZIP = {"name": "gzip", "configuration": {"level": 1}}
VLEN = {
    "data_codecs": ["bytes", ZSTD],
    "index_codecs": [LITTLE, GZIP],
    "index_data_type": "uint32",
    "index_location": "end",
}

Chain = Callable[[Any], list[Any]]


def document_of(name: str, configuration: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "configuration": configuration} if configuration else {"name": name}


def serializer(data_type: Any) -> dict[str, Any]:
    if data_type in ("string", "bytes"):
        return {"name": "vlen-utf8" if data_type == "string" else "vlen-bytes"}
    return LITTLE


def compressor(name: str, **configuration: Any) -> Chain:
    return lambda data_type: [serializer(data_type), document_of(name, configuration)]


def alone(name: str, **configuration: Any) -> Chain:
    return lambda _: [document_of(name, configuration)]


def sharding(data_type: Any) -> list[Any]:
    index = {"index_codecs": [LITTLE, {"name": "crc32c"}], "index_location": "end"}
    configuration = {"chunk_shape": [1, 3], "codecs": [serializer(data_type), ZSTD], **index}
    return [document_of("sharding_indexed", configuration)]


# Stands for the data type as NumPy writes it.
native_name = object()


def array_codec(name: str, **configuration: Any) -> Chain:
    def chain(data_type: Any) -> list[Any]:
        native = parse_dtype(data_type).to_native_dtype().str
        filled = {key: native if value is native_name else value for key, value in configuration.items()}
        return [document_of(name, filled), serializer(data_type)]

    return chain


ARRAY_CODECS: dict[str, Chain] = {
    "bytes": lambda _: [LITTLE],
    "bytes (big)": lambda _: [BIG],
    "vlen-utf8": alone("vlen-utf8"),
    "vlen-bytes": alone("vlen-bytes"),
    "zarrs.vlen": alone("zarrs.vlen", **VLEN),
    "zarrs.vlen_v2": alone("zarrs.vlen_v2"),
    "packbits": alone("packbits"),
    "numcodecs.packbits": array_codec("numcodecs.packbits"),
    "numcodecs.pcodec": alone("numcodecs.pcodec", level=8),
    "zfp": alone("zfp", mode="reversible"),
    "numcodecs.zfpy": alone("numcodecs.zfpy", mode=5),
    "n5_default": alone("n5_default", codecs=[document_of("transpose", {"order": [1, 0]}), BIG, GZIP]),
    "sharding_indexed": sharding,
    "transpose": array_codec("transpose", order=[1, 0]),
    "reshape": array_codec("reshape", shape=[[0, 1]]),
    "zarrs.squeeze": array_codec("zarrs.squeeze"),
    "scale_offset": array_codec("scale_offset", offset=0, scale=1),
    "cast_value": array_codec("cast_value", data_type="float64"),
    "bitround": array_codec("bitround", keepbits=2),
    "numcodecs.astype": array_codec("numcodecs.astype", encode_dtype="<f4", decode_dtype=native_name),
    "numcodecs.bitround": array_codec("numcodecs.bitround", keepbits=2),
    "numcodecs.delta": array_codec("numcodecs.delta", dtype=native_name),
    "numcodecs.fixedscaleoffset": array_codec(
        "numcodecs.fixedscaleoffset", offset=0, scale=4, dtype=native_name, astype="<i2"
    ),
    "numcodecs.quantize": array_codec("numcodecs.quantize", digits=2, dtype=native_name),
}
BYTES_CODECS: dict[str, Chain] = {
    "blosc": compressor("blosc", cname="zstd", clevel=5, shuffle="shuffle", typesize=2, blocksize=0),
    "gzip": compressor("gzip", level=1),
    "zstd": compressor("zstd", level=1, checksum=True),
    "crc32c": compressor("crc32c"),
    "conditional": compressor("conditional", codecs=[GZIP], header_bits=8),
    "numcodecs.adler32": compressor("numcodecs.adler32"),
    "numcodecs.blosc": compressor("numcodecs.blosc", cname="lz4", clevel=5, shuffle=1, blocksize=0),
    "numcodecs.bz2": compressor("numcodecs.bz2", level=1),
    "numcodecs.crc32": compressor("numcodecs.crc32"),
    "numcodecs.crc32c": compressor("numcodecs.crc32c"),
    "numcodecs.fletcher32": compressor("numcodecs.fletcher32"),
    "numcodecs.gzip": compressor("numcodecs.gzip", level=1),
    "numcodecs.jenkins_lookup3": compressor("numcodecs.jenkins_lookup3"),
    "numcodecs.lz4": compressor("numcodecs.lz4", acceleration=1),
    "numcodecs.lzma": compressor("numcodecs.lzma", preset=1),
    "numcodecs.shuffle": compressor("numcodecs.shuffle", elementsize=2),
    "numcodecs.zlib": compressor("numcodecs.zlib", level=1),
    "numcodecs.zstd": compressor("numcodecs.zstd", level=1),
}
"""For each codec, the chain that has it, by the data type."""

TABLES: dict[str, tuple[dict[str, Chain], list[Any]]] = {
    **{family: (ARRAY_CODECS, data_types) for family, data_types in FAMILIES.items()},
    BYTES_TO_BYTES: (BYTES_CODECS, SEEN_BY_BYTES),
}

KNOWN: dict[tuple[str, str, str], str] = {}
"""Where a peer reads other items than are there, and why: by codec, data type ("*" is any of them) and peer."""

NOT_ASKED: dict[tuple[str, str], str] = {
    ("raw_bytes", "T"): "tensorstore's Python module shows it with items of no bytes, and may end the process",
}
"""Data types that a peer is not asked about."""

IMAGINARY = "the imaginary part would be lost without a word"
FLOAT_TIME = "a float holds no time beyond its precision, and NaT is no number; an integer is taken"
NOT_TAKEN: dict[tuple[str, str, str], str] = {
    **{
        (f"numcodecs.{codec}", f"complex{bits}", "P"): IMAGINARY
        for codec in ("astype", "fixedscaleoffset")
        for bits in (64, 128)
    },
    ("numcodecs.astype", "numpy.datetime64", "P"): FLOAT_TIME,
    ("numcodecs.astype", "numpy.timedelta64", "P"): FLOAT_TIME,
    ("vlen-utf8", "fixed_length_utf32", "P"): "the specification has this codec for `string` only",
    ("vlen-bytes", "raw_bytes", "P"): "the specification has this codec for `bytes` only",
    ("vlen-bytes", "null_terminated_bytes", "P"): "the specification has this codec for `bytes` only",
}
"""What a peer stores and zarrpipe refuses, and why, by codec, data type and peer."""


def values_of(data_type: Any) -> Any:
    """Small values, which every codec of the table keeps, of every data type."""
    native = parse_dtype(data_type).to_native_dtype()
    ramp = np.arange(24).reshape(SHAPE)
    if data_type == "string":
        return np.array([f"é {n:02}" * (n % 3) for n in range(24)], dtype=native).reshape(SHAPE)
    if data_type == "bytes":
        items = np.empty(24, dtype=object)
        items[:] = [bytes([n, 0]) * (n % 4) for n in range(24)]
        return items.reshape(SHAPE)
    if native.names is not None and native.kind == "V":
        items = np.zeros(SHAPE, dtype=native)
        for at, name in enumerate(native.names):
            items[name] = (ramp % (3 + at)).astype(native[name])
        return items
    if native.kind in "SU":
        return ramp.astype(native)
    if native.type is np.void and native.kind == "V":
        return np.frombuffer(bytes(range(24 * native.itemsize)), dtype=native).reshape(SHAPE)
    return (ramp % 2 if "int2" in str(data_type) or native.kind == "b" else ramp % 4 + 1).astype(native)


def created(data_type: Any, codecs: list[Any], folder: Path) -> bool:
    """Make an array; return whether zarrpipe takes the codecs for the data type."""
    try:
        zarrpipe.create_array(folder, shape=SHAPE, chunks=CHUNKS, dtype=data_type, codecs=codecs, fill_value=None)
    except (MetadataError, UnsupportedError):
        # A document that others may take.
        zarrpipe.create_array(folder, shape=SHAPE, chunks=CHUNKS, dtype=data_type, fill_value=None)
        document = json.loads((folder / "zarr.json").read_text())
        (folder / "zarr.json").write_text(json.dumps({**document, "codecs": codecs}))
        return False
    return True


def ask(name: str, full: Path, empty: Path, values: Any) -> str:
    """A capital where the peer reads and writes, a small letter where it only reads, "!" where it reads otherwise."""
    peer = PEERS[name]
    with any_failure() as failed:
        found = peer(full, None)
    if failed:
        return ""
    if not same(found, values):
        return f"{name}!"
    with any_failure() as failed:
        peer(empty, values)
    if failed:
        return name.lower()
    return name if same(zarrpipe.open_array(empty, mode="r")[...], values) else f"{name}!"


def takes(name: str, folder: Path, values: Any) -> bool:
    """Whether a peer stores the values and reads them again."""
    with any_failure() as failed:
        PEERS[name](folder, values)
        return same(PEERS[name](folder, None), values)
    return not failed


def label(data_type: Any) -> str:
    return data_type if isinstance(data_type, str) else str(data_type["name"])


def cell(data_type: Any, codec: str, chain: Chain, scratch: Path) -> str:
    """Who else reads and writes the combination. Fails where someone is wrong, or we are, without a reason."""
    values = values_of(data_type)
    full, empty = scratch / "full", scratch / "empty"
    for path in (full, empty):
        shutil.rmtree(path, ignore_errors=True)
    peers = [name for name in PEERS if (label(data_type), name) not in NOT_ASKED]
    if not created(data_type, chain(data_type), empty):
        others = [name for name in peers if takes(name, empty, values)]
        return "".join(f"({name})" for name in others)
    shutil.copytree(empty, full)
    array = zarrpipe.open_array(full, mode="r+")
    array[...] = values
    assert same(array[...], values), (codec, data_type)
    return "".join(ask(name, full, empty, values) for name in peers) or "·"


def measure(title: str, scratch: Path) -> list[list[str]]:
    chains, data_types = TABLES[title]
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for codec, chain in chains.items():
            cells = [cell(data_type, codec, chain, scratch) for data_type in data_types]
            if any(cells):
                rows.append([codec, *cells])
    return rows


def unexplained(title: str, rows: list[list[str]]) -> list[tuple[str, str, str]]:
    """What a table says without a reason."""
    places = []
    for codec, *cells in rows:
        for data_type, text in zip(map(label, TABLES[title][1]), cells, strict=True):
            places += [
                (codec, data_type, name)
                for name in PEERS
                for mark, reasons in ((f"{name}!", KNOWN), (f"({name})", NOT_TAKEN))
                if mark in text and not any(key in reasons for key in ((codec, data_type, name), (codec, "*", name)))
            ]
    return places


def table(title: str, rows: list[list[str]]) -> str:
    head = ["", *map(label, TABLES[title][1])]
    lines = [head, ["---"] * len(head), *rows]
    return f"## {title}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


INTRODUCTION = """\
# Who else reads it

Made by `tests/test_parity_matrix.py`, which checks it: each combination of a data type and a codec is written here and
read by others, and written by others and read here, with equal items. P is zarr-python {zarr}, Z zarrs-python
{zarrs} (without its way back to zarr-python), T tensorstore {tensorstore}. A capital: it reads and writes the
combination; a small letter: it only reads, what zarrpipe wrote; `!`: it reads other items. A dot: only zarrpipe does.
In brackets: it does, and zarrpipe does not. Empty: the codec does not take the data type.

Bytes-to-bytes codecs see bytes, whatever the data type, so four data types stand for all. Where a peer knows neither
the data type nor the codec by itself, nothing is said of it. The data type `bytes` is tested with values that hold
NUL, `string` with letters beyond ASCII, and everything else with small numbers that lossy codecs keep.
"""


def reasons() -> str:
    lines = [f"- `{data_type}`, {peer} (not asked): {reason}." for (data_type, peer), reason in NOT_ASKED.items()]
    for places in (KNOWN, NOT_TAKEN):
        lines += [
            f"- `{codec}`, `{data_type}`, {peer}: {reason}." for (codec, data_type, peer), reason in places.items()
        ]
    return "## Why\n\n" + "\n".join(lines) + "\n"


def introduction() -> str:
    return INTRODUCTION.format(**{name: version(name) for name in ("zarr", "zarrs", "tensorstore")})


@pytest.mark.parametrize("title", TABLES)
def test_the_table_is_what_is_measured(title: str, tmp_path: Path) -> None:
    rows = measure(title, tmp_path)
    assert not unexplained(title, rows)
    assert table(title, rows) in DOCUMENT.read_text()


def test_what_stands_around_the_tables() -> None:
    text = DOCUMENT.read_text()
    assert text.startswith(introduction())
    assert text.endswith(reasons())


if __name__ == "__main__":
    parts = [introduction()]
    with TemporaryDirectory() as folder:
        for title in TABLES:
            rows = measure(title, Path(folder))
            for place in unexplained(title, rows):
                print("without a reason:", *place)
            parts.append(table(title, rows))
    DOCUMENT.write_text("\n".join([*parts, reasons()]))
