"""Copies that are cut off: nothing that is half copied looks whole, and `resume=True` goes on from there."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
import zarrpipe.jobs.regions
from zarrpipe.errors import NodeExistsError, NodeNotFoundError, StoreError
from zarrpipe.stores import Fault, FaultStore, LocalStore, LoggingStore, MemoryStore

CHILDREN = Path(__file__).parent / "children"
CHANGES: dict[str, dict[str, Any]] = {"bytes": {}, "items": {"chunks": (5,), "shards": (10,)}}
kinds = pytest.mark.parametrize("kind", CHANGES)
PLAN = ".zarrpipe-copy.json"
DONE = ".zarrpipe-copied.json"


@pytest.fixture(autouse=True)
def _small_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zarrpipe.jobs.regions, "REGION_NBYTES", 80)
    monkeypatch.setattr(zarrpipe.jobs.regions, "_TOGETHER_NBYTES", 160)


def fill(store: Any) -> dict[str, np.ndarray]:
    """Three arrays of 20 chunks; one of 300."""
    root = zarrpipe.create_group(store, attributes={"of": "the root"})
    values = {}
    for seed, (path, length) in enumerate({"a": 100, "g/b": 100, "g/h/d": 100, "large": 1500}.items()):
        values[path] = np.random.default_rng(seed).integers(1, 1000, length, dtype="i8")
        root.create_array(path, shape=(length,), chunks=(5,), dtype="i8")[...] = values[path]
    return values


def check(store: Any, values: dict[str, np.ndarray]) -> None:
    root = zarrpipe.open_group(store, mode="r")
    arrays = {path: node[...] for path, node in root.members(None) if isinstance(node, zarrpipe.Array)}
    assert arrays.keys() == values.keys()
    assert all(np.array_equal(arrays[path], items) for path, items in values.items())
    assert dict(root.attrs) == {"of": "the root"}


def check_nothing_looks_whole(store: Any, values: dict[str, np.ndarray]) -> None:
    """There is no root; and an array that is there has all of its items."""
    with pytest.raises(NodeNotFoundError):
        zarrpipe.open_group(store, mode="r")
    for path, items in values.items():
        try:
            found = zarrpipe.open_array(store, path=path, mode="r")
        except NodeNotFoundError:
            continue
        assert np.array_equal(found[...], items), path


@kinds
@pytest.mark.parametrize("enough", [1, 60, 150])
def test_killed_and_gone_on_with(kind: str, enough: int, tmp_path: Path) -> None:
    source, dest = tmp_path / "source", tmp_path / "dest"
    values = fill(LocalStore(source))
    words = [sys.executable, CHILDREN / "copier.py", source, dest, kind]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        deadline = time.monotonic() + 60
        while len(chunks(dest)) < enough and time.monotonic() < deadline:
            time.sleep(0.005)
        child.kill()
        assert child.wait() == -signal.SIGKILL
    before = chunks(dest)
    assert enough <= len(before)
    check_nothing_looks_whole(LocalStore(dest), values)
    store = LoggingStore(LocalStore(dest))
    report = zarrpipe.copy(source, store, resume=True, **CHANGES[kind])
    check(LocalStore(dest), values)
    written = {r.key for r in store.requests if r.kind == "set"}
    if kind == "bytes":
        assert not written & before, "what was there is not written again"
        assert report.chunks_skipped == len(before)
        assert report.chunks_copied + report.chunks_skipped == 360
    else:
        # Two regions of one chunk each were under way.
        assert len(written & before) <= 2
        assert report.chunks_encoded + report.chunks_skipped == 180
        assert report.chunks_skipped >= len(before) - 2
    assert not [path for path in dest.rglob(".zarrpipe-*") if path.suffix == ".json"]


def chunks(folder: Path) -> set[str]:
    """The keys of chunks that are stored."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("c/*") if path.is_file()} - partials(folder)


def partials(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("c/.zarrpipe-*")}


@kinds
@pytest.mark.parametrize("action", ["get", "set"])
def test_a_fault_names_the_key_and_resume_finishes(kind: str, action: Any) -> None:
    inner, dest = MemoryStore(), MemoryStore()
    values = fill(inner)
    broken = Fault(action="raise", keys="large/c/*", kind=action, nth=50, times=None, error=PermissionError("no more"))
    if action == "get":
        source, target = FaultStore(inner, [broken]), dest
    else:
        source, target = inner, FaultStore(dest, [broken])
    with pytest.raises((StoreError, PermissionError)) as caught:
        zarrpipe.copy(source, target, **CHANGES[kind])
    told = [str(caught.value), *getattr(caught.value, "__notes__", [])]
    assert any("large/c/" in line for line in told), told
    check_nothing_looks_whole(dest, values)
    with pytest.raises(NodeExistsError, match="resume=True"):
        zarrpipe.copy(inner, dest, **CHANGES[kind])
    reading, writing = LoggingStore(inner), LoggingStore(dest)
    report = zarrpipe.copy(reading, writing, resume=True, **CHANGES[kind])
    check(dest, values)
    assert report.chunks_skipped > 0
    writes = Counter(r.key for r in writing.requests if r.kind == "set" and "/c/" in r.key)
    assert set(writes.values()) == {1}
    assert len(writes) == report.chunks_copied + report.chunks_encoded
    assert not [key for key in dest._store_dict if "zarrpipe" in key]


@kinds
def test_what_is_complete_is_not_looked_into(kind: str) -> None:
    source, dest = LoggingStore(MemoryStore()), LoggingStore(MemoryStore())
    values = fill(source.wrapped_store)
    first = zarrpipe.copy(source, dest, resume=True, **CHANGES[kind])
    assert first.chunks_skipped == 0
    seen = [len(store.requests) for store in (source, dest)]
    second = zarrpipe.copy(source, dest, resume=True, **CHANGES[kind])
    assert (second.chunks_copied, second.chunks_encoded) == (0, 0)
    assert second.chunks_skipped == first.chunks_copied + first.chunks_encoded
    asked = [*source.requests[seen[0] :], *dest.requests[seen[1] :]]
    assert not [r.key for r in asked if "/c/" in r.key]
    check(dest.wrapped_store, values)


@kinds
def test_another_copy_is_not_gone_on_with(kind: str) -> None:
    source, dest = MemoryStore(), MemoryStore()
    fill(source)
    broken = Fault(action="raise", keys="large/c/*", kind="set", nth=20, times=None, error=PermissionError)
    with pytest.raises((StoreError, PermissionError)):
        zarrpipe.copy(source, FaultStore(dest, [broken]), **CHANGES[kind])
    before = dict(dest._store_dict)
    others: list[dict[str, Any]] = [
        {"path": "g"},
        {"compressors": None},
        CHANGES["items" if kind == "bytes" else "bytes"],
    ]
    for other in others:
        with pytest.raises(NodeExistsError, match="not a part of this copy"):
            zarrpipe.copy(source, dest, resume=True, **other)
        assert dest._store_dict == before
    # Begun anew it may be, and then nothing of what was there is left.
    zarrpipe.copy(source, dest, overwrite=True, path="g")
    assert {key.partition("/")[0] for key in dest._store_dict} == {"zarr.json", "b", "h"}


def test_a_value_of_another_size_is_copied_again(tmp_path: Path) -> None:
    source, dest = LocalStore(tmp_path / "source"), LocalStore(tmp_path / "dest")
    values = fill(source)
    broken = Fault(action="raise", keys="large/c/*", kind="set", nth=100, times=None, error=PermissionError)
    with pytest.raises((StoreError, PermissionError)):
        zarrpipe.copy(source, FaultStore(dest, [broken]))
    short = sorted((tmp_path / "dest" / "large" / "c").iterdir())[3]
    short.write_bytes(short.read_bytes()[:-1])
    zarrpipe.copy(source, dest, resume=True)
    check(dest, values)


def test_a_listener_ends_a_copy_that_is_then_gone_on_with() -> None:
    class Impatient:
        done = 0

        def on_start(self, total: int) -> None: ...

        def on_advance(self, n: int) -> None:
            self.done += n
            if self.done > 4000:
                raise RuntimeError("enough")

        def on_end(self) -> None: ...

    source, dest = MemoryStore(), MemoryStore()
    values = fill(source)
    with pytest.raises(RuntimeError, match="enough"):
        zarrpipe.copy(source, dest, progress=Impatient())
    check_nothing_looks_whole(dest, values)
    assert PLAN in dest._store_dict
    zarrpipe.copy(source, dest, resume=True)
    check(dest, values)
