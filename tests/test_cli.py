"""The command line, by click's runner where that is enough and as a real process where it is not."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import zarrpipe
from zarrpipe.arrays.slabs import plan_bands, plan_slabs, slices
from zarrpipe.cli import main
from zarrpipe.cli.chains import parse_chain

ZARRPIPE = [sys.executable, "-m", "zarrpipe.cli"]


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 1000, (60, 70), dtype="u2")


@pytest.fixture
def npy(tmp_path: Path, values: np.ndarray) -> Path:
    path = tmp_path / "values.npy"
    np.save(path, values)
    return path


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ZARRPIPE, *map(str, words)], capture_output=True, text=True, check=False)


def succeed(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    assert (code, captured.err) == (0, "")
    return captured.out


def fail(capsys: pytest.CaptureFixture[str], code: int, pattern: str, *words: object) -> None:
    """One line on stderr, nothing on stdout."""
    assert main([str(word) for word in words]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(f"zarrpipe: .*{pattern}.*\n", captured.err), captured.err


def in_terminal(words: Sequence[object], *, stdout: int | None = None) -> tuple[int, str]:
    """Run with stderr on a terminal; what the terminal got comes back."""
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    env = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen([*ZARRPIPE, *map(str, words)], stderr=secondary, stdout=stdout or secondary, env=env)
    os.close(secondary)
    seen = b""
    while True:
        try:
            block = os.read(primary, 65536)
        except OSError:
            break
        if not block:
            break
        seen += block
    os.close(primary)
    return process.wait(), seen.decode()


# What can be imported


def test_import_npy(capsys: pytest.CaptureFixture[str], tmp_path: Path, npy: Path, values: np.ndarray) -> None:
    out = succeed(capsys, "import", npy, tmp_path / "a.zarr", "--chunks", "16,32", "--codecs", "bytes,zstd")
    assert out.count("\n") == 1
    assert "60 x 70 uint16" in out
    array = zarrpipe.open_array(tmp_path / "a.zarr", mode="r")
    assert array.chunks == (16, 32)
    assert np.array_equal(array[:], values)
    assert np.array_equal(zarr.open_array(tmp_path / "a.zarr", mode="r")[:], values)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["?", ">i4", "<f8", "c16", "f2"])
def test_import_npy_of_any_order(capsys: pytest.CaptureFixture[str], tmp_path: Path, order: Any, dtype: str) -> None:
    values = np.random.default_rng(1).integers(0, 2, (5, 6, 7)).astype(dtype, order=order)
    np.save(tmp_path / "v.npy", values)
    succeed(capsys, "import", tmp_path / "v.npy", tmp_path / "a", "--chunks", "2,3,4")
    assert np.array_equal(zarrpipe.open_array(tmp_path / "a", mode="r")[:], values)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_import_npz_member(capsys: pytest.CaptureFixture[str], tmp_path: Path, save: Any, order: Any) -> None:
    values = np.asarray(np.random.default_rng(2).random((40, 9, 5)), order=order)
    save(tmp_path / "v.npz", other=np.arange(3), data=values)
    target = tmp_path / "a"
    fail(capsys, 1, "2 arrays.*other, data.*--member", "import", tmp_path / "v.npz", target)
    fail(capsys, 1, "no array 'nothing'", "import", tmp_path / "v.npz", target, "--member", "nothing")
    succeed(capsys, "import", tmp_path / "v.npz", target, "--member", "data", "--chunks", "7,4,5")
    assert np.array_equal(zarrpipe.open_array(target, mode="r")[:], values)


def test_import_npz_with_one_member(capsys: pytest.CaptureFixture[str], tmp_path: Path, values: np.ndarray) -> None:
    np.savez(tmp_path / "v.npz", values)
    succeed(capsys, "import", tmp_path / "v.npz", tmp_path / "a")
    assert np.array_equal(zarrpipe.open_array(tmp_path / "a", mode="r")[:], values)


def test_import_raw(capsys: pytest.CaptureFixture[str], tmp_path: Path, values: np.ndarray) -> None:
    raw = tmp_path / "values.bin"
    values.astype(">u2").tofile(raw)
    target = tmp_path / "a"
    fail(capsys, 2, "both --dtype and --shape", "import", raw, target, "--dtype", ">u2")
    fail(capsys, 2, "both --dtype and --shape", "import", raw, target)
    fail(capsys, 1, "8400 bytes.*takes 8398", "import", raw, target, "--dtype", ">u2", "--shape", "13,17,19")
    succeed(capsys, "import", raw, target, "--dtype", ">u2", "--shape", "60x70")
    array = zarrpipe.open_array(target, mode="r")
    assert array.dtype.itemsize == 2
    assert np.array_equal(array[:], values)


@pytest.mark.parametrize("shape", [(), (0, 4), (1,)])
def test_import_of_edge_shapes(capsys: pytest.CaptureFixture[str], tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.ones(shape, "i4")
    np.save(tmp_path / "v.npy", values)
    np.savez_compressed(tmp_path / "v.npz", v=values)
    for name in ("v.npy", "v.npz"):
        succeed(capsys, "import", tmp_path / name, tmp_path / "a", "--overwrite") if name == "v.npz" else succeed(
            capsys, "import", tmp_path / name, tmp_path / "a"
        )
        assert np.array_equal(zarrpipe.open_array(tmp_path / "a", mode="r")[...], values)
    succeed(capsys, "export", tmp_path / "a", tmp_path / "back.npy")
    assert np.array_equal(np.load(tmp_path / "back.npy"), values)


def test_import_zarr_keeps_what_is_not_asked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, npy: Path, values: np.ndarray
) -> None:
    first, second, third = tmp_path / "1", tmp_path / "2", tmp_path / "3"
    succeed(capsys, "import", npy, first, "--chunks", "8,10", "--shards", "32,40", "--codecs", "zstd,crc32c")
    zarrpipe.open_array(first, mode="r+").attrs["units"] = "m"
    succeed(capsys, "import", first, second)
    copy = zarrpipe.open_array(second, mode="r")
    assert (copy.chunks, copy.shards, dict(copy.attrs)) == ((8, 10), (32, 40), {"units": "m"})
    described = [json.loads(succeed(capsys, "info", path, "--json")) for path in (first, second)]
    assert described[0] == described[1]
    succeed(capsys, "import", second, third, "--chunks", "60,70", "--codecs", "transpose,gzip")
    other = zarrpipe.open_array(third, mode="r")
    assert (other.chunks, other.shards) == ((60, 70), None)
    assert np.array_equal(other[:], values)


def test_import_of_an_array_onto_itself(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, npy: Path, values: np.ndarray
) -> None:
    path = tmp_path / "a"
    succeed(capsys, "import", npy, path, "--chunks", "7,7")
    succeed(capsys, "import", path, path, "--chunks", "30,30", "--codecs", "zstd", "--overwrite")
    array = zarrpipe.open_array(path, mode="r")
    assert array.chunks == (30, 30)
    assert np.array_equal(array[:], values)


def test_import_of_what_zarr_python_wrote(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, values: np.ndarray
) -> None:
    theirs = zarr.create_array(tmp_path / "theirs", shape=values.shape, dtype=values.dtype, chunks=(20, 20))
    theirs[:] = values
    succeed(capsys, "import", tmp_path / "theirs", tmp_path / "ours")
    assert np.array_equal(zarrpipe.open_array(tmp_path / "ours", mode="r")[:], values)


# What can be exported


def test_export(capsys: pytest.CaptureFixture[str], tmp_path: Path, npy: Path, values: np.ndarray) -> None:
    path = tmp_path / "a"
    succeed(capsys, "import", npy, path, "--chunks", "7,9")
    succeed(capsys, "export", path, tmp_path / "b.npy")
    assert (tmp_path / "b.npy").read_bytes() == npy.read_bytes()
    facts = json.loads(succeed(capsys, "export", path, tmp_path / "b.bin", "--json"))
    assert facts["nbytes"] == values.nbytes
    assert np.array_equal(np.fromfile(tmp_path / "b.bin", facts["dtype"]).reshape(facts["shape"]), values)
    fail(capsys, 2, "cannot tell the format", "export", path, tmp_path / "b.what")
    succeed(capsys, "export", path, tmp_path / "b.what", "--format", "raw")
    assert (tmp_path / "b.what").read_bytes() == values.tobytes()


def test_export_replaces_only_when_told(capsys: pytest.CaptureFixture[str], tmp_path: Path, npy: Path) -> None:
    path, target = tmp_path / "a", tmp_path / "b.npy"
    succeed(capsys, "import", npy, path)
    target.write_bytes(b"precious")
    fail(capsys, 1, "there already.*--overwrite", "export", path, target)
    assert target.read_bytes() == b"precious"
    succeed(capsys, "export", path, target, "--overwrite")
    assert target.read_bytes() == npy.read_bytes()


def test_failed_export_leaves_the_old_file(capsys: pytest.CaptureFixture[str], tmp_path: Path, npy: Path) -> None:
    path, target = tmp_path / "a", tmp_path / "b.npy"
    succeed(capsys, "import", npy, path, "--codecs", "zstd")
    next(file for file in (path / "c").rglob("*") if file.is_file()).write_bytes(b"not a frame")
    target.write_bytes(b"precious")
    fail(capsys, 1, "", "export", path, target, "--overwrite")
    assert target.read_bytes() == b"precious"
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []


def test_export_without_room(tmp_path: Path) -> None:
    """Where there is no room, an error and no signal; the old file stays."""
    zeros = zarrpipe.create_array(tmp_path / "a", shape=(4096, 4096), dtype="u1", chunks=(1024, 1024))
    target = tmp_path / "b.npy"
    target.write_bytes(b"precious")
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20));"
        "from zarrpipe.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", code, "export", str(tmp_path / "a"), str(target), "--overwrite"]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (1, "zarrpipe: File too large\n")
    assert target.read_bytes() == b"precious"
    assert zeros.shape == (4096, 4096)


# What is printed


def test_info_of_an_array(capsys: pytest.CaptureFixture[str], tmp_path: Path, npy: Path, values: np.ndarray) -> None:
    path = tmp_path / "a"
    facts = json.loads(
        succeed(capsys, "import", npy, path, "--chunks", "6,7", "--shards", "30,35", "--codecs", "zstd", "--json")
    )
    assert facts["path"] == str(path)
    facts = json.loads(succeed(capsys, "info", path, "--json"))
    assert facts["node_type"] == "array"
    assert (facts["shape"], facts["chunks"], facts["shards"]) == ([60, 70], [6, 7], [30, 35])
    assert facts["data_type"] == "uint16"
    assert facts["codecs"][0]["name"] == "sharding_indexed"
    assert facts["nbytes"] == values.nbytes
    assert 0 < facts["nbytes_stored"] < 2 * values.nbytes
    text = succeed(capsys, "info", path)
    assert re.search(r"^shape +\[60, 70\]$", text, re.MULTILINE)
    assert re.search(r"^nbytes +8400 \(8\.4 kB\)$", text, re.MULTILINE)


def test_group_and_tree(capsys: pytest.CaptureFixture[str], tmp_path: Path, npy: Path) -> None:
    root = zarrpipe.open_group(tmp_path / "g", mode="w", attributes={"title": "t"})
    root.create_group("inner")
    succeed(capsys, "import", npy, tmp_path / "g" / "inner" / "a")
    facts = json.loads(succeed(capsys, "info", tmp_path / "g", "--json"))
    assert facts == {"node_type": "group", "members": ["inner"], "attributes": {"title": "t"}}
    text = succeed(capsys, "tree", tmp_path / "g")
    assert "inner" in text
    assert "a (60, 70) uint16" in text
    facts = json.loads(succeed(capsys, "tree", tmp_path / "g", "--json"))
    assert facts["members"]["inner"]["members"]["a"] == {
        "node_type": "array",
        "shape": [60, 70],
        "data_type": "uint16",
    }


def test_version_and_help() -> None:
    assert run("--version").stdout.startswith("zarrpipe ")
    for words in ((), ("import",), ("export",), ("info",), ("tree",)):
        result = run(*words, "--help")
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith("Usage: zarrpipe")


# The bar


def test_a_bar_on_a_terminal_and_none_in_a_pipe(tmp_path: Path, npy: Path) -> None:
    code, seen = in_terminal(["import", npy, tmp_path / "a"])
    assert code == 0
    assert "importing" in seen
    result = run("import", npy, tmp_path / "b")
    assert (result.returncode, result.stderr) == (0, "")


def test_the_bar_stays_out_of_stdout(tmp_path: Path, npy: Path) -> None:
    with (tmp_path / "stdout").open("wb") as stdout:
        code, seen = in_terminal(["import", npy, tmp_path / "a", "--json"], stdout=stdout.fileno())
    assert code == 0
    assert "importing" in seen
    assert json.loads((tmp_path / "stdout").read_text())["shape"] == [60, 70]


# What goes wrong


def test_usage_errors(capsys: pytest.CaptureFixture[str], tmp_path: Path, npy: Path) -> None:
    target = tmp_path / "a"
    fail(capsys, 2, "Missing command")
    fail(capsys, 2, "No such command", "frobnicate")
    fail(capsys, 2, "Missing argument", "import", npy)
    fail(capsys, 2, "does not exist", "import", tmp_path / "nothing.npy", target)
    fail(capsys, 2, "not a shape", "import", npy, target, "--chunks", "a,b")
    fail(capsys, 2, "negative", "import", npy, target, "--chunks", "-1,2")
    fail(capsys, 2, "--chunks has 3 axes, but the array has 2", "import", npy, target, "--chunks", "1,2,3")
    fail(capsys, 2, "not valid JSON", "import", npy, target, "--codecs", "[{]")
    fail(capsys, 2, "not a NumPy data type", "import", npy, target, "--dtype", "what")
    fail(capsys, 2, "says itself", "import", npy, target, "--dtype", "u2", "--shape", "60,70")
    fail(capsys, 2, "--member is for", "import", npy, target, "--member", "x")
    assert not target.exists()


def test_failures_leave_nothing_behind(capsys: pytest.CaptureFixture[str], tmp_path: Path, npy: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    target = work / "a"
    fail(capsys, 1, "nonesuch", "import", npy, target, "--codecs", "bytes,nonesuch")
    fail(capsys, 1, "", "import", npy, target, "--chunks", "8,8", "--shards", "12,12")
    (tmp_path / "bad.npy").write_bytes(b"not an array at all")
    fail(capsys, 1, "is not a .npy file", "import", tmp_path / "bad.npy", target)
    (tmp_path / "bad.npz").write_bytes(b"not an archive at all")
    fail(capsys, 1, "not a zip file", "import", tmp_path / "bad.npz", target)
    (tmp_path / "short.npy").write_bytes(npy.read_bytes()[:-1])
    fail(capsys, 1, r"has \d+ bytes", "import", tmp_path / "short.npy", target)
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    fail(capsys, 1, "pickle", "import", tmp_path / "objects.npy", target)
    (tmp_path / "empty").mkdir()
    fail(capsys, 1, "", "import", tmp_path / "empty", target)
    fail(capsys, 1, "", "info", tmp_path / "empty")
    assert list(work.iterdir()) == []


def test_damaged_member_leaves_the_old_array(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, values: np.ndarray
) -> None:
    work = tmp_path / "work"
    path = tmp_path / "v.npz"
    np.savez(path, v=values)
    succeed(capsys, "import", path, work / "a")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    fail(capsys, 1, "Bad CRC-32", "import", path, work / "a", "--overwrite")
    assert np.array_equal(zarrpipe.open_array(work / "a", mode="r")[:], values)
    assert [p.name for p in work.iterdir()] == ["a"]


def test_overwrite_replaces_arrays_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path, npy: Path) -> None:
    succeed(capsys, "import", npy, tmp_path / "a")
    fail(capsys, 1, "there already.*--overwrite", "import", npy, tmp_path / "a")
    succeed(capsys, "import", npy, tmp_path / "a", "--overwrite", "--chunks", "5,5")
    assert zarrpipe.open_array(tmp_path / "a", mode="r").chunks == (5, 5)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "precious").write_text("x")
    fail(capsys, 1, "", "import", npy, folder, "--overwrite")
    assert (folder / "precious").read_text() == "x"


def test_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    """Ctrl-C in the middle of an import: one line, exit code 1 and no half-written array."""
    path, target = tmp_path / "noise.npy", tmp_path / "work" / "a"
    np.save(path, np.random.default_rng(0).integers(0, 256, (512, 1024, 1024), "u1"))
    words = [*ZARRPIPE, "import", str(path), str(target), "--chunks", "64,64,64"]
    chain = '[{"name": "bytes"}, {"name": "gzip", "configuration": {"level": 9}}]'
    with subprocess.Popen([*words, "--codecs", chain], stderr=subprocess.PIPE, text=True) as process:
        while not list((tmp_path / "work").glob(".zarrpipe-*/c/*/*/*")):
            assert process.poll() is None
            time.sleep(0.01)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()
        # A second for the call, and some for the clean-up and the interpreter's end.
        assert time.monotonic() - began < 3
    assert (process.returncode, error) == (1, "zarrpipe: interrupted\n")
    assert list((tmp_path / "work").iterdir()) == []


def test_closed_pipe(tmp_path: Path) -> None:
    group = zarrpipe.open_group(tmp_path / "g", mode="w")
    for i in range(5):
        group.create_group(f"{i}" + "long" * 40)
    with subprocess.Popen([*ZARRPIPE, "tree", str(tmp_path / "g"), "--json"], stdout=-1, stderr=-1) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A copy of 1 GiB, in and out, takes less than half of that: its slabs are 256 MiB."""
    path = tmp_path / "zeros.npy"
    mapped = np.lib.format.open_memmap(path, "w+", "u1", (1024, 1024, 1024))
    mapped[::100, ::100, 0] = 1
    del mapped
    # VmHWM, not ru_maxrss: that one begins with what the parent had when it made the child.
    code = (
        "import sys; from zarrpipe.cli import main; code = main(sys.argv[1:]);"
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'));"
        "print(peak.split()[1], file=sys.stderr); sys.exit(code)"
    )
    steps = [
        ("import", path, tmp_path / "a", "--chunks", "128,128,128", "--codecs", "zstd"),
        ("export", tmp_path / "a", tmp_path / "back.npy"),
    ]
    for words in steps:
        command = [sys.executable, "-c", code, *map(str, words)]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(result.stderr) < 512 * 1024
    assert subprocess.run(["cmp", path, tmp_path / "back.npy"], check=False).returncode == 0


# The parts


@pytest.mark.parametrize(
    ("shape", "unit"),
    [((), ()), ((7,), (3,)), ((10, 10), (3, 4)), ((5, 9, 13), (5, 2, 13)), ((4, 0), (2, 2)), ((3, 3), (8, 8))],
)
@pytest.mark.parametrize("limit", [1, 10, 50, 10_000])
def test_slabs_cover_the_array_once(shape: tuple[int, ...], unit: tuple[int, ...], limit: int) -> None:
    count = np.zeros(shape, int)
    for region in plan_slabs(shape, unit, 1, limit):
        assert all(start % u == 0 for (start, _), u in zip(region, unit, strict=True))
        assert all(stop % u == 0 or stop == n for (_, stop), u, n in zip(region, unit, shape, strict=True))
        nbytes = np.prod([stop - start for start, stop in region])
        assert nbytes <= max(limit, np.prod(unit))
        count[slices(region)] += 1
    assert (count == 1).all()


def test_bands_cover_the_array_once() -> None:
    shape, unit = (1000, 1000, 700), (300, 10, 10)
    bands = list(plan_bands(shape, unit, 1))
    assert [band[0] for band in bands] == [(0, 300), (300, 600), (600, 900), (900, 1000)]
    assert all(band[1:] == ((0, 1000), (0, 700)) for band in bands)
    # A band of whole units would be 3 GB: lower ones, which write units in parts.
    assert max(stop - start for (start, stop), *_ in plan_bands((900, 10_000_000), (300, 100), 1)) == 26


def test_chains(tmp_path: Path) -> None:
    def names(text: str) -> list[str]:
        return [codec["name"] for codec in parse_chain(text, ndim=2, dtype=np.dtype("u2"))]

    assert names("zstd") == ["bytes", "zstd"]
    assert names("transpose,gzip,crc32c") == ["transpose", "bytes", "gzip", "crc32c"]
    assert names("transpose") == ["transpose", "bytes"]
    assert names(" bytes , blosc ") == ["bytes", "blosc"]
    assert names('["bytes", {"name": "zstd"}]') == ["bytes", "zstd"]
    (tmp_path / "chain.json").write_text('[{"name": "bytes"}]')
    assert names(f"@{tmp_path}/chain.json") == ["bytes"]
    for wrong in ("", "zstd,,gzip", "[", "[1"):
        with pytest.raises(ValueError):
            names(wrong)


@pytest.mark.parametrize("dtype", ["string", "bytes"])
def test_items_of_variable_length(capsys: pytest.CaptureFixture[str], tmp_path: Path, dtype: str) -> None:
    items = ["", "a", "zwölf"] if dtype == "string" else [b"", b"a", b"\0"]
    array = zarrpipe.create_array(tmp_path / "a", shape=(3,), chunks=(2,), dtype=dtype, fill_value="-")
    array[:] = items
    assert dtype in succeed(capsys, "info", tmp_path / "a")
    succeed(capsys, "import", tmp_path / "a", tmp_path / "b", "--codecs", "blosc", "--chunks", "1")
    copy = zarrpipe.open_array(tmp_path / "b", mode="r")
    assert copy[:].tolist() == items
    assert copy.metadata.data_type == array.metadata.data_type
    assert copy.serializer == array.serializer
    for name in ("a.npy", "a.raw"):
        fail(capsys, 1, "cannot be exported", "export", tmp_path / "a", tmp_path / name)
        assert not (tmp_path / name).exists()
