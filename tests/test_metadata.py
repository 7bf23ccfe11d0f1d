"""v3 documents: rules M1 to M18, each with documents that keep and break it, and parity with zarr-python."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.metadata import (
    ArrayMetadata,
    DefaultChunkKeyEncoding,
    GroupMetadata,
    RegularChunkGrid,
    V2ChunkKeyEncoding,
    basename,
    check_node_name,
    dumps,
    has_reserved_name,
    join_key,
    loads,
    metadata_key,
    normalize_path,
    parent_paths,
    parse_chunk_grid,
    parse_chunk_key_encoding,
    parse_node,
)

ARRAY: dict[str, Any] = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [4, 3],
    "data_type": "uint8",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 2]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 0,
    "codecs": [{"name": "bytes"}],
}
MISSING = object()


def array(**changes: Any) -> dict[str, Any]:
    document = {**ARRAY, **changes}
    return copy.deepcopy({name: value for name, value in document.items() if value is not MISSING})


def as_bytes(document: Any) -> bytes:
    return json.dumps(document).encode()


def grid(chunk_shape: Any, **changes: Any) -> dict[str, Any]:
    return {"name": "regular", "configuration": {"chunk_shape": chunk_shape}, **changes}


# Name of the rule, the changes to the document, what is read then.
GOOD: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("M4 scalar", {"shape": [], "chunk_grid": grid([])}, {"shape": (), "ndim": 0}),
    ("M4 length 0", {"shape": [0, 3]}, {"shape": (0, 3)}),
    ("M5 chunks larger than the array", {"chunk_grid": grid([9, 9])}, {"chunk_grid": RegularChunkGrid((9, 9))}),
    ("M8", {"dimension_names": ["x", None]}, {"dimension_names": ("x", None)}),
    ("M8 duplicates", {"dimension_names": ["x", "x"]}, {"dimension_names": ("x", "x")}),
    ("M8 null, as zarr-python wrote", {"dimension_names": None}, {"dimension_names": None}),
    ("M9", {"attributes": {"a": [1, None, {"b": "c"}]}}, {"attributes": {"a": [1, None, {"b": "c"}]}}),
    ("M9 absent", {}, {"attributes": {}}),
    ("M10 empty", {"storage_transformers": []}, {"storage_transformers": ()}),
    (
        "M10 one to ignore",
        {"storage_transformers": [{"name": "x", "must_understand": False}]},
        {"storage_transformers": ({"name": "x", "must_understand": False},)},
    ),
    (
        "M11",
        {"codecs": [{"name": "https://example.org/c", "configuration": {"a": 1}}]},
        {"codecs": ({"name": "https://example.org/c", "configuration": {"a": 1}},)},
    ),
    ("M11 must_understand", {"codecs": [{"name": "bytes", "must_understand": True}]}, {"codecs": ({"name": "bytes"},)}),
    ("M12 codecs", {"codecs": ["bytes", "crc32c"]}, {"codecs": ({"name": "bytes"}, {"name": "crc32c"})}),
    ("M12 keys", {"chunk_key_encoding": "default"}, {"chunk_key_encoding": DefaultChunkKeyEncoding("/")}),
    ("M12 v2 keys", {"chunk_key_encoding": "v2"}, {"chunk_key_encoding": V2ChunkKeyEncoding(".")}),
    ("M12 data type", {"data_type": {"name": "uint8"}}, {}),
    (
        "M13",
        {"future": {"must_understand": False, "x": 1}},
        {"extra_fields": {"future": {"must_understand": False, "x": 1}}},
    ),
    ("1.7 chunk length 0", {"shape": [0, 3], "chunk_grid": grid([0, 2])}, {"chunk_grid": RegularChunkGrid((1, 2))}),
]


@pytest.mark.parametrize(("changes", "expected"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD])
def test_documents_that_keep_the_rules(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    metadata = ArrayMetadata.from_bytes(as_bytes(array(**changes)))
    for name, value in expected.items():
        assert getattr(metadata, name) == value
    assert parse_node(metadata.to_bytes()) == metadata
    assert hash(parse_node(metadata.to_bytes())) == hash(metadata)


# Name of the rule, the changes to the document, where the error says it is.
BAD: list[tuple[str, dict[str, Any], str | None]] = [
    ("M2", {"zarr_format": 2}, "/zarr_format"),
    ("M2 float", {"zarr_format": 3.0}, "/zarr_format"),
    ("M2 string", {"zarr_format": "3"}, "/zarr_format"),
    ("M2 absent", {"zarr_format": MISSING}, "/zarr_format"),
    ("M2 group", {"node_type": "group"}, "/node_type"),
    ("M2 no type", {"node_type": MISSING}, "/node_type"),
    *(
        (f"M3 {name}", {name: MISSING}, f"/{name}")
        for name in ("shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs")
    ),
    ("M4 negative", {"shape": [4, -1]}, "/shape/1"),
    ("M4 float", {"shape": [4.0, 3]}, "/shape/0"),
    ("M4 bool", {"shape": [True, 3]}, "/shape/0"),
    ("M4 number", {"shape": 4}, "/shape"),
    ("M4 string", {"shape": "43"}, "/shape"),
    ("M4 null", {"shape": [4, None]}, "/shape/1"),
    ("M4 huge", {"shape": [4, 2**63]}, "/shape/1"),
    ("M5 zero", {"chunk_grid": grid([2, 0])}, "/chunk_grid/configuration/chunk_shape/1"),
    ("M5 zero elsewhere", {"shape": [0, 3], "chunk_grid": grid([0, 0])}, "/chunk_grid/configuration/chunk_shape/1"),
    ("M5 rank", {"chunk_grid": grid([2])}, "/chunk_grid"),
    ("M5 float", {"chunk_grid": grid([2, 2.0])}, "/chunk_grid/configuration/chunk_shape/1"),
    ("M5 no shape", {"chunk_grid": {"name": "regular", "configuration": {}}}, "/chunk_grid/configuration"),
    ("M5 no configuration", {"chunk_grid": {"name": "regular"}}, "/chunk_grid/configuration"),
    (
        "M5 unknown field",
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 2], "x/y": 1}}},
        "/chunk_grid/configuration/x~1y",
    ),
    ("M6 none", {"codecs": []}, "/codecs"),
    ("M6 object", {"codecs": {"name": "bytes"}}, "/codecs"),
    ("M6 string", {"codecs": "bytes"}, "/codecs"),
    ("M7 null", {"fill_value": None}, "/fill_value"),
    ("M7 out of range", {"fill_value": 256}, "/fill_value"),
    ("M7 complex", {"data_type": "complex64", "fill_value": [0, "x"]}, "/fill_value/1"),
    ("M8 too few", {"dimension_names": ["x"]}, "/dimension_names"),
    ("M8 number", {"dimension_names": ["x", 1]}, "/dimension_names/1"),
    ("M8 string", {"dimension_names": "xy"}, "/dimension_names"),
    ("M9 array", {"attributes": []}, "/attributes"),
    ("M9 null", {"attributes": None}, "/attributes"),
    ("M10 object", {"storage_transformers": {}}, "/storage_transformers"),
    ("M11 no name", {"codecs": [{"configuration": {}}]}, "/codecs/0"),
    ("M11 name", {"codecs": [{"name": 1}]}, "/codecs/0/name"),
    ("M11 empty name", {"codecs": [""]}, "/codecs/0"),
    ("M11 configuration", {"codecs": ["bytes", {"name": "gzip", "configuration": 5}]}, "/codecs/1/configuration"),
    ("M11 null configuration", {"codecs": [{"name": "gzip", "configuration": None}]}, "/codecs/0/configuration"),
    ("M11 must_understand", {"codecs": [{"name": "gzip", "must_understand": 0}]}, "/codecs/0/must_understand"),
    ("M11 more", {"codecs": [{"name": "gzip", "level": 1}]}, "/codecs/0/level"),
    ("M11 number", {"codecs": [5]}, "/codecs/0"),
    ("M12 grid", {"chunk_grid": "regular"}, "/chunk_grid/configuration"),
    ("M13 field", {"future": 1}, "/future"),
    ("M13 must be understood", {"future": {"must_understand": True}}, "/future"),
    ("M13 silent", {"future": {}}, "/future"),
    ("M13 grid", {"chunk_grid": grid([2, 2], must_understand=False)}, "/chunk_grid/must_understand"),
    (
        "M13 keys",
        {"chunk_key_encoding": {"name": "default", "must_understand": False}},
        "/chunk_key_encoding/must_understand",
    ),
    ("M13 data type", {"data_type": {"name": "uint8", "must_understand": False}}, "/data_type/must_understand"),
    (
        "1.2 separator",
        {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "-"}}},
        "/chunk_key_encoding/configuration/separator",
    ),
    (
        "1.2 field",
        {"chunk_key_encoding": {"name": "default", "configuration": {"sep": "/"}}},
        "/chunk_key_encoding/configuration/sep",
    ),
]


@pytest.mark.parametrize(("changes", "at"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_documents_that_break_the_rules(changes: dict[str, Any], at: str | None) -> None:
    with pytest.raises(MetadataError) as caught:
        ArrayMetadata.from_bytes(as_bytes(array(**changes)), key="a/zarr.json")
    assert caught.value.at == at
    assert caught.value.key == "a/zarr.json"


UNSUPPORTED: list[tuple[dict[str, Any], str]] = [
    ({"data_type": "int128"}, "/data_type"),
    ({"chunk_grid": {"name": "hexagonal", "configuration": {}}}, "/chunk_grid/name"),
    ({"chunk_key_encoding": "hashed"}, "/chunk_key_encoding"),
    ({"storage_transformers": ["x"]}, "/storage_transformers/0"),
    ({"shape": [1] * 65, "chunk_grid": grid([1] * 65)}, "/shape"),
]


@pytest.mark.parametrize(("changes", "at"), UNSUPPORTED)
def test_unknown_extensions_are_not_supported(changes: dict[str, Any], at: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        parse_node(as_bytes(array(**changes)), key="zarr.json")
    assert (caught.value.at, caught.value.key) == (at, "zarr.json")


# M1: the bytes


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "[]", "3", '"x"', "{", "{} {}", "{'a': 1}", '{"a": 1,}', "\ufeff{}"),
        *('{"a": NaN}', '{"a": Infinity}', '{"a": [-Infinity]}', '{"a": 1e999}'),
        *('{"a": 1, "a": 1}', '{"a": [{"b": 1, "b": 2}]}'),
        *('{"a": ' + "9" * 5000 + "}", '{"a": "\x01"}'),
        *(nested(129), nested(100_000), '{"a":' + "[" * 100_000),
    ],
    ids=lambda text: text[:20],
)
def test_documents_that_are_not_json(text: str) -> None:
    with pytest.raises(MetadataError):
        loads(text.encode())


def test_documents_that_are_json() -> None:
    assert loads(b'{"a": {"b": 1}, "c": {"b": 1}}') == {"a": {"b": 1}, "c": {"b": 1}}
    assert loads(nested(128).encode())
    assert loads(memoryview(b'{"\\u00e9": 1e3}')) == {"é": 1000.0}
    with pytest.raises(MetadataError, match="UTF-8"):
        loads(b'{"\xff": 1}')


def test_writing() -> None:
    assert dumps({"b": 1, "a": [np.int64(2), np.float32(0.5)]}) == b'{\n  "b": 1,\n  "a": [\n    2,\n    0.5\n  ]\n}'
    assert loads(dumps({"a": "\ud800é"})) == {"a": "\ud800é"}
    for bad in (float("nan"), float("inf"), np.float64("nan"), object(), {1, 2}, b"x"):
        with pytest.raises(MetadataError):
            dumps({"a": bad})  # type: ignore[dict-item]


def test_what_is_written_has_no_short_hand() -> None:
    # M14, M7: v3.0 readers know neither; a default fill value is recorded.
    changes = {
        "codecs": ["bytes", {"name": "crc32c", "must_understand": False}],
        "chunk_key_encoding": "v2",
        "data_type": {"name": "uint8"},
        "b": {"must_understand": False},
        "a": {"must_understand": False},
    }
    document = json.loads(ArrayMetadata.from_dict(array(**changes)).to_bytes())
    assert document["codecs"] == [{"name": "bytes"}, {"name": "crc32c"}]
    assert document["chunk_key_encoding"] == {"name": "v2", "configuration": {"separator": "."}}
    assert document["data_type"] == "uint8"
    assert document["fill_value"] == 0
    assert "dimension_names" not in document
    assert "storage_transformers" not in document
    assert list(document)[-2:] == ["a", "b"]


def test_the_constructor_takes_what_users_have() -> None:
    class Codec:
        def to_dict(self) -> dict[str, Any]:
            return {"name": "gzip", "configuration": {"level": 1}}

    metadata = ArrayMetadata(
        shape=(np.int64(4),),  # type: ignore[arg-type]
        data_type=np.dtype("f4"),  # type: ignore[arg-type]
        chunk_grid={"name": "regular", "configuration": {"chunk_shape": (2,)}},  # type: ignore[arg-type]
        fill_value=float("nan"),
        codecs=("bytes", Codec()),  # type: ignore[arg-type]
        dimension_names=["x"],  # type: ignore[arg-type]
    )
    assert type(metadata.shape[0]) is int
    assert metadata == ArrayMetadata.from_bytes(metadata.to_bytes())
    assert metadata != ArrayMetadata.from_dict(array())
    assert metadata != 3
    assert metadata.update_shape((9,)).shape == (9,)
    assert metadata.update_attributes({"a": 1}).attributes == {"a": 1}
    assert metadata.encode_chunk_key((1,)) == "c/1"
    assert metadata.dtype is metadata.data_type
    with pytest.raises(MetadataError):
        metadata.update_shape((9, 9))
    with pytest.raises(TypeError):
        ArrayMetadata(shape=(), data_type="u1", chunk_grid=RegularChunkGrid(()), fill_value=None, codecs=("bytes",))  # type: ignore[arg-type]
    own = {"extra_fields": {"shape": {"must_understand": False}}}
    with pytest.raises(MetadataError, match="own field"):
        ArrayMetadata(
            shape=(),
            data_type="u1",  # type: ignore[arg-type]
            chunk_grid=RegularChunkGrid(()),
            fill_value=0,
            codecs=("bytes",),  # type: ignore[arg-type]
            **own,
        )


def test_minus_zero_and_nan_in_equality() -> None:
    def floats(fill_value: Any) -> ArrayMetadata:
        return ArrayMetadata.from_dict(array(data_type="float64", fill_value=fill_value))

    assert floats("NaN") == floats("NaN")
    assert floats("NaN") != floats("0x7ff8000000000001")
    assert floats(0.0) != floats(-0.0)


# Groups

GROUP: dict[str, Any] = {"zarr_format": 3, "node_type": "group"}
CONSOLIDATED = {"must_understand": False, "kind": "inline", "metadata": {"a": ARRAY, "g": GROUP}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"attributes": {}, "consolidated_metadata": None}),
        ({"attributes": {"a": 1}}, {"attributes": {"a": 1}}),
        ({"consolidated_metadata": CONSOLIDATED}, {"consolidated_metadata": CONSOLIDATED}),
        ({"consolidated_metadata": None}, {"consolidated_metadata": None}),
        ({"x": {"must_understand": False}}, {"extra_fields": {"x": {"must_understand": False}}}),
    ],
)
def test_groups(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    metadata = parse_node(as_bytes({**GROUP, **changes}))
    for name, value in expected.items():
        assert getattr(metadata, name) == value
    assert parse_node(metadata.to_bytes()) == metadata
    assert hash(parse_node(metadata.to_bytes())) == hash(metadata)


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"zarr_format": 2}, "/zarr_format"),
        ({"node_type": "array"}, "/shape"),
        ({"node_type": "tree"}, "/node_type"),
        ({"attributes": None}, "/attributes"),
        ({"attributes": 3}, "/attributes"),
        ({"x": 1}, "/x"),
        ({"consolidated_metadata": []}, "/consolidated_metadata"),
        ({"consolidated_metadata": {}}, "/consolidated_metadata/must_understand"),
        (
            {"consolidated_metadata": {**CONSOLIDATED, "must_understand": True}},
            "/consolidated_metadata/must_understand",
        ),
        ({"consolidated_metadata": {**CONSOLIDATED, "kind": 1}}, "/consolidated_metadata/kind"),
        ({"consolidated_metadata": {**CONSOLIDATED, "metadata": []}}, "/consolidated_metadata/metadata"),
        ({"consolidated_metadata": {**CONSOLIDATED, "metadata": {"a": 1}}}, "/consolidated_metadata/metadata/a"),
    ],
)
def test_bad_groups(changes: dict[str, Any], at: str) -> None:
    with pytest.raises(MetadataError) as caught:
        parse_node(as_bytes({**GROUP, **changes}), key="g/zarr.json")
    assert (caught.value.at, caught.value.key) == (at, "g/zarr.json")


def test_group_attributes_and_types() -> None:
    assert GroupMetadata().update_attributes({"a": 1}).attributes == {"a": 1}
    with pytest.raises(MetadataError, match="group"):
        GroupMetadata.from_dict(array())
    with pytest.raises(MetadataError, match="own field"):
        GroupMetadata(extra_fields={"attributes": {"must_understand": False}})


# Grids, keys and names


def test_grid() -> None:
    regular = RegularChunkGrid((10, 20))
    assert regular.ndim == 2
    assert regular.grid_shape((25, 0)) == (3, 0)
    assert parse_chunk_grid(regular) is regular
    assert parse_chunk_grid(regular.to_dict()) == regular
    with pytest.raises(MetadataError):
        RegularChunkGrid((0,))
    with pytest.raises(MetadataError):
        RegularChunkGrid.from_dict({"name": "other"})


@given(st.lists(st.integers(0, 2**40), max_size=5), st.sampled_from("/."), st.sampled_from(["default", "v2"]))
def test_chunk_keys(coords: list[int], separator: str, name: str) -> None:
    encoding = parse_chunk_key_encoding({"name": name, "configuration": {"separator": separator}})
    theirs = zarr.core.chunk_key_encodings.parse_chunk_key_encoding(encoding.to_dict())  # type: ignore[arg-type]
    key = encoding.encode_chunk_key(tuple(coords))
    assert key == theirs.encode_chunk_key(tuple(coords))
    assert encoding.decode_chunk_key(key) == (tuple(coords) if coords or name == "default" else (0,))
    assert parse_chunk_key_encoding(encoding) is encoding


@pytest.mark.parametrize("key", ["", "c/", "c/-1", "c/01", "c/1/x", "d/1", "c.1", "c/1/", "c/ 1", "c/\u0661"])
def test_keys_that_are_not_chunks(key: str) -> None:
    with pytest.raises(ValueError, match="not the key"):
        DefaultChunkKeyEncoding().decode_chunk_key(key)
    with pytest.raises(ValueError, match="not the key"):
        V2ChunkKeyEncoding("/").decode_chunk_key(key)


@pytest.mark.parametrize("name", ["__a", "__", "b/__zarr_x", "__a/b"])
def test_names_that_v3_reserves(name: str) -> None:
    assert normalize_path(name) == name
    assert has_reserved_name(name)
    assert not has_reserved_name(name.replace("__", "_"))


@pytest.mark.parametrize("name", ["a", "a.b", "_a", "é", "...a", "zarr.JSON", "c", " "])
def test_node_names(name: str) -> None:
    assert check_node_name(name) == name
    assert normalize_path(f"/{name}//b/") == f"{name}/b"


@pytest.mark.parametrize("name", ["", ".", "..", "...", "zarr.json", "a/b", "a\\b", "a\0"])
def test_names_that_nodes_may_not_have(name: str) -> None:
    with pytest.raises(MetadataError, match="name of a node"):
        check_node_name(name)


def test_paths() -> None:
    assert normalize_path(None) == normalize_path("") == normalize_path("//") == ""
    assert normalize_path("a\\b") == "a/b"
    for bad in ("a/../b", "../a", "./a"):
        with pytest.raises(MetadataError):
            normalize_path(bad)
    with pytest.raises(TypeError):
        normalize_path(3)  # type: ignore[arg-type]
    assert (metadata_key(""), metadata_key("a/b")) == ("zarr.json", "a/b/zarr.json")
    assert (join_key("", "c"), join_key("a", "c")) == ("c", "a/c")
    assert (basename(""), basename("a/b")) == ("", "b")
    assert (parent_paths(""), parent_paths("a/b")) == ([], ["", "a"])


# Parity

DTYPES = ["bool", "int8", "int64", "uint16", "float16", "float32", "float64", "complex64", "complex128"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shards": (4, 4)},
        {"compressors": None, "dimension_names": ["x", None], "attributes": {"a": [1, "é"]}},
        {"chunk_key_encoding": {"name": "v2", "separator": "/"}},
    ],
    ids=["plain", "shards", "names", "v2 keys"],
)
def test_what_zarr_writes_is_read(dtype: str, options: dict[str, Any], tmp_path: Path) -> None:
    theirs = zarr.create_array(tmp_path, shape=(8, 6), chunks=(2, 2), dtype=dtype, **options)
    mine = ArrayMetadata.from_bytes((tmp_path / "zarr.json").read_bytes())
    assert mine.shape == theirs.shape
    assert mine.data_type.to_native_dtype() == theirs.dtype
    assert mine.fill_value == theirs.fill_value
    assert mine.attributes == dict(theirs.attrs)
    assert mine.dimension_names == theirs.metadata.dimension_names
    assert [codec["name"] for codec in mine.codecs] == [codec.to_dict()["name"] for codec in theirs.metadata.codecs]
    assert mine.encode_chunk_key((1, 2)) == theirs.metadata.encode_chunk_key((1, 2))
    # And ours opens there, and means the same.
    (tmp_path / "zarr.json").write_bytes(mine.to_bytes())
    assert zarr.open_array(tmp_path, mode="r").metadata == theirs.metadata


FILLS: list[tuple[str, Any]] = [
    ("float32", "NaN"),
    ("float64", "0x7ff8000000000001"),
    ("float16", "-Infinity"),
    ("float64", -0.0),
    ("complex64", ["NaN", "Infinity"]),
    ("uint64", 2**64 - 1),
    ("bool", True),
]


@pytest.mark.parametrize(("dtype", "fill_value"), FILLS)
def test_fill_values_that_we_write_are_read_by_zarr(dtype: str, fill_value: Any, tmp_path: Path) -> None:
    mine = ArrayMetadata.from_dict(array(data_type=dtype, fill_value=fill_value, codecs=[LITTLE]))
    (tmp_path / "zarr.json").write_bytes(mine.to_bytes())
    theirs = zarr.open_array(tmp_path, mode="r")
    assert np.asarray(theirs.fill_value).tobytes() == np.asarray(mine.fill_value).tobytes()


LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_groups_are_read_both_ways(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path, attributes={"a": 1})
    group.create_array("x", shape=(2,), dtype="u1")
    zarr.consolidate_metadata(tmp_path)
    mine = GroupMetadata.from_bytes((tmp_path / "zarr.json").read_bytes())
    assert mine.attributes == {"a": 1}
    assert mine.consolidated_metadata is not None
    assert list(mine.consolidated_metadata["metadata"]) == ["x"]
    (tmp_path / "zarr.json").write_bytes(mine.to_bytes())
    assert list(zarr.open_consolidated(tmp_path).array_keys()) == ["x"]
