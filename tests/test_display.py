"""What arrays and groups print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
from zarrpipe.display import Tree, format_nbytes


def test_repr(tmp_path: Path) -> None:
    group = zarrpipe.create_group(tmp_path)
    array = group.create_array("a", shape=(2, 3), dtype="int16")
    assert repr(group) == f"<Group file://{tmp_path}>"
    assert repr(array) == f"<Array file://{tmp_path}/a shape=(2, 3) dtype=int16>"


def test_array_info(tmp_path: Path) -> None:
    array = zarrpipe.create_array(
        tmp_path, shape=(100, 30), dtype="int16", chunks=(5, 10), shards=(50, 10), fill_value=7
    )
    lines = dict(line.split(" : ") for line in repr(array.info).splitlines())
    assert {name.strip(): value for name, value in lines.items()} == {
        "Type": "Array",
        "Zarr format": "3",
        "Data type": "int16",
        "Fill value": "7",
        "Shape": "(100, 30)",
        "Chunk shape": "(5, 10)",
        "Shard shape": "(50, 10)",
        "Order": "C",
        "Read-only": "False",
        "Store type": "LocalStore",
        "Codecs": repr(array.codecs[0]),
        "Bytes": "6000 (5.9 KiB)",
    }
    assert len({line.index(" : ") for line in repr(array.info).splitlines()}) == 1
    array[:50, :10] = np.arange(500).reshape(50, 10)
    complete = array.info_complete()
    assert (complete.count_bytes_stored, complete.count_chunks_initialized, complete.count_chunks) == (
        array.nbytes_stored(),
        1,
        6,
    )
    assert "Shards stored : 1 of 6" in repr(complete)
    assert complete.storage_ratio == 6000 / array.nbytes_stored()
    assert array.info.storage_ratio is None


def test_group_info() -> None:
    group = zarrpipe.create_group({})
    group.create_array("b/a", shape=1, dtype="u1")
    assert "Arrays" not in repr(group.info)
    complete = group.info_complete()
    assert (complete.count_arrays, complete.count_groups, complete.name) == (1, 1, "/")
    assert repr(complete).splitlines()[-1].split() == ["Groups", ":", "1"]


def test_tree() -> None:
    root = zarrpipe.create_group({})
    root.create_array("b/c", shape=(2, 2), dtype="uint8")
    root.create_array("a", shape=(4,), dtype="float32")
    root.create_group("b/d/e")
    assert repr(root.tree()).splitlines() == [
        "/",
        "├── a (4,) float32",
        "└── b",
        "    ├── c (2, 2) uint8",
        "    └── d",
        "        └── e",
    ]
    assert repr(root["b"].tree()).splitlines()[0] == "/b"  # type: ignore[union-attr]
    assert repr(zarrpipe.tree(root, level=1)).splitlines() == ["/", "├── a (4,) float32", "└── b"]
    assert repr(root.tree(max_nodes=2)).splitlines() == ["/", "├── a (4,) float32", "└── b", "... and 3 more"]
    with pytest.raises(ValueError):
        root.tree(level=0)


def test_tree_lines() -> None:
    assert str(Tree("x", [Tree("y", [Tree("z")]), Tree("w")])) == "x\n├── y\n│   └── z\n└── w"


def test_format_nbytes() -> None:
    sizes = [0, 1023, 1024, 1536, 2**20 - 1, 2**40, 2**70]
    assert [format_nbytes(n) for n in sizes] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "1024.0 KiB",
        "1.0 TiB",
        "1024.0 EiB",
    ]


@pytest.mark.parametrize(
    ("dtype", "shown"), [("M8[3ms]", f"{2**62} (datetime64[3ms])"), ([("a", "u1"), ("t", "<M8[3ms]")], "00" * 8 + "40")]
)
def test_fill_values_that_numpy_cannot_show(dtype: Any, shown: str) -> None:
    far = np.zeros(1, dtype)
    (far if far.dtype.names is None else far["t"]).view("i8")[:] = 2**62
    array = zarrpipe.create_array({}, shape=(2,), dtype=far.dtype, fill_value=far[0])
    assert f" {shown}\n" in repr(array.info)
