"""Arrays against a model in NumPy: any shape, chunks, shards, data type, chain, selections, writes, resizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given, note, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import zarrpipe
from every_store import new_store
from zarrpipe.stores import MemoryStore

DTYPES = [
    "bool",
    *("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"),
    *("f2", "f4", "f8", "c8", "c16"),
    *(">i2", ">f8", ">c8"),
]


@dataclass
class Case:
    """An array and what it should hold."""

    array: zarrpipe.Array
    model: np.ndarray


@st.composite
def chains(draw: st.DrawFn, dtype: np.dtype[Any], chunk: tuple[int, ...], depth: int = 0) -> list[dict[str, Any]]:
    """Return codecs for chunks of a shape, sharded up to two levels deep."""
    codecs: list[dict[str, Any]] = []
    shape = chunk
    if draw(st.booleans()):
        order = draw(st.permutations(range(len(chunk))))
        codecs.append({"name": "transpose", "configuration": {"order": list(order)}})
        shape = tuple(chunk[axis] for axis in order)
    if depth < 2 and shape and draw(st.integers(0, 2)) == 0:
        inner = tuple(draw(st.sampled_from([n for n in range(1, length + 1) if length % n == 0])) for length in shape)
        index = [{"name": "bytes", "configuration": {"endian": draw(st.sampled_from(["little", "big"]))}}]
        if draw(st.booleans()):
            index.append({"name": "crc32c"})
        configuration = {
            "chunk_shape": list(inner),
            "codecs": draw(chains(dtype, inner, depth + 1)),
            "index_codecs": index,
            "index_location": draw(st.sampled_from(["start", "end"])),
        }
        codecs.append({"name": "sharding_indexed", "configuration": configuration})
    elif dtype.itemsize == 1:
        codecs.append({"name": "bytes"})
    else:
        codecs.append({"name": "bytes", "configuration": {"endian": draw(st.sampled_from(["little", "big"]))}})
    compressors: list[dict[str, Any]] = [
        {"name": "gzip", "configuration": {"level": 1}},
        {"name": "zstd", "configuration": {"level": 1, "checksum": draw(st.booleans())}},
        {
            "name": "blosc",
            "configuration": {
                "cname": draw(st.sampled_from(["lz4", "zstd", "blosclz"])),
                "clevel": 3,
                "shuffle": draw(st.sampled_from(["noshuffle", "shuffle", "bitshuffle"])),
                "typesize": dtype.itemsize,
                "blocksize": 0,
            },
        },
        {"name": "crc32c"},
    ]
    return codecs + draw(st.lists(st.sampled_from(compressors), max_size=2))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shape = draw(npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=12))
    chunk = tuple(draw(st.integers(1, max(length, 1) + 3)) for length in shape)
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    native = dtype.newbyteorder("=")
    fill = draw(npst.from_dtype(native))
    array = zarrpipe.create_array(
        new_store(draw),
        shape=shape,
        chunks=chunk,
        dtype=dtype,
        codecs=draw(chains(native, chunk)),
        fill_value=fill,
        chunk_key_encoding=draw(st.sampled_from([None, ("v2", "."), ("default", "."), ("v2", "/")])),
        config={"write_empty_chunks": draw(st.booleans()), "order": draw(st.sampled_from(["C", "F"]))},
    )
    note(f"{array.metadata.to_dict()}")
    return Case(array, np.full(shape, fill, native))


@st.composite
def selections(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """Return a basic selection, without negative steps."""

    def axis(length: int) -> Any:
        some = st.one_of(st.none(), st.integers(-length - 2, length + 2))
        sliced = st.builds(slice, some, some, st.one_of(st.none(), st.integers(1, length + 2)))
        return draw(st.one_of(sliced, st.integers(-length, length - 1)) if length else sliced)

    parts = [axis(length) for length in shape]
    if draw(st.booleans()):
        start = draw(st.integers(0, len(parts)))
        stop = draw(st.integers(start, len(parts)))
        parts[start:stop] = [...]
    elif draw(st.booleans()):
        parts = parts[: draw(st.integers(0, len(parts)))]
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


def same(got: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two arrays have the same bits, NaNs and the sign of zero included."""
    return got.shape == expected.shape and got.dtype == expected.dtype and got.tobytes() == expected.tobytes()


def write(draw: st.DrawFn, case: Case) -> None:
    selection = draw(selections(case.model.shape))
    target = np.asarray(case.model[selection])
    kind = draw(st.sampled_from(["random", "one value", "fill", "broadcast"]))
    if kind == "fill":
        value: Any = case.array.fill_value
    elif kind == "one value":
        value = draw(npst.from_dtype(case.model.dtype))
    else:
        seed = draw(st.integers(0, 2**32 - 1))
        shape = target.shape
        if kind == "broadcast":
            shape = tuple(length if draw(st.booleans()) else 1 for length in shape)
        nbytes = math.prod(shape) * case.model.itemsize
        raw = np.random.default_rng(seed).integers(0, 2 if case.model.dtype == bool else 256, nbytes, np.uint8)
        value = raw.view(case.model.dtype).reshape(shape)
        if draw(st.booleans()):
            value = value.astype(value.dtype.newbyteorder(">"))
    note(f"write {selection!r} {kind}")
    case.array[selection] = value
    case.model[selection] = value


def resize(draw: st.DrawFn, case: Case) -> None:
    shape = tuple(draw(st.integers(0, length + 5)) for length in case.model.shape)
    note(f"resize {shape}")
    case.array.resize(shape)
    kept = tuple(slice(0, min(pair)) for pair in zip(shape, case.model.shape, strict=True))
    model = np.full(shape, case.array.fill_value, case.model.dtype)
    model[kept] = case.model[kept]
    case.model = model


def append(draw: st.DrawFn, case: Case) -> None:
    if not case.model.ndim:
        return
    axis = draw(st.integers(0, case.model.ndim - 1))
    shape = list(case.model.shape)
    shape[axis] = draw(st.integers(0, 5))
    data = np.ones(shape, case.model.dtype)
    note(f"append {shape} along {axis}")
    assert case.array.append(data, axis) == np.concatenate([case.model, data], axis).shape
    case.model = np.concatenate([case.model, data], axis)


def reopen(draw: st.DrawFn, case: Case) -> None:
    again = zarrpipe.open_array(case.array.store, config=case.array.config)
    assert again == case.array
    case.array = again


@given(st.data())
def test_reads_and_writes_are_those_of_numpy(data: st.DataObject) -> None:
    case = data.draw(cases())
    for _ in range(data.draw(st.integers(1, 6))):
        operation = data.draw(st.sampled_from([write, write, write, resize, append, reopen]))
        operation(data.draw, case)
        selection = data.draw(selections(case.model.shape))
        note(f"read {selection!r}")
        assert same(case.array[selection], np.asarray(case.model[selection]))
        out = np.empty_like(np.asarray(case.model[selection]))
        if out.size:
            assert same(case.array.read(selection, out=out), np.asarray(case.model[selection]))
    assert same(case.array[...], case.model)
    assert same(zarrpipe.open_array(case.array.store)[...], case.model)


@given(st.data())
def test_what_is_stored_follows_from_the_values(data: st.DataObject) -> None:
    """However they were written: the same values give the same bytes, and chunks of fill values are not stored."""
    case = data.draw(cases())
    array = case.array.with_config({"write_empty_chunks": False})
    case.array = array
    for _ in range(3):
        write(data.draw, case)
    again = zarrpipe.create_array(
        MemoryStore(),
        shape=array.shape,
        chunks=array.shards or array.chunks,
        dtype=array.dtype,
        codecs=array.codecs,
        fill_value=array.fill_value,
    )
    again[...] = case.model
    grid = array.get_encoded_chunk
    shape = tuple(-(-n // c) for n, c in zip(array.shape, array.shards or array.chunks, strict=True))
    for coords in np.ndindex(shape):
        ours = grid(coords)
        assert (ours is None) == (again.get_encoded_chunk(coords) is None)
        if ours is not None:
            # Parts of a shard may stand in another order; what they say does not.
            assert same(array.decode_chunk(ours), array.decode_chunk(again.get_encoded_chunk(coords) or b""))


@given(st.data())
@settings(max_examples=25)
def test_encode_and_decode_are_inverse(data: st.DataObject) -> None:
    case = data.draw(cases())
    array = case.array
    shape = array.shards or array.chunks
    values = data.draw(npst.arrays(case.model.dtype, shape, elements=npst.from_dtype(case.model.dtype)))
    encoded = array.with_config({"write_empty_chunks": True}).encode_chunk(values)
    assert encoded is not None
    assert same(array.decode_chunk(encoded), values)
