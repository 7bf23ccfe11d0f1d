"""What is wrong is refused at once, by the error that says where, and nothing on disk changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
from zarrpipe.errors import (
    CodecError,
    MetadataError,
    NodeExistsError,
    NodeNotFoundError,
    ReadOnlyError,
    SelectionError,
    UnsupportedError,
    ZarrpipeError,
)

BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
CRC = {"name": "crc32c"}
GZIP = {"name": "gzip", "configuration": {"level": 1}}
TRANSPOSE = {"name": "transpose", "configuration": {"order": [1, 0]}}


def codec(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name, "configuration": configuration}


def blosc(**changes: Any) -> dict[str, Any]:
    return codec(
        "blosc", **{"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 4, "blocksize": 0, **changes}
    )


def sharding(**changes: Any) -> dict[str, Any]:
    options = {"chunk_shape": [2, 2], "codecs": [BYTES], "index_codecs": [BYTES, CRC], "index_location": "end"}
    return codec("sharding_indexed", **{**options, **changes})


def tree(path: Path) -> dict[str, tuple[int, bytes]]:
    """All that is on disk; a file that was written anew with the same bytes counts as changed."""
    return {
        str(file.relative_to(path)): (file.stat().st_mtime_ns, file.read_bytes() if file.is_file() else b"")
        for file in sorted(path.rglob("*"))
    }


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with an array `a` and a group `g`; a test that changes it says so by `_keep`."""
    array = zarrpipe.create_array(
        tmp_path, name="a", shape=(8, 8), chunks=(4, 4), dtype="int32", codecs=[BYTES, GZIP], attributes={"k": 1}
    )
    array[...] = np.arange(64).reshape(8, 8)
    zarrpipe.create_group(tmp_path / "g")
    before = tree(tmp_path)
    yield tmp_path
    assert tree(tmp_path) == before, "an error left something behind"


def with_document(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A folder beside, with an array whose document has this change; it has one chunk."""
    path = folder.parent / (folder.name + "-changed")
    array = zarrpipe.create_array(path, shape=(8, 8), chunks=(4, 4), dtype="int32", codecs=[BYTES, GZIP])
    array[:4, :4] = 1
    document = json.loads((path / "zarr.json").read_text())
    change(document)
    (path / "zarr.json").write_text(json.dumps(document))
    return path


def setting(pointer: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        *steps, last = pointer.strip("/").split("/")
        place: Any = document
        for step in steps:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[int(last) if isinstance(place, list) else last] = value

    return change


def without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.pop(name)


# Documents

DOCUMENTS: list[tuple[str, Any, str]] = [
    ("/zarr_format", 4, "/zarr_format"),
    ("/zarr_format", "3", "/zarr_format"),
    ("/node_type", "table", "/node_type"),
    ("/shape", [8, -1], "/shape/1"),
    ("/shape", [8, 8.0], "/shape/1"),
    ("/shape", [True, 8], "/shape/0"),
    ("/shape", [8, 2**63], "/shape/1"),
    ("/shape", "8", "/shape"),
    ("/shape", [8], "/chunk_grid"),
    ("/chunk_grid/configuration/chunk_shape", [4], "/chunk_grid"),
    ("/chunk_grid/configuration/chunk_shape", [4, 0], "/chunk_grid/configuration/chunk_shape/1"),
    ("/chunk_grid/configuration/chunk_shape", [4, "4"], "/chunk_grid/configuration/chunk_shape/1"),
    ("/chunk_grid/configuration", {}, "/chunk_grid/configuration"),
    ("/chunk_grid/name", "hexagonal", "/chunk_grid/name"),
    ("/chunk_key_encoding/name", "base64", "/chunk_key_encoding/name"),
    ("/chunk_key_encoding/configuration/separator", "-", "/chunk_key_encoding/configuration/separator"),
    ("/data_type", "int33", "/data_type"),
    ("/data_type", 7, "/data_type"),
    ("/data_type", {"name": "example.uuid", "configuration": {}}, "/data_type"),
    ("/fill_value", 2**31, "/fill_value"),
    ("/fill_value", 0.5, "/fill_value"),
    ("/fill_value", "NaN", "/fill_value"),
    ("/fill_value", True, "/fill_value"),
    ("/fill_value", None, "/fill_value"),
    ("/codecs", [], "/codecs"),
    ("/codecs", "bytes", "/codecs"),
    ("/codecs/0", 5, "/codecs/0"),
    ("/codecs/0/extra", 5, "/codecs/0/extra"),
    ("/codecs/0/name", "", "/codecs/0/name"),
    ("/codecs/0/configuration", [1], "/codecs/0/configuration"),
    ("/attributes", [], "/attributes"),
    ("/dimension_names", ["x"], "/dimension_names"),
    ("/dimension_names", ["x", 1], "/dimension_names/1"),
    ("/storage_transformers", [{"name": "example.cipher"}], "/storage_transformers/0"),
    ("/unknown", {"must_understand": True}, "/unknown"),
    ("/unknown", 1, "/unknown"),
]


@pytest.mark.parametrize(("pointer", "value", "at"), DOCUMENTS)
def test_a_wrong_document_is_refused_and_says_where(folder: Path, pointer: str, value: Any, at: str) -> None:
    path = with_document(folder, setting(pointer, value))
    before = tree(path)
    for mode in ("r", "r+", "a"):
        with pytest.raises((MetadataError, UnsupportedError)) as caught:
            zarrpipe.open_array(path, mode=mode)
        assert caught.value.key == "zarr.json"
        assert (caught.value.at or "").startswith(at)
        assert at in str(caught.value)
    with pytest.raises((MetadataError, UnsupportedError)):
        zarrpipe.open(path)
    assert tree(path) == before


@pytest.mark.parametrize(
    "name", ["zarr_format", "node_type", "shape", "data_type", "chunk_grid", "fill_value", "codecs"]
)
def test_a_document_without_a_field_is_refused(folder: Path, name: str) -> None:
    path = with_document(folder, without(name))
    before = tree(path)
    for open_ in (zarrpipe.open, zarrpipe.open_array):
        with pytest.raises(MetadataError, match=f"/{name}") as caught:
            open_(path, mode="a")
        assert caught.value.key == "zarr.json"
    assert tree(path) == before


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"[]", "object"),
        (b"\xff\xfe{}", "UTF-8"),
        (b'{"zarr_format": 3, "zarr_format": 3}', "twice"),
        (b'{"zarr_format": NaN}', "NaN"),
        (b'{"zarr_format": 1e999}', "1e999"),
        (b'{"a":' * 200_000, "JSON|levels"),
        (b"[" * 200_000 + b"]" * 200_000, "levels|object"),
    ],
    ids=["empty", "half", "array", "not text", "twice", "NaN", "too large", "deep objects", "deep arrays"],
)
def test_a_document_that_is_no_json_object_is_refused(folder: Path, data: bytes, word: str) -> None:
    path = with_document(folder, lambda _: None)
    (path / "zarr.json").write_bytes(data)
    with pytest.raises(MetadataError, match=word) as caught:
        zarrpipe.open(path, mode="r")
    assert caught.value.key == "zarr.json"


# Chains

CHAINS: dict[str, tuple[list[Any], str, str]] = {
    "no array-to-bytes codec": ([TRANSPOSE], "", "bytes"),
    "bytes codec first": ([GZIP, BYTES], "/0", "gzip"),
    "two array-to-bytes codecs": ([BYTES, sharding()], "/1", "sharding_indexed"),
    "array codec behind bytes": ([BYTES, TRANSPOSE], "/1", "transpose"),
    "array codec last": ([BYTES, GZIP, TRANSPOSE], "/2", "transpose"),
    "unknown": ([BYTES, {"name": "example.secret"}], "/1", "example.secret"),
    "numcodecs": ([BYTES, codec("numcodecs.imagecodecs_jpeg")], "/1", "numcodecs"),
    "pickle": ([{"name": "numcodecs.pickle"}, BYTES], "/0", "pickle"),
    "bytes without endian": ([{"name": "bytes"}], "/0", "endian"),
    "bytes endian": ([codec("bytes", endian="middle")], "/0", "endian"),
    "transpose too few axes": ([codec("transpose", order=[0]), BYTES], "/0", "order|axes"),
    "transpose twice": ([codec("transpose", order=[0, 0]), BYTES], "/0", "order"),
    "transpose letter": ([codec("transpose", order="C"), BYTES], "/0", "order"),
    "transpose out of range": ([codec("transpose", order=[0, 2]), BYTES], "/0", "order"),
    "transpose without order": ([{"name": "transpose"}, BYTES], "/0", "order"),
    "gzip level": ([BYTES, codec("gzip", level=10)], "/1", "level"),
    "gzip negative level": ([BYTES, codec("gzip", level=-1)], "/1", "level"),
    "gzip level word": ([BYTES, codec("gzip", level="best")], "/1", "level"),
    "gzip level bool": ([BYTES, codec("gzip", level=True)], "/1", "level"),
    "gzip level float": ([BYTES, codec("gzip", level=1.0)], "/1", "level"),
    "zstd level": ([BYTES, codec("zstd", level=23, checksum=False)], "/1", "level"),
    "zstd low level": ([BYTES, codec("zstd", level=-131073, checksum=False)], "/1", "level"),
    "zstd checksum": ([BYTES, codec("zstd", level=1, checksum=1)], "/1", "checksum"),
    "zstd unknown field": ([BYTES, codec("zstd", level=1, window=20)], "/1", "window"),
    "blosc cname": ([BYTES, blosc(cname="lzma")], "/1", "cname"),
    "blosc clevel": ([BYTES, blosc(clevel=10)], "/1", "clevel"),
    "blosc shuffle": ([BYTES, blosc(shuffle="byteshuffle")], "/1", "shuffle"),
    "blosc shuffle number": ([BYTES, blosc(shuffle=1)], "/1", "shuffle"),
    "blosc typesize": ([BYTES, blosc(typesize=0)], "/1", "typesize"),
    "blosc blocksize": ([BYTES, blosc(blocksize=-1)], "/1", "blocksize"),
    "crc32c field": ([BYTES, codec("crc32c", seed=1)], "/1", "seed"),
    "sharding without shape": ([codec("sharding_indexed", codecs=[BYTES], index_codecs=[BYTES])], "/0", "chunk_shape"),
    "sharding shape": ([sharding(chunk_shape=[3, 2])], "/0", "3"),
    "sharding shape zero": ([sharding(chunk_shape=[2, 0])], "/0/configuration/chunk_shape/1", "at least 1"),
    "sharding axes": ([sharding(chunk_shape=[2])], "/0", "axes|axis"),
    "sharding location": ([sharding(index_location="middle")], "/0", "index_location"),
    "sharding inner level": ([sharding(codecs=[BYTES, codec("gzip", level=11)])], "/0/configuration/codecs/1", "level"),
    "sharding inner order": ([sharding(codecs=[GZIP, BYTES])], "/0", "gzip"),
    "sharding no inner codec": ([sharding(codecs=[])], "/0", "codec"),
    "sharding index size": ([sharding(index_codecs=[BYTES, GZIP])], "/0", "fixed size"),
    "sharding index unknown": ([sharding(index_codecs=[BYTES, {"name": "example.x"}])], "/0", "example.x"),
    "sharding index empty": ([sharding(index_codecs=[])], "/0", "codec"),
    "nested shape": ([sharding(codecs=[sharding(chunk_shape=[4, 4])])], "/0", "4"),
    "no name": ([BYTES, {"configuration": {}}], "/1", "name"),
    "codec number": ([BYTES, 3], "/1", "codec"),
}  # fmt: skip


@pytest.mark.parametrize("chain", CHAINS)
def test_a_wrong_chain_creates_nothing(folder: Path, chain: str) -> None:
    codecs, at, word = CHAINS[chain]
    with pytest.raises((MetadataError, UnsupportedError), match=word) as caught:
        zarrpipe.create_array(folder / "new", shape=(8, 8), chunks=(4, 4), dtype="int32", codecs=codecs)
    assert ("/codecs" + at) in str(caught.value)
    # Nor is the array that it would have replaced gone.
    with pytest.raises((MetadataError, UnsupportedError)):
        zarrpipe.create_array(
            folder, name="a", shape=(8, 8), chunks=(4, 4), dtype="int32", codecs=codecs, overwrite=True
        )
    np.testing.assert_array_equal(zarrpipe.open_array(folder / "a", mode="r")[...], np.arange(64).reshape(8, 8))


@pytest.mark.parametrize("chain", CHAINS)
def test_a_wrong_chain_in_a_document_is_refused(folder: Path, chain: str) -> None:
    codecs, at, word = CHAINS[chain]
    path = with_document(folder, setting("/codecs", codecs))
    before = tree(path)
    # At the latest where its codecs are needed: what else the document says may be looked at before.
    for attempt in (
        lambda: zarrpipe.open_array(path, mode="r")[0, 0],
        lambda: zarrpipe.open_array(path, mode="r+").__setitem__((0, 0), 1),
        lambda: zarrpipe.open_array(path, mode="r").decode_chunk(b"x"),
    ):
        with pytest.raises((MetadataError, UnsupportedError), match=word) as caught:
            attempt()
        assert ("/codecs" + at) in str(caught.value)
        assert caught.value.key == "zarr.json"
    assert tree(path) == before


def test_chains_too_deep_are_refused(folder: Path) -> None:
    chain: Any = [BYTES]
    for _ in range(40):
        chain = [sharding(chunk_shape=[4, 4], codecs=chain)]
    with pytest.raises(ZarrpipeError):
        zarrpipe.create_array(folder / "new", shape=(8, 8), chunks=(4, 4), dtype="int32", codecs=chain)


# What create_array is asked for


@pytest.mark.parametrize(
    ("changes", "error", "word"),
    [
        ({"dtype": "int33"}, (MetadataError, UnsupportedError, TypeError), "int33"),
        ({"dtype": object}, (MetadataError, UnsupportedError, TypeError), "object|O"),
        ({"dtype": "longdouble"}, (UnsupportedError,), "float128|longdouble"),
        ({"shape": (8, -1)}, (ValueError, TypeError), "-1|negative"),
        ({"shape": (8, 2.5)}, (ValueError, TypeError), "2.5|integer"),
        ({"shape": None}, ValueError, "shape"),
        ({"chunks": (4,)}, ValueError, "axes"),
        ({"chunks": (4, 0)}, ValueError, "1"),
        ({"chunks": (4, -2)}, ValueError, "-2|negative"),
        ({"chunks": "large"}, TypeError, "large"),
        ({"shards": (6, 8)}, ValueError, "6"),
        ({"shards": (8, 8), "codecs": [BYTES]}, ValueError, "codecs"),
        ({"compressors": [GZIP], "codecs": [BYTES]}, ValueError, "codecs"),
        ({"fill_value": "blue"}, (ValueError, TypeError), "blue"),
        ({"fill_value": 2**40}, (ValueError, OverflowError), "1099511627776"),
        ({"fill_value": 1.5}, (ValueError, TypeError), "1.5"),
        ({"zarr_format": 4}, ValueError, "4"),
        ({"dimension_names": ["x"]}, ValueError, "names"),
        ({"attributes": {"x": float("nan")}}, MetadataError, "nan|JSON"),
        ({"attributes": {"x": object()}}, MetadataError, "object"),
        ({"chunk_key_encoding": {"name": "default", "separator": "-"}}, ValueError, "separator"),
        ({"data": np.zeros((2, 2))}, ValueError, "data"),
        ({"name": "a"}, NodeExistsError, "a"),
        ({"name": "a/b"}, NodeExistsError, "a"),
        ({"name": "../b"}, ValueError, r"\.\."),
        ({"sahpe": 3}, TypeError, "sahpe"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)
def test_a_wrong_request_creates_nothing(folder: Path, changes: dict[str, Any], error: Any, word: str) -> None:
    options: dict[str, Any] = {"name": "new", "shape": (8, 8), "chunks": (4, 4), "dtype": "int32", **changes}
    with pytest.raises(error, match=word):
        zarrpipe.create_array(folder, **options)


# Nodes


@pytest.mark.parametrize("path", ["nowhere", "g/nowhere", "a/nowhere"])
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_missing_path_is_not_found(folder: Path, path: str, mode: Any) -> None:
    for open_ in (zarrpipe.open, zarrpipe.open_array, zarrpipe.open_group):
        with pytest.raises(NodeNotFoundError, match="nowhere") as caught:
            open_(folder / path, mode=mode)
        assert isinstance(caught.value, FileNotFoundError)
        assert caught.value.key


def test_a_node_of_the_other_kind_is_refused(folder: Path) -> None:
    with pytest.raises(NodeNotFoundError):
        zarrpipe.open_array(folder / "g", mode="r")
    with pytest.raises((NodeNotFoundError, NodeExistsError)):
        zarrpipe.open_group(folder / "a", mode="r")
    with pytest.raises(NodeExistsError):
        zarrpipe.create_array(folder / "a", shape=(2,), dtype="int8")
    with pytest.raises(NodeExistsError):
        zarrpipe.create_group(folder / "a")
    with pytest.raises(NodeExistsError):
        zarrpipe.open_array(folder / "a", mode="w-", shape=(2,), dtype="int8")
    with pytest.raises(KeyError):
        zarrpipe.open_group(folder / "g", mode="r")["nowhere"]


def test_a_file_is_no_store(folder: Path) -> None:
    file = folder / "a" / "zarr.json"
    for open_ in (zarrpipe.open, zarrpipe.open_array, zarrpipe.open_group):
        with pytest.raises(OSError, match=r"zarr\.json"):
            open_(file, mode="r")
    with pytest.raises(OSError, match=r"zarr\.json"):
        zarrpipe.create_array(file, shape=(2,), dtype="int8")


def test_what_is_open_for_reading_is_not_written(folder: Path) -> None:
    array = zarrpipe.open_array(folder / "a", mode="r")
    group = zarrpipe.open_group(folder / "g", mode="r")
    attempts: list[Callable[[], Any]] = [
        lambda: array.__setitem__((0, 0), 1),
        lambda: array.write(..., 1),
        lambda: array.resize((4, 4)),
        lambda: array.append(np.zeros((1, 8))),
        lambda: array.attrs.__setitem__("k", 2),
        lambda: array.update_attributes({"k": 2}),
        lambda: array.put_encoded_chunk((0, 0), b"x"),
        lambda: group.create_array("x", shape=(1,), dtype="int8"),
        lambda: group.create_group("x"),
        lambda: group.attrs.__setitem__("k", 2),
    ]
    for attempt in attempts:
        with pytest.raises(ReadOnlyError) as caught:
            attempt()
        assert isinstance(caught.value, PermissionError)


# Selections

SELECTIONS: list[Any] = [
    8, -9, (0, 8), (0, -9), (0, 0, 0), (slice(None), slice(None), slice(None)), (..., ...), (..., 0, 0, 0),
    2**63, 2**64, -(2**63) - 1, "x", 1.5, (0, None), slice(0, 8, 0), slice(8, 0, -1),
    {"x": 1}, (0, b"x"),
]  # fmt: skip


@pytest.mark.parametrize("selection", SELECTIONS, ids=repr)
def test_a_wrong_selection_is_refused(folder: Path, selection: Any) -> None:
    array = zarrpipe.open_array(folder / "a", mode="r+")
    attempts: list[Callable[[], Any]] = [
        lambda: array[selection],
        lambda: array.read(selection),
        lambda: array.get_basic_selection(selection),
        lambda: array.read(selection, out=np.empty((8, 8), dtype="int32")),
        lambda: array.__setitem__(selection, 1),
        lambda: array.write(selection, np.zeros((8, 8), dtype="int32")),
    ]
    for attempt in attempts:
        with pytest.raises(SelectionError) as caught:
            attempt()
        assert isinstance(caught.value, IndexError)
        assert str(caught.value)


WRONG_ARRAYS: list[Any] = [
    [0, 8], [-9], [], [1.5], ["a"], [[0], [1, 2]], [None], True, np.zeros((8, 7), dtype=bool), np.zeros(9, dtype=bool),
    np.array([2**64 - 1], dtype="uint64"), (np.array([0, 1]), np.array([0, 1, 2])), np.zeros(3, dtype="M8[s]"),
    (..., [0, 1], [0, 1]), ([0], [0], [0]),
]  # fmt: skip


@pytest.mark.parametrize("selection", WRONG_ARRAYS, ids=lambda selection: " ".join(repr(selection).split())[:50])
def test_a_wrong_array_is_refused_as_a_selection(folder: Path, selection: Any) -> None:
    array = zarrpipe.open_array(folder / "a", mode="r+")
    before = array[...]
    places: list[Any] = [array, array.vindex] if isinstance(selection, tuple) else [array, array.vindex, array.oindex]
    for place in places:
        for attempt in (lambda at=place: at[selection], lambda at=place: at.__setitem__(selection, 1)):
            with pytest.raises(SelectionError) as caught:
                attempt()
            assert str(caught.value)
    assert np.array_equal(array[...], before)


# Values


@pytest.mark.parametrize(
    ("value", "error", "word"),
    [
        (np.zeros((3, 8), dtype="int32"), ValueError, r"\(3, 8\)"),
        (np.zeros((8, 2), dtype="int32"), ValueError, r"\(8, 2\)"),
        (np.zeros((2, 2, 8), dtype="int32"), ValueError, r"\(2, 2, 8\)"),
        ([[1, 2], [3]], ValueError, None),
        ("text", TypeError, "text|int32"),
        ([["text"] * 8] * 2, TypeError, "text|int32"),
        (None, TypeError, None),
        (..., TypeError, None),
        ({"a": 1}, TypeError, None),
        (np.zeros(2, dtype=[("x", "i4")]), (TypeError, ValueError), None),
        (2**31, OverflowError, "2147483648"),
    ],
    ids=repr,
)
def test_a_value_that_does_not_fit_is_refused(folder: Path, value: Any, error: Any, word: str | None) -> None:
    array = zarrpipe.open_array(folder / "a", mode="r+")
    with pytest.raises(error, match=word):
        array[2:4] = value
    with pytest.raises(error, match=word):
        array.write(slice(2, 4), value)


@pytest.mark.parametrize(
    ("out", "error"),
    [
        (np.empty((8, 7), dtype="int32"), ValueError),
        (np.empty((8, 8), dtype="int64"), (TypeError, ValueError)),
        (np.empty((8, 8), dtype=">i4"), (TypeError, ValueError)),
        (np.broadcast_to(np.zeros(8, dtype="int32"), (8, 8)), ValueError),
        (np.lib.stride_tricks.as_strided(np.zeros(100, dtype="int32"), (8, 8), (4, 4)), ValueError),
        ([[0] * 8] * 8, TypeError),
    ],
    ids=["shape", "dtype", "byte order", "read-only", "overlapping", "list"],
)
def test_an_out_that_does_not_fit_is_refused(folder: Path, out: Any, error: Any) -> None:
    with pytest.raises(error):
        zarrpipe.open_array(folder / "a", mode="r").read(out=out)


def test_encoded_chunks_that_do_not_fit_are_refused(folder: Path) -> None:
    array = zarrpipe.open_array(folder / "a", mode="r+")
    for data in (b"", b"\x1f", b"garbage" * 9, array.encode_chunk(np.ones((4, 4), dtype="int32"))[:-3]):
        with pytest.raises(CodecError):
            array.decode_chunk(data)
    with pytest.raises(ValueError, match=r"\(4, 5\)|shape"):
        array.encode_chunk(np.ones((4, 5), dtype="int32"))
    for chunk in ((2, 0), (0, -1), (0,), (0, 0, 0)):
        for attempt in (array.get_encoded_chunk, lambda at: array.put_encoded_chunk(at, b"x")):
            with pytest.raises(IndexError):
                attempt(chunk)


@pytest.mark.parametrize(
    ("attempt", "error"),
    [
        (lambda array: array.resize((4,)), ValueError),
        (lambda array: array.resize((4, -4)), ValueError),
        (lambda array: array.resize("x"), (TypeError, ValueError)),
        (lambda array: array.append(np.zeros((1, 7), dtype="int32")), ValueError),
        (lambda array: array.append(np.zeros(8, dtype="int32")), ValueError),
        (lambda array: array.append(np.zeros((1, 8), dtype="int32"), axis=2), (IndexError, ValueError)),
        (lambda array: array.append([["x"] * 8]), (TypeError, ValueError)),
        (lambda array: array.attrs.__setitem__("x", {1, 2}), MetadataError),
        (lambda array: array.attrs.update(x=float("inf")), MetadataError),
        (lambda array: array.attrs.__delitem__("nothing"), KeyError),
    ],
)
def test_a_change_that_cannot_be_made_changes_nothing(folder: Path, attempt: Any, error: Any) -> None:
    array = zarrpipe.open_array(folder / "a", mode="r+")
    with pytest.raises(error):
        attempt(array)
    assert array.shape == (8, 8)
    assert dict(array.attrs) == {"k": 1}
    np.testing.assert_array_equal(array[...], np.arange(64).reshape(8, 8))
