"""The installed wheel, on the oldest Python that is there, with NumPy and pytest alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zarrpipe

BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
ZSTD = {"name": "zstd", "configuration": {"level": 1, "checksum": True}}
CRC32C = {"name": "crc32c"}
CHAINS = {
    "raw": [{"name": "bytes", "configuration": {"endian": "big"}}],
    "zstd": [BYTES, ZSTD],
    "gzip": [BYTES, {"name": "gzip", "configuration": {"level": 1}}],
    "transpose": [{"name": "transpose", "configuration": {"order": [1, 0]}}, BYTES, CRC32C],
    "shard": [
        {
            "name": "sharding_indexed",
            "configuration": {"chunk_shape": [4, 5], "codecs": [BYTES, ZSTD], "index_codecs": [BYTES, CRC32C]},
        }
    ],
}


@pytest.mark.parametrize("chain", CHAINS)
def test_round_trip(tmp_path: Path, chain: str) -> None:
    values = np.arange(30 * 50, dtype="u2").reshape(30, 50)
    a = zarrpipe.create_array(tmp_path / "a", shape=(30, 50), dtype="u2", chunks=(8, 10), codecs=CHAINS[chain])
    a[:] = values
    a[3:5, 7] = 9
    values[3:5, 7] = 9
    b = zarrpipe.open_array(tmp_path / "a", mode="r")
    assert np.array_equal(b[:], values)
    assert np.array_equal(b[5:29:3, -1], values[5:29:3, -1])
    assert json.loads((tmp_path / "a" / "zarr.json").read_text())["zarr_format"] == 3


def test_group_and_attributes(tmp_path: Path) -> None:
    group = zarrpipe.open_group(tmp_path / "g", mode="w")
    group.attrs["title"] = "smoke"
    group.create_array("a", shape=(3,), dtype="f8")[:] = [1.0, 2.0, 3.0]
    again = zarrpipe.open_group(tmp_path / "g", mode="r")
    assert dict(again.attrs) == {"title": "smoke"}
    assert again["a"][1:].tolist() == [2.0, 3.0]


def test_errors_are_the_builtin_ones_too(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        zarrpipe.open_array(tmp_path / "nothing", mode="r")
    a = zarrpipe.create_array(tmp_path / "a", shape=(3,), dtype="f8")
    with pytest.raises(IndexError):
        a[7]


def test_command_line_names_its_extra() -> None:
    code = "import sys; sys.modules['click'] = None; from zarrpipe.cli import main; sys.exit(main(['info', 'x']))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "zarrpipe[cli]" in run.stderr
    assert run.stderr.count("\n") == 1
