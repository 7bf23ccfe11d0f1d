"""Format 2: what is written, what is found, and what others have written."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest

import zarrpipe
from zarrpipe.codecs import BloscCodec, GzipCodec, TransposeCodec, ZstdCodec
from zarrpipe.codecs.chain_v2 import chain_v2, to_numcodecs_config
from zarrpipe.errors import ConflictError, MetadataError, NodeExistsError, NodeNotFoundError, UnsupportedError
from zarrpipe.metadata import ArrayV2Metadata
from zarrpipe.stores import MemoryStore

ZARRAY: dict[str, Any] = {
    "zarr_format": 2,
    "shape": [5, 4],
    "chunks": [2, 3],
    "dtype": "<i2",
    "compressor": None,
    "fill_value": 0,
    "order": "C",
    "filters": None,
}


def documents(store: dict[str, Any], name: str = "") -> dict[str, Any]:
    """Return the documents below a path, parsed."""
    found = {key.removeprefix(name).lstrip("/"): value for key, value in store.items() if key.startswith(name)}
    return {key: json.loads(bytes(as_bytes(value))) for key, value in found.items() if key.startswith((".z", "zarr"))}


def as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else value.to_bytes()


def wild(folder: Path, changes: dict[str, Any] | None = None, **attributes: Any) -> zarrpipe.Array:
    """Return an array of a `.zarray` that somebody else wrote, opened; a change to `...` takes a field away."""
    document = {**ZARRAY, **(changes or {})}
    (folder / ".zarray").write_text(json.dumps({name: value for name, value in document.items() if value is not ...}))
    if attributes:
        (folder / ".zattrs").write_text(json.dumps(attributes))
    return zarrpipe.open_array(folder, mode="r+")


# What is written


def test_the_documents() -> None:
    store: dict[str, Any] = {}
    array = zarrpipe.create_array(
        store, shape=(5, 4), chunks=(2, 3), dtype=">i2", zarr_format=2, order="F", attributes={"a": 1}
    )
    assert documents(store) == {
        ".zarray": {
            "zarr_format": 2,
            "shape": [5, 4],
            "chunks": [2, 3],
            "dtype": ">i2",
            "compressor": {"id": "zstd", "level": 0},
            "fill_value": 0,
            "order": "F",
            "filters": None,
            "dimension_separator": ".",
        },
        ".zattrs": {"a": 1},
    }
    array[...] = np.arange(20).reshape(5, 4)
    assert {key for key in store if not key.startswith(".")} == {f"{i}.{j}" for i in range(3) for j in range(2)}


def test_facts() -> None:
    array = zarrpipe.create_array(
        {}, shape=4, chunks=3, dtype="<i4", zarr_format=2, order="F", filters=[{"id": "delta", "dtype": "<i4"}]
    )
    assert (array.zarr_format, array.order, array.serializer, array.chunks) == (2, "F", None, (3,))
    assert [codec.to_dict()["name"] for codec in array.filters] == ["numcodecs.delta"]
    assert array.compressors == (array.compressor,)
    assert array.compressor.to_dict()["configuration"]["level"] == 0
    assert array.metadata.dimension_names is None
    assert array.with_config({"order": "C"}).order == "F"
    uncompressed = zarrpipe.create_array({}, shape=4, dtype="<i4", zarr_format=2, compressors=None)
    assert (uncompressed.compressor, uncompressed.compressors, uncompressed.filters) == (None, (), ())
    with pytest.raises(TypeError, match="compressors"):
        _ = zarrpipe.create_array({}, shape=4, dtype="<i4").compressor


def test_items_are_in_the_order_of_the_host(tmp_path: Path) -> None:
    array = zarrpipe.create_array(tmp_path, data=np.array([1, 258], ">i2"), zarr_format=2, compressors=None)
    assert (tmp_path / "0").read_bytes() == b"\0\1\1\2"
    assert array.dtype == np.dtype("i2") == array[:].dtype
    assert array.dtype.isnative
    assert array[:].tolist() == [1, 258]


def test_order_f_is_that_of_memory() -> None:
    array = zarrpipe.create_array({}, shape=(4, 4), dtype="u1", zarr_format=2, order="F", compressors=None)
    array[...] = np.arange(16).reshape(4, 4)
    assert array[...].flags.f_contiguous
    assert array.get_encoded_chunk((0, 0)) == np.arange(16, dtype="u1").reshape(4, 4).tobytes(order="F")
    assert array.decode_chunk(array.get_encoded_chunk((0, 0)) or b"")[1, 0] == 4


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (None, None),
        ((), None),
        ("auto", {"id": "zstd", "level": 0}),
        ({"id": "zlib", "level": 3}, {"id": "zlib", "level": 3}),
        ([numcodecs.Zlib(3)], {"id": "zlib", "level": 3}),
        (numcodecs.Zstd(2), {"id": "zstd", "level": 2}),
        (numcodecs.Zstd(2, checksum=True), {"id": "zstd", "level": 2, "checksum": True}),
        (GzipCodec(level=3), {"id": "gzip", "level": 3}),
        (ZstdCodec(level=3), {"id": "zstd", "level": 3}),
        (ZstdCodec(checksum=True), {"id": "zstd", "level": 0, "checksum": True}),
        ({"name": "zstd", "configuration": {"level": 3}}, {"id": "zstd", "level": 3}),
        (
            BloscCodec(cname="lz4", clevel=1, shuffle="noshuffle"),
            {"id": "blosc", "cname": "lz4", "clevel": 1, "shuffle": 0, "blocksize": 0},
        ),
        (BloscCodec(), {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": -1, "blocksize": 0}),
        ({"name": "numcodecs.zlib", "configuration": {"level": 3}}, {"id": "zlib", "level": 3}),
        ("crc32c", {"id": "crc32c"}),
    ],
)
def test_compressors_become_configurations(given: Any, written: Any) -> None:
    store: dict[str, Any] = {}
    array = zarrpipe.create_array(store, shape=9, chunks=4, dtype="<i4", zarr_format=2, compressors=given)
    array[...] = np.arange(9)
    assert documents(store)[".zarray"]["compressor"] == written
    assert zarrpipe.open_array(store)[:].tolist() == list(range(9))


def test_codecs_without_a_form_in_format_2() -> None:
    with pytest.raises(MetadataError, match="'transpose' has no form in format 2"):
        to_numcodecs_config(TransposeCodec(order=(1, 0)))
    with pytest.raises(MetadataError, match=r"no form in format 2 \(at /filters/1\)"):
        zarrpipe.create_array(
            {},
            shape=2,
            dtype="u1",
            zarr_format=2,
            filters=[
                "crc32c",
                {"name": "sharding_indexed", "configuration": {"chunk_shape": [1], "codecs": ["bytes"]}},
            ],
        )
    with pytest.raises(UnsupportedError, match="pickle"):
        zarrpipe.create_array({}, shape=2, dtype="u1", zarr_format=2, filters=[{"id": "pickle"}])


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"shards": 2}, ValueError),
        ({"codecs": ["bytes"]}, ValueError),
        ({"serializer": "bytes"}, ValueError),
        ({"dimension_names": ["x"]}, ValueError),
        ({"chunk_key_encoding": ("default", "/")}, ValueError),
        ({"compressors": [GzipCodec(), GzipCodec()]}, TypeError),
        ({"compressors": {"id": "gzip", "level": 77}}, MetadataError),
        ({"compressors": {"id": "nobody-has-this"}}, UnsupportedError),
        ({"filters": {"level": 1}}, MetadataError),
        ({"order": "A"}, MetadataError),
        ({"attributes": {"a": object()}}, MetadataError),
    ],
)
def test_nothing_is_written_where_something_is_wrong(options: dict[str, Any], error: type[Exception]) -> None:
    store: dict[str, Any] = {}
    with pytest.raises(error):
        zarrpipe.create_array(store, **{"shape": 4, "dtype": "u1", "zarr_format": 2, **options})
    assert store == {}


def test_create_by_the_names_of_zarr_python_2() -> None:
    store: dict[str, Any] = {}
    zarrpipe.create(
        4,
        dtype="u1",
        store=store,
        zarr_format=2,
        compressor=numcodecs.Zlib(1),
        dimension_separator="/",
        fill_value=None,
    )
    document = documents(store)[".zarray"]
    assert (document["compressor"], document["dimension_separator"]) == ({"id": "zlib", "level": 1}, "/")
    assert document["fill_value"] is None
    with pytest.raises(ValueError, match="compressors="):
        zarrpipe.create(4, compressor=None)
    with pytest.raises(ValueError, match="give one of them"):
        zarrpipe.create(4, zarr_format=2, compressor=None, compressors="auto")


def test_like(tmp_path: Path) -> None:
    array = zarrpipe.create_array(
        tmp_path / "a", shape=(4, 4), chunks=3, dtype=">u2", zarr_format=2, order="F", compressors=None, fill_value=None
    )
    array[...] = 300
    alike = zarrpipe.array(array)
    assert alike.metadata == array.metadata
    assert (alike[...] == 300).all()
    other = zarrpipe.array(array, zarr_format=3)
    assert (other.zarr_format, other.chunks) == (3, (3, 3))
    assert (other[...] == 300).all()
    back = zarrpipe.array(other, zarr_format=2)
    assert (back.zarr_format, back.chunks) == (2, (3, 3))


# Where there is no fill value


def test_an_undefined_fill_value_reads_as_zero_and_stays_undefined(tmp_path: Path) -> None:
    array = zarrpipe.create_array(tmp_path, shape=6, chunks=4, dtype="<f4", zarr_format=2, fill_value=None)
    assert array.fill_value is None
    assert array[:].tolist() == [0] * 6
    array[:] = 1
    array.resize(2)
    array.resize(6)
    assert array[:].tolist() == [1, 1, 0, 0, 0, 0]
    array.append([5])
    assert json.loads((tmp_path / ".zarray").read_text())["fill_value"] is None
    array[:] = 0
    assert array.nchunks_initialized == 0
    assert "Fill value" not in str(array.info)


# Attributes, shapes, deletion


def test_changes_write_the_document_that_changed() -> None:
    written: list[str] = []

    class Watched(MemoryStore):
        async def set(self, key: str, value: Any, byte_range: Any = None) -> None:
            written.append(key)
            await super().set(key, value)

        def set_sync(self, key: str, value: Any) -> None:
            written.append(key)
            super().set_sync(key, value)

    store = Watched()
    array = zarrpipe.create_array(store, name="g/a", shape=4, dtype="u1", zarr_format=2)
    # What makes it a node comes last.
    assert written == [".zattrs", ".zgroup", "g/.zattrs", "g/.zgroup", "g/a/.zattrs", "g/a/.zarray"]
    written.clear()
    array.attrs["x"] = 1
    array.attrs["x"] = 1
    array.resize(7)
    zarrpipe.open_group(store).attrs.update(y=2)
    assert written == ["g/a/.zattrs", "g/a/.zarray", ".zattrs"]
    assert zarrpipe.open_array(store, path="g/a").attrs == {"x": 1}


def test_attributes_by_others(tmp_path: Path) -> None:
    """Many `.zattrs` have NaN in them, which is no JSON: they are read, changed, and keep it."""
    array = wild(tmp_path)
    (tmp_path / ".zattrs").write_text('{"valid_min": NaN, "_ARRAY_DIMENSIONS": ["y", "x"]}')
    array = zarrpipe.open_array(tmp_path)
    assert np.isnan(array.attrs["valid_min"])
    array.attrs["more"] = 1
    assert json.loads((tmp_path / ".zattrs").read_text())["_ARRAY_DIMENSIONS"] == ["y", "x"]
    assert "NaN" in (tmp_path / ".zattrs").read_text()


def test_an_array_that_was_replaced_is_not_changed(tmp_path: Path) -> None:
    array = zarrpipe.create_array(tmp_path, shape=4, dtype="u1", zarr_format=2)
    zarrpipe.create_array(tmp_path, shape=4, dtype="u2", zarr_format=2, overwrite=True)
    with pytest.raises(ConflictError):
        array.attrs["a"] = 1


@pytest.mark.parametrize("formats", [(2, 2), (2, 3), (3, 2)])
def test_overwrite_and_delete(tmp_path: Path, formats: tuple[Any, Any]) -> None:
    first, second = formats
    group = zarrpipe.create_group(tmp_path, zarr_format=2)
    group.create_array("a", shape=4, dtype="u1", zarr_format=first)[:] = 1
    with pytest.raises(NodeExistsError):
        group.create_array("a", shape=4, dtype="u1", zarr_format=second)
    group.create_array("a", shape=2, dtype="u1", zarr_format=second, overwrite=True)
    documents_there = {path.name for path in (tmp_path / "a").iterdir()}
    assert documents_there == ({".zarray", ".zattrs"} if second == 2 else {"zarr.json"})
    assert group["a"][:].tolist() == [0, 0]  # type: ignore[index]
    with pytest.raises(NodeExistsError, match="is an array"):
        group.create_array("a/b", shape=2, dtype="u1")
    del group["a"]
    assert list(group) == []
    assert not (tmp_path / "a").exists() or not any((tmp_path / "a").iterdir())
    with pytest.raises(KeyError):
        del group["a"]


# Groups


def test_groups_hold_members_of_both_formats(tmp_path: Path) -> None:
    group = zarrpipe.create_group(tmp_path, zarr_format=2, attributes={"t": 1})
    group.create_array("x/two", shape=3, dtype="u1")
    group.create_array("x/three", shape=3, dtype="u1", zarr_format=3)
    group.create_group("y")
    formats = {name: node.zarr_format for name, node in group.members(max_depth=None)}
    assert formats == {"x": 2, "x/three": 3, "x/two": 2, "y": 2}
    assert str(group.tree()).splitlines()[1:] == [
        "├── x",
        "│   ├── three (3,) uint8",
        "│   └── two (3,) uint8",
        "└── y",
    ]
    assert "Zarr format : 2" in str(group.info)
    assert list(group.array_keys()) == []
    assert sorted(group["x"].keys()) == ["three", "two"]  # type: ignore[union-attr]
    assert zarrpipe.open_group(tmp_path) == group
    zarr3 = zarrpipe.create_group(tmp_path / "y" / "z", zarr_format=3)
    assert zarr3.create_group("below").zarr_format == 3
    assert group["y/z/below"].zarr_format == 3
    zarrpipe.save_group(tmp_path / "saved", np.arange(3), zarr_format=2)
    assert zarrpipe.open(tmp_path / "saved" / "arr_0").zarr_format == 2
    assert zarrpipe.load(tmp_path / "saved")["arr_0"].tolist() == [0, 1, 2]


def test_the_format_is_found_or_given(tmp_path: Path) -> None:
    zarrpipe.create_array(tmp_path, shape=3, dtype="u1", zarr_format=2)
    assert zarrpipe.open(tmp_path).zarr_format == 2
    assert zarrpipe.open_array(tmp_path, zarr_format=2).shape == (3,)
    with pytest.raises(NodeNotFoundError):
        zarrpipe.open_array(tmp_path, mode="r", zarr_format=3)
    (tmp_path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    assert zarrpipe.open(tmp_path).zarr_format == 3
    old = zarrpipe.open_array(tmp_path, mode="r+", zarr_format=2)
    # Its own document is changed, and not that of format 3 beside it.
    old.resize(5)
    old.attrs["a"] = 1
    assert zarrpipe.open_array(tmp_path, zarr_format=2).shape == (5,)
    assert dict(zarrpipe.open(tmp_path).attrs) == {}


def test_open_creates_in_the_format_that_is_given() -> None:
    store: dict[str, Any] = {}
    assert zarrpipe.open_group(store, zarr_format=2).zarr_format == 2
    assert zarrpipe.open(store, path="g", zarr_format=2).zarr_format == 2
    assert zarrpipe.open_array(store, path="a", mode="a", shape=3, zarr_format=2).zarr_format == 2
    assert sorted(store) == [".zattrs", ".zgroup", "a/.zarray", "a/.zattrs", "g/.zattrs", "g/.zgroup"]


def test_how_often_the_store_is_asked() -> None:
    asked: list[str] = []

    class Watched(MemoryStore):
        def get_sync(self, key: str, *args: Any, **kwargs: Any) -> Any:
            asked.append(key)
            return super().get_sync(key, *args, **kwargs)

    def requests(path: str, **options: Any) -> list[str]:
        asked.clear()
        zarrpipe.open(store, path=path, mode="r+", **options)
        return [key.removeprefix(path + "/") for key in asked]

    store = Watched()
    zarrpipe.create_array(store, name="three", shape=3, dtype="u1")
    zarrpipe.create_array(store, name="two", shape=3, dtype="u1", zarr_format=2)
    zarrpipe.create_group(store, path="group", zarr_format=2)
    assert requests("three") == ["zarr.json"]
    # What is not there yet is asked for at once: two rounds, over a store that is awaited.
    assert set(requests("two")) >= {"zarr.json", ".zarray", ".zattrs"}
    assert len(asked) == len(set(asked))
    assert asked[0] == "two/zarr.json"
    assert requests("two", zarr_format=2)[0] == ".zarray"
    assert requests("group")[0] == "zarr.json"


def test_async() -> None:
    async def work() -> None:
        store = MemoryStore()
        group = await zarrpipe.create_group_async(store, zarr_format=2)
        array = await group.create_array_async("a", shape=5, chunks=2, dtype="<i4", order="F")
        await array.write_async(..., np.arange(5))
        await array.append_async(np.arange(2))
        await array.resize_async(6)
        await array.update_attributes_async({"x": 1})
        again = await zarrpipe.open_array_async(store, path="a", zarr_format=2)
        assert (await again.read_async()).tolist() == [0, 1, 2, 3, 4, 0]
        assert dict(again.attrs) == {"x": 1}
        await zarrpipe.save_async(store, np.arange(2), path="b", zarr_format=2)
        assert [(name, node.zarr_format) for name, node in await group.members_async()] == [("a", 2), ("b", 2)]

    asyncio.run(work())


# What others write


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "<i1"},
        {"dtype": ">i1"},
        {"dtype": "|i1"},
        {"dtype": "<u1"},
        {"dtype": "<b1", "fill_value": False},
        {"dtype": ">b1", "fill_value": False},
        {"filters": []},
        {"filters": ...},
        {"fill_value": ...},
        {"fill_value": None, "dimension_separator": "/"},
        {"_ARRAY_DIMENSIONS": ["y", "x"], "shuffle": 1},
        {"_nczarr_array": {"dimrefs": ["/y", "/x"], "storage": "chunked"}},
        {"compressor": {"id": "zlib", "level": "1"}},
        {"compressor": {"id": "zlib", "level": 1}, "filters": [{"id": "shuffle", "elementsize": "2"}]},
        {"compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}},
        {"compressor": {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": -1}},
    ],
)
def test_spellings(tmp_path: Path, changes: dict[str, Any]) -> None:
    array = wild(tmp_path, changes)
    values = (np.arange(20).reshape(5, 4) % 2).astype(array.dtype)
    array[...] = values
    np.testing.assert_array_equal(zarrpipe.open_array(tmp_path)[...], values)
    array.resize((7, 4))
    document = json.loads((tmp_path / ".zarray").read_text())
    kept = {name: value for name, value in changes.items() if name not in ZARRAY}
    assert document == {**document, **kept, "shape": [7, 4]}


def test_chunks_of_no_length(tmp_path: Path) -> None:
    """zarr-python wrote them on axes without length; they read as 1, as it reads them."""
    array = wild(tmp_path, {"shape": [0, 4], "chunks": [0, 3]})
    assert (array.shape, array.chunks, array[...].shape) == ((0, 4), (1, 3), (0, 4))
    array.append(np.ones((2, 4), "<i2"))
    assert zarrpipe.open_array(tmp_path)[...].tolist() == [[1] * 4] * 2
    assert wild(tmp_path, {"shape": [4], "chunks": 3}).chunks == (3,)


OME_ZARR = {
    "chunks": [1, 1, 275, 271],
    "compressor": {"blocksize": 0, "clevel": 5, "cname": "lz4", "id": "blosc", "shuffle": 1},
    "dimension_separator": "/",
    "dtype": ">u2",
    "fill_value": 0,
    "filters": None,
    "order": "C",
    "shape": [2, 1, 275, 271],
    "zarr_format": 2,
}


def test_ome_zarr(tmp_path: Path) -> None:
    """An image as OME-Zarr 0.4 lays it out: groups without arrays' dimensions, chunks in folders."""
    (tmp_path / ".zgroup").write_text('{"zarr_format": 2}')
    (tmp_path / ".zattrs").write_text('{"multiscales": [{"datasets": [{"path": "0"}]}]}')
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / ".zarray").write_text(json.dumps(OME_ZARR))
    image = np.arange(275 * 271, dtype=">u2").reshape(275, 271)
    (tmp_path / "0" / "1" / "0" / "0").mkdir(parents=True)
    (tmp_path / "0" / "1" / "0" / "0" / "0").write_bytes(numcodecs.Blosc("lz4").encode(image))
    root = zarrpipe.open_group(tmp_path, mode="r")
    array = root[root.attrs["multiscales"][0]["datasets"][0]["path"]]
    assert isinstance(array, zarrpipe.Array)
    np.testing.assert_array_equal(array[1, 0], image)
    assert not array[0].any()
    assert array.nchunks_initialized == 1
    assert [name for name, _ in root.members(max_depth=None)] == ["0"]


def test_objects_need_a_codec(tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match=r"\(at /dtype, key \.zarray\)"):
        wild(tmp_path, {"dtype": "|O"})
    with pytest.raises(UnsupportedError, match="runs what its bytes say"):
        wild(tmp_path, {"dtype": "|O", "filters": [{"id": "pickle", "protocol": 5}]})


def test_codecs_out_of_place() -> None:
    def metadata(**fields: Any) -> ArrayV2Metadata:
        return ArrayV2Metadata(**{"shape": (4,), "chunks": (2,), "dtype": "<i4", "compressor": None, **fields})

    delta, crc = {"id": "delta", "dtype": "<i4"}, {"id": "crc32"}
    # Not to be had as a chain of format 3: see `test_v2_foreign.py`.
    for filters in ((crc, delta), ({"id": "delta", "dtype": ">i4"},)):
        assert [type(codec).__name__ for codec in chain_v2(metadata(filters=filters))] == ["NumcodecsFilters"]
    with pytest.raises(MetadataError) as caught_too:
        chain_v2(metadata(compressor={"id": "gzip", "level": "high"}))
    assert (caught_too.value.at or "").startswith("/compressor")
    assert [codec.to_dict()["name"] for codec in chain_v2(metadata(filters=(delta,), compressor={"id": "zlib"}))] == [
        "numcodecs.delta",
        "bytes",
        "numcodecs.zlib",
    ]


BOTH = np.dtype(
    [("a", "<i4"), ("b", ">f8"), ("c", [("x", ">u2"), ("y", "<u2", (2,)), ("z", [("q", ">c8")])]), ("t", ">M8[s]")]
)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [BOTH, np.dtype([("u", "u1"), ("s", BOTH), ("v", ">i2")])])
def test_fields_of_both_byte_orders(tmp_path: Path, dtype: np.dtype[Any], order: Any) -> None:
    rng = np.random.default_rng(1)
    items = np.frombuffer(rng.integers(0, 100, 24 * dtype.itemsize, dtype="u1").tobytes(), dtype).reshape(4, 6)
    array = zarrpipe.create_array(
        tmp_path, shape=(4, 6), chunks=(2, 3), dtype=dtype, fill_value=items[0, 0], compressors=None, order=order,
        zarr_format=2,
    )  # fmt: skip
    # What was never written, and a chunk that is changed in part.
    native = dtype.newbyteorder("=")
    assert array[:1, :1].tobytes() == items[:1, :1].astype(native).tobytes()
    array[...] = items
    array[1:3, 2:5] = items[:2, :3]
    want = items.copy()
    want[1:3, 2:5] = items[:2, :3]
    for opened in (array, zarrpipe.open_array(tmp_path, mode="r")):
        assert opened.dtype == native
        assert opened[...].tobytes() == want.astype(native).tobytes()
    assert (tmp_path / "1.1").read_bytes() == np.asarray(want[2:, 3:]).tobytes(order)
    assert json.loads((tmp_path / ".zarray").read_bytes())["dtype"] == json.loads(json.dumps(fields(dtype)))


def fields(dtype: np.dtype[Any]) -> Any:
    if dtype.names is None:
        return dtype.str
    found: list[Any] = []
    for name in dtype.names:
        item, shape = dtype[name].subdtype or (dtype[name], ())
        found.append((name, fields(item), *([shape] if shape else [])))
    return found


def test_the_size_of_shuffled_elements(tmp_path: Path) -> None:
    """numcodecs' default is 4; 0 is the item's size, as HDF5 and netCDF-C have it."""
    items = np.arange(6, dtype="<i8")
    for name, config, nbytes in (("absent", {}, 4), ("zero", {"elementsize": 0}, 8), ("own", {"elementsize": 2}, 2)):
        folder = tmp_path / name
        folder.mkdir()
        filters = [{"id": "shuffle", **config}]
        array = wild(folder, {"shape": [6], "chunks": [6], "dtype": "<i8", "filters": filters})
        (folder / "0").write_bytes(numcodecs.Shuffle(nbytes).encode(items).tobytes())
        np.testing.assert_array_equal(array[...], items)
    with pytest.raises(MetadataError, match="/filters/0/elementsize"):
        zarrpipe.create_array({}, shape=6, dtype="i8", zarr_format=2, filters=[{"id": "shuffle", "elementsize": 0}])


def test_names_that_v3_reserves(tmp_path: Path) -> None:
    group = zarrpipe.create_group(tmp_path, zarr_format=2)
    group.create_array("__a/__b", data=np.arange(3))
    assert list(group) == ["__a"]
    np.testing.assert_array_equal(zarrpipe.open_array(tmp_path, path="__a/__b", mode="r")[...], [0, 1, 2])
    with pytest.raises(MetadataError, match="reserved"):
        zarrpipe.create_array(tmp_path, name="__c", shape=1, dtype="u1")
    assert list(group) == ["__a"]


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("click", reason="allowed: the command line is an extra")
    from zarrpipe.cli import main

    group = zarrpipe.create_group(tmp_path / "g", zarr_format=2)
    array = group.create_array("a", data=np.arange(6, dtype=">i2"), order="F", fill_value=None)
    assert main(["info", str(tmp_path / "g" / "a"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["zarr_format"], facts["data_type"], facts["fill_value"]) == (2, ">i2", None)
    assert [codec["name"] for codec in facts["codecs"]] == ["bytes", "numcodecs.zstd"]
    assert main(["info", str(tmp_path / "g")]) == 0
    assert main(["tree", str(tmp_path / "g")]) == 0
    assert "a (6,) int16" in capsys.readouterr().out
    # Into format 3, with the codecs that it has.
    assert main(["import", str(tmp_path / "g" / "a"), str(tmp_path / "b")]) == 0
    copy = zarrpipe.open_array(tmp_path / "b")
    assert (copy.zarr_format, copy[:].tolist()) == (3, array[:].tolist())
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "attributes.json").write_text('{"n5": "2.0.0"}')
    document = {"dimensions": [3, 2], "blockSize": [3, 2], "dataType": "uint8", "compression": {"type": "raw"}}
    (tmp_path / "n" / "d").mkdir()
    (tmp_path / "n" / "d" / "attributes.json").write_text(json.dumps(document))
    capsys.readouterr()
    assert main(["tree", str(tmp_path / "n")]) == 0
    assert "d (2, 3) uint8" in capsys.readouterr().out
