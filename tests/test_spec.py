"""What codecs are handed has zarr-python's public fields and methods."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
from typing import Any

import numpy as np
import pytest
import zarr.core.array_spec
import zarr.core.buffer.cpu
import zarr.core.chunk_key_encodings
import zarr.dtype

import zarrpipe.buffer
import zarrpipe.dtypes
import zarrpipe.metadata
import zarrpipe.spec
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.config import config
from zarrpipe.dtypes import Float32, UInt8
from zarrpipe.spec import ArrayConfig, ArraySpec, parse_array_config

PAIRS: list[tuple[type, type]] = [
    (zarrpipe.spec.ArraySpec, zarr.core.array_spec.ArraySpec),
    (zarrpipe.spec.ArrayConfig, zarr.core.array_spec.ArrayConfig),
    (zarrpipe.buffer.Buffer, zarr.core.buffer.cpu.Buffer),
    (zarrpipe.buffer.NDBuffer, zarr.core.buffer.cpu.NDBuffer),
    (zarrpipe.buffer.BufferPrototype, zarr.core.buffer.BufferPrototype),
    (zarrpipe.metadata.DefaultChunkKeyEncoding, zarr.core.chunk_key_encodings.DefaultChunkKeyEncoding),
    (zarrpipe.metadata.V2ChunkKeyEncoding, zarr.core.chunk_key_encodings.V2ChunkKeyEncoding),
    (zarrpipe.dtypes.DataTypeRegistry, zarr.dtype.data_type_registry.__class__),
    *(
        (getattr(zarrpipe.dtypes, name), getattr(zarr.dtype, name))
        for name in ("ZDType", "Bool", "Int8", "Int32", "UInt64", "Float16", "Float64", "Complex64", "Complex128")
    ),
]


@pytest.mark.parametrize(("mine", "theirs"), PAIRS, ids=[theirs.__name__ for _, theirs in PAIRS])
def test_public_members(mine: Any, theirs: Any) -> None:
    names = {name for name in dir(theirs) if not name.startswith("_")}
    assert names <= set(dir(mine))
    for name in names:
        found, expected = inspect.getattr_static(mine, name), inspect.getattr_static(theirs, name)
        assert isinstance(found, property) == isinstance(expected, property), name
        if inspect.isfunction(expected) or isinstance(expected, classmethod):
            shapes = [
                [(p.name, p.kind, p.default) for p in inspect.signature(getattr(cls, name)).parameters.values()]
                for cls in (mine, theirs)
            ]
            assert shapes[0] == shapes[1], name
    if dataclasses.is_dataclass(theirs):
        fields = [{field.name for field in dataclasses.fields(cls)} for cls in (mine, theirs)]
        assert {name for name in fields[1] if not name.startswith("_")} <= fields[0]


@pytest.mark.parametrize(("mine", "theirs"), PAIRS[:2], ids=["ArraySpec", "ArrayConfig"])
def test_constructors(mine: Any, theirs: Any) -> None:
    shapes = [[(p.name, p.kind, p.default) for p in inspect.signature(c).parameters.values()] for c in (mine, theirs)]
    assert shapes[0][: len(shapes[1])] == shapes[1]
    # What zarr does not have is left out by those who know zarr's alone.
    assert [shape[0] for shape in shapes[0][len(shapes[1]) :]] == (["locking"] if mine is ArrayConfig else [])


def spec(fill_value: Any, **changes: Any) -> ArraySpec:
    array = ArraySpec((4, 3), Float32(), fill_value, parse_array_config(None), default_buffer_prototype())
    return dataclasses.replace(array, **changes)


def test_array_spec() -> None:
    array = spec(np.float32(0))
    assert (array.shape, array.ndim, array.order) == ((4, 3), 2, "C")
    assert dataclasses.replace(array, shape=(np.int64(2),)).shape == (2,)
    assert pickle.loads(pickle.dumps(array)) == array
    with pytest.raises(AttributeError):
        array.shape = (1,)  # type: ignore[misc]
    with pytest.raises(ValueError, match="negative"):
        spec(0, shape=(-1,))
    with pytest.raises(TypeError):
        spec(0, shape=(1.5,))
    assert spec(0, dtype=UInt8()) != array
    assert array != "array"


def test_array_specs_are_equal_by_the_bits_of_the_fill_value() -> None:
    nan, zero, minus = np.float32("nan"), np.float32(0), np.float32(-0.0)
    assert spec(nan) == spec(np.float32("nan"))
    assert hash(spec(nan)) == hash(spec(np.float32("nan")))
    assert spec(zero) != spec(minus)
    assert spec(np.float32(0)) != spec(np.int32(0))


def test_array_config() -> None:
    default = parse_array_config(None)
    assert default == ArrayConfig("C", False)
    assert ArrayConfig.from_dict(default.to_dict()) == default
    assert parse_array_config(default) is default
    assert parse_array_config({"order": "F"}) == ArrayConfig("F", False)
    with config.set(order="F", write_empty_chunks=True, read_missing_chunks=False, io_merge_gap_nbytes=5):
        expected = ArrayConfig("F", True, read_missing_chunks=False, sharding_coalesce_max_gap_bytes=5)
        assert parse_array_config(None) == expected
        assert parse_array_config({"order": "C"}).order == "C"
    theirs = zarr.core.array_spec.ArrayConfig("F", True)
    assert parse_array_config(theirs) == ArrayConfig("F", True)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="ordre"):
        parse_array_config({"ordre": "C"})  # type: ignore[typeddict-unknown-key]
    bad: list[dict[str, Any]] = [{"order": "K"}, {"write_empty_chunks": 1}, {"sharding_coalesce_max_bytes": "x"}]
    for changes in bad:
        with pytest.raises((ValueError, TypeError)):
            parse_array_config(changes)  # type: ignore[arg-type]
