"""Documents that are wrong in one place: the error is one of metadata, and its pointer leads to that place.

For every codec, data type, grid and format, a valid document has each of its members replaced, removed and joined by
one that nobody knows. What is still valid by accident opens, and its chunk is items or an error of the chunk.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zarrpipe
from every_codec import CHUNK, CODECS, LITTLE, OBJECTS, SHAPE, codec, values
from mutations import WRONG, places, resolve, spoiled
from zarrpipe.buffer import Buffer
from zarrpipe.codecs.registry import BUILT_IN
from zarrpipe.dtypes import BUILT_IN as DATA_TYPES
from zarrpipe.errors import CodecError, MetadataError, UnsupportedError, ZarrpipeError
from zarrpipe.stores import MemoryStore

V3, V2, N5 = "zarr.json", ".zarray", "attributes.json"


def array_of(dtype: Any, codecs: Any = None) -> tuple[dict[str, Any], MemoryStore]:
    """The document of an array of one chunk, and its store."""
    store = MemoryStore()
    array = zarrpipe.create_array(store, shape=SHAPE, chunks=CHUNK, dtype=dtype, codecs=codecs)
    array[: CHUNK[0], : CHUNK[1]] = values(dtype)[: CHUNK[0], : CHUNK[1]]
    return json.loads(bytes(store.get_sync(V3).as_numpy_array())), store


def wrong_of(store: MemoryStore, name: str, document: Any) -> Exception | None:
    """What opening and reading gives for this document; anything but an error of the tree comes through."""
    store.set_sync(name, Buffer.from_bytes(json.dumps(document).encode()))
    try:
        node = zarrpipe.open(store, mode="r")
    except (MetadataError, UnsupportedError) as error:
        return error
    if not isinstance(node, zarrpipe.Array):
        return None
    try:
        node[(slice(0, 1),) * node.ndim]
    except ZarrpipeError as error:
        return error
    return None


# Members that must fit each other: where a fault may show that is in another.
ELSEWHERE = {
    "codecs": ("codecs",),
    "data_type": ("fill_value", "codecs"),
    "shape": ("chunk_grid", "dimension_names", "codecs", "chunks"),
    "chunk_grid": ("chunk_grid", "codecs"),
    "fill_value": ("codecs",),
    "dtype": ("dtype", "fill_value", "filters", "compressor"),
    "chunks": ("compressor", "filters"),
    "filters": ("dtype", "compressor", "filters"),
    "dimensions": ("blockSize",),
    "dataType": ("compression",),
}


def leads_to(document: Any, at: str, spoiled_at: str) -> bool:
    """Whether a pointer leads into the document: above the spoiled place, to it, inside, or where it must fit."""
    try:
        parent = resolve(document, at.rpartition("/")[0])
    except (KeyError, IndexError, ValueError, TypeError):
        # A member that is not there has a value all the same, which may not fit.
        return at.startswith(spoiled_at + "/")
    if at and not isinstance(parent, dict | list):
        return False
    # What has another name should have other members.
    spoiled_at = spoiled_at.removesuffix("/name").removesuffix("/id").removesuffix("/type")
    steps, spoiled_steps = at.split("/"), spoiled_at.split("/")
    common = min(len(steps), len(spoiled_steps))
    return steps[:common] == spoiled_steps[:common] or steps[1] in ELSEWHERE.get(spoiled_steps[1], ())


def check(store: MemoryStore, key: str, document: Any, under: str) -> int:
    """Try every mutation; return how many were refused."""
    refused = 0
    for name, at, changed in spoiled(document, under):
        error = wrong_of(store, key, changed)
        if not isinstance(error, MetadataError | UnsupportedError):
            assert error is None or isinstance(error, CodecError), (name, error)
            continue
        refused += 1
        assert error.key == key, (name, error)
        assert leads_to(changed, error.at or "", at), (name, error)
    return refused


@pytest.mark.parametrize("name", CODECS)
def test_configurations(name: str) -> None:
    document, store = array_of(*CODECS[name])
    assert wrong_of(store, V3, document) is None
    assert check(store, V3, document, "/codecs") > 50


@pytest.mark.parametrize("name", CODECS)
def test_an_object_in_place_of_a_value_is_found_exactly(name: str) -> None:
    document, store = array_of(*CODECS[name])
    for at, value in places(document["codecs"], "/codecs"):
        if isinstance(value, dict | list) or "/scalar_map/" in at or "/filters/" in at or "/prefix/" in at:
            continue
        changed = json.loads(json.dumps(document))
        above, _, last = at.rpartition("/")
        parent = resolve(changed, above)
        parent[int(last) if isinstance(parent, list) else last] = {"x": 1}
        error: Any = wrong_of(store, V3, changed)
        assert isinstance(error, MetadataError), (at, error)
        # Of a permutation the whole is named; and this may be a data type, but has no name.
        assert error.at in (above if "/order/" in at else at, at + "/name"), error


def test_every_codec_is_there() -> None:
    found = {
        value["name"]
        for _, chain in CODECS.values()
        for _, value in places(chain)
        if isinstance(value, dict) and "name" in value
    }
    aliases = {"endian", "squeeze"} | {name for name in BUILT_IN if name.startswith("https:")}
    objects = {"numcodecs.json2", "numcodecs.msgpack2", "vlen-array"}
    assert set(BUILT_IN) - aliases - objects <= found


# What does not fit says which stage, and why

NAMED = {name: {"name": name} for name in BUILT_IN}
BITROUND = codec("bitround", keepbits=3)
N5_BLOCK = codec("n5_default", codecs=[codec("transpose", order=[1, 0]), codec("bytes", endian="big")])
MISFITS: list[tuple[str, list[Any], str, str]] = [
    ("string", [LITTLE], "/codecs/0", "bytes.*vlen-utf8"),
    ("uint16", [NAMED["vlen-utf8"]], "/codecs/0", "vlen-utf8 is for the data type string, not for uint16"),
    ("string", [NAMED["vlen-bytes"]], "/codecs/0", "vlen-bytes is for the data type bytes"),
    ("uint16", [NAMED["numcodecs.packbits"], LITTLE], "/codecs/0", "bool, not uint16"),
    ("uint16", [LITTLE, NAMED["packbits"]], "/codecs/1", "second"),
    ("uint8", [NAMED["pcodec"]], "/codecs/0", "pcodec"),
    ("complex64", [BITROUND, NAMED["vlen-bytes"]], "/codecs/1", "vlen"),
    ("bool", [BITROUND, LITTLE], "/codecs/0", "bool"),
    ("bool", [NAMED["scale_offset"], LITTLE], "/codecs/0", "bool"),
    ("float32", [codec("cast_value", data_type="uint8"), NAMED["pcodec"]], "/codecs/1", "uint8"),
    ("float32", [codec("zfp", mode="fixed_rate", rate=3), LITTLE], "/codecs/1", "second"),
    ("uint16", [codec("reshape", shape=[5, -1]), LITTLE], "/codecs/0", "5|192"),
    ("uint16", [codec("numcodecs.delta", dtype="<i4"), LITTLE], "/codecs/0/configuration/dtype", "dtype"),
    ("bool", [N5_BLOCK], "/codecs/0", "bool"),
    ("int8", [NAMED["numcodecs.zfpy"]], "/codecs/0", "int8"),
]


@pytest.mark.parametrize(("dtype", "codecs", "at", "why"), MISFITS)
def test_a_chain_that_does_not_fit_says_which_stage_and_why(dtype: str, codecs: list[Any], at: str, why: str) -> None:
    document, store = array_of(dtype)
    document["codecs"] = codecs
    error: Any = wrong_of(store, V3, document)
    assert isinstance(error, MetadataError), error
    assert error.at.startswith(at), error
    assert error.key == V3
    with pytest.raises(MetadataError, match=why):
        raise error
    with pytest.raises(MetadataError, match=why):
        zarrpipe.create_array(MemoryStore(), shape=SHAPE, chunks=CHUNK, dtype=dtype, codecs=codecs)


# Data types

PARAMETERS = {"length", "unit", "fields"}
TYPES: list[Any] = [
    *sorted({cls._zarr_v3_name for cls in DATA_TYPES if not PARAMETERS & set(cls.__dataclass_fields__)}),
    "r24",
    {"name": "null_terminated_bytes", "configuration": {"length_bytes": 3}},
    {"name": "raw_bytes", "configuration": {"length_bytes": 3}},
    {"name": "fixed_length_utf32", "configuration": {"length_bytes": 12}},
    {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 10}},
    {"name": "numpy.timedelta64", "configuration": {"unit": "us", "scale_factor": 1}},
    {"name": "struct", "configuration": {"fields": [{"name": "a", "data_type": "int16"}, {"name": "b", "data_type":
        {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}}}]}},
]  # fmt: skip


@pytest.mark.parametrize("data_type", TYPES, ids=str)
def test_data_types(data_type: Any) -> None:
    store = MemoryStore()
    zarrpipe.create_array(store, shape=(4,), chunks=(2,), dtype=data_type)
    document = json.loads(bytes(store.get_sync(V3).as_numpy_array()))
    assert wrong_of(store, V3, document) is None
    for under in ("/data_type", "/fill_value"):
        assert check(store, V3, document, under) > 5


# Grids and what else a document has

RECTILINEAR = {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": [[[6, 2], 12], 16]}}


@pytest.mark.parametrize("under", ["/shape", "/chunk_grid", "/chunk_key_encoding", "/attributes", "/dimension_names",
    "/storage_transformers", "/node_type", "/zarr_format"])  # fmt: skip
@pytest.mark.parametrize("grid", ["regular", "rectilinear"])
def test_grids_and_all_other_members(under: str, grid: str) -> None:
    document, store = array_of("uint16", [LITTLE])
    document |= {"attributes": {"a": 1}, "dimension_names": ["x", None], "storage_transformers": []}
    if grid == "rectilinear":
        document["chunk_grid"] = RECTILINEAR
    assert wrong_of(store, V3, document) is None
    check(store, V3, document, under)


# Format 2 and N5

COMPRESSORS: list[Any] = [
    {"id": "zlib", "level": 1},
    {"id": "gzip", "level": 1},
    {"id": "bz2", "level": 1},
    {"id": "lz4", "acceleration": 1},
    {"id": "lzma", "format": 1, "check": -1, "preset": None, "filters": None},
    {"id": "zstd", "level": 1, "checksum": False},
    {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
    {"id": "zfpy", "mode": 4, "compression_kwargs": {"tolerance": 0.1}, "tolerance": 0.1, "rate": -1, "precision": -1},
    {"id": "pcodec", "level": 8, "mode_spec": "auto", "delta_spec": "auto"},
]  # fmt: skip
FILTERS: list[Any] = [
    {"id": "delta", "dtype": "<f8", "astype": "<f4"},
    {"id": "fixedscaleoffset", "offset": 1, "scale": 10, "dtype": "<f8", "astype": "<i4"},
    {"id": "quantize", "digits": 3, "dtype": "<f8", "astype": "<f4"},
    {"id": "astype", "encode_dtype": "<f4", "decode_dtype": "<f8"},
    {"id": "bitround", "keepbits": 3},
    {"id": "shuffle", "elementsize": 8},
    {"id": "crc32"},
    {"id": "fletcher32"},
    {"id": "jenkins_lookup3", "initval": 0, "prefix": None},
]


def zarray(**members: Any) -> dict[str, Any]:
    document = {"zarr_format": 2, "shape": [4, 6], "chunks": [2, 3], "dtype": "<f8", "fill_value": 0, "order": "F"}
    return {**document, "compressor": None, "filters": None, "dimension_separator": "/", **members}


@pytest.mark.parametrize("compressor", COMPRESSORS, ids=str)
def test_compressors_of_format_2(compressor: Any) -> None:
    document = zarray(compressor=compressor)
    assert wrong_of(MemoryStore(), V2, document) is None
    assert check(MemoryStore(), V2, document, "/compressor") > 20


@pytest.mark.parametrize("filter_", FILTERS, ids=str)
def test_filters_of_format_2(filter_: Any) -> None:
    document = zarray(filters=[filter_])
    assert wrong_of(MemoryStore(), V2, document) is None
    assert check(MemoryStore(), V2, document, "/filters") > 20


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_of_format_2(name: str) -> None:
    document = zarray(dtype="|O", fill_value=None, filters=[OBJECTS[name][0]])
    assert wrong_of(MemoryStore(), V2, document) is None
    assert check(MemoryStore(), V2, document, "/filters") > 20


@pytest.mark.parametrize("dtype", ["|b1", "<i2", ">f4", "<c16", "|S3", "<U3", "|V5", "<M8[s]", "<m8[25us]",
    [["a", "<i2"], ["b", "|S3", [2]]]], ids=str)  # fmt: skip
def test_members_of_format_2(dtype: Any) -> None:
    document = zarray(dtype=dtype, fill_value=None)
    assert wrong_of(MemoryStore(), V2, document) is None
    for under in document:
        check(MemoryStore(), V2, document, "/" + under)


@pytest.mark.parametrize("compression", [
    {"type": "raw"},
    {"type": "lz4", "blockSize": 65536},
    {"type": "gzip", "level": 5, "useZlib": True},
    {"type": "bzip2", "blockSize": 9},
    {"type": "xz", "preset": 6},
    {"type": "zstd", "level": 3},
    {"type": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
], ids=str)  # fmt: skip
def test_n5(compression: Any) -> None:
    document = {
        "dimensions": [6, 4],
        "blockSize": [3, 2],
        "dataType": "int16",
        "compression": compression,
        "n5": "4.0.0",
    }
    assert wrong_of(MemoryStore(), N5, document) is None
    for under in document:
        check(MemoryStore(), N5, document, "/" + under)


# Anything at all

DOCUMENTS: list[tuple[str, Any]] = [
    (V3, array_of(*CODECS["sharding_indexed cast"])[0]),
    (V3, array_of(*CODECS["zarrs.vlen packed"])[0]),
    (V3, {**array_of(*CODECS["cast_value"])[0], "chunk_grid": RECTILINEAR}),
    (V3, {"zarr_format": 3, "node_type": "group", "attributes": {}}),
    (V2, zarray(compressor=COMPRESSORS[4], filters=[FILTERS[0], FILTERS[4]])),
    (V2, zarray(dtype=[["a", "<i2"], ["b", "|S3", [2]]], fill_value="AAAAAAAAAAA=")),
    (N5, {"dimensions": [6], "blockSize": [3], "dataType": "int16", "compression": {"type": "gzip", "level": -1}}),
]
SCALARS = st.sampled_from(WRONG) | st.integers() | st.floats(-1e9, 1e300) | st.text(max_size=5)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
@pytest.mark.parametrize(("name", "document"), DOCUMENTS)
def test_any_changes(name: str, document: Any, data: st.DataObject) -> None:
    changed = json.loads(json.dumps(document))
    found = [(at, value) for at, value in places(changed) if at]
    for at, _ in data.draw(st.lists(st.sampled_from(found), min_size=1, max_size=4)):
        above, _, last = at.rpartition("/")
        _, other = data.draw(st.sampled_from(found))
        value = data.draw(ANYTHING | st.just(json.loads(json.dumps(other))))
        try:
            parent = resolve(changed, above)
            parent[int(last) if isinstance(parent, list) else last] = value
        except (KeyError, IndexError, ValueError, TypeError):
            continue  # an earlier change took the place away
    wrong_of(MemoryStore(), name, changed)
