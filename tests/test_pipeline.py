"""`ZarrPipeline` against NumPy, and against zarr-python's own pipeline."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import zarr.codecs
import zarr.storage
from hypothesis import given
from hypothesis import strategies as st
from zarr.core.array_spec import ArrayConfig
from zarr.core.array_spec import ArraySpec as TheirSpec
from zarr.core.buffer.core import default_buffer_prototype as their_prototype
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.core.dtype import get_data_type_from_native_dtype as their_dtype
from zarr.storage import StorePath as TheirStorePath

from zarrpipe.abc.codec import CodecPipeline
from zarrpipe.buffer import Buffer, NDBuffer, default_buffer_prototype
from zarrpipe.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec
from zarrpipe.dtypes import parse_dtype
from zarrpipe.errors import ChecksumError, MetadataError, ReadOnlyError, TruncatedError
from zarrpipe.metadata import RegularChunkGrid
from zarrpipe.pipeline import ZarrPipeline
from zarrpipe.spec import ArraySpec, parse_array_config
from zarrpipe.stores import LocalStore, MemoryStore, StorePath

CHUNK = (4, 6)
CHAINS: dict[str, list[Any]] = {
    "raw": [BytesCodec()],
    "big": [BytesCodec(endian="big")],
    "zstd": [BytesCodec(), ZstdCodec()],
    "transpose": [TransposeCodec(order=(1, 0)), BytesCodec(), GzipCodec(level=1), Crc32cCodec()],
    "blosc": [BytesCodec(), BloscCodec(typesize=4, shuffle="bitshuffle")],
    "shard": [ShardingCodec(chunk_shape=(2, 3), codecs=[BytesCodec(), ZstdCodec()])],
    "shard start": [
        TransposeCodec(order=(1, 0)),
        ShardingCodec(chunk_shape=(3, 2), codecs=[BytesCodec(), Crc32cCodec()], index_location="start"),
    ],
    "nested": [ShardingCodec(chunk_shape=(4, 3), codecs=[ShardingCodec(chunk_shape=(2, 1), codecs=[BytesCodec()])])],
    "wrapped shard": [ShardingCodec(chunk_shape=(2, 3), codecs=[BytesCodec()]), ZstdCodec()],
}


def spec(dtype: str = "int32", fill_value: Any = 7, shape: tuple[int, ...] = CHUNK, **config: Any) -> ArraySpec:
    zdtype = parse_dtype(dtype)
    return ArraySpec(
        shape, zdtype, zdtype.cast_scalar(fill_value), parse_array_config(config), default_buffer_prototype()
    )


class AsyncMemoryStore(MemoryStore):
    _supports_sync_io = False


class Getter:
    """A key that is no place in a store."""

    def __init__(self, data: bytes | None = None) -> None:
        self.value: Any = None if data is None else Buffer.from_bytes(data)

    async def get(self, prototype: Any, byte_range: Any = None) -> Any:
        from zarrpipe.stores.ranges import slice_of

        return None if self.value is None else self.value[slice_of(byte_range, len(self.value))]

    async def set(self, value: Any) -> None:
        self.value = value

    async def delete(self) -> None:
        self.value = None


class SyncGetter(Getter):
    def get_sync(self, prototype: Any = None, byte_range: Any = None) -> Any:
        return asyncio.run(self.get(prototype, byte_range))

    def set_sync(self, value: Any) -> None:
        self.value = value

    def delete_sync(self) -> None:
        self.value = None


class Grid:
    """An array of 2 x 3 chunks, of which the last ones hang over, addressed as zarr-python addresses chunks."""

    shape = (7, 16)

    def __init__(self, kind: str, root: Path | None = None) -> None:
        stores: dict[str, Any] = {
            "memory": MemoryStore,
            "async": AsyncMemoryStore,
            "zarr": zarr.storage.MemoryStore,
            "local": lambda: LocalStore(root or ""),
        }
        self.getters: dict[tuple[int, int], Any] = {}
        store = stores[kind]() if kind in stores else None
        for i in range(2):
            for j in range(3):
                if kind in ("getter", "sync getter"):
                    self.getters[i, j] = Getter() if kind == "getter" else SyncGetter()
                elif kind == "zarr":
                    self.getters[i, j] = TheirStorePath(store, f"a/c/{i}/{j}")
                else:
                    self.getters[i, j] = StorePath(store, f"a/c/{i}/{j}")

    def batch(self, chunk_spec: Any, rows: slice, columns: slice) -> list[Any]:
        """A basic selection with step, cut into chunks by the definition: every item is looked at."""
        batch = []
        wanted = [list(range(*part.indices(n))) for part, n in zip((rows, columns), self.shape, strict=True)]
        for (i, j), getter in self.getters.items():
            chunk_parts, out_parts, complete = [], [], True
            for axis, (number, part) in enumerate(zip((i, j), (rows, columns), strict=True)):
                places = [k for k, place in enumerate(wanted[axis]) if place // CHUNK[axis] == number]
                if not places:
                    break
                inside = [wanted[axis][k] - number * CHUNK[axis] for k in places]
                chunk_parts.append(slice(inside[0], inside[-1] + 1, part.step or 1))
                out_parts.append(slice(places[0], places[-1] + 1))
                held = min(CHUNK[axis], self.shape[axis] - number * CHUNK[axis])
                complete &= inside == list(range(held))
            else:
                batch.append((getter, chunk_spec, tuple(chunk_parts), tuple(out_parts), complete))
        return batch


KINDS = ["memory", "local", "async", "zarr", "getter", "sync getter"]
SLICES = [
    (slice(0, 7), slice(0, 16)),
    (slice(1, 6), slice(3, 14)),
    (slice(0, 7, 3), slice(2, 16, 5)),
    (slice(3, 4), slice(5, 7)),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chain", CHAINS)
async def test_against_numpy(chain: str, kind: str, tmp_path: Path) -> None:
    pipeline = ZarrPipeline.from_codecs(CHAINS[chain])
    grid = Grid(kind, tmp_path)
    model = np.full(grid.shape, 7, dtype="i4")
    rng = np.random.default_rng(1)
    for rows, columns in [SLICES[1], SLICES[0], SLICES[2], SLICES[3]]:
        value = rng.integers(-1000, 1000, model[rows, columns].shape, dtype="i4")
        kept = value.copy()
        await pipeline.write(grid.batch(spec(), rows, columns), NDBuffer.from_numpy_array(value))
        np.testing.assert_array_equal(value, kept)
        model[rows, columns] = value
        for read_rows, read_columns in SLICES:
            out = NDBuffer.create(shape=model[read_rows, read_columns].shape, dtype="i4", fill_value=-1)
            batch = grid.batch(spec(), read_rows, read_columns)
            results = await pipeline.read(iter(batch), out)
            assert len(results) == len(batch)
            np.testing.assert_array_equal(out.as_numpy_array(), model[read_rows, read_columns])


@pytest.mark.parametrize("kind", ["memory", "local", "async", "getter"])
@pytest.mark.parametrize("chain", ["raw", "zstd", "shard"])
async def test_empty_chunks_are_not_stored(chain: str, kind: str, tmp_path: Path) -> None:
    pipeline, grid = ZarrPipeline.from_codecs(CHAINS[chain]), Grid(kind, tmp_path)
    everything = grid.batch(spec(), slice(0, 7), slice(0, 16))
    scalar = NDBuffer.from_numpy_array(np.array(7, dtype="i4"))
    out = NDBuffer.create(shape=grid.shape, dtype="i4")

    async def statuses() -> set[str]:
        return {result["status"] for result in await pipeline.read(everything, out)}

    await pipeline.write(everything, NDBuffer.from_numpy_array(np.array(1, dtype="i4")))
    assert await statuses() == {"present"}
    await pipeline.write(everything, scalar)
    assert await statuses() == {"missing"}
    assert (out.as_numpy_array() == 7).all()
    kept = [(getter, spec(write_empty_chunks=True), *rest) for getter, _, *rest in everything]
    await pipeline.write(kept, scalar)  # type: ignore[arg-type]
    assert await statuses() == {"present"}


FANCY: list[tuple[Any, Any, tuple[int, ...], tuple[int, ...]]] = [
    # Chunk selection, out selection, shape of out, drop_axes; as zarr-python makes them (facts, 1.3).
    ((np.array([3, 0, 3]), np.array([5, 0, 1])), slice(0, 3), (3,), ()),
    ((np.array([3, 0]), np.array([5, 0])), np.array([1, 0]), (2,), ()),
    ((np.array([0, 2]), slice(1, 5, 2)), (slice(0, 2), slice(0, 2)), (2, 2), ()),
    ((np.array([True, False, True, False]), slice(0, 6, 1)), (slice(0, 2), slice(0, 6)), (2, 6), ()),
    (np.ix_([0, 3], [2, 5, 1]), (slice(0, 2), slice(0, 3)), (2, 3), ()),
    (np.ix_([0, 3], [2]), (slice(0, 2),), (2,), (1,)),
    (np.ix_([1], [2, 4]), (np.array([1, 0]),), (2,), (0,)),
    ((2, slice(0, 6, 1)), (slice(0, 6),), (6,), ()),
    ((np.int64(2), 3), (), (), ()),
    ((np.array([-1, 0]), slice(None)), (slice(0, 2), slice(0, 6)), (2, 6), ()),
    ((slice(0, 4), slice(np.int64(0), np.int64(6))), (slice(0, 4), slice(None)), (4, 6), ()),
]


@pytest.mark.parametrize("kind", ["memory", "local", "async"])
@pytest.mark.parametrize("chain", ["raw", "zstd", "transpose", "shard"])
@pytest.mark.parametrize("number", range(len(FANCY)))
async def test_array_selections(number: int, chain: str, kind: str, tmp_path: Path) -> None:
    chunk_selection, out_selection, shape, drop_axes = FANCY[number]
    pipeline, grid = ZarrPipeline.from_codecs(CHAINS[chain]), Grid(kind, tmp_path)
    getter = grid.getters[0, 0]
    model = np.arange(24, dtype="i4").reshape(CHUNK)
    whole = (slice(0, 4), slice(0, 6))
    await pipeline.write([(getter, spec(), whole, whole, True)], NDBuffer.from_numpy_array(model))
    expected = np.zeros(shape, dtype="i4")
    part = model[chunk_selection]
    expected[out_selection] = part.squeeze(axis=drop_axes) if drop_axes else part
    out = NDBuffer.create(shape=shape, dtype="i4")
    batch = [(getter, spec(), chunk_selection, out_selection, False)]
    await pipeline.read(batch, out, drop_axes=drop_axes)
    np.testing.assert_array_equal(out.as_numpy_array(), expected)

    value = -1 - np.arange(expected.size, dtype="i4").reshape(shape)
    new = value[out_selection]
    if drop_axes and shape != ():
        new = new[tuple(None if axis in drop_axes else slice(None) for axis in range(2))]
    model[chunk_selection] = new
    await pipeline.write(batch, NDBuffer.from_numpy_array(value), drop_axes=drop_axes)
    out = NDBuffer.create(shape=CHUNK, dtype="i4")
    await pipeline.read([(getter, spec(), whole, whole, True)], out)
    np.testing.assert_array_equal(out.as_numpy_array(), model)

    scalar = NDBuffer.from_numpy_array(np.array(99, dtype="i4"))
    model[chunk_selection] = 99
    await pipeline.write(batch, scalar, drop_axes=drop_axes)
    await pipeline.read([(getter, spec(), whole, whole, True)], out)
    np.testing.assert_array_equal(out.as_numpy_array(), model)


@st.composite
def point_batches(draw: Any) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    count = draw(st.integers(1, 12))
    rows = draw(st.lists(st.integers(0, 6), min_size=count, max_size=count))
    columns = draw(st.lists(st.integers(0, 15), min_size=count, max_size=count))
    return np.array(rows), np.array(columns)


@given(points=point_batches(), chain=st.sampled_from(list(CHAINS)))
def test_points_against_numpy(points: Any, chain: str) -> None:
    rows, columns = points
    pipeline, grid = ZarrPipeline.from_codecs(CHAINS[chain]), Grid("memory")
    model = np.arange(7 * 16, dtype="i4").reshape(7, 16)

    async def run() -> npt.NDArray[Any]:
        everything = grid.batch(spec(), slice(0, 7), slice(0, 16))
        await pipeline.write(everything, NDBuffer.from_numpy_array(model))
        out = NDBuffer.create(shape=rows.shape, dtype="i4", fill_value=-1)
        batch = []
        for (i, j), getter in grid.getters.items():
            here = np.flatnonzero((rows // 4 == i) & (columns // 6 == j))
            if len(here):
                batch.append((getter, spec(), (rows[here] - 4 * i, columns[here] - 6 * j), here, False))
        await pipeline.read(batch, out)  # type: ignore[arg-type]
        return out.as_numpy_array()

    np.testing.assert_array_equal(asyncio.run(run()), model[rows, columns])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<i4", ">i4"])
async def test_outs_of_any_layout(dtype: str, order: Any) -> None:
    pipeline, grid = ZarrPipeline.from_codecs(CHAINS["shard"]), Grid("memory")
    model = np.arange(7 * 16, dtype=dtype).reshape(7, 16)
    big = spec(dtype)
    await pipeline.write(grid.batch(big, *SLICES[0]), NDBuffer.from_numpy_array(np.asarray(model, order=order)))
    out = NDBuffer.create(shape=grid.shape, dtype=dtype, order=order)
    await pipeline.read(grid.batch(big, *SLICES[0]), out)
    np.testing.assert_array_equal(out.as_numpy_array(), model)
    assert out.dtype == np.dtype(dtype)
    # Places that no chunk of the batch has stay as they are.
    out = NDBuffer.create(shape=grid.shape, dtype=dtype, fill_value=5)
    await pipeline.read(grid.batch(big, *SLICES[0])[:1], out)
    assert (out.as_numpy_array()[4:] == 5).all()
    reverse = NDBuffer.from_numpy_array(np.empty(grid.shape, dtype)[::-1, ::-1])
    await pipeline.read(grid.batch(big, *SLICES[0]), reverse)
    np.testing.assert_array_equal(reverse.as_numpy_array(), model)


async def test_values_are_cast_as_assignment_casts() -> None:
    pipeline, grid = ZarrPipeline.from_codecs(CHAINS["raw"]), Grid("memory")
    value = np.arange(7 * 16, dtype="f8").reshape(7, 16) + 0.75
    await pipeline.write(grid.batch(spec(), *SLICES[0]), NDBuffer.from_numpy_array(value))
    out = NDBuffer.create(shape=grid.shape, dtype="i4")
    await pipeline.read(grid.batch(spec(), *SLICES[0]), out)
    np.testing.assert_array_equal(out.as_numpy_array(), value.astype("i4"))


async def test_scalar_chunks() -> None:
    pipeline = ZarrPipeline.from_codecs([BytesCodec(), GzipCodec()])
    zero = spec("float32", 0.5, shape=())
    getter = StorePath(MemoryStore(), "c")
    out = NDBuffer.create(shape=(), dtype="f4")
    assert await pipeline.read([(getter, zero, (), (), True)], out) == ({"status": "missing"},)
    assert out.as_numpy_array()[()] == 0.5
    await pipeline.write([(getter, zero, (), (), True)], NDBuffer.from_numpy_array(np.array(2.5, "f4")))
    assert await pipeline.read([(getter, zero, (), (), True)], out) == ({"status": "present"},)
    assert out.as_numpy_array()[()] == 2.5


async def test_empty_batches() -> None:
    pipeline = ZarrPipeline.from_codecs(CHAINS["raw"])
    assert await pipeline.read([], NDBuffer.create(shape=(0,), dtype="i4")) == ()
    await pipeline.write([], NDBuffer.create(shape=(0,), dtype="i4"))
    assert list(await pipeline.encode([])) == []
    assert list(await pipeline.decode([])) == []


async def test_missing_fill_value_of_v2() -> None:
    # None: no chunk is empty, and missing ones read as the data type's default.
    pipeline, grid = ZarrPipeline.from_codecs(CHAINS["raw"]), Grid("memory")
    none = ArraySpec(CHUNK, parse_dtype("int32"), None, parse_array_config(None), default_buffer_prototype())
    everything = grid.batch(none, *SLICES[0])
    out = NDBuffer.create(shape=grid.shape, dtype="i4", fill_value=3)
    await pipeline.read(everything, out)
    assert not out.as_numpy_array().any()
    await pipeline.write(everything, NDBuffer.from_numpy_array(np.array(0, "i4")))
    assert {result["status"] for result in await pipeline.read(everything, out)} == {"present"}


@pytest.mark.parametrize("chain", CHAINS)
async def test_coding_in_memory(chain: str) -> None:
    pipeline = ZarrPipeline.from_codecs(CHAINS[chain])
    items = [np.full(CHUNK, n, "i4") + np.arange(6, dtype="i4") for n in range(5)]
    # Two specs in one batch.
    specs = [spec(fill_value=n % 2) for n in range(5)]
    batch: list[Any] = [(NDBuffer.from_numpy_array(a), s) for a, s in zip(items, specs, strict=True)]
    encoded = list(await pipeline.encode([*batch, (None, specs[0])]))
    assert encoded[5] is None
    decoded = list(await pipeline.decode(zip(encoded, [*specs, specs[0]], strict=True)))
    assert decoded[5] is None
    for chunk, expected in zip(decoded[:5], items, strict=True):
        assert chunk is not None
        np.testing.assert_array_equal(chunk.as_numpy_array(), expected)


async def test_encode_keeps_empty_chunks() -> None:
    # As zarr-python: it is for `write` to leave them out, except of a shard.
    empty = NDBuffer.from_numpy_array(np.full(CHUNK, 7, "i4"))
    (chunk,) = await ZarrPipeline.from_codecs(CHAINS["raw"]).encode([(empty, spec())])
    assert chunk is not None
    (chunk,) = await ZarrPipeline.from_codecs(CHAINS["shard"]).encode([(empty, spec())])
    assert chunk is None


# The pipeline as an object


def test_is_a_value() -> None:
    pipeline = ZarrPipeline.from_codecs(CHAINS["nested"])
    assert isinstance(pipeline, CodecPipeline)
    again = pickle.loads(pickle.dumps(pipeline))
    assert again == pipeline
    assert hash(again) == hash(pipeline)
    assert pipeline != ZarrPipeline.from_codecs(CHAINS["raw"])
    assert pipeline != 3
    assert list(pipeline) == CHAINS["nested"]
    with pytest.raises(NotImplementedError):
        ZarrPipeline.from_array_metadata_and_store(None, MemoryStore())  # type: ignore[arg-type]


def test_order_of_codecs() -> None:
    for chain in ([], [ZstdCodec()], [ZstdCodec(), BytesCodec()], [BytesCodec(), BytesCodec()]):
        with pytest.raises(MetadataError):
            ZarrPipeline.from_codecs(chain)


def test_evolve_and_validate() -> None:
    pipeline = ZarrPipeline.from_codecs([BytesCodec(), BloscCodec()]).evolve_from_array_spec(spec())
    assert list(pipeline)[1] == BloscCodec(typesize=4, shuffle="shuffle")
    dtype = parse_dtype("int32")
    # The shard's inner shape is that behind the transpose.
    ZarrPipeline.from_codecs(CHAINS["shard start"]).validate(
        shape=(8, 18), dtype=dtype, chunk_grid=RegularChunkGrid(CHUNK)
    )
    with pytest.raises(MetadataError):
        ZarrPipeline.from_codecs(CHAINS["shard"]).validate(
            shape=(8, 18), dtype=dtype, chunk_grid=RegularChunkGrid((5, 6))
        )


def test_sizes() -> None:
    assert ZarrPipeline.from_codecs([BytesCodec(), Crc32cCodec()]).compute_encoded_size(96, spec()) == 100
    with pytest.raises(NotImplementedError):
        ZarrPipeline.from_codecs(CHAINS["zstd"]).compute_encoded_size(96, spec())


def test_partial_support() -> None:
    expected = {name: name in ("shard", "shard start", "nested") for name in CHAINS}
    for name, codecs in CHAINS.items():
        pipeline = ZarrPipeline.from_codecs(codecs)
        assert pipeline.supports_partial_decode == expected[name], name
        assert pipeline.supports_partial_encode == expected[name], name


async def test_errors_name_the_key(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    pipeline = ZarrPipeline.from_codecs([BytesCodec(), Crc32cCodec()])
    whole = (slice(0, 4), slice(0, 6))
    batch = [(StorePath(store, "a/c/0/0"), spec(), whole, whole, True)]
    out = NDBuffer.create(shape=CHUNK, dtype="i4")
    await pipeline.write(batch, NDBuffer.from_numpy_array(np.arange(24, dtype="i4").reshape(CHUNK)))
    path = tmp_path / "a" / "c" / "0" / "0"
    good = path.read_bytes()
    path.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    with pytest.raises(ChecksumError) as caught:
        await pipeline.read(batch, out)
    assert caught.value.key == "a/c/0/0"
    assert caught.value.codec == "crc32c"
    path.write_bytes(b"")
    with pytest.raises(TruncatedError):
        await pipeline.read(batch, out)
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        await pipeline.read(batch, out)
    closed = [(StorePath(store.with_read_only(True), "a/c/1"), spec(), whole, whole, True)]
    with pytest.raises(ReadOnlyError):
        await pipeline.write(closed, out)


# Against zarr-python's own pipeline


def their_codecs(chain: str) -> list[Any]:
    classes = {
        "bytes": zarr.codecs.BytesCodec,
        "zstd": zarr.codecs.ZstdCodec,
        "gzip": zarr.codecs.GzipCodec,
        "blosc": zarr.codecs.BloscCodec,
        "crc32c": zarr.codecs.Crc32cCodec,
        "transpose": zarr.codecs.TransposeCodec,
        "sharding_indexed": zarr.codecs.ShardingCodec,
    }
    return [classes[codec.name].from_dict(codec.to_dict()) for codec in CHAINS[chain]]


@pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec")
@pytest.mark.parametrize("ours_writes", [True, False], ids=["we write", "zarr writes"])
@pytest.mark.parametrize("chain", CHAINS)
async def test_against_zarrs_pipeline(chain: str, ours_writes: bool) -> None:
    zdtype = their_dtype(np.dtype("int32"))
    their_spec = TheirSpec(CHUNK, zdtype, np.int32(7), ArrayConfig("C", False), their_prototype())
    # Both with zarr's own objects throughout, as the drop-in will have them.
    ours: Any = ZarrPipeline.from_codecs(their_codecs(chain))
    theirs: Any = BatchedCodecPipeline.from_codecs(their_codecs(chain))
    writer, reader = (ours, theirs) if ours_writes else (theirs, ours)
    grid = Grid("zarr")
    nd_buffer = their_spec.prototype.nd_buffer
    model = np.full(grid.shape, 7, dtype="i4")
    for rows, columns in SLICES[1:]:
        value = np.arange(model[rows, columns].size, dtype="i4").reshape(model[rows, columns].shape)
        await writer.write(grid.batch(their_spec, rows, columns), nd_buffer.from_numpy_array(value))
        model[rows, columns] = value
        out = nd_buffer.create(shape=grid.shape, dtype="i4")
        batch = grid.batch(their_spec, slice(0, 7), slice(0, 16))
        results = await reader.read(batch, out)
        np.testing.assert_array_equal(out.as_numpy_array(), model)
        again = nd_buffer.create(shape=grid.shape, dtype="i4")
        assert tuple(await writer.read(batch, again)) == tuple(results)
        np.testing.assert_array_equal(again.as_numpy_array(), model)


@pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec")
@pytest.mark.parametrize("chain", CHAINS)
async def test_encoded_chunks_are_zarrs(chain: str) -> None:
    zdtype = their_dtype(np.dtype("int32"))
    their_spec = TheirSpec(CHUNK, zdtype, np.int32(7), ArrayConfig("C", False), their_prototype())
    items = np.arange(24, dtype="i4").reshape(CHUNK)
    ours: Any = ZarrPipeline.from_codecs(their_codecs(chain))
    theirs: Any = BatchedCodecPipeline.from_codecs(their_codecs(chain))
    chunk = their_spec.prototype.nd_buffer.from_numpy_array(items)
    for writer, reader in ((ours, theirs), (theirs, ours)):
        (encoded,) = await writer.encode([(chunk, their_spec)])
        (decoded,) = await reader.decode([(encoded, their_spec)])
        np.testing.assert_array_equal(decoded.as_numpy_array(), items)
    assert ours.supports_partial_decode == (theirs.supports_partial_decode or chain == "shard start")


async def test_array_writes_of_one_chunk_lose_nothing() -> None:
    pipeline, place = ZarrPipeline.from_codecs(CHAINS["shard"]), StorePath(AsyncMemoryStore(), "c/0/0")
    model = np.arange(24, dtype="i4").reshape(CHUNK)

    async def write(row: int, column: int) -> None:
        value = NDBuffer.from_numpy_array(model[row : row + 1, column])
        await pipeline.write([(place, spec(), (np.array([row]), np.array([column])), slice(0, 1), False)], value)

    await asyncio.gather(*(write(row, column) for row in range(4) for column in range(6)))
    out = NDBuffer.create(shape=CHUNK, dtype="i4")
    await pipeline.read([(place, spec(), (slice(0, 4), slice(0, 6)), (slice(0, 4), slice(0, 6)), True)], out)
    np.testing.assert_array_equal(out.as_numpy_array(), model)
