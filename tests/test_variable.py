"""Arrays of text and of bytes: against a model of objects, and against zarr-python."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, note
from hypothesis import strategies as st

import zarrpipe
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.pipeline import ZarrPipeline
from zarrpipe.stores import MemoryStore

StringDType = np.dtypes.StringDType
TEXTS = ["", "a", "zwölf", "日本語", "\0", "x" * 40, "𝄞" * 9, "trailing\0"]
RAW = [text.encode("utf-16") for text in TEXTS] + [b"\xff\x00", b""]


class AwaitedStore(MemoryStore):
    """A store that must be awaited."""

    _supports_sync_io = False


def objects(items: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)


def sample(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    pool = TEXTS if dtype == "string" else RAW
    return objects([pool[i % len(pool)] for i in range(int(np.prod(shape)))], shape)


def same(found: np.ndarray, model: np.ndarray) -> bool:
    return found.shape == model.shape and found.tolist() == model.tolist()


# Making arrays


@pytest.mark.parametrize("dtype", [str, "str", "string", StringDType(), "T"])
def test_names_of_text(dtype: Any) -> None:
    array = zarrpipe.create_array({}, shape=(3,), dtype=dtype)
    assert array.metadata.to_dict()["data_type"] == "string"
    assert array.dtype == StringDType()
    assert array.fill_value == ""
    assert [codec.name for codec in array.codecs] == ["vlen-utf8", "zstd"]
    assert array[:].dtype == StringDType()


@pytest.mark.parametrize("dtype", ["bytes", "variable_length_bytes"])
def test_names_of_bytes(dtype: str) -> None:
    array = zarrpipe.create_array({}, shape=(3,), dtype=dtype, fill_value=b"\xff")
    document = array.metadata.to_dict()
    assert (document["data_type"], document["fill_value"]) == ("bytes", "/w==")
    assert [codec.name for codec in array.codecs] == ["vlen-bytes", "zstd"]
    assert array[:].tolist() == [b"\xff"] * 3


def test_from_data() -> None:
    data = np.array([["a", "bc"], ["", "ö"]], dtype=StringDType())
    array = zarrpipe.create_array({}, data=data)
    assert array.metadata.to_dict()["data_type"] == "string"
    assert same(array[:], data)


def test_objects_alone_are_no_data_type() -> None:
    for dtype in (object, "O"):
        with pytest.raises(UnsupportedError, match='name the data type, dtype="string" or dtype="bytes"'):
            zarrpipe.create_array({}, shape=(1,), dtype=dtype)
    with pytest.raises(TypeError, match="missing value"):
        zarrpipe.create_array({}, shape=(1,), dtype=StringDType(na_object=None))


@pytest.mark.parametrize(
    ("dtype", "codecs", "message"),
    [
        ("string", ["bytes"], "bytes needs a data type of fixed size"),
        ("string", ["vlen-bytes"], "vlen-bytes is for the data type bytes, not for string"),
        ("bytes", ["vlen-utf8"], "vlen-utf8 is for the data type string, not for bytes"),
        ("uint8", ["vlen-utf8"], "vlen-utf8 is for the data type string, not for uint8"),
        ("uint8", ["zarrs.vlen_v2"], "is for a data type of variable length"),
        ("string", [{"name": "vlen-utf8", "configuration": {"x": 1}}], "'x'"),
    ],
)
def test_codecs_that_do_not_fit(dtype: str, codecs: Any, message: str) -> None:
    with pytest.raises(MetadataError, match=message):
        zarrpipe.create_array({}, shape=(4,), dtype=dtype, codecs=codecs)


def test_what_it_shows() -> None:
    array = zarrpipe.create_array({}, shape=(3,), dtype="bytes")
    assert "Data type   : bytes" in repr(array.info)
    assert "dtype=bytes" in repr(array)
    assert "Data type   : string" in repr(zarrpipe.create_array({}, shape=(3,), dtype=str).info)


def test_blosc_is_told_of_single_bytes() -> None:
    array = zarrpipe.create_array({}, shape=(300,), dtype=str, compressors=[{"name": "blosc"}])
    array[:] = "text " * 9
    configuration = array.metadata.codecs[1]["configuration"]
    assert (configuration["typesize"], configuration["shuffle"]) == (1, "bitshuffle")
    assert array[299] == "text " * 9


# Values


def test_what_can_be_assigned() -> None:
    array = zarrpipe.create_array({}, shape=(4,), chunks=(3,), dtype=str)
    array[:] = np.array(["a", "bb", "ccc", "ä"])  # U
    assert array[:].tolist() == ["a", "bb", "ccc", "ä"]
    array[1:3] = ["x", None]
    array[3] = np.str_("y")
    array[0] = np.array("z", dtype=StringDType(na_object=None))
    assert array[:].tolist() == ["z", "x", "", "y"]
    array[2:] = np.array(["n", None], dtype=StringDType(na_object=None))
    array[:2] = np.zeros(2, dtype=object)  # missing values, to numcodecs
    assert array[:].tolist() == ["", "", "n", ""]
    array[...] = "all"
    assert array[:].tolist() == ["all"] * 4

    raw = zarrpipe.create_array({}, shape=(4,), chunks=(3,), dtype="bytes")
    raw[:] = np.array([b"a", b"bb", b"", b"c"])  # S
    raw[1:3] = [b"x\0", None]
    raw[3] = bytearray(b"\0\0")
    assert raw[:].tolist() == [b"a", b"x\0", b"", b"\0\0"]
    raw[...] = b"all\0"
    assert raw[:].tolist() == [b"all\0"] * 4


@pytest.mark.parametrize("value", [1, [1, 2, 3, 4], ["a", 1, "b", "c"], np.arange(4.0), float("nan"), b"raw"])
def test_what_is_no_text(value: Any) -> None:
    array = zarrpipe.create_array({}, shape=(4,), dtype=str)
    array[:] = "old"
    with pytest.raises(TypeError):
        array[:] = value
    with pytest.raises(UnicodeEncodeError):
        array[:] = "\ud800"
    assert array[:].tolist() == ["old"] * 4


@pytest.mark.parametrize("value", [1, "text", ["a", "b", "c", "d"], np.array(["a"]), [b"a", "b", b"", b""]])
def test_what_is_no_bytes(value: Any) -> None:
    array = zarrpipe.create_array({}, shape=(4,), dtype="bytes")
    with pytest.raises(TypeError):
        array[:] = value


def test_values_of_another_shape() -> None:
    array = zarrpipe.create_array({}, shape=(4, 2), chunks=(3, 1), dtype=str)
    array[:] = ["a", "b"]
    assert array[:].tolist() == [["a", "b"]] * 4
    array[:] = np.array([["r"], ["s"], ["t"], ["u"]], dtype=StringDType())
    assert array[:].tolist() == [[c, c] for c in "rstu"]
    with pytest.raises(ValueError, match="shape"):
        array[:] = ["a", "b", "c"]


COPIES = """
import resource, sys
import numpy as np, zarrpipe

array = zarrpipe.create_array({}, shape=(4096,), chunks=(16,), dtype=str, compressors=[{"name": "zstd"}])
array[:1] = "x"
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
value = np.broadcast_to(np.array("x" * 2**16, dtype=np.dtypes.StringDType()), (4096,))
array[:] = value
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert array[4095] == "x" * 2**16
print(peak - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="allowed: no resource module")
def test_a_value_that_repeats_is_copied_once() -> None:
    # 256 MB in all, of 64 KB each.
    done = subprocess.run([sys.executable, "-c", COPIES], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 64 * 1024


PARTS = """
import resource, sys
import zarrpipe

array = zarrpipe.create_array({}, shape=(64, 64), chunks=(1, 64), dtype="bytes", compressors=[{"name": "zstd"}])
for row in range(64):
    array[row] = bytes([row]) * 2**16
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
column = array[:, 5]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert [len(item) for item in column] == [2**16] * 64
print(peak - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="allowed: no resource module")
def test_what_is_not_wanted_of_a_chunk_is_not_kept() -> None:
    # Of 64 chunks of 4 MB each, one item of 64 KB.
    done = subprocess.run([sys.executable, "-c", PARTS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 64 * 1024


# Reading


@pytest.mark.parametrize("dtype", ["string", "bytes"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_order_and_out(dtype: str, order: Any) -> None:
    model = sample(dtype, (5, 7, 2))
    array = zarrpipe.create_array({}, shape=model.shape, chunks=(2, 3, 2), dtype=dtype, order=order)
    array[:] = model
    found = array[:]
    assert found.flags.f_contiguous == (order == "F")
    assert same(found, model)

    out = np.full((7, 5), "old", dtype=array.dtype)
    assert array.read((slice(None), slice(None), 1), out=out.T) is not out
    assert same(out.T, model[:, :, 1])
    wide = np.full((5, 14), "old", dtype=array.dtype)
    array.read((slice(None), slice(None), 0), out=wide[:, ::2])
    assert same(wide[:, ::2], model[:, :, 0])
    assert (wide[:, 1::2] == "old").all()

    with pytest.raises(TypeError):
        array.read(..., out=np.empty(model.shape, dtype="U9"))
    with pytest.raises(ValueError, match="read-only"):
        array.read(..., out=np.broadcast_to(np.empty((), dtype=array.dtype), model.shape))


def test_axes_of_length_0_and_none() -> None:
    scalar = zarrpipe.create_array({}, shape=(), dtype=str, fill_value="fill")
    assert scalar[...].tolist() == "fill"
    scalar[...] = "text"
    assert scalar[()].tolist() == "text"
    empty = zarrpipe.create_array({}, shape=(0, 3), dtype="bytes")
    assert empty[:].shape == (0, 3)
    empty[:] = np.empty((0, 3), dtype=object)


def test_as_an_array_and_as_rows() -> None:
    array = zarrpipe.create_array({}, shape=(5, 2), chunks=(2, 2), dtype=str)
    model = sample("string", (5, 2))
    array[:] = model
    assert same(np.asarray(array), model)
    assert np.asarray(array, dtype="U40").dtype.kind == "U"
    assert all(same(row, line) for row, line in zip(array, model, strict=True))


def test_what_was_read_outlives_all_else() -> None:
    results = []
    for dtype in ("string", "bytes"):
        array = zarrpipe.create_array({}, shape=(1000,), chunks=(100,), dtype=dtype, fill_value="fill" * 20)
        model = sample(dtype, (1000,))
        array[:900] = model[:900]
        model[900:] = array.fill_value
        results.append((array[:], model))
        del array
    gc.collect()
    # Memory that was let go is written over.
    [zarrpipe.create_array({}, data=np.full(1000, "junk" * 50, dtype=StringDType()))[:] for _ in range(5)]
    for found, model in results:
        assert same(found, model)


def test_references_are_counted() -> None:
    item = b"counted" * 3
    before = sys.getrefcount(item)
    array = zarrpipe.create_array({}, shape=(100,), chunks=(10,), dtype="bytes")
    array[:] = item
    out = np.full(100, item, dtype=object)
    array.read(..., out=out)
    assert out.tolist() == [item] * 100
    del out
    gc.collect()
    assert sys.getrefcount(item) == before


def test_async_forms() -> None:
    async def use() -> None:
        array = zarrpipe.create_array(AwaitedStore(), shape=(50,), chunks=(7,), shards=(14,), dtype=str)
        model = sample("string", (50,))
        await array.write_async(..., model)
        await array.write_async(slice(3, 20), "new")
        model[3:20] = "new"
        assert same(await array.read_async(...), model)
        out = np.empty(10, dtype=StringDType())
        assert await array.read_async(slice(10, 20), out=out) is out
        assert same(out, model[10:20])

    asyncio.run(use())


@pytest.mark.parametrize("dtype", ["string", "bytes"])
@pytest.mark.parametrize("shards", [None, (4, 6)])
def test_advanced_selections(dtype: str, shards: Any) -> None:
    fill: Any = "fill" if dtype == "string" else b"fill\0"
    model = sample(dtype, (9, 8))
    model[4:] = fill
    array = zarrpipe.create_array({}, shape=(9, 8), chunks=(2, 3), shards=shards, dtype=dtype, fill_value=fill)
    array[:4] = model[:4]
    rows, columns = np.array([8, 0, 3, 3]), np.array([1, 7, 7, 0])
    assert same(array.oindex[rows, [1, 7]], model[np.ix_(rows, [1, 7])])
    assert same(array.vindex[rows, columns], model[rows, columns])
    mask = np.arange(72).reshape(9, 8) % 5 == 0
    assert same(array.get_mask_selection(mask), model[mask])
    array.vindex[rows[:3], columns[:3]] = model[1, :3]
    model[rows[:3], columns[:3]] = model[1, :3]
    array.oindex[[1, 5], :] = model[0, 3]
    model[[1, 5], :] = model[0, 3]
    array[mask] = model[2, 2]
    model[mask] = model[2, 2]
    assert same(array[:], model)


@pytest.mark.parametrize("dtype", ["string", "bytes"])
def test_chunks_of_several_shapes(dtype: str) -> None:
    fill: Any = "fill" * 9 if dtype == "string" else b"fill\0" * 9
    model = sample(dtype, (9, 8))
    array = zarrpipe.create_array({}, shape=(9, 8), chunks=[[1, 3, 5], [6, 2]], dtype=dtype, fill_value=fill)
    assert array[:].tolist() == [[fill] * 8] * 9
    array[:, 1:7] = model[:, 1:7]
    model[:, 0] = model[:, 7] = fill
    assert same(array[:], model)
    encoded = array.encode_chunk(model[1:4, :6], (1, 0))
    assert encoded is not None
    assert same(array.decode_chunk(encoded, (1, 0)), model[1:4, :6])


# Chunks


@pytest.mark.parametrize("dtype", ["string", "bytes"])
def test_fill_values_and_empty_chunks(dtype: str) -> None:
    fill: Any = "none" * 9 if dtype == "string" else b"none" * 9
    other: Any = "more" * 9 if dtype == "string" else b"more" * 9
    for keep in (False, True):
        store = MemoryStore()
        config = {"write_empty_chunks": keep}
        array = zarrpipe.create_array(store, shape=(10,), chunks=(5,), dtype=dtype, fill_value=fill, config=config)
        assert array[:].tolist() == [fill] * 10
        array[:5] = [fill] * 5
        assert array.nchunks_initialized == int(keep)
        array[1] = other
        assert array.nchunks_initialized == 1
        array[1] = fill
        assert array.nchunks_initialized == int(keep)
        assert zarrpipe.open_array(store).fill_value == fill


def test_chunks_in_memory() -> None:
    array = zarrpipe.create_array({}, shape=(10,), chunks=(4,), dtype=str, fill_value="-")
    encoded = array.encode_chunk(["a", "", "ö", "d"])
    assert encoded is not None
    assert array.decode_chunk(encoded).tolist() == ["a", "", "ö", "d"]
    assert array.decode_chunk(encoded).dtype == StringDType()
    assert array.encode_chunk("-") is None
    assert array.encode_chunk(np.array(["-"] * 4)) is None
    array.put_encoded_chunk((1,), encoded)
    assert array[3:9].tolist() == ["-", "a", "", "ö", "d", "-"]
    with pytest.raises(TypeError):
        array.encode_chunk([1, 2, 3, 4])


@pytest.mark.parametrize("dtype", ["string", "bytes"])
def test_resize_and_append(dtype: str) -> None:
    model = sample(dtype, (10,))
    fill: Any = "fill" if dtype == "string" else b"fill\0"
    array = zarrpipe.create_array({}, shape=(10,), chunks=(4,), dtype=dtype, fill_value=fill)
    array[:] = model
    array.resize(6)
    array.resize(12)
    assert array[:].tolist() == [*model[:6].tolist(), *[fill] * 6]
    array.append(model[:3])
    assert array[:].tolist() == [*model[:6].tolist(), *[fill] * 6, *model[:3].tolist()]


# Other writers


def document_of(codecs: list[Any], dtype: str, fill: str) -> dict[str, Any]:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [7, 10],
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 6]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": codecs,
        "attributes": {},
    }


ZSTD = {"name": "zstd", "configuration": {"level": 3, "checksum": False}}
GZIP = {"name": "gzip", "configuration": {"level": 5}}
TRANSPOSE = {"name": "transpose", "configuration": {"order": [1, 0]}}
INDEX = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]


def chains(serializer: str) -> dict[str, list[Any]]:
    vlen = {"name": serializer, "configuration": {}}

    def shard(*codecs: Any) -> dict[str, Any]:
        configuration = {"chunk_shape": [2, 2], "codecs": list(codecs), "index_codecs": INDEX}
        return {"name": "sharding_indexed", "configuration": {**configuration, "index_location": "end"}}

    return {
        "plain": [vlen],
        "zstd": [vlen, ZSTD],
        "gzip crc32c": [vlen, GZIP, {"name": "crc32c"}],
        "transpose": [TRANSPOSE, vlen, ZSTD],
        "sharded": [shard(vlen, ZSTD)],
        "sharded transpose": [shard(TRANSPOSE, vlen)],
    }


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("chain", list(chains("")))
@pytest.mark.parametrize("dtype", ["string", "bytes"])
def test_parity_with_zarr(dtype: str, chain: str, tmp_path: Path) -> None:
    serializer = {"string": "vlen-utf8", "bytes": "vlen-bytes"}[dtype]
    fill = "none" if dtype == "string" else "bm9uZQ=="
    model = sample(dtype, (7, 10))
    stores = [tmp_path / "theirs", tmp_path / "ours"]
    for store in stores:
        store.mkdir()
        (store / "zarr.json").write_text(json.dumps(document_of(chains(serializer)[chain], dtype, fill)))
    theirs, ours = zarr.open_array(stores[0]), zarrpipe.open_array(stores[1])
    for array in (theirs, ours):
        array[:] = model
        array[1:5, 3] = model[0, 1]
    model[1:5, 3] = model[0, 1]
    files = [sorted(p.relative_to(store) for p in (store / "c").rglob("*") if p.is_file()) for store in stores]
    assert files[0] == files[1]
    if chain == "plain":
        assert all((stores[0] / f).read_bytes() == (stores[1] / f).read_bytes() for f in files[0])
    # Each reads the other's.
    assert same(zarrpipe.open_array(stores[0])[:], model)
    found = zarr.open_array(stores[1])
    assert same(np.asarray(found[:]), model)
    assert same(zarrpipe.open_array(stores[0])[::3, 1:9:2], np.asarray(theirs[::3, 1:9:2]))
    assert zarrpipe.open_array(stores[0]).fill_value == found.fill_value


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_zarr_opens_what_is_created_here(tmp_path: Path) -> None:
    for dtype in ("string", "bytes"):
        model = sample(dtype, (9,))
        array = zarrpipe.create_array(tmp_path / dtype, shape=(9,), chunks=(4,), dtype=dtype, fill_value="f")
        array[:] = model
        theirs = zarr.open_array(tmp_path / dtype)
        assert same(np.asarray(theirs[:]), model)
        assert theirs.fill_value == array.fill_value
        created = zarr.create_array(
            tmp_path / f"{dtype} of zarr",
            shape=(9,),
            chunks=(4,),
            dtype={"bytes": "variable_length_bytes"}.get(dtype, dtype),
            fill_value=model[1],
        )
        created[:5] = model[:5]
        opened = zarrpipe.open_array(tmp_path / f"{dtype} of zarr")
        assert same(opened[:], np.asarray(created[:]))


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("dtype", ["string", "variable_length_bytes"])
def test_as_the_pipeline_of_zarr(dtype: str, tmp_path: Path) -> None:
    model = sample("string" if dtype == "string" else "bytes", (9, 8))
    zarr.registry.register_pipeline(ZarrPipeline)  # type: ignore[arg-type]
    with zarr.config.set({"codec_pipeline.path": f"{ZarrPipeline.__module__}.ZarrPipeline"}):
        array = zarr.create_array(tmp_path / "a", shape=(9, 8), chunks=(2, 3), shards=(4, 6), dtype=dtype)
        array[:] = model
        array[1:7:3, 2:] = model[0, 1]
        model[1:7:3, 2:] = model[0, 1]
        assert isinstance(array.async_array.codec_pipeline, ZarrPipeline)
        assert same(np.asarray(array[:]), model)
        rows = np.array([8, 0, 3, 3])
        assert same(np.asarray(array.oindex[rows, [1, 7]]), model[np.ix_(rows, [1, 7])])
        mask = np.arange(72).reshape(9, 8) % 5 == 0
        assert same(np.asarray(array.vindex[mask]), model[mask])
        array.vindex[mask] = model[0, 3]
        model[mask] = model[0, 3]
    assert same(np.asarray(zarr.open_array(tmp_path / "a")[:]), model)


# A model


@dataclass
class Case:
    array: zarrpipe.Array
    model: np.ndarray
    items: st.SearchStrategy[Any]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from([*TEXTS, "y" * 300])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shape = tuple(draw(st.lists(st.integers(0, 9), min_size=0, max_size=3)))
    chunks = tuple(draw(st.integers(1, 4)) for _ in shape)
    shards = tuple(draw(st.integers(1, 3)) * n for n in chunks) if shape and draw(st.booleans()) else None
    dtype = draw(st.sampled_from(["string", "bytes"]))
    items: st.SearchStrategy[Any] = texts if dtype == "string" else st.binary(max_size=20)
    filters = []
    if draw(st.booleans()):
        filters.append({"name": "transpose", "configuration": {"order": draw(st.permutations(range(len(shape))))}})
    fill = draw(items)
    array = zarrpipe.create_array(
        AwaitedStore() if draw(st.booleans()) else MemoryStore(),
        shape=shape,
        chunks=chunks,
        shards=shards,
        dtype=dtype,
        filters=filters,
        compressors=draw(st.sampled_from([None, "auto", [GZIP]])),
        fill_value=fill,
        order=draw(st.sampled_from(["C", "F"])),
        config=None,
    )
    model = np.empty(shape, dtype=object)
    model[...] = fill
    return Case(array, model, items)


def selections(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    parts: list[Any] = []
    for length in shape:
        if length and draw(st.integers(0, 3)) == 0:
            parts.append(draw(st.integers(-length, length - 1)))
        else:
            start, stop = sorted(draw(st.tuples(st.integers(0, length), st.integers(0, length))))
            parts.append(slice(start, stop, draw(st.integers(1, 3))))
    # Ends in an Ellipsis, so that NumPy gives an array.
    return (*parts, ...)


@given(st.data())
def test_against_a_model(data: st.DataObject) -> None:
    case = data.draw(cases())
    draw: Any = data.draw
    for _ in range(draw(st.integers(1, 4))):
        selection = selections(draw, case.array.shape)
        part = case.model[selection]
        if draw(st.booleans()):
            value: Any = draw(case.items)
            case.array[selection] = value
            part[...] = value
        else:
            count = part.size
            value = objects(draw(st.lists(case.items, min_size=count, max_size=count)), part.shape)
            case.array[selection] = value
            part[...] = value
        note(f"{selection} = {value!r}")
        selection = selections(draw, case.array.shape)
        assert same(case.array[selection], case.model[selection]), selection
    assert same(case.array[...], case.model)
    again = zarrpipe.open_array(case.array.store, mode="r")
    assert same(again[...], case.model)


def test_chunks_that_take_another_shape() -> None:
    filters = [{"name": "reshape", "configuration": {"shape": [[0, 1]]}}, {"name": "zarrs.squeeze"}]
    model = sample("string", (5, 6))
    array = zarrpipe.create_array({}, shape=(5, 6), chunks=(2, 3), dtype=str, filters=filters, fill_value="fill")
    array[:3] = model[:3]
    array[4, ::2] = "new"
    model[3:] = "fill"
    model[4, ::2] = "new"
    assert same(array[:], model)


@pytest.mark.parametrize("codec", ["packbits", "numcodecs.packbits", "n5_default", "numcodecs.pcodec"])
def test_codecs_for_numbers_refuse_text(codec: str) -> None:
    configuration = {"codecs": [TRANSPOSE, {"name": "bytes", "configuration": {"endian": "big"}}]}
    document = {"name": codec, "configuration": configuration} if codec == "n5_default" else codec
    for codecs in ([document], [document, "bytes"]):
        with pytest.raises((MetadataError, UnsupportedError)):
            zarrpipe.create_array({}, shape=(4, 4), dtype=str, codecs=codecs)
