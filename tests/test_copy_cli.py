"""`zarrpipe copy` on the command line; what it does is in test_copy."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
from servers.http import FolderServer
from zarrpipe.cli import main
from zarrpipe.stores import LocalStore


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = zarrpipe.create_group(tmp_path / "source.zarr", attributes={"a": 1})
    root.create_array("x", shape=(20, 30), chunks=(7, 8), dtype="u2")[:9] = np.arange(270).reshape(9, 30)
    root.create_array("g/y", shape=(10, 10), chunks=(5, 5), shards=(10, 5), dtype="f4")[...] = 2
    return tmp_path / "source.zarr"


def succeed(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    code = main(["copy", *map(str, words)])
    captured = capsys.readouterr()
    assert (code, captured.err) == (0, "")
    return captured.out


def fail(capsys: pytest.CaptureFixture[str], code: int, pattern: str, *words: object) -> None:
    assert main(["copy", *map(str, words)]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(f"zarrpipe: .*{pattern}.*\n", captured.err), captured.err


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_as_it_is(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dest = tmp_path / "dest.zarr"
    (source / "notes.txt").write_text("x")
    dry = succeed(capsys, source, dest, "--dry-run")
    assert "would copy 2 arrays, 2 groups: 10 chunks copied as stored" in dry
    assert not dest.exists()
    out = succeed(capsys, source, dest)
    assert out.startswith(f"{dest}: 2 arrays, 2 groups: 10 chunks copied as stored (")
    assert "not copied, since no node has them: 1 key\n  notes.txt\n" in out
    (source / "notes.txt").unlink()
    assert files(dest) == files(source)
    fail(capsys, 1, "there is a node", source, dest)
    assert "10 there already" in succeed(capsys, source, dest, "--resume")
    report = json.loads(succeed(capsys, source, dest, "--overwrite", "--json"))
    assert report == {
        "arrays": 2,
        "groups": 2,
        "chunks_copied": 10,
        "nbytes_copied": sum(len(data) for key, data in files(source).items() if "/c/" in key),
        "chunks_encoded": 0,
        "chunks_skipped": 0,
        "foreign_keys": [],
    }
    assert succeed(capsys, source, tmp_path / "quiet.zarr", "--quiet") == ""


@pytest.mark.parametrize(
    ("words", "x", "y"),
    [
        (["--chunks", "10,10", "--shards", "none"], ((10, 10), None), ((10, 10), None)),
        (["--codecs", "bytes,gzip"], ((7, 8), None), ((5, 5), (10, 5))),
        (
            ["--chunks", "2,5", "--codecs", "transpose,zstd", "--shards", "10,10"],
            ((2, 5), (10, 10)),
            ((2, 5), (10, 10)),
        ),
        (["--zarr-format", "2"], ((7, 8), None), ((5, 5), None)),
    ],
    ids=str,
)
def test_in_another_way(
    words: list[str], x: Any, y: Any, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    succeed(capsys, source, tmp_path / "dest.zip", *words)
    copied, root = zarrpipe.open_group(tmp_path / "dest.zip", mode="r"), zarrpipe.open_group(source)
    for name, (chunks, shards) in {"x": x, "g/y": y}.items():
        assert np.array_equal(copied[name][...], root[name][...])
        assert (copied[name].chunks, copied[name].shards) == (chunks, shards)
    copied.store.close()


def test_parts_and_urls(
    source: Path, tmp_path: Path, http_server: FolderServer, capsys: pytest.CaptureFixture[str]
) -> None:
    succeed(capsys, source, "memory://copied", "--path", "g", "--dest-path", "a/b")
    assert zarrpipe.open_array("memory://copied", path="a/b/y").shape == (10, 10)
    zarrpipe.copy(source, LocalStore(http_server.root / "a.zarr"))
    url, options = http_server.url_of("a.zarr"), '{"client_options": {"timeout": "20s"}}'
    succeed(capsys, url, tmp_path / "x.zarr", "--path", "x", "--source-options", options)
    assert files(tmp_path / "x.zarr") == files(source / "x")


def test_what_it_cannot_do(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dest = tmp_path / "dest.zarr"
    fail(capsys, 2, "does not exist", tmp_path / "nothing", dest)
    fail(capsys, 2, "give one of them", source, dest, "--overwrite", "--resume")
    fail(capsys, 2, "--chunks has 1 axes, but the array '/x' has 2", source, dest, "--chunks", "4")
    fail(capsys, 2, "is not a shape", source, dest, "--shards", "some")
    fail(capsys, 2, "JSON object", source, dest, "--dest-options", "[]")
    fail(capsys, 2, "not valid JSON", source, dest, "--codecs", "[")
    fail(capsys, 1, "no node", source, dest, "--path", "h")
    fail(capsys, 1, "own copy", source, source / "inside")
    fail(capsys, 1, "10 is none of 4; in the copy of the array .*y", source, dest, "--path", "g", "--chunks", "4,4")
    assert not dest.exists()


def test_as_a_process(source: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "zarrpipe.cli", "copy", source, tmp_path / "dest.zarr"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert (done.stderr, files(tmp_path / "dest.zarr")) == ("", files(source))
