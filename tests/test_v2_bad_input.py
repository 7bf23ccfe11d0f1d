"""Wrong documents of format 2 and of N5 are errors that say where, and never anything else."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zarrpipe
from zarrpipe.buffer import Buffer
from zarrpipe.errors import MetadataError, UnsupportedError, ZarrpipeError
from zarrpipe.stores import MemoryStore

ZARRAY: dict[str, Any] = {
    "zarr_format": 2,
    "shape": [5, 4],
    "chunks": [2, 3],
    "dtype": "<i2",
    "compressor": {"id": "zlib", "level": 1},
    "fill_value": 0,
    "order": "C",
    "filters": [{"id": "delta", "dtype": "<i2"}],
    "dimension_separator": ".",
}
N5: dict[str, Any] = {
    "dimensions": [4, 5],
    "blockSize": [3, 2],
    "dataType": "int16",
    "compression": {"type": "gzip", "level": -1},
}


def opened(name: str, data: bytes, **others: bytes) -> Any:
    documents = {name: Buffer.from_bytes(data)}
    documents.update({key: Buffer.from_bytes(value) for key, value in others.items()})
    return zarrpipe.open(MemoryStore(documents), mode="r")


WRONG: list[tuple[str, Any]] = [
    ("/zarr_format", 3),
    ("/zarr_format", "2"),
    ("/zarr_format", 2.0),
    ("/zarr_format", None),
    ("/shape", None),
    ("/shape", 5),
    ("/shape", "54"),
    ("/shape", {"0": 5}),
    ("/shape/1", -1),
    ("/shape/1", 1.0),
    ("/shape/0", True),
    ("/shape/1", 2**63),
    ("/shape/1", 10**400),
    ("/chunks", None),
    ("/chunks", "23"),
    ("/chunks", True),
    ("/chunks", [2]),
    ("/chunks", [2, 3, 4]),
    ("/chunks", 2),
    ("/chunks/0", -1),
    ("/chunks/1", None),
    ("/chunks/0", [2, 3]),
    ("/dtype", None),
    ("/dtype", 5),
    ("/dtype", "nonsense"),
    ("/dtype", ""),
    ("/dtype", "<i3"),
    ("/dtype", {"name": "<i2"}),
    ("/dtype", "<i2," * 50),
    ("/compressor", "zlib"),
    ("/compressor", []),
    ("/compressor", 5),
    ("/compressor", {}),
    ("/compressor/id", None),
    ("/compressor/id", 7),
    ("/compressor/id", ""),
    ("/filters", "delta"),
    ("/filters", {"id": "delta"}),
    ("/filters", 5),
    ("/filters/0", "delta"),
    ("/filters/0", None),
    ("/filters/0/id", []),
    ("/fill_value", "seven"),
    ("/fill_value", [0]),
    ("/fill_value", 2**15),
    ("/fill_value", {}),
    ("/order", "A"),
    ("/order", None),
    ("/order", ["C"]),
    ("/dimension_separator", ","),
    ("/dimension_separator", None),
    ("/dimension_separator", ["/"]),
]


def changed(document: dict[str, Any], at: str, value: Any) -> bytes:
    """Return a document with another value at a JSON pointer."""
    copy = json.loads(json.dumps(document))
    *way, last = at.split("/")[1:]
    place: Any = copy
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    place[int(last) if isinstance(place, list) else last] = value
    return json.dumps(copy).encode()


@pytest.mark.parametrize(("at", "value"), WRONG, ids=[f"{at}={str(value)[:20]}" for at, value in WRONG])
def test_a_wrong_field_is_named(at: str, value: Any) -> None:
    with pytest.raises((MetadataError, UnsupportedError)) as caught:
        opened(".zarray", changed(ZARRAY, at, value))
    assert caught.value.key == ".zarray"
    # Either the place itself, or the list that holds it.
    assert (caught.value.at or "").startswith(at) or at.startswith(caught.value.at or "-")
    if not (at == "/dtype" and isinstance(value, str)):
        assert isinstance(caught.value, MetadataError)


@pytest.mark.parametrize("name", ["zarr_format", "shape", "chunks", "dtype", "compressor", "order"])
def test_a_missing_field_is_named(name: str) -> None:
    document = {key: value for key, value in ZARRAY.items() if key != name}
    with pytest.raises(MetadataError, match=f"at /{name}, key .zarray"):
        opened(".zarray", json.dumps(document).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"2",
        b'"x"',
        b"\xff\xfe",
        b"[" * 100000,
        b'{"a": 1, "a": 2}',
        b'{"zarr_format": 1e999}',
    ],
    ids=range(10),
)
@pytest.mark.parametrize("name", [".zarray", ".zgroup", ".zattrs"])
def test_what_is_no_document_is_refused(name: str, data: bytes) -> None:
    others = {} if name != ".zattrs" else {".zarray": json.dumps(ZARRAY).encode()}
    with pytest.raises(MetadataError) as caught:
        opened(name, data, **others)
    assert caught.value.key == name


@pytest.mark.parametrize("document", [{}, {"zarr_format": 3}, {"zarr_format": "2"}])
def test_wrong_groups(document: Any) -> None:
    with pytest.raises(MetadataError, match=r"at /zarr_format, key \.zgroup"):
        opened(".zgroup", json.dumps(document).encode())


@pytest.mark.parametrize(
    ("at", "value"),
    [
        ("/compressor/level", "high"),
        ("/compressor/level", 1e300),
        ("/compressor/nonsense", 1),
        ("/filters/0/dtype", "nonsense"),
        ("/filters/0/nonsense", 1),
    ],
)
def test_a_wrong_codec_is_named(at: str, value: Any) -> None:
    array = opened(".zarray", changed(ZARRAY, at, value))
    with pytest.raises((MetadataError, UnsupportedError)) as caught:
        array[...]
    assert caught.value.key == ".zarray"
    assert (caught.value.at or "").startswith(at.rpartition("/")[0])


def test_chunks_too_large_to_read() -> None:
    large = {**ZARRAY, "filters": None, "chunks": [2**40, 2**40], "shape": [2**41, 2**41]}
    array = opened(".zarray", json.dumps(large).encode())
    with pytest.raises(ZarrpipeError):
        array[0, 0]


WRONG_N5: list[tuple[str, Any]] = [
    ("/dimensions", 5),
    ("/dimensions", None),
    ("/dimensions", []),
    ("/dimensions/0", -1),
    ("/dimensions/0", 1.5),
    ("/dimensions/0", 10**30),
    ("/blockSize", "32"),
    ("/blockSize", [3]),
    ("/blockSize/1", 0),
    ("/dataType", 5),
    ("/dataType", "string"),
    ("/dataType", "int16 "),
    ("/compression", "gzip"),
    ("/compression", []),
    ("/compression/type", None),
    ("/compression/type", "jpeg"),
    ("/compression/type", "lz5"),
    ("/compression/level", "9"),
]


@pytest.mark.parametrize(("at", "value"), WRONG_N5, ids=[f"{at}={str(value)[:20]}" for at, value in WRONG_N5])
def test_a_wrong_field_of_n5_is_named(at: str, value: Any) -> None:
    with pytest.raises((MetadataError, UnsupportedError)) as caught:
        opened("attributes.json", changed(N5, at, value))
    assert caught.value.key == "attributes.json"
    assert (caught.value.at or "").startswith(at) or at.startswith(caught.value.at or "-")


# Anything at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.just("<i2"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "level", "name"]), inner),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_document_opens_or_is_refused(data: st.DataObject) -> None:
    document = dict(data.draw(st.sampled_from([ZARRAY, N5])))
    for name in data.draw(st.lists(st.sampled_from(sorted(document)), min_size=1, max_size=3)):
        document[name] = data.draw(JSON)
    name = ".zarray" if "zarr_format" in document else "attributes.json"
    try:
        node = opened(name, json.dumps(document).encode())
        if (
            isinstance(node, zarrpipe.Array)
            and node.size
            and math.prod(node.chunks) < 1000
            and "filters" not in document
        ):
            node[(0,) * node.ndim]
    except (ZarrpipeError, KeyError):
        pass


def test_folders_and_files_in_the_way(tmp_path: Path) -> None:
    (tmp_path / ".zarray").mkdir()
    with pytest.raises(ZarrpipeError):
        zarrpipe.open(tmp_path, mode="r")
