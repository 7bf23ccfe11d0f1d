"""Every data type through every codec, to zarr-python, zarrs and tensorstore and back.

What each combination showed is the table in ``docs/parity.md``, which must be what is measured here. To renew it:
``python tests/test_parity_matrix.py``.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr

import zarrpipe
from zarrpipe.dtypes import parse_dtype
from zarrpipe.errors import MetadataError

DOCUMENT = Path(__file__).parent.parent / "docs" / "parity.md"
SHAPE = (4, 6)
CHUNKS = (2, 3)

SMALL = ["int2", "int4", "uint2", "uint4", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"]
FLOAT8 = ["e3m4", "e4m3", "e4m3b11fnuz", "e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz", "e8m0fnu"]
TIME = {"unit": "s", "scale_factor": 10}
FIELDS = [{"name": "a", "data_type": "int16"}, {"name": "b", "data_type": "float64"}]
FAMILIES: dict[str, list[Any]] = {
    "Booleans and integers": ["bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))],
    "Floats and complex numbers": ["float16", "float32", "float64", "bfloat16", "complex64", "complex128"],
    "Small types": [*SMALL, *(f"float8_{name}" for name in FLOAT8)],
    "Complex numbers of other components": [
        f"complex_{name}"
        for name in ("float16", "float32", "float64", "bfloat16", "float8_e4m3", "float8_e5m2", "float6_e2m3fn")
    ],
    "Bytes, text, times, structures": [
        "r24",
        {"name": "raw_bytes", "configuration": {"length_bytes": 3}},
        {"name": "null_terminated_bytes", "configuration": {"length_bytes": 3}},
        {"name": "fixed_length_utf32", "configuration": {"length_bytes": 12}},
        {"name": "numpy.datetime64", "configuration": TIME},
        {"name": "numpy.timedelta64", "configuration": TIME},
        {"name": "struct", "configuration": {"fields": FIELDS}},
        "string",
        "bytes",
    ],
}
BYTES = {"name": "bytes", "configuration": {"endian": "little"}}


def compressor(name: str, **configuration: Any) -> Callable[[Any], list[Any]]:
    codec = {"name": name, "configuration": configuration} if configuration else {"name": name}
    return lambda data_type: [serializer(data_type), codec]


def serializer(data_type: Any) -> Any:
    return {"string": "vlen-utf8", "bytes": "vlen-bytes"}.get(data_type, BYTES) if isinstance(data_type, str) else BYTES


def array_codec(name: str, **configuration: Any) -> Callable[[Any], list[Any]]:
    def chain(data_type: Any) -> list[Any]:
        native = parse_dtype(data_type).to_native_dtype()
        filled = {key: native.str if value is native_name else value for key, value in configuration.items()}
        return [{"name": name, "configuration": filled} if filled else {"name": name}, serializer(data_type)]

    return chain


# Stands for the data type as NumPy writes it.
native_name = object()


def alone(name: str, **configuration: Any) -> Callable[[Any], list[Any]]:
    codec = {"name": name, "configuration": configuration} if configuration else {"name": name}
    return lambda _data_type: [codec]


def sharding(data_type: Any) -> list[Any]:
    configuration = {
        "chunk_shape": [1, 3],
        "codecs": [serializer(data_type), {"name": "zstd", "configuration": {"level": 0, "checksum": False}}],
        "index_codecs": [BYTES, {"name": "crc32c"}],
        "index_location": "end",
    }
    return [{"name": "sharding_indexed", "configuration": configuration}]


CODECS: dict[str, Callable[[Any], list[Any]]] = {
    "bytes": lambda _data_type: [BYTES],
    "bytes (big)": alone("bytes", endian="big"),
    "vlen-utf8": alone("vlen-utf8"),
    "vlen-bytes": alone("vlen-bytes"),
    "packbits": alone("packbits"),
    "pcodec": alone("pcodec", level=8),
    "numcodecs.pcodec": alone("numcodecs.pcodec", level=8),
    "zfp": alone("zfp", mode="reversible"),
    "numcodecs.zfpy": alone("numcodecs.zfpy", mode=5),
    "n5_default": alone("n5_default", codecs=[{"name": "bytes", "configuration": {"endian": "big"}}]),
    "sharding_indexed": sharding,
    "transpose": array_codec("transpose", order=[1, 0]),
    "reshape": array_codec("reshape", shape=[[0, 1]]),
    "scale_offset": array_codec("scale_offset", offset=0, scale=1),
    "cast_value": array_codec("cast_value", data_type="float64"),
    "bitround": array_codec("bitround", keepbits=2),
    "numcodecs.astype": array_codec("numcodecs.astype", encode_dtype="<f4", decode_dtype=native_name),
    "numcodecs.bitround": array_codec("numcodecs.bitround", keepbits=2),
    "numcodecs.delta": array_codec("numcodecs.delta", dtype=native_name),
    "numcodecs.fixedscaleoffset": array_codec(
        "numcodecs.fixedscaleoffset", offset=0, scale=4, dtype=native_name, astype="<i2"
    ),
    "numcodecs.packbits": array_codec("numcodecs.packbits"),
    "numcodecs.quantize": array_codec("numcodecs.quantize", digits=2, dtype=native_name),
    "blosc": compressor("blosc", cname="zstd", clevel=5, shuffle="shuffle", typesize=2, blocksize=0),
    "gzip": compressor("gzip", level=1),
    "zstd": compressor("zstd", level=1, checksum=True),
    "crc32c": compressor("crc32c"),
    "conditional": compressor("conditional", codecs=[{"name": "gzip", "configuration": {"level": 1}}], header_bits=8),
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


def values_of(data_type: Any) -> Any:
    """Small values, which every codec of the table keeps or rounds, of every data type."""
    native = parse_dtype(data_type).to_native_dtype()
    ramp = np.arange(24).reshape(SHAPE)
    if data_type == "string":
        return np.array([f"text {n}" * (n % 3) for n in range(24)], dtype=native).reshape(SHAPE)
    if data_type == "bytes":
        items = np.empty(24, dtype=object)
        items[:] = [bytes([n]) * (n % 4) for n in range(24)]
        return items.reshape(SHAPE)
    if native.names is not None and native.kind == "V":
        items = np.zeros(SHAPE, dtype=native)
        for name in native.names:
            items[name] = (ramp % 3).astype(native[name])
        return items
    if native.kind in "SU":
        return ramp.astype(native)
    if native.kind == "V" and native.type is np.void:
        return np.frombuffer(bytes(range(24 * native.itemsize)), dtype=native).reshape(SHAPE)
    return (ramp % 2 if "2" in str(data_type)[:5] else ramp % 4 + 1).astype(native)


# The peers: each opens what is there, to read it or to write it.


def by_zarr(folder: Path, values: Any | None) -> Any:
    array = zarr.open_array(folder, mode="r" if values is None else "r+")
    if values is None:
        return array[...]
    array[...] = values
    return None


def by_zarrs(folder: Path, values: Any | None) -> Any:
    settings = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True}
    with zarr.config.set(settings):
        return by_zarr(folder, values)


def by_tensorstore(folder: Path, values: Any | None) -> Any:
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{folder}/"}}
    array = tensorstore.open(spec).result()
    if values is None:
        return array.read().result()
    array.write(values).result()
    return None


PEERS = {"P": by_zarr, "Z": by_zarrs, "T": by_tensorstore}


@contextmanager
def any_failure() -> Iterator[list[BaseException]]:
    """What a peer raises, a panic of its Rust code too, is its answer."""
    failed: list[BaseException] = []
    try:
        yield failed
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001
        failed.append(error)


def same(found: Any, want: Any) -> bool:
    found, want = np.asarray(found), np.asarray(want)
    if found.shape != want.shape:
        return False
    if want.dtype == object or want.dtype.kind == "T":
        return bool((found.astype(object) == want.astype(object)).all())
    return found.tobytes() == want.tobytes()


def ask(name: str, folder: Path, empty: Path, values: Any, ours: Any) -> str:
    """A capital where the peer reads and writes, a small letter where it only reads, "!" where it reads otherwise."""
    peer = PEERS[name]
    with any_failure() as failed:
        found = peer(folder, None)
    if failed:
        return ""
    if not same(found, ours):
        return f"{name}!"
    with any_failure() as failed:
        peer(empty, values)
    if failed:
        return name.lower()
    return name if same(zarrpipe.open_array(empty, mode="r")[...], peer(empty, None)) else f"{name}!"


def cell(data_type: Any, codec: str, scratch: Path) -> str | None:
    """Who else reads and writes the combination; None where it is not one."""
    values = values_of(data_type)
    folder, empty = scratch / "ours", scratch / "theirs"
    for path in (folder, empty):
        shutil.rmtree(path, ignore_errors=True)
    try:
        array = zarrpipe.create_array(
            folder, shape=SHAPE, chunks=CHUNKS, dtype=data_type, codecs=CODECS[codec](data_type), fill_value=None
        )
    except MetadataError:
        return None
    shutil.copytree(folder, empty)
    array[...] = values
    ours = array[...]
    return "".join(ask(name, folder, empty, values, ours) for name in PEERS) or "·"


def label(data_type: Any) -> str:
    return data_type if isinstance(data_type, str) else str(data_type["name"])


INTRODUCTION = """\
# Who else reads it

Made by `tests/test_parity_matrix.py`, which checks it: each combination of a data type and a codec is written here and
read by others, and written by others and read here, with equal items. P is zarr-python {zarr}, Z zarrs-python
{zarrs} (without its way back to zarr-python), T tensorstore {tensorstore}. A capital: it reads and writes the
combination; a small letter: it only reads; `!`: it reads other items. A dot: only zarrpipe does. Empty: the codec does
not take the data type.
"""


def measure(family: str, scratch: Path) -> list[list[str]]:
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for codec in CODECS:
            cells = [cell(data_type, codec, scratch) for data_type in FAMILIES[family]]
            if any(text is not None for text in cells):
                rows.append([codec, *(text or "" for text in cells)])
    return rows


def table(family: str, scratch: Path) -> str:
    head = ["", *map(label, FAMILIES[family])]
    lines = [head, ["---"] * len(head), *measure(family, scratch)]
    return f"## {family}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def document(tables: list[str]) -> str:
    from importlib.metadata import version

    versions = {name: version(name) for name in ("zarr", "zarrs", "tensorstore")}
    return "\n".join([INTRODUCTION.format(**versions), *tables])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_table_is_what_is_measured(family: str, tmp_path: Path) -> None:
    measured = table(family, tmp_path)
    assert "!" not in measured
    text = DOCUMENT.read_text()
    documented = text[text.index(f"## {family}") :].split("\n\n## ")[0].rstrip("\n") + "\n"
    assert measured == documented


def test_versions() -> None:
    assert DOCUMENT.read_text().startswith(document([]).rstrip("\n"))


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        DOCUMENT.write_text(document([table(family, Path(folder)) for family in FAMILIES]))
