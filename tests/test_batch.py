"""Batches: what they store and when, how often they ask a store, and what ends them."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
from zarrpipe.abc.codec import (
    ArrayBytesCodec,
    ArrayBytesCodecPartialDecodeMixin,
    ArrayBytesCodecPartialEncodeMixin,
    BytesBytesCodec,
)
from zarrpipe.errors import CodecError, ReadOnlyError, SelectionError
from zarrpipe.stores import LocalStore, MemoryStore

SHAPE = (64, 64)
STEPS = [(slice(row, row + 8), slice(column, column + 8)) for row in range(0, 64, 8) for column in range(0, 64, 8)]


class Counting(MemoryStore):
    """Counts the requests for each chunk, by method."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[tuple[str, str]] = Counter()

    def _count(self, method: str, key: str) -> None:
        if key.startswith("c/"):
            self.counts[method, key] += 1

    def get_sync(self, key: str, **options: Any) -> Any:
        self._count("get", key)
        return super().get_sync(key, **options)

    def set_sync(self, key: str, value: Any) -> None:
        self._count("set", key)
        super().set_sync(key, value)

    def delete_sync(self, key: str) -> None:
        self._count("delete", key)
        super().delete_sync(key)

    def total(self, method: str) -> int:
        return sum(count for (name, _), count in self.counts.items() if name == method)


class CountingAwaited(Counting):
    """As `Counting`, but it must be awaited; its methods are those that count."""

    _supports_sync_io = False


STORES = [Counting, CountingAwaited]


@dataclass(frozen=True)
class Awaited(BytesBytesCodec):
    """Turns every bit, and must be awaited."""

    is_fixed_size = True

    def to_dict(self) -> dict[str, Any]:
        return {"name": "test.awaited"}

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: Any) -> int:
        return input_byte_length

    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        await asyncio.sleep(0)
        return chunk_spec.prototype.buffer.from_bytes((~chunk_data.as_numpy_array()).tobytes())

    _encode_single = _decode_single


@dataclass(frozen=True)
class Parts(ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin, ArrayBytesCodecPartialEncodeMixin):
    """Writes parts of a value by itself, by way of the whole."""

    is_fixed_size = True

    def to_dict(self) -> dict[str, Any]:
        return {"name": "test.parts"}

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: Any) -> int:
        return input_byte_length

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        items = np.frombuffer(chunk_bytes.to_bytes(), chunk_spec.dtype.to_native_dtype()).reshape(chunk_spec.shape)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(items)

    async def _encode_single(self, chunk_array: Any, chunk_spec: Any) -> Any:
        return chunk_spec.prototype.buffer.from_bytes(chunk_array.as_numpy_array().tobytes())

    async def _old(self, byte_getter: Any, chunk_spec: Any) -> Any:
        data = await byte_getter.get(prototype=chunk_spec.prototype)
        if data is None:
            return np.zeros(chunk_spec.shape, chunk_spec.dtype.to_native_dtype())
        return (await self._decode_single(data, chunk_spec)).as_numpy_array().copy()

    async def _decode_partial_single(self, byte_getter: Any, selection: Any, chunk_spec: Any) -> Any:
        old = await self._old(byte_getter, chunk_spec)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(old[selection])

    async def _encode_partial_single(self, byte_setter: Any, chunk_array: Any, selection: Any, chunk_spec: Any) -> None:
        old = await self._old(byte_setter, chunk_spec)
        old[selection] = chunk_array.as_numpy_array()
        await byte_setter.set(chunk_spec.prototype.buffer.from_bytes(old.tobytes()))


def named(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name, "configuration": configuration}


BYTES = named("bytes", endian="little")
ZSTD = named("zstd", level=1, checksum=False)


def shard(chunk: int, *codecs: Any, location: str = "end") -> dict[str, Any]:
    return named("sharding_indexed", chunk_shape=[chunk, chunk], codecs=list(codecs), index_location=location)


CHAINS: dict[str, list[Any]] = {
    "bytes": [BYTES],
    "zstd": [BYTES, ZSTD],
    "transpose": [named("transpose", order=[1, 0]), named("bytes", endian="big"), ZSTD],
    "shard": [shard(8, BYTES, ZSTD)],
    "shard at start": [named("transpose", order=[1, 0]), shard(4, BYTES, location="start")],
    "shard in shard": [shard(16, shard(8, BYTES, ZSTD))],
    "closed shard": [shard(8, BYTES), ZSTD],
    "awaited": [BYTES, Awaited()],
    "awaited in shard": [shard(8, BYTES, Awaited())],
    "parts": [Parts()],
}
CHUNK_COUNT = 4


def create(store: Any, codecs: list[Any] | None = None, **options: Any) -> zarrpipe.Array:
    given: dict[str, Any] = {"shape": SHAPE, "chunks": (32, 32), "dtype": "int32", **options}
    return zarrpipe.create_array(store, codecs=codecs, **given)


def values(number: int, shape: tuple[int, ...] = (8, 8)) -> np.ndarray:
    return np.random.default_rng(number).integers(1, 1000, shape, "int32")


def write_blocks(array: zarrpipe.Array, model: np.ndarray, steps: list[Any]) -> None:
    """Write blocks from one piece of memory, which is used again for each."""
    memory = np.empty((8, 8), "int32")
    for number, step in enumerate(steps):
        memory[...] = values(number)
        array[step] = memory
        model[step] = memory


# How often a store is asked


@pytest.mark.parametrize("store_type", STORES)
@pytest.mark.parametrize("chain", CHAINS)
def test_what_is_covered_by_all_writes_is_never_read(chain: str, store_type: Any) -> None:
    store, model = store_type(), np.zeros(SHAPE, "int32")
    array = create(store, CHAINS[chain])
    array[...] = 5
    store.counts.clear()
    with array.batch():
        write_blocks(array, model, STEPS)
        assert not store.counts
    assert store.counts == {("set", f"c/{i}/{j}"): 1 for i in range(2) for j in range(2)}
    assert (array[...] == model).all()


@pytest.mark.parametrize("store_type", STORES)
@pytest.mark.parametrize("chain", CHAINS)
def test_each_chunk_is_read_and_stored_once(chain: str, store_type: Any) -> None:
    store, model = store_type(), np.full(SHAPE, 5, "int32")
    array = create(store, CHAINS[chain])
    array[...] = 5
    store.counts.clear()
    with array.batch():
        write_blocks(array, model, STEPS[::5])
        array[3:40, 60:62] = model[3:40, 60:62] = 7
        array.oindex[[33, 2], ::9] = model[np.ix_([33, 2], range(0, 64, 9))] = 8
        array.vindex[[1, 63, 1], [0, 63, 0]] = [1, 2, 3]
        model[[1, 63, 1], [0, 63, 0]] = [1, 2, 3]
    assert store.total("set") == CHUNK_COUNT
    assert store.total("get") == CHUNK_COUNT
    assert set(store.counts.values()) == {1}
    assert (array[...] == model).all()


def test_a_shard_in_a_file_keeps_what_is_not_touched(tmp_path: Path) -> None:
    array = create(LocalStore(tmp_path), [shard(8, BYTES, ZSTD)])
    model = values(0, SHAPE)
    array[...] = model
    broken = bytearray(array.get_encoded_chunk((0, 0)) or b"")
    # The last inner chunk, right before the index, can be copied and not decoded.
    end = len(broken) - 16 * 16 - 4
    broken[end - 100 : end] = bytes(100)
    array.put_encoded_chunk((0, 0), broken)
    with array.batch():
        for step in STEPS[:2]:
            array[step] = model[step] = 1
            array[0, 0:20] = model[0, 0:20] = 2
    assert (array[:24] == model[:24]).all()
    with pytest.raises(CodecError):
        array[31, 31]


def test_fill_values_delete_chunks_once() -> None:
    store = Counting()
    array = create(store)
    array[...] = 5
    store.counts.clear()
    with array.batch():
        array[:16] = 6
        array[...] = 7
        array[:32] = 0
    assert store.counts == {
        **{("delete", f"c/0/{j}"): 1 for j in range(2)},
        **{("set", f"c/1/{j}"): 1 for j in range(2)},
    }


def test_columns_cover_chunks_at_the_border() -> None:
    store = Counting()
    array = create(store, shape=(50, 50))
    model = np.zeros((50, 50), "int32")
    array[...] = 5
    store.counts.clear()
    with array.batch():
        for column in range(50):
            array[:, column] = model[:, column] = column + 1
    assert store.total("get") == 0
    assert store.total("set") == CHUNK_COUNT
    assert (array[...] == model).all()


@pytest.mark.parametrize("hole", [(0, 0), (17, 30), (31, 31)])
def test_one_item_left_out_is_read(hole: tuple[int, int]) -> None:
    store = Counting()
    array = create(store, shape=(32, 32))
    array[...] = 5
    store.counts.clear()
    mask = np.ones((32, 32), bool)
    mask[hole] = False
    with array.batch():
        array.vindex[mask] = 1
        # As many items again, so that it is not told by their number.
        array.vindex[mask] = 2
    assert store.counts == {("get", "c/0/0"): 1, ("set", "c/0/0"): 1}
    assert (array[...] == np.where(mask, 2, 5)).all()


# Values


def test_items_of_variable_length() -> None:
    store = Counting()
    array = create(store, dtype="string")
    model = np.full(SHAPE, "", dtype=object)
    array[...] = "old"
    model[...] = "old"
    store.counts.clear()
    with array.batch():
        for number, step in enumerate(STEPS[::3]):
            text = "é" * number
            array[step] = model[step] = text
        texts = np.array([["a", "bc"], ["", "defg"]], dtype=object)
        array[10:12, 31:33] = texts
        model[10:12, 31:33] = texts.copy()
        texts[...] = "changed"
    assert store.total("get") == store.total("set") == CHUNK_COUNT
    assert (array[...] == model).all()


def test_fields() -> None:
    array = create({}, dtype=[("x", "int16"), ("y", "float64")])
    model = np.zeros(SHAPE, array.dtype)
    with array.batch():
        array["x"] = model["x"] = 3
        array["y", 5:40] = 0.5
        model["y"][5:40] = 0.5
        array.set_basic_selection((slice(7), 2), np.int16(9), fields="x")
        model["x"][:7, 2] = 9
    assert (array[...] == model).all()


def test_a_whole_write_hides_what_came_before() -> None:
    store = Counting()
    array = create(store)
    with array.batch():
        array[3] = 1
        array[...] = 2
        array[4, 5] = 3
    model = np.full(SHAPE, 2)
    model[4, 5] = 3
    assert store.total("get") == 0
    assert (array[...] == model).all()


def test_arrays_without_axes_and_without_items() -> None:
    scalar, empty = create({}, shape=(), chunks=()), create({}, shape=(0, 3), chunks=(2, 2))
    with scalar.batch(), empty.batch():
        scalar[...] = 4
        scalar[()] = 5
        empty[...] = 6
        empty[:, 1] = np.zeros(0)
    assert scalar[...] == 5
    assert empty[...].shape == (0, 3)


# When


def test_what_is_wrong_is_told_at_once() -> None:
    array = create({}, dtype="uint8")
    with array.batch() as batch:
        with pytest.raises(SelectionError):
            array[64] = 1
        with pytest.raises(ValueError, match="cannot be assigned"):
            array[:3] = np.zeros((4, 64))
        with pytest.raises(OverflowError):
            array[0] = 256
        with pytest.raises(TypeError):
            array[0] = "text"
        assert batch.nbytes == 0
    strings = create({}, dtype="string")
    with strings.batch(), pytest.raises(TypeError):
        strings[0, :2] = np.array(["a", 3], dtype=object)
    assert strings.nchunks_initialized == 0


def test_a_read_sees_what_was_written() -> None:
    store = Counting()
    array = create(store)
    with array.batch():
        array[0] = 1
        assert store.total("set") == 0
        assert array[0, 0] == 1
        assert store.total("set") == 2
        array[0, 0] = 2
        assert array.oindex[[0], [0]] == 2
        array[0, 0] = 3
        assert array.get_basic_selection((0, 0)) == 3
        array[0, 0] = 4
        assert asyncio.run(array.read_async((0, 0))) == 4
        array[0, 0] = 5
        assert asyncio.run(array.vindex.read_async(([0], [0]))) == 5
        array[40, 0] = 6
        assert array.nchunks_initialized == 3
        array[40, 40] = 7
        assert array.get_encoded_chunk((1, 1)) is not None
        array[1, 1] = 8
        array.put_encoded_chunk((0, 0), None)
    assert array[1, 1] == 0
    assert array[40, 40] == 7


def test_resize_and_append_come_in_their_turn() -> None:
    array = create({}, shape=(4, 6), chunks=(4, 4))
    with array.batch() as batch:
        array[...] = 1
        array.resize((2, 6))
        assert batch.nbytes == 0
        array[1] = 2
        array.append(np.full((3, 6), 3))
        assert batch.nbytes == 0
        array[4] = 4
    assert array[:, 5].tolist() == [1, 2, 3, 3, 4]


def test_attributes_do_not_part_a_batch() -> None:
    store = Counting()
    array = create(store, shape=(8, 8), chunks=(8, 8))
    with array.batch():
        array[:4] = 1
        array.attrs["a"] = 1
        array[4:] = 2
    assert store.counts == {("set", "c/0/0"): 1}
    assert array[:, 0].tolist() == [1] * 4 + [2] * 4


def test_what_is_held_is_bounded() -> None:
    store = Counting()
    array = create(store)
    with array.batch(max_nbytes=2000) as batch:
        for row in range(29):
            array[row] = np.full(64, row)
            # A row has 256 bytes, and touches two chunks that are noted with 64 bytes each.
            assert batch.nbytes == (row % 5 + 1) * 384
            assert store.total("set") == 2 * (row // 5)
        # What is repeated is held once.
        array[...] = np.broadcast_to(np.int32(3), SHAPE)
        assert batch.nbytes == 4 * 384 + 4 + 4 * 64
        # Too large to be held: stored at once, what came before it first.
        array[:, :32] = values(0, (64, 32))
        assert batch.nbytes == 0
        assert (zarrpipe.open_array(store)[:, 31:33] == np.stack([values(0, (64, 32))[:, 31], np.full(64, 3)], 1)).all()
    with pytest.raises(ValueError, match="max_nbytes"):
        array.batch(max_nbytes=0)


def test_listed_selections_count_too() -> None:
    array = create({})
    with array.batch() as batch:
        array.vindex[np.ones(SHAPE, bool)] = 1
        assert batch.nbytes > 64 * 64 * 2 * 8


def test_flush_and_discard() -> None:
    array = create({})
    with array.batch() as batch:
        array[0] = 1
        batch.flush()
        array[1] = 2
        batch.discard()
        assert batch.nbytes == 0
        array[2] = 3
    assert array[:4, 0].tolist() == [1, 0, 3, 0]
    # Of a batch that has ended there is nothing to store.
    batch.flush()
    batch.discard()


# What ends a batch


@pytest.mark.parametrize("store_type", STORES)
def test_an_exception_discards(store_type: Any) -> None:
    store = store_type()
    array = create(store)
    with pytest.raises(KeyboardInterrupt), array.batch():  # noqa: PT012
        array[0] = 1
        assert array[0, 0] == 1
        array[1] = 2
        raise KeyboardInterrupt
    assert array[:2, 0].tolist() == [1, 0]
    array[2] = 3  # no batch any more
    assert store.counts["set", "c/0/0"] == 2


class Failing(Counting):
    failing = ""

    def set_sync(self, key: str, value: Any) -> None:
        if key == self.failing:
            raise OSError("no space")
        super().set_sync(key, value)


def test_a_failed_flush_is_told_and_tried_again() -> None:
    store = Failing()
    array = create(store)
    store.failing = "c/1/0"
    with array.batch() as batch:
        array[...] = 1
        with pytest.raises(OSError, match="no space") as told:
            batch.flush()
        assert any("c/1/0" in note for note in told.value.__notes__)
        held = batch.nbytes
        with pytest.raises(OSError, match="no space"):
            array[...]
        assert batch.nbytes == held
        array[0] = 2
        store.failing = ""
    assert array[:2, 0].tolist() == [2, 1]
    assert (array[1:] == 1).all()


def test_a_batch_that_cannot_be_stored_ends() -> None:
    store = Failing()
    array = create(store)
    store.failing = "c/1/0"
    with pytest.raises(OSError, match="no space"), array.batch():
        array[...] = 1
    store.failing = ""
    array[0, 0] = 9
    assert array[0, 0] == 9
    assert array[40, 0] == 0


def test_a_chunk_that_cannot_be_decoded_is_named() -> None:
    array = create({}, [BYTES, ZSTD])
    array.put_encoded_chunk((1, 0), b"no zstd")
    with pytest.raises(CodecError, match="c/1/0") as told, array.batch():
        array[40] = 1
    assert told.value.key == "c/1/0"


def test_batches_do_not_nest_and_are_used_once() -> None:
    array = create({})
    with array.batch() as batch:
        array[0] = 1
        with pytest.raises(RuntimeError, match="do not nest"), array.batch():
            pass
        with pytest.raises(RuntimeError, match="do not nest"), batch:
            pass
        # Another object of the same array has batches of its own.
        other = array.with_config({})
        with other.batch():
            other[1] = 2
        assert other[:2, 0].tolist() == [0, 2]
    assert array[:2, 0].tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="was used"), batch:
        pass
    with array.batch():
        array[2] = 3
    assert array[2, 0] == 3


def test_arrays_that_are_read_only_have_none() -> None:
    store = MemoryStore()
    create(store)
    with pytest.raises(ReadOnlyError):
        zarrpipe.open_array(store, mode="r").batch()


# Threads, tasks, processes


def test_threads_share_a_batch() -> None:
    store = Counting()
    array = create(store)
    model = np.zeros(SHAPE, "int32")

    def work(number: int) -> None:
        for at, step in enumerate(STEPS[number::4]):
            array[step] = values(number * 100 + at)
            model[step] = values(number * 100 + at)

    with array.batch():
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not store.counts
    assert store.counts == {("set", f"c/{i}/{j}"): 1 for i in range(2) for j in range(2)}
    assert (array[...] == model).all()


def test_threads_that_fill_a_batch_lose_nothing() -> None:
    array = create({}, [shard(8, BYTES)])

    def work(number: int) -> None:
        for count in range(1, 30):
            array[number::8, :40] = count

    with array.batch(max_nbytes=2000):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    # Of each thread's writes the last one stays, however they were parted.
    assert (array[:, :40] == 29).all()


def test_a_thread_that_goes_on_when_the_block_ends_loses_nothing() -> None:
    array = create({}, shape=(4000,), chunks=(100,))
    begun = threading.Event()

    def work() -> None:
        for at in range(4000):
            array[at] = at
            begun.set()

    thread = threading.Thread(target=work)
    with array.batch():
        thread.start()
        begun.wait()
    thread.join()
    assert (array[...] == np.arange(4000)).all()


@pytest.mark.parametrize("store_type", STORES)
async def test_tasks_share_a_batch(store_type: Any) -> None:
    store = store_type()
    array = await asyncio.to_thread(create, store)
    model = np.zeros(SHAPE, "int32")

    async def work(step: Any, number: int) -> None:
        await asyncio.sleep(0)
        await array.write_async(step, values(number))
        model[step] = values(number)

    async with array.batch() as batch:
        await asyncio.gather(*(work(step, number) for number, step in enumerate(STEPS)))
        array[0, 0] = model[0, 0] = 1
        assert not store.counts
        await batch.flush_async()
        assert store.total("set") == CHUNK_COUNT
        await array.oindex.write_async((slice(2), [1, 50]), 3)
        model[:2, [1, 50]] = 3
    assert store.total("set") == CHUNK_COUNT + 2
    assert (await array.read_async() == model).all()


async def test_tasks_that_fill_a_batch() -> None:
    array = await asyncio.to_thread(create, CountingAwaited())
    async with array.batch(max_nbytes=2000):
        await asyncio.gather(*(array.write_async(step, number) for number, step in enumerate(STEPS)))
    found = await array.read_async()
    assert all((found[step] == number).all() for number, step in enumerate(STEPS))


async def test_an_exception_in_a_task_discards() -> None:
    array = await asyncio.to_thread(create, CountingAwaited())
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with array.batch():
            await array.write_async(0, 1)
            raise ZeroDivisionError
    assert (await array.read_async() == 0).all()


def test_a_pickled_array_has_no_batch(tmp_path: Path) -> None:
    array = create(LocalStore(tmp_path))
    with array.batch():
        array[0] = 1
        again = pickle.loads(pickle.dumps(array))
        again[40] = 2
        assert zarrpipe.open_array(array.store)[:, 0].tolist() == [0] * 40 + [2] + [0] * 23
    assert array[:, 0].sum() == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="allowed: no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_child_of_a_fork_has_no_batch(tmp_path: Path) -> None:
    array = create(LocalStore(tmp_path))
    with array.batch() as batch:
        array[0] = 1
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                array[40] = 2  # stored at once
                batch.flush()
                batch.__exit__(None, None, None)
                with array.batch():
                    array[41] = 3
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0
        seen = zarrpipe.open_array(array.store)[:, 0]
        assert (seen[0], seen[40], seen[41]) == (0, 2, 3)
    assert array[:, 0].sum() == 1 + 2 + 3
