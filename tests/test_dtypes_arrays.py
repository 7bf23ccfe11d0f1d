"""Arrays of every data type, through byte orders, compression and shards, and with zarr-python and tensorstore.

Everything is compared by bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numcodecs
import numpy as np
import pytest
import tensorstore
import zarr
from hypothesis import given
from hypothesis import strategies as st

import zarrpipe
from zarrpipe.dtypes import BUILT_IN, HasObjectCodec, parse_dtype
from zarrpipe.stores import MemoryStore

CONFIGURED = [
    *("r8", "r24", "V5", "S1", "S7", "<U3", "M8[s]", "m8[25ns]", "M8", "m8"),
    np.dtype([("a", "<i2"), ("b", ">f8"), ("c", "S3"), ("d", [("x", "u1"), ("y", "<M8[us]")])]),
    np.dtype([("a", "u1"), ("b", "S2")]),
    {"name": "numpy.timedelta64", "configuration": {"unit": "us", "scale_factor": 10}},
    np.dtype([("a", ml_dtypes.bfloat16), ("b", ml_dtypes.float8_e5m2), ("c", "?")]),
]
PARAMETERS = {"length", "unit", "fields"}
SIMPLE = [
    cls._zarr_v3_name
    for cls in BUILT_IN
    if not PARAMETERS & set(cls.__dataclass_fields__) and not issubclass(cls, HasObjectCodec)
]
UNUSED = {"bool": 0xFE, "int2": 0xFC, "uint2": 0xFC, "int4": 0xF0, "uint4": 0xF0}
UNUSED |= {"float4_e2m1fn": 0xF0, "float6_e2m3fn": 0xC0, "float6_e3m2fn": 0xC0}
SHAPE, CHUNKS, SHARDS = (9, 7), (4, 3), (8, 6)
LITTLE: dict[str, Any] = {"name": "bytes", "configuration": {"endian": "little"}}
BIG: dict[str, Any] = {"name": "bytes", "configuration": {"endian": "big"}}


def unused_bits(dtype: Any) -> int:
    return UNUSED.get(parse_dtype(dtype).layout()[0].removeprefix("complex:"), 0)


def values_of(dtype: Any, raw: bytes, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return an array of these bytes, as far as the data type has them."""
    native = parse_dtype(dtype).to_native_dtype().newbyteorder("=")
    size = int(np.prod(shape)) * native.itemsize
    items = np.frombuffer((raw * (size // len(raw) + 1))[:size], "u1") & (0xFF ^ unused_bits(dtype))
    if "U" in native.str:
        items = (items.view("=u4") % 0xD800).view("u1")
    if "?" in str(native) or "bool" in str(native):
        items = items & 1
    return items.view(native).reshape(shape)


def random_values(dtype: Any) -> np.ndarray:
    values = values_of(dtype, np.random.default_rng(3).bytes(4096)).copy()
    values[:4, :3] = np.frombuffer(parse_dtype(dtype).fill_bytes(parse_dtype(dtype).default_scalar()), values.dtype)[0]
    return values


def swapped(values: np.ndarray, dtype: Any) -> bytes:
    """Return the bytes of an array's items, in the order that is not the host's."""
    _, nbytes, runs = parse_dtype(dtype).layout()
    items = np.frombuffer(values.tobytes(), "u1").reshape(-1, nbytes).copy()
    for start, size, count in runs:
        part = items[:, start : start + size * count].reshape(len(items), count, size)[:, :, ::-1]
        items[:, start : start + size * count] = part.reshape(len(items), -1)
    return items.tobytes()


@pytest.mark.parametrize("dtype", [*SIMPLE, *CONFIGURED], ids=str)
@pytest.mark.parametrize("endian", ["little", "big"])
@pytest.mark.parametrize("shards", [None, SHARDS])
@pytest.mark.parametrize("compressors", [None, "auto"])
def test_write_and_read(dtype: Any, endian: str, shards: Any, compressors: Any) -> None:
    values = random_values(dtype)
    store = MemoryStore()
    serializer = {"name": "bytes", "configuration": {"endian": endian}}
    array = zarrpipe.create_array(
        store, shape=SHAPE, chunks=CHUNKS, shards=shards, dtype=dtype, serializer=serializer, compressors=compressors
    )
    fill = array.metadata.data_type.fill_bytes(array.fill_value)
    assert array[...].tobytes() == fill * values.size
    array[...] = values
    array[3:5, 2:6] = values[3:5, 2:6]
    again = zarrpipe.open_array(store)
    assert again.metadata == array.metadata
    assert again._chunk_spec(CHUNKS) == array._chunk_spec(CHUNKS)
    assert hash(again._chunk_spec(CHUNKS)) == hash(array._chunk_spec(CHUNKS))
    assert again.dtype == values.dtype
    for selection in (..., (slice(2, 8), slice(1, 6, 2)), (4, slice(None)), (8, 6)):
        assert again[selection].tobytes() == values[selection].tobytes()
    out = np.empty(SHAPE, again.dtype)
    assert again.read(out=out) is out
    assert out.tobytes() == values.tobytes()
    assert np.asarray(again).tobytes() == values.tobytes()
    name = array.metadata.data_type.to_json(3)
    shown = name if isinstance(name, str) and array.dtype.kind in "VW" else str(array.dtype)
    assert f"dtype={shown}>" in repr(array)
    assert shown in str(array.info)


@given(st.sampled_from([*SIMPLE, *CONFIGURED]), st.binary(min_size=1, max_size=64), st.data())
def test_any_bytes_come_back(dtype: Any, raw: bytes, data: st.DataObject) -> None:
    values = values_of(dtype, raw, (5,))
    at = data.draw(st.integers(0, 4))
    # By the slice: a scalar of text has lost the zeros at its end.
    fill_value, fill = values[at], values[at : at + 1].tobytes()
    codecs = data.draw(st.sampled_from([[LITTLE], [BIG], [BIG, {"name": "crc32c"}]]))
    store = MemoryStore()
    array = zarrpipe.create_array(store, shape=5, chunks=3, dtype=dtype, codecs=codecs, fill_value=fill_value)
    data_type = array.metadata.data_type
    again = zarrpipe.open_array(store)
    assert data_type.fill_bytes(again.fill_value) == fill
    assert again[...].tobytes() == fill * 5
    array[...] = values
    assert again[...].tobytes() == values.tobytes()
    assert again[1:4].tobytes() == values[1:4].tobytes()


ASSIGNED: list[tuple[Any, Any]] = [
    ([("a", "i4"), ("b", "S2")], [(1, b"abc"), (2, b"d"), (3, b"")]),
    ([("a", "i4"), ("b", "S2")], (1, b"abc")),
    ([("a", "i4"), ("b", [("c", "f4"), ("d", "U1")])], (1, (0.5, "xyz"))),
    ([("a", "i4"), ("b", "f8")], np.array([(1, 2), (3, 4), (5, 6)], [("x", ">f4"), ("y", "u1")])),
    ([("a", "i4"), ("b", "f8")], 7),
    ("M8[D]", ["2020-01-01", "NaT", "1969-12-31"]),
    ("M8[s]", "2020-02-29"),
    ("M8[D]", np.datetime64("2020-01-01T05:00")),
    ("m8[s]", [1, 2, 3]),
    ("m8[s]", np.array([1, 2, 3], "m8[m]")),
    ("S3", ["abcd", b"x", 5]),
    ("U3", ["abcd", "é", 5]),
    ("U3", "abcdef"),
    ("V3", b"ab"),
    ("V3", np.array([b"abc", b"d", b""], "V3")),
    ("int4", [1, -8, 7]),
    ("uint2", np.arange(3)),
    ("bfloat16", [1, 0.1, np.nan]),
    ("float8_e4m3", np.float32(0.3)),
    ("complex_float16", [1 + 2j, 3, 0]),
    ("complex_float8_e5m2", [(1, 2), (3, 4), (0.5, 0.25)]),
]


@pytest.mark.parametrize(("dtype", "value"), ASSIGNED, ids=str)
def test_assignment_is_numpys(dtype: Any, value: Any) -> None:
    array = zarrpipe.create_array(MemoryStore(), shape=3, chunks=2, dtype=dtype)
    wanted = np.empty(3, array.dtype)
    wanted[...] = value
    array[...] = value
    assert array[...].tobytes() == wanted.tobytes()
    array[1:2] = wanted[0]
    assert array[1].tobytes() == wanted[0].tobytes()


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("M8[D]", "yesterday?"), ("M8[D]", 1.5), ("S3", "é"), ("int4", "x"), ([("a", "i4"), ("b", "i4")], (1, 2, 3))],
    ids=str,
)
def test_assignments_that_numpy_refuses(dtype: Any, value: Any) -> None:
    array = zarrpipe.create_array(MemoryStore(), shape=3, chunks=2, dtype=dtype)
    before = array[...].tobytes()
    with pytest.raises((TypeError, ValueError)):
        array[...] = value
    assert array[...].tobytes() == before


@pytest.mark.parametrize("dtype", [*SIMPLE, *CONFIGURED], ids=str)
def test_what_is_stored(dtype: Any) -> None:
    values = random_values(dtype)
    for codec, stored in ((LITTLE, values.tobytes()), (BIG, swapped(values, dtype))):
        store = MemoryStore()
        array = zarrpipe.create_array(store, shape=SHAPE, chunks=SHAPE, dtype=dtype, codecs=[codec])
        array[...] = values
        assert store._store_dict["c/0/0"].to_bytes() == stored


@pytest.mark.parametrize("name", [name for name in SIMPLE if unused_bits(name)])
@pytest.mark.parametrize("codecs", [[], [{"name": "zstd", "configuration": {"level": 0, "checksum": False}}]], ids=len)
def test_bits_that_the_data_type_does_not_use(name: str, codecs: list[Any], tmp_path: Path) -> None:
    native = parse_dtype(name).to_native_dtype()
    # Large enough that a part is read alone, and decompressing stops early.
    shape = (1 << 19, 2) if native.itemsize == 2 else (1 << 20, 2)
    raw = np.resize(np.arange(256, dtype="u1"), int(np.prod(shape)) * native.itemsize)
    used = 0xFF ^ unused_bits(name)
    clean = (raw != 0).astype("u1") if name == "bool" else raw & used
    array = zarrpipe.create_array(tmp_path, shape=shape, chunks=shape, dtype=name, codecs=["bytes", *codecs])
    (tmp_path / "c/0").mkdir(parents=True)
    (tmp_path / "c/0/0").write_bytes(numcodecs.Zstd().encode(raw) if codecs else raw.tobytes())
    wanted = clean.view(native).reshape(shape)
    assert array[...].tobytes() == wanted.tobytes()
    assert array[:300].tobytes() == wanted[:300].tobytes()
    assert array[5:1000:7, 1].tobytes() == wanted[5:1000:7, 1].tobytes()
    # The items that are left as they were are stored clean with those that are written.
    array[3, 1] = wanted[0, 0]
    copy = np.array(wanted)
    copy[3, 1] = wanted[0, 0]
    assert array[...].tobytes() == copy.tobytes()
    # Dirty arrays are written clean.
    array[...] = np.frombuffer(raw.tobytes(), native).reshape(shape)
    assert array[...].tobytes() == wanted.tobytes()
    if not codecs:
        assert (tmp_path / "c/0/0").read_bytes() == wanted.tobytes()


DEPRECATED_BY_NUMPY = pytest.mark.filterwarnings("ignore:The 'generic' unit:DeprecationWarning")
ZARR = ["S1", "S7", "<U3", "V5", "M8[s]", "m8[25ns]", *CONFIGURED[10:12], "?", "f4", "c16"]


@pytest.mark.parametrize("dtype", [*ZARR, pytest.param("M8", marks=DEPRECATED_BY_NUMPY)], ids=str)
@pytest.mark.parametrize("shards", [None, SHARDS])
def test_zarr_reads_ours_and_we_read_zarrs(dtype: Any, shards: Any, tmp_path: Path) -> None:
    values = random_values(dtype)
    ours = zarrpipe.create_array(tmp_path / "ours", shape=SHAPE, chunks=CHUNKS, shards=shards, dtype=dtype)
    ours[...] = values
    theirs = zarr.open_array(tmp_path / "ours")
    assert theirs.dtype == values.dtype
    assert theirs[...].tobytes() == values.tobytes()
    theirs = zarr.create_array(
        tmp_path / "theirs", shape=SHAPE, chunks=CHUNKS, shards=shards, dtype=values.dtype, zarr_format=3
    )
    theirs[...] = values
    again = zarrpipe.open_array(tmp_path / "theirs")
    assert again[...].tobytes() == values.tobytes()
    assert again[2:7, 3].tobytes() == values[2:7, 3].tobytes()
    # The documents say the same.
    mine, other = (json.loads((tmp_path / name / "zarr.json").read_text()) for name in ("ours", "theirs"))
    assert mine["data_type"] == other["data_type"]
    assert mine["fill_value"] == other["fill_value"]
    if shards is None:
        assert mine["codecs"][0] == other["codecs"][0]


TENSORSTORE = ["int2", "int4", "bfloat16", "float4_e2m1fn", "float8_e3m4", "float8_e4m3b11fnuz", "float8_e4m3fn"]
TENSORSTORE += ["float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "bool", "complex64"]


# tensorstore 0.1.86 reads other bits for the fill values of float8_e8m0fnu than it writes.
NO_FILL_VALUE = ("bool", "complex64", "float8_e8m0fnu")


def their_bytes(array: Any) -> bytes:
    return np.ascontiguousarray(array.read().result()).tobytes()


@pytest.mark.parametrize("name", TENSORSTORE)
@pytest.mark.parametrize("codecs", [[LITTLE], [BIG, {"name": "zstd", "configuration": {"level": 1}}]], ids=["", "big"])
def test_tensorstore_reads_ours_and_we_read_its(name: str, codecs: list[Any], tmp_path: Path) -> None:
    values = random_values(name)
    ours = zarrpipe.create_array(tmp_path / "ours", shape=SHAPE, chunks=CHUNKS, dtype=name, codecs=codecs)
    ours[...] = values
    spec: dict[str, Any] = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(tmp_path / "ours")}}
    assert their_bytes(tensorstore.open(spec).result()) == values.tobytes()
    metadata = {
        "shape": list(SHAPE),
        "data_type": name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(CHUNKS)}},
        "codecs": codecs,
    }
    spec["kvstore"]["path"] = str(tmp_path / "theirs")
    theirs = tensorstore.open({**spec, "metadata": metadata}, create=True).result()
    theirs[...] = values
    again = zarrpipe.open_array(tmp_path / "theirs")
    assert again[...].tobytes() == values.tobytes()
    # What is stored is the same to the byte, where it is not compressed.
    if codecs == [LITTLE]:
        for key in ("c/0/0", "c/2/1"):
            mine, other = ((tmp_path / place / key) for place in ("ours", "theirs"))
            assert mine.exists() == other.exists()
            if mine.exists() and key == "c/0/0":
                assert mine.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", [name for name in TENSORSTORE if name not in NO_FILL_VALUE])
def test_tensorstore_has_the_same_fill_values(name: str, tmp_path: Path) -> None:
    data_type = parse_dtype(name)
    forms: list[Any] = [0, 1] if "int" in name else [1.0, 0.5, 2.0]
    if not ("int" in name or "float4" in name):
        forms.append("NaN")
    for index, form in enumerate(forms):
        path = tmp_path / str(index)
        ours = zarrpipe.create_array(
            path, shape=3, dtype=name, fill_value=data_type.from_json_scalar(form, zarr_format=3)
        )
        theirs = tensorstore.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}).result()
        assert their_bytes(theirs) == ours[...].tobytes()
