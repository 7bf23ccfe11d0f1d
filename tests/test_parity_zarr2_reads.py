"""zarr-python 2 reads what is written in format 2.

What it wrote itself is in `test_spellings.py`. It runs in an environment of its own (`make test-python` makes it).
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-zarr2" / "bin" / "python"
READER = Path(__file__).parent / "children" / "zarr2_reads.py"

RAMP = np.arange(35).reshape(7, 5)
FLOATS = RAMP / 7
STRUCT = np.dtype([("id", "<u2"), ("at", [("x", "<f4"), ("y", ">f8")]), ("rgb", "u1", (3,)), ("name", "S4")])
TEXT = np.array([["a", "", "zürich"], ["日本", "x" * 40, "end"]], dtype=object)
OBJECTS = np.fromiter([{"a": 1, "b": None}, [1, "two"], "text", 3.5, None, True], dtype=object).reshape(2, 3)
RAGGED = np.fromiter([np.arange(n, dtype="i4") for n in (0, 1, 2, 3, 10, 1)], dtype=object).reshape(2, 3)
BLOBS = np.array([[b"a", b"", b"\x00\xff"], [b"12", b"x" * 40, b"end"]], dtype=object)


def structured() -> Any:
    items = np.zeros((7, 5), dtype=STRUCT)
    items["id"], items["at"]["y"], items["name"] = RAMP, FLOATS, b"abc"
    return items


def cases() -> dict[str, tuple[Any, dict[str, Any]]]:
    made: dict[str, tuple[Any, dict[str, Any]]] = {}
    for order in "<>":
        for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"):
            made[f"dtype {order}{kind}"] = (RAMP.astype(order + kind), {})
        made[f"dtype {order}U"] = (RAMP.astype(f"{order}U3"), {})
        for unit in ("D", "ns", "25s"):
            made[f"dtype {order}M8[{unit}]"] = (RAMP.astype(f"{order}M8[{unit}]"), {})
            made[f"dtype {order}m8[{unit}]"] = (RAMP.astype(f"{order}m8[{unit}]"), {})
    made["dtype bool"] = (RAMP % 2 == 0, {})
    made["dtype S"] = (RAMP.astype("S3"), {})
    made["dtype V"] = (RAMP.astype("<u4").view("V4"), {})
    made["dtype struct"] = (structured(), {})
    for fill in (None, -5, 0):
        made[f"fill {fill}"] = (RAMP.astype("i4"), {"fill_value": fill})
    for value in (np.nan, np.inf, -np.inf, 1.5):
        made[f"fill {value}"] = (FLOATS, {"fill_value": value})
    for order in "CF":
        made[f"order {order}"] = (RAMP.astype("i4"), {"order": order})
        made[f"order {order} >"] = (RAMP.astype(">i4"), {"order": order, "compressors": {"id": "zlib", "level": 1}})
        made[f"order {order} 4"] = (
            np.arange(120, dtype="u2").reshape(2, 3, 4, 5),
            {"order": order, "chunks": (1, 2, 3, 4)},
        )
    made["slash"] = (RAMP.astype("i4"), {"chunk_key_encoding": {"name": "v2", "separator": "/"}})
    made["scalar"] = (np.array(7, dtype="i4"), {"chunks": ()})
    for config in (
        {"id": "zlib", "level": 1},
        {"id": "gzip", "level": 1},
        {"id": "bz2", "level": 1},
        {"id": "lzma"},
        {"id": "lz4"},
        {"id": "zstd", "level": 1},
        {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1},
        {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 2},
    ):
        made["compressor " + " ".join(map(str, config.values()))] = (RAMP.astype("i4"), {"compressors": config})
    filters: dict[str, tuple[Any, list[dict[str, Any]]]] = {
        "delta": (RAMP.astype("<i4"), [{"id": "delta", "dtype": "<i4", "astype": "<i2"}]),
        "delta >": (RAMP.astype(">i4"), [{"id": "delta", "dtype": ">i4", "astype": ">i2"}]),
        "fixedscaleoffset": (
            np.round(FLOATS, 1),
            [{"id": "fixedscaleoffset", "offset": 0, "scale": 10, "dtype": "<f8", "astype": "|u1"}],
        ),
        "quantize": (np.round(FLOATS, 0), [{"id": "quantize", "digits": 1, "dtype": "<f8", "astype": "<f4"}]),
        "astype": (RAMP.astype("<f8"), [{"id": "astype", "encode_dtype": ">f4", "decode_dtype": "<f8"}]),
        "bitround": (RAMP.astype("<f4"), [{"id": "bitround", "keepbits": 10}]),
        "packbits": (RAMP % 3 == 0, [{"id": "packbits"}]),
        "shuffle crc32": (RAMP.astype("<i4"), [{"id": "shuffle", "elementsize": 4}, {"id": "crc32"}]),
        "adler32": (RAMP.astype("<i4"), [{"id": "adler32"}]),
        "fletcher32": (RAMP.astype("<i4"), [{"id": "fletcher32"}]),
        "jenkins": (RAMP.astype("<i4"), [{"id": "jenkins_lookup3"}]),
        "delta shuffle zlib": (
            RAMP.astype("<i4"),
            [{"id": "delta", "dtype": "<i4"}, {"id": "shuffle", "elementsize": 4}, {"id": "zlib", "level": 1}],
        ),
    }
    for name, (values, chain) in filters.items():
        for order in "CF":
            made[f"filter {name} {order}"] = (values, {"filters": chain, "order": order})
    for order in "CF":
        made[f"text {order}"] = (TEXT, {"dtype": "string", "order": order})
        made[f"bytes {order}"] = (BLOBS, {"dtype": "bytes", "order": order})
    return made


def object_cases() -> dict[str, tuple[Any, dict[str, Any]]]:
    made: dict[str, tuple[Any, dict[str, Any]]] = {}
    for order in "CF":
        for codec in ({"id": "json2"}, {"id": "json2", "indent": 1}, {"id": "msgpack2"}):
            made[f"objects {order} {codec}"] = (OBJECTS, {"filters": codec, "order": order})
            made[f"text {order} {codec}"] = (TEXT, {"dtype": "string", "filters": codec, "order": order})
        for kind in ("<i4", ">f8"):
            made[f"arrays {order} {kind}"] = (RAGGED, {"filters": {"id": "vlen-array", "dtype": kind}, "order": order})
        labels = {"id": "categorize", "labels": [*TEXT.reshape(-1)], "dtype": "|O"}
        made[f"labels {order}"] = (TEXT, {"filters": labels, "order": order})
        made[f"no chain {order}"] = (RAMP.astype("<i4"), {"filters": [{"id": "crc32"}, {"id": "delta", "dtype": "u1"}]})
    return made


def from_json(item: Any) -> Any:
    if isinstance(item, dict) and set(item) == {"bytes"}:
        return bytes.fromhex(item["bytes"])
    return item["array"] if isinstance(item, dict) and set(item) == {"array"} else item


CASES = cases() | object_cases()


@pytest.fixture(scope="session")
def read_by_zarr2(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    if not PYTHON.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{PYTHON} is missing")
        pytest.skip("allowed: `make test-python` makes the environment with zarr-python 2")
    root = tmp_path_factory.mktemp("zarr2")
    for number, (values, options) in enumerate(CASES.values()):
        chunks = tuple(max(1, n // 2 + 1) for n in values.shape)
        array = zarrpipe.create_array(
            root,
            name=f"n{number}",
            zarr_format=2,
            shape=values.shape,
            attributes={"number": number},
            **{"dtype": values.dtype, "chunks": chunks, **options},
        )
        array[...] = values
    paths = [f"n{number}" for number in range(len(CASES))]
    result = subprocess.run(
        [str(PYTHON), str(READER), str(root), *paths], capture_output=True, text=True, check=False, timeout=100
    )
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return root, found


@pytest.mark.parametrize("name", CASES)
def test_zarr2_reads(read_by_zarr2: tuple[Path, dict[str, Any]], name: str) -> None:
    root, found = read_by_zarr2
    number = list(CASES).index(name)
    values, options = CASES[name]
    read = found[f"n{number}"]
    assert read["attributes"] == {"number": number}
    assert read["order"] == options.get("order", "C")
    if values.dtype == object:
        want = [item.tolist() if isinstance(item, np.ndarray) else item for item in values.reshape(-1)]
        assert [from_json(item) for item in read["items"]] == want
    else:
        assert bytes.fromhex(read["hex"]) == values.tobytes()
        assert read["stored dtype"] == str(values.dtype)
    # And back.
    again = zarrpipe.open_array(root, path=f"n{number}", mode="r")[...]
    if name.startswith("arrays"):
        assert all(map(np.array_equal, again.reshape(-1), values.reshape(-1)))
    else:
        np.testing.assert_array_equal(again, values)
