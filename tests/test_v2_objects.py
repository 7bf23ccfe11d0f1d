"""Arrays of objects in format 2: JSON, MessagePack, arrays of any length, and labels.

What zarr-python 2 wrote and reads is in `test_spellings.py` and `test_parity_zarr2_reads.py`.
"""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest

import zarrpipe
from zarrpipe.codecs import get_codec
from zarrpipe.codecs.numcodecs import JSON2, MsgPack2
from zarrpipe.dtypes import CategorizedText, JSONObjects, MsgPackObjects, RaggedArrays
from zarrpipe.errors import CodecError, MetadataError, UnsupportedError
from zarrpipe.stores import MemoryStore

NESTED: list[Any] = [
    {"b": 1, "a": [None, {"ü": "\ud800"}]}, [1, "two", None], "text", 3.5, None, True, 2**70, [], "", {}, [[1]], -0.0
]  # fmt: skip
# MessagePack has bytes, and less of text and numbers.
PACKED = [b"\xff\x00" if item in (2**70, NESTED[0]) else item for item in NESTED]
RAGGED = [np.arange(n, dtype="i4") for n in (0, 1, 2, 3, 10, 1, 0, 4, 1, 2, 3, 4)]
LABELS = ["a", "b", "", "ü"]
KINDS: dict[str, tuple[dict[str, Any], list[Any], type]] = {
    "json2": ({"id": "json2"}, NESTED, JSONObjects),
    "msgpack2": ({"id": "msgpack2"}, PACKED, MsgPackObjects),
    "vlen-array": ({"id": "vlen-array", "dtype": "<i4"}, RAGGED, RaggedArrays),
    "vlen-array >": ({"id": "vlen-array", "dtype": ">f8"}, [item / 7 for item in RAGGED], RaggedArrays),
    "categorize": ({"id": "categorize", "labels": LABELS, "dtype": "|O", "astype": "|u1"}, LABELS * 3, CategorizedText),
}  # fmt: skip


def objects(items: list[Any], shape: tuple[int, ...]) -> Any:
    return np.fromiter(items, dtype=object, count=math.prod(shape)).reshape(shape)


def same(found: Any, want: Any) -> None:
    assert found.shape == want.shape
    for ours, theirs in zip(found.reshape(-1), want.reshape(-1), strict=True):
        if isinstance(theirs, np.ndarray):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
        else:
            assert ours == theirs
            assert type(ours) is type(theirs)


def make(store: Any, kind: str, shape: tuple[int, ...] = (4, 3), **options: Any) -> zarrpipe.Array:
    config = KINDS[kind][0]
    options = {"chunks": tuple(n // 2 + 1 for n in shape), **options}
    return zarrpipe.create_array(store, shape=shape, dtype=object, filters=[config], zarr_format=2, **options)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(tmp_path: Path, kind: str, order: Any) -> None:
    config, items, data_type = KINDS[kind]
    want = objects(items, (4, 3))
    array = make(tmp_path, kind, order=order)
    assert type(array.metadata.data_type) is data_type
    document = json.loads((tmp_path / ".zarray").read_bytes())
    assert (document["dtype"], document["filters"]) == ("|O", [config])
    array[...] = want
    for opened in (array, zarrpipe.open_array(tmp_path, mode="r+")):
        same(opened[...], want)
        same(opened[1:4:2, -1:], want[1:4:2, -1:])
        same(opened.oindex[[3, 0], :], want[[3, 0]])
        same(opened[np.array([3, 0]), np.array([1, 2])], want[[3, 0], [1, 2]])
        assert opened.chunks == (3, 2)
        assert kind.split(maxsplit=1)[0] in repr(opened) or kind == "categorize"
    # A chunk in part, from an array and from lists.
    array[1:3, 1] = want[0, :2]
    want[1:3, 1] = want[0, :2].copy()
    array[3, 2] = want[0, 0]
    want[3, 2] = want[0, 0]
    same(zarrpipe.open_array(tmp_path, mode="r")[...], want)
    out = np.empty((4, 3), dtype=array.dtype)
    assert array.read(out=out) is out
    same(out.astype(object), want)


@pytest.mark.parametrize("kind", KINDS)
def test_async(kind: str) -> None:
    class Awaited(MemoryStore):
        _supports_sync_io = False

    async def run() -> None:
        want = objects(KINDS[kind][1], (4, 3))
        array = make(Awaited(), kind)
        await array.write_async(..., want)
        same(await array.read_async(), want)
        chunk = want[:3, :2]
        same(array.decode_chunk(array.encode_chunk(chunk) or b""), chunk)

    asyncio.run(run())


@pytest.mark.parametrize("kind", KINDS)
def test_resize_and_append(kind: str) -> None:
    items = KINDS[kind][1]
    array = make({}, kind, (5,), chunks=(4,))
    array[...] = objects(items, (5,))
    array.resize((3,))
    array.resize((6,))
    nothing = array.metadata.data_type.default_scalar()
    want = objects([*items[:3], *[nothing] * 3], (6,))
    same(np.asarray(array[...], dtype=object), want)
    array.append(objects(items[5:7], (2,)))
    same(np.asarray(array[6:], dtype=object), objects(items[5:7], (2,)))


@pytest.mark.parametrize(
    ("kind", "given", "stored", "read"),
    [
        ("json2", None, None, None),
        ("json2", 0, 0, 0),
        ("json2", "", "", ""),
        ("json2", {"a": (1, None)}, {"a": [1, None]}, {"a": [1, None]}),
        ("json2", ..., None, None),
        ("msgpack2", "x", "x", "x"),
        ("msgpack2", [1], [1], [1]),
        ("vlen-array", 0, 0, np.array([], "i4")),
        ("vlen-array", None, None, np.array([], "i4")),
        ("vlen-array", [1, 2], [1, 2], np.array([1, 2], "i4")),
        ("categorize", "a", "a", "a"),
        ("categorize", 0, "", ""),
        ("categorize", None, None, ""),
    ],
)
def test_fill_values(tmp_path: Path, kind: str, given: Any, stored: Any, read: Any) -> None:
    array = make(tmp_path, kind, (4,), chunks=(2,), **({} if given is ... else {"fill_value": given}))
    assert json.loads((tmp_path / ".zarray").read_bytes())["fill_value"] == stored
    want = objects([read] * 4, (4,))
    for opened in (array, zarrpipe.open_array(tmp_path, mode="r")):
        same(np.asarray(opened[...], dtype=object), want)
    # Items that are the fill value are not stored.
    array[:2] = want[:2]
    assert array.nchunks_initialized == 0
    other = KINDS[kind][1][1]
    array[0] = other
    want[0] = other if kind == "categorize" else array.metadata.data_type.cast_scalar(other)
    same(np.asarray(array[...], dtype=object), want)
    array.resize((3,))
    array.resize((4,))
    same(np.asarray(array[...], dtype=object), want)


@pytest.mark.parametrize("codec", [numcodecs.JSON(), numcodecs.JSON(indent=1, sort_keys=False, encoding="utf-16")])
def test_the_bytes_of_json2(codec: Any) -> None:
    items = objects([item for item in NESTED if item != NESTED[0]][:6], (6,))
    store: dict[str, Any] = {}
    for number, shaped in enumerate((items, items.reshape(2, 3), items.reshape(1, 3, 2))):
        array = zarrpipe.create_array(
            store, name=str(number), shape=shaped.shape, chunks=shaped.shape, dtype=object, filters=codec,
            compressors=None, zarr_format=2,
        )  # fmt: skip
        array[...] = shaped
        assert array.get_encoded_chunk((0,) * shaped.ndim) == codec.encode(shaped)
        config = array.filters[0].to_dict()["configuration"]
        assert numcodecs.get_codec({"id": "json2", **config}) == codec


@pytest.mark.parametrize("codec", [numcodecs.JSON(), numcodecs.MsgPack(), numcodecs.MsgPack(use_single_float=True)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (4,), (2, 2), (2, 3)])
def test_numcodecs_and_what_it_means(tmp_path: Path, codec: Any, order: Any, shape: tuple[int, ...]) -> None:
    """numcodecs' chunks say where each item is; what of ours it decodes, flattened as zarr-python does, is the same."""
    want = objects(["a", 1.5, [3], None, {"b": 2}, 6][: math.prod(shape)], shape)
    array = zarrpipe.create_array(
        tmp_path, shape=shape, chunks=shape, dtype=object, filters=[codec], compressors=None, order=order, zarr_format=2
    )
    array[...] = want if shape else want[()]
    key = tmp_path / ".".join("0" * max(1, len(shape)))
    decoded = codec.decode(key.read_bytes())
    same(decoded.reshape(-1, order="A").reshape(shape, order=order), want)
    if codec.codec_id == "msgpack2" and shape == ():
        return  # which numcodecs does not encode
    if not (shape == () and codec.codec_id == "json2"):
        key.write_bytes(bytes(codec.encode(np.array(want, order=order))))
    same(array[...], want)


@pytest.mark.parametrize("dtype", ["<i4", ">i4", "<U3", "|b1", "string"])
@pytest.mark.parametrize("codec", [numcodecs.JSON(), numcodecs.MsgPack()])
def test_other_items_as_lists(dtype: str, codec: Any) -> None:
    """The two are filters for whatever data type."""
    items = np.arange(6).reshape(2, 3)
    values = items.astype("T") if dtype == "string" else items.astype(dtype)
    array = zarrpipe.create_array(
        {}, shape=(2, 3), chunks=(2, 2), dtype=dtype, filters=[codec], order="F", zarr_format=2
    )
    array[...] = values
    array[1, 1] = values[0, 0]
    values[1, 1] = values[0, 0]
    assert (array[...] == values).all()


@pytest.mark.parametrize("codec_id", ["json2", "msgpack2", "vlen-array"])
def test_by_numcodecs_interface(codec_id: str) -> None:
    config, items, _ = KINDS[codec_id]
    ours, theirs = get_codec(config), numcodecs.get_codec(config)
    # Nothing with several keys: those of JSON are sorted.
    items = items[1:]
    array = objects(items, (len(items),))
    assert bytes(ours.encode(array)) == bytes(theirs.encode(array))
    same(ours.decode(theirs.encode(array)), array)


@pytest.mark.parametrize(
    "stored",
    [
        b"", b"{}", b"[", b"[1]", b'["|O",[2]]', b'[1,2,3,"|O",[2]]', b'[1,2,"|O",[3]]', b'[1,2,"|O",2]', b"\xff[]",
        b'[1,2,"|O",[1,2]]', b'[1,2,"|O",null]', b"[" * 100_000, b'[1,' + b"[" * 100_000, b'[1,2,3]', b"9" * 5000,
        b'[[1],[2],"|O",[2,2]]', b'[1,"\x01","|O",[2]]',
    ],
)  # fmt: skip
def test_lists_that_lie(tmp_path: Path, stored: bytes) -> None:
    array = make(tmp_path, "json2", (2,), chunks=(2,), compressors=None)
    (tmp_path / "0").write_bytes(stored)
    with pytest.raises(CodecError):
        array[...]


@pytest.mark.parametrize(
    "stored", [b"", b"\x91", b"\xc1", b"\x93\x01\x02\x03", b"\xdd\xff\xff\xff\xff", b"\x91" * 9999]
)
def test_messages_that_lie(tmp_path: Path, stored: bytes) -> None:
    array = make(tmp_path, "msgpack2", (2,), chunks=(2,), compressors=None)
    (tmp_path / "0").write_bytes(stored)
    with pytest.raises(CodecError):
        array[...]


def test_arrays_that_lie(tmp_path: Path) -> None:
    array = make(tmp_path, "vlen-array", (2,), chunks=(2,), compressors=None)
    good = bytes(numcodecs.VLenArray("<i4").encode(objects(RAGGED[1:3], (2,))))
    shorter = good.replace(b"\4\0\0\0", b"\3\0\0\0", 1)
    for stored in (good[:-1], good[:3], shorter, b"\2\0\0\0\3\0\0\0abc\0\0\0\0"):
        (tmp_path / "0").write_bytes(stored)
        with pytest.raises(CodecError):
            array[...]


def test_what_has_no_form() -> None:
    array = make({}, "json2", (2,))
    for value in ({1, 2}, object(), b"bytes", 1j):
        with pytest.raises(TypeError):
            array[0] = value
    array[...] = [np.float32(0.5), np.int64(3)]
    assert array[...].tolist() == [0.5, 3]
    array[...] = [[1, 2], [3, 4]]
    assert array[...].tolist() == [[1, 2], [3, 4]]
    array[...] = {"everywhere": 1}
    assert array[...].tolist() == [{"everywhere": 1}] * 2
    ragged = make({}, "vlen-array", (2,))
    ragged[...] = np.arange(3)
    assert [item.tolist() for item in ragged[...]] == [[0, 1, 2]] * 2
    ragged[...] = np.arange(4).reshape(2, 2)
    assert [item.tolist() for item in ragged[...]] == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="one axis"):
        ragged[0] = [[1], [2]]


@pytest.mark.parametrize(
    "config",
    [
        {"id": "json2", "indent": True},
        {"id": "json2", "sort_keys": 1},
        {"id": "json2", "encoding": "zlib"},
        {"id": "json2", "encoding": "nothing"},
        {"id": "json2", "separators": ","},
        {"id": "json2", "order": "F"},
        {"id": "msgpack2", "raw": "yes"},
        {"id": "vlen-array"},
        {"id": "vlen-array", "dtype": "|O"},
        {"id": "vlen-array", "dtype": "nothing"},
        {"id": "vlen-array", "dtype": "S0"},
        {"id": "categorize", "dtype": "|O"},
    ],
)
def test_configurations_that_no_codec_has(config: dict[str, Any]) -> None:
    with pytest.raises(MetadataError):
        zarrpipe.create_array({}, shape=2, dtype=object, filters=[config], zarr_format=2)


def test_objects_are_of_format_2() -> None:
    with pytest.raises(UnsupportedError, match="format 3"):
        zarrpipe.create_array({}, shape=2, dtype=JSONObjects())
    with pytest.raises(UnsupportedError, match="anything"):
        zarrpipe.create_array({}, shape=2, dtype=object)
    with pytest.raises(MetadataError, match="/dtype"):
        zarrpipe.create_array({}, shape=2, dtype=object, zarr_format=2)
    with pytest.raises(UnsupportedError, match="pickle"):
        zarrpipe.create_array({}, shape=2, dtype=object, filters=[{"id": "pickle"}], zarr_format=2)
    array = zarrpipe.create_array({}, shape=2, dtype=RaggedArrays(item=np.dtype(">i2")), zarr_format=2)
    assert array.metadata.filters == ({"id": "vlen-array", "dtype": ">i2"},)  # type: ignore[union-attr]


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "msgpack", None)
    with pytest.raises(UnsupportedError, match=r"pip install zarrpipe\[numcodecs\]"):
        make({}, "msgpack2")
    assert JSON2().name == "numcodecs.json2"
    with pytest.raises(UnsupportedError, match="msgpack2"):
        MsgPack2()
