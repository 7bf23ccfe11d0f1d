"""Zip files as stores: members, parts of them, and archives that are not as they should be."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
import zarr.storage

import zarrpipe
from store_contract import StoreContract, buffer, collect, value_of
from zarrpipe.abc.store import RangeByteRequest, SuffixByteRequest
from zarrpipe.config import config
from zarrpipe.errors import NodeExistsError, NodeNotFoundError, StoreError, UnsupportedError
from zarrpipe.stores import LoggingStore, ZipStore


class TestZipStore(StoreContract):
    @pytest.fixture(params=["stored", "deflated"])
    def store(self, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
        compression = zipfile.ZIP_STORED if request.param == "stored" else zipfile.ZIP_DEFLATED
        store = ZipStore(tmp_path / "x.zip", mode="a", compression=compression)
        yield store
        store.close()


class TestZipStoreOfFileObject(StoreContract):
    @pytest.fixture
    def store(self) -> Any:
        store = ZipStore(io.BytesIO(), mode="a")
        yield store
        store.close()

    def reopened(self, store: Any) -> Any:
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(store)
        return store.with_read_only(False)


def made(path: Path, *members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


# Modes


def test_modes(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.zip"
    with pytest.raises(NodeNotFoundError, match="there is no file"):
        ZipStore(path).get_sync("a")
    appending = ZipStore(path, mode="a")
    assert appending.get_sync("a") is None
    assert not path.exists()
    path.parent.mkdir()
    appending.set_sync("a", buffer(b"1"))
    appending.close()
    assert zipfile.ZipFile(path).read("a") == b"1"
    with pytest.raises(NodeExistsError):
        ZipStore(path, mode="x").set_sync("a", buffer(b"2"))
    writing = ZipStore(path, mode="w")
    assert ZipStore(path).get_sync("a").to_bytes() == b"1"
    writing.set_sync("b", buffer(b"2"))
    writing.close()
    assert zipfile.ZipFile(path).namelist() == ["b"]
    # What "w" says was done.
    writing.set_sync("c", buffer(b"3"))
    writing.close()
    assert zipfile.ZipFile(path).namelist() == ["b", "c"]
    other = tmp_path / "y.zip"
    with ZipStore(other, mode="x") as store:
        store.set_sync("a", buffer(b"1"))
    assert zipfile.is_zipfile(other)
    with pytest.raises(ValueError, match="the mode is"):
        ZipStore(other, mode="r+")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="path or a binary file"):
        ZipStore(3)  # type: ignore[arg-type]


def test_reading_needs_no_right_to_write(tmp_path: Path) -> None:
    path = made(tmp_path / "x.zip", ("a", b"1"))
    before = path.read_bytes()
    path.chmod(0o444)
    store = ZipStore(path, mode="a")
    assert store.get_sync("a").to_bytes() == b"1"
    store.close()
    assert path.read_bytes() == before


def test_a_replaced_value_is_there_once(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with ZipStore(path, mode="w") as store:
        for number in range(3):
            store.set_sync("a", buffer(b"%d" % number))
        store.set_sync("b", buffer(b"1"))
        store.delete_sync("b")
    archive = zipfile.ZipFile(path)
    assert archive.namelist() == ["a"]
    assert archive.read("a") == b"2"
    assert archive.testzip() is None
    with ZipStore(path, mode="a") as store:
        store.delete_sync("a")
    assert zipfile.ZipFile(path).namelist() == []


def test_the_last_of_two_members_counts(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"first")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"last")
    store = ZipStore(path)
    assert store.get_sync("a").to_bytes() == b"last"
    assert store.get_sync("a", byte_range=SuffixByteRequest(2)).to_bytes() == b"st"


def test_the_same_input_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        with ZipStore(tmp_path / name, mode="w") as store:
            zarrpipe.create_array(store, data=np.arange(20), chunks=(5,))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


# Stores of one file


async def test_stores_of_one_file_share_it(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    first, second = ZipStore(path, mode="a"), ZipStore(path, mode="a")
    first.set_sync("a", buffer(b"1"))
    second.set_sync("b", buffer(b"2"))
    assert ZipStore(path).get_sync("b").to_bytes() == b"2"
    assert first == second
    second.close()
    assert sorted(zipfile.ZipFile(path).namelist()) == ["a", "b"]
    assert await value_of(first, "a") == b"1"
    (tmp_path / "link.zip").symlink_to(path)
    assert ZipStore(tmp_path / "link.zip") == first


async def test_another_file_in_its_place_is_seen(tmp_path: Path) -> None:
    path = made(tmp_path / "x.zip", ("a", b"old"))
    held = ZipStore(path)
    assert await value_of(held, "a") == b"old"
    made(tmp_path / "y.zip", ("a", b"newer")).replace(path)
    # The store that is open reads on from the file that it opened.
    assert await value_of(held, "a") == b"old"
    assert await value_of(ZipStore(path), "a") == b"newer"


def test_what_nobody_closes_is_complete_at_the_end(tmp_path: Path) -> None:
    script = f"""
import zarrpipe
array = zarrpipe.create_array(zarrpipe.stores.ZipStore({str(tmp_path / "x.zip")!r}, mode="w"), shape=(4,), dtype="u1")
array[:] = 5
array[:2] = 6
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    archive = zipfile.ZipFile(tmp_path / "x.zip")
    assert sorted(archive.namelist()) == ["c/0", "zarr.json"]
    assert zarrpipe.open_array(ZipStore(tmp_path / "x.zip"))[:].tolist() == [6, 6, 5, 5]


def test_dropped_stores_are_closed(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    store = ZipStore(path, mode="w")
    store.set_sync("a", buffer(b"1"))
    store.set_sync("a", buffer(b"2"))
    del store
    assert zipfile.ZipFile(path).namelist() == ["a"]


def test_fork(tmp_path: Path) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("allowed: no fork here")
    path = made(tmp_path / "x.zip", ("a", b"1"))
    reading = ZipStore(path)
    writing = ZipStore(tmp_path / "y.zip", mode="w")
    assert reading.get_sync("a").to_bytes() == b"1"
    writing.set_sync("a", buffer(b"1"))
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            assert reading.get_sync("a").to_bytes() == b"1"
            try:
                writing.get_sync("a")
            except StoreError:
                code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    writing.set_sync("b", buffer(b"2"))
    writing.close()
    assert {name: zipfile.ZipFile(tmp_path / "y.zip").read(name) for name in "ab"} == {"a": b"1", "b": b"2"}


async def test_move(tmp_path: Path) -> None:
    store = ZipStore(tmp_path / "x.zip", mode="w")
    await store.set("a", buffer(b"1"))
    await store.move(tmp_path / "there" / "y.zip")
    assert not (tmp_path / "x.zip").exists()
    assert await value_of(store, "a") == b"1"
    assert ZipStore(tmp_path / "there" / "y.zip") == store
    made(tmp_path / "x.zip", ("b", b"2"))
    assert ZipStore(tmp_path / "x.zip").get_sync("b").to_bytes() == b"2"
    with pytest.raises(NodeExistsError):
        await store.move(tmp_path / "x.zip")


# Archives of others


async def test_folders_and_names_that_are_no_keys(tmp_path: Path) -> None:
    path = made(tmp_path / "x.zip", ("a/", b""), ("a/b", b"1"), ("../evil", b"2"), ("/root", b"3"))
    store = ZipStore(path)
    assert await collect(store.list()) == ["a/b"]
    assert await collect(store.list_dir("")) == ["a"]
    with pytest.raises(StoreError):
        store.get_sync("../evil")


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_members(tmp_path: Path, compression: int) -> None:
    data = np.arange(5000, dtype="<u2").tobytes()
    store = ZipStore(made(tmp_path / "x.zip", ("a", data), compression=compression))
    assert store.get_sync("a").to_bytes() == data
    assert store.get_sync("a", byte_range=RangeByteRequest(100, 120)).to_bytes() == data[100:120]
    assert store.get_sync("a", byte_range=SuffixByteRequest(7)).to_bytes() == data[-7:]


def test_parts_are_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(os, "pread"):
        pytest.skip("allowed: no pread here")
    store = ZipStore(made(tmp_path / "x.zip", ("a", bytes(10**6)), ("b", bytes(10))))
    moved = []
    pread = os.pread

    def counted(descriptor: int, nbytes: int, offset: int) -> bytes:
        moved.append(nbytes)
        return pread(descriptor, nbytes, offset)

    monkeypatch.setattr(os, "pread", counted)
    assert store.get_sync("a", byte_range=RangeByteRequest(500, 600)).to_bytes() == bytes(100)
    assert store.get_sync("a", byte_range=SuffixByteRequest(5)).to_bytes() == bytes(5)
    # The header of the member once, with its name.
    assert moved == [30, 1, 100, 5]


def test_parity_with_zarr(tmp_path: Path) -> None:
    data = np.arange(64, dtype="int32").reshape(8, 8)
    ours = tmp_path / "ours.zip"
    with ZipStore(ours, mode="w") as store:
        zarrpipe.create_array(store, data=data, shards=(4, 4), chunks=(2, 2), attributes={"x": 1})
    with zarr.storage.ZipStore(ours) as peer:
        array = zarr.open_array(peer)
        assert np.array_equal(array[:], data)
        assert dict(array.attrs) == {"x": 1}
    theirs = tmp_path / "theirs.zip"
    with zarr.storage.ZipStore(theirs, mode="w") as peer:
        zarr.create_array(peer, data=data, shards=(4, 4), chunks=(2, 2))
    store = LoggingStore(ZipStore(theirs))
    array = zarrpipe.open_array(store, mode="r")
    assert np.array_equal(array[:], data)
    assert np.array_equal(array[3, ::2], data[3, ::2])
    assert store.nbytes() > 0


# What an array does with a zip


def test_arrays_change_in_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    group = zarrpipe.open_group(ZipStore(path, mode="a"), mode="a")
    array = group.create_array("a", shape=(8,), chunks=(2,), dtype="int16")
    array[:] = np.arange(1, 9)
    # A chunk of nothing but the fill value is deleted: what was there must not come back.
    array[2:4] = 0
    assert array[:].tolist() == [1, 2, 0, 0, 5, 6, 7, 8]
    array[4] = 50
    array.resize((6,))
    array.resize((8,))
    assert array[:].tolist() == [1, 2, 0, 0, 50, 6, 0, 0]
    group.create_array("b", shape=(2,), dtype="int16")[:] = 3
    del group["b"]
    group.create_array("a2", shape=(2,), dtype="int16")
    group.create_array("a2", shape=(3,), dtype="int16", overwrite=True)
    group.store.close()
    with zarr.storage.ZipStore(path) as peer:
        found = zarr.open_group(peer, mode="r")
        assert found["a"][:].tolist() == [1, 2, 0, 0, 50, 6, 0, 0]
        assert sorted(found) == ["a", "a2"]
        assert found["a2"].shape == (3,)


# Damage


def test_not_a_zip(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_bytes(b"hello, this is text" * 10)
    (tmp_path / "empty.zip").write_bytes(b"")
    (tmp_path / "folder.zip").mkdir()
    os.mkfifo(tmp_path / "fifo.zip")
    for name in ("text.zip", "folder.zip", "fifo.zip", "empty.zip"):
        with pytest.raises(StoreError, match="k/0") as raised:
            ZipStore(tmp_path / name).get_sync("k/0")
        assert raised.value.key == "k/0"
    for name in ("text.zip", "folder.zip", "fifo.zip"):
        with pytest.raises(StoreError, match="k/0"):
            ZipStore(tmp_path / name, mode="a").set_sync("k/0", buffer(b"1"))
    # Nothing was put behind it.
    assert (tmp_path / "text.zip").read_bytes() == b"hello, this is text" * 10


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    whole = made(tmp_path / "x.zip", ("a", b"0123456789" * 5), ("b", b"1")).read_bytes()
    for length in range(0, len(whole), 7):
        path = tmp_path / f"{length}.zip"
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError):
            ZipStore(path).get_sync("a")


def test_lying_directories(tmp_path: Path) -> None:
    path = made(tmp_path / "x.zip", ("a", b"0123456789" * 5), ("b", b"1" * 20))
    whole = bytearray(path.read_bytes())
    entry = whole.index(b"PK\1\2")

    def damaged(**fields: tuple[int, bytes]) -> ZipStore:
        data = bytearray(whole)
        for at, new in fields.values():
            data[at : at + len(new)] = new
        other = tmp_path / f"{len(list(tmp_path.iterdir()))}.zip"
        other.write_bytes(data)
        return ZipStore(other)

    sizes = (entry + 20, (10**6).to_bytes(4, "little") * 2)
    one_size = (entry + 20, (49).to_bytes(4, "little"))
    offset = (entry + 42, (10**6).to_bytes(4, "little"))
    other_offset = (entry + 42, (7).to_bytes(4, "little"))
    name = (30, b"z")
    value = (31, b"X")
    for fields, message in (
        ({"sizes": sizes}, "ends before|checksum|Overlapped"),
        ({"one": one_size}, "two sizes"),
        ({"offset": offset}, "ends before"),
        ({"offset": other_offset}, "no member where"),
        ({"name": name}, "another member"),
        ({"value": value}, "checksum"),
    ):
        with pytest.raises(StoreError, match=message) as raised:
            damaged(**fields).get_sync("a")
        assert raised.value.key == "a"
        # The other member is as it was.
        assert damaged(**fields).get_sync("b").to_bytes() == b"1" * 20
    with config.set(verify_checksums=False):
        assert damaged(value=value).get_sync("a").to_bytes()[:3] == b"X12"


def test_damaged_and_encrypted_members(tmp_path: Path) -> None:
    path = made(tmp_path / "x.zip", ("a", b"0123456789" * 500), compression=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    data[35:40] = b"\xff" * 5
    path.write_bytes(data)
    with pytest.raises(StoreError) as raised:
        ZipStore(path).get_sync("a")
    assert raised.value.key == "a"
    plain = bytearray(made(tmp_path / "y.zip", ("a", b"1")).read_bytes())
    plain[plain.index(b"PK\1\2") + 8] |= 1
    plain[6] |= 1
    path.write_bytes(plain)
    with pytest.raises(StoreError, match="encrypted"):
        ZipStore(path).get_sync("a")
    plain[plain.index(b"PK\1\2") + 10] = 99
    plain[plain.index(b"PK\1\2") + 8] &= ~1
    plain[6] &= ~1
    path.write_bytes(plain)
    with pytest.raises(UnsupportedError) as unsupported:
        ZipStore(path).get_sync("a")
    assert unsupported.value.key == "a"


def test_a_full_disk_keeps_the_old_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.zip"
    store = ZipStore(path, mode="w")
    store.set_sync("a", buffer(b"old"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(zipfile.ZipFile, "writestr", full)
        with pytest.raises(StoreError, match="No space left") as raised:
            store.set_sync("a", buffer(b"new"))
    assert (raised.value.key, raised.value.errno) == ("a", 28)
    assert store.get_sync("a").to_bytes() == b"old"
    store.close()
    assert zipfile.ZipFile(path).read("a") == b"old"
