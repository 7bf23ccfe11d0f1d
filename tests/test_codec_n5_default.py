"""`n5_default`: blocks of N5 as tensorstore reads and writes them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore as ts

import zarrpipe
from zarrpipe.codecs import N5DefaultCodec, get_codec_class, parse_codec
from zarrpipe.errors import CodecError, MetadataError, SizeError, TruncatedError, UnsupportedError

DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]
KEYS = {"name": "v2", "separator": "/"}
# The compressor in N5, and the codec.
COMPRESSORS: dict[str, tuple[dict[str, Any], Any]] = {
    "raw": ({"type": "raw"}, None),
    "gzip": ({"type": "gzip", "level": 5}, {"name": "gzip", "configuration": {"level": 5}}),
    "zstd": ({"type": "zstd", "level": 3}, {"name": "zstd", "configuration": {"level": 3, "checksum": False}}),
    "blosc": (
        {"type": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1},
        {"name": "blosc", "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle"}},
    ),
}


def n5_default(rank: int, compressor: Any = None) -> dict[str, Any]:
    codecs: list[Any] = [
        {"name": "transpose", "configuration": {"order": list(reversed(range(rank)))}},
        {"name": "bytes", "configuration": {"endian": "big"}},
    ]
    return {"name": "n5_default", "configuration": {"codecs": [*codecs, compressor] if compressor else codecs}}


def create(path: Path, values: np.ndarray, block: tuple[int, ...], codec: Any, fill: int = 0) -> zarrpipe.Array:
    return zarrpipe.create_array(
        path,
        shape=values.shape,
        chunks=block,
        dtype=values.dtype,
        codecs=[codec],
        chunk_key_encoding=KEYS,
        fill_value=fill,
    )


def open_n5(path: Path, values: np.ndarray, block: tuple[int, ...], compression: Any, **options: Any) -> Any:
    metadata = {
        "dimensions": list(values.shape),
        "blockSize": list(block),
        "dataType": str(values.dtype),
        "compression": compression,
    }
    return ts.open({"driver": "n5", "kvstore": f"file://{path}/", "metadata": metadata, **options}).result()


@pytest.mark.parametrize("compressor", COMPRESSORS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_both_ways_with_tensorstore(tmp_path: Path, dtype: str, compressor: str) -> None:
    compression, codec = COMPRESSORS[compressor]
    values = np.random.default_rng(2).integers(0, 100, (7, 11, 5)).astype(dtype)
    block = (3, 4, 5)
    ours = create(tmp_path / "a", values, block, n5_default(3, codec))
    ours[...] = values
    theirs = open_n5(tmp_path / "a", values, block, compression, create=True)
    assert np.array_equal(theirs.read().result(), values)
    theirs[1:5, 2:9].write(values[2:6, 1:8]).result()
    values[1:5, 2:9] = values[2:6, 1:8].copy()
    assert np.array_equal(ours[...], values)
    assert np.array_equal(ours[::2, 3:10:3, 4], values[::2, 3:10:3, 4])


@pytest.mark.parametrize("rank", [0, 1, 2, 4])
def test_ranks(tmp_path: Path, rank: int) -> None:
    values = np.arange(5**rank, dtype="u2").reshape((5,) * rank)
    array = create(tmp_path / "a", values, (2,) * rank, n5_default(rank))
    array[...] = values
    assert np.array_equal(zarrpipe.open_array(tmp_path / "a")[...], values)


def test_blocks_that_end_with_the_array(tmp_path: Path) -> None:
    """Java writes the blocks of the border without what is beyond it; others pad them. Both may be in one array."""
    values = np.arange(1, 36, dtype="i2").reshape(5, 7)
    array = create(tmp_path / "a", values, (3, 4), n5_default(2), fill=-1)
    array[...] = values
    full = (tmp_path / "a" / "1" / "1").read_bytes()
    assert full[:12] == struct.pack(">HHII", 0, 2, 3, 4)
    cut = struct.pack(">HHII", 0, 2, 2, 3) + values[3:, 4:].T.astype(">i2").tobytes()
    (tmp_path / "a" / "1" / "1").write_bytes(cut)
    assert np.array_equal(array[...], values)
    # What the block does not have is the fill value.
    array.resize((6, 8))
    assert array[3:, 4:].tolist() == [[26, 27, 28, -1], [33, 34, 35, -1], [-1, -1, -1, -1]]
    array[5, 7] = 5
    assert array[3:, 4:].tolist() == [[26, 27, 28, -1], [33, 34, 35, -1], [-1, -1, -1, 5]]
    # A block that is larger than the array's is cut.
    larger = np.arange(4 * 6, dtype=">i2").reshape(4, 6)
    (tmp_path / "a" / "0" / "0").write_bytes(struct.pack(">HHII", 0, 2, 4, 6) + larger.T.tobytes())
    assert np.array_equal(array[:3, :4], larger[:3, :4])


def test_in_a_shard(tmp_path: Path) -> None:
    values = np.arange(64, dtype="f4").reshape(8, 8)
    array = zarrpipe.create_array(
        tmp_path / "a",
        shape=(8, 8),
        chunks=(2, 4),
        shards=(4, 8),
        dtype="f4",
        serializer=n5_default(2),
        compressors=None,
    )
    array[...] = values
    assert np.array_equal(zarrpipe.open_array(tmp_path / "a")[1:7, ::3], values[1:7, ::3])


@pytest.mark.parametrize(
    ("block", "error", "message"),
    [
        (b"", TruncatedError, "header"),
        (struct.pack(">HHI", 0, 2, 2), TruncatedError, "header"),
        (struct.pack(">HHIII", 1, 2, 2, 2, 4) + bytes(4), UnsupportedError, "varlength"),
        (struct.pack(">HHI", 2, 2, 4), UnsupportedError, "object"),
        (struct.pack(">HHII", 9, 2, 2, 2) + bytes(4), CodecError, "mode 9"),
        (struct.pack(">HHI", 0, 1, 4) + bytes(4), CodecError, "1 axes"),
        (struct.pack(">HHII", 0, 2, 2, 2) + bytes(3), TruncatedError, "3 bytes"),
        (struct.pack(">HHII", 0, 2, 2, 2) + bytes(5), SizeError, "5 bytes"),
        (struct.pack(">HHII", 0, 2, 2**32 - 1, 2**32 - 1), SizeError, "shape"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_blocks(tmp_path: Path, block: bytes, error: type[Exception], message: str) -> None:
    array = create(tmp_path / "a", np.zeros((2, 2), dtype="u1"), (2, 2), n5_default(2))
    array[...] = 1
    (tmp_path / "a" / "0" / "0").write_bytes(block)
    with pytest.raises(error, match=message):
        array[...]


TRANSPOSE, BIG = n5_default(2)["configuration"]["codecs"]


@pytest.mark.parametrize(
    ("codecs", "at"),
    [
        ("bytes", "/codecs/0/configuration/codecs"),
        ([TRANSPOSE], "/codecs/0/configuration/codecs"),
        ([TRANSPOSE, BIG, "crc32c", "crc32c"], "/codecs/0/configuration/codecs"),
        (
            [TRANSPOSE, {"name": "bytes", "configuration": {"endian": "x"}}],
            "/codecs/0/configuration/codecs/1/configuration/endian",
        ),
        ([BIG, TRANSPOSE], "/codecs/0/configuration/codecs/0"),
        ([{"name": "transpose", "configuration": {"order": [0, 1]}}, BIG], "/codecs/0/configuration/codecs/0"),
        ([TRANSPOSE, {"name": "bytes", "configuration": {"endian": "little"}}], "/codecs/0/configuration/codecs/1"),
        ([TRANSPOSE, BIG, BIG], "/codecs/0/configuration/codecs/2"),
    ],
    ids=str,
)
def test_wrong_codecs(codecs: Any, at: str) -> None:
    document = {"name": "n5_default", "configuration": {"codecs": codecs}}
    with pytest.raises(MetadataError) as caught:
        zarrpipe.create_array({}, shape=(4, 4), chunks=(2, 2), dtype="i4", codecs=[document])
    assert caught.value.at == at


def test_data_types_that_n5_does_not_have() -> None:
    with pytest.raises(MetadataError, match="complex"):
        zarrpipe.create_array({}, shape=(4, 4), chunks=(2, 2), dtype="c8", codecs=[n5_default(2)])


def test_documents(tmp_path: Path) -> None:
    assert get_codec_class("n5_default") is N5DefaultCodec
    document = n5_default(2, {"name": "gzip", "configuration": {"level": 3}})
    assert json.loads(json.dumps(parse_codec(document).to_dict())) == document
    create(tmp_path / "a", np.zeros((4, 4), dtype="i4"), (2, 2), document)
    assert json.loads((tmp_path / "a" / "zarr.json").read_text())["codecs"] == [document]
