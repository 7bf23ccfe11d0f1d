"""Codecs of zarr-python and numcodecs serve unchanged: as classes, as objects, by entry point, by id."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numcodecs
import numcodecs.abc
import numcodecs.registry
import numpy as np
import pytest
import zarr
import zarr.codecs.numcodecs
from zarr.abc.codec import ArrayArrayCodec, BytesBytesCodec
from zarr.core.array_spec import ArraySpec as ZarrSpec
from zarr.core.buffer import Buffer as ZarrBuffer
from zarr.core.buffer import NDBuffer as ZarrNDBuffer
from zarr.dtype import Int16

import zarrpipe
from zarrpipe.codecs import GzipCodec, get_codec_class, parse_codecs, register_codec, unregister_codec
from zarrpipe.codecs.foreign import NumcodecsArrayBytes, NumcodecsBytesBytes
from zarrpipe.errors import CodecError, MetadataError, UnsupportedError

ITEMS = np.arange(60, dtype="int32").reshape(6, 10)


@dataclass(frozen=True)
class Strict(BytesBytesCodec):
    """A zarr-python codec that insists on zarr-python's own classes."""

    is_fixed_size = True

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Strict:  # noqa: ARG003
        return cls()

    def to_dict(self) -> dict[str, Any]:
        return {"name": "test.strict"}

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: Any) -> int:
        return input_byte_length

    def _flip(self, chunk_data: Any, chunk_spec: Any) -> Any:
        assert isinstance(chunk_spec, ZarrSpec)
        assert isinstance(chunk_data, ZarrBuffer)
        return chunk_spec.prototype.buffer.from_bytes((~chunk_data.as_numpy_array()).tobytes())

    _decode_sync = _encode_sync = _flip

    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        return self._flip(chunk_data, chunk_spec)

    _encode_single = _decode_single


@dataclass(frozen=True)
class Narrow(ArrayArrayCodec):
    """A zarr-python codec that changes the data type."""

    is_fixed_size = True

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Narrow:  # noqa: ARG003
        return cls()

    def to_dict(self) -> dict[str, Any]:
        return {"name": "test.narrow"}

    def resolve_metadata(self, chunk_spec: Any) -> Any:
        assert isinstance(chunk_spec, ZarrSpec)
        return ZarrSpec(
            chunk_spec.shape, Int16(), np.int16(chunk_spec.fill_value), chunk_spec.config, chunk_spec.prototype
        )

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: Any) -> int:
        return input_byte_length // 2

    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        assert isinstance(chunk_data, ZarrNDBuffer)
        return chunk_data.astype(np.dtype("int32"))

    async def _encode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        return chunk_data.astype(np.dtype("int16"))


@pytest.fixture
def _registered() -> Any:
    register_codec("test.strict", Strict)
    register_codec("test.narrow", Narrow)
    yield
    unregister_codec("test.strict")
    unregister_codec("test.narrow")


@pytest.mark.usefixtures("_registered")
@pytest.mark.parametrize("shards", [None, (6, 10)], ids=["chunks", "shards"])
def test_a_zarr_codec_class_serves_unchanged(shards: Any) -> None:
    store: dict[str, Any] = {}
    array = zarrpipe.create_array(
        store,
        shape=(6, 10),
        chunks=(3, 5),
        shards=shards,
        dtype="int32",
        filters=["test.narrow"],
        compressors=["test.strict"],
    )
    array[...] = ITEMS
    array[1, 2:4] = -7
    want = ITEMS.copy()
    want[1, 2:4] = -7
    again = zarrpipe.open_array(store)
    np.testing.assert_array_equal(again[...], want)
    np.testing.assert_array_equal(again[::2, 3], want[::2, 3])
    if shards is None:
        stored = store["c/1/1"].to_bytes()
        assert stored == (~want[3:, 5:].astype("<i2")).tobytes()


def test_zarr_objects_in_place_of_documents() -> None:
    array = zarrpipe.create_array(
        {}, shape=(6, 10), chunks=(3, 5), dtype="int32", compressors=[zarr.codecs.GzipCodec(level=1), Strict()]
    )
    array[...] = ITEMS
    np.testing.assert_array_equal(array[...], ITEMS)
    assert [type(codec) for codec in array.codecs[1:]] == [GzipCodec, Strict]


def install(folder: Path, group: str, name: str, value: str) -> None:
    info = folder / "some_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("zarrpipe.codecs", "example.flip"),
        ("zarr.codecs", "example.flip"),
        ("zarr.codecs.example.flip", "codec"),
    ],
)
def test_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, name: str) -> None:
    with pytest.raises(UnsupportedError, match=r"example\.flip"):
        get_codec_class("example.flip")
    (tmp_path / "some_package.py").write_text("from zarr.codecs import Crc32cCodec as Flip\n")
    install(tmp_path, group, name, "some_package:Flip")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert get_codec_class("example.flip") is zarr.codecs.Crc32cCodec
    finally:
        sys.modules.pop("some_package", None)


class Reverse(numcodecs.abc.Codec):  # type: ignore[misc]
    """A numcodecs codec that no library knows: bytes backwards."""

    codec_id = "test-reverse"

    def __init__(self, times: int = 1) -> None:
        self.times = times

    def encode(self, buf: Any) -> bytes:
        return bytes(memoryview(np.ascontiguousarray(buf)).cast("B"))[:: -1 if self.times % 2 else 1]

    def decode(self, buf: Any, out: Any = None) -> bytes:
        assert out is None
        return self.encode(buf)


@pytest.fixture
def _reverse() -> Any:
    numcodecs.register_codec(Reverse)
    yield
    del numcodecs.registry.codec_registry["test-reverse"]


@pytest.mark.usefixtures("_reverse")
def test_a_numcodecs_object_serves_unchanged() -> None:
    store: dict[str, Any] = {}
    array = zarrpipe.create_array(store, shape=(6, 10), chunks=(3, 5), dtype="int32", compressors=[Reverse(times=3)])
    array[...] = ITEMS
    assert store["c/0/1"].to_bytes() == ITEMS[:3, 5:].tobytes()[::-1]
    again = zarrpipe.open_array(store)
    assert array.metadata.codecs[-1] == {"name": "numcodecs.test-reverse", "configuration": {"times": 3}}
    np.testing.assert_array_equal(again[2:5, 4:6], ITEMS[2:5, 4:6])
    # What is not built in is reached through numcodecs by its id, with the prefix and without.
    for name in ("test-reverse", "numcodecs.test-reverse", "numcodecs.base64", "base64"):
        assert get_codec_class(name) is NumcodecsBytesBytes


@pytest.mark.usefixtures("_reverse")
def test_a_numcodecs_codec_that_takes_the_array() -> None:
    (codec,) = parse_codecs(["test-reverse"])
    assert isinstance(codec, NumcodecsArrayBytes)
    store: dict[str, Any] = {}
    array = zarrpipe.create_array(
        store, shape=(6, 10), chunks=(6, 10), dtype="int32", codecs=["test-reverse", "crc32c"]
    )
    array[...] = ITEMS
    np.testing.assert_array_equal(zarrpipe.open_array(store)[...], ITEMS)
    assert store["c/0/0"].to_bytes()[:-4] == ITEMS.tobytes()[::-1]
    short = zarrpipe.create_array({}, shape=(6, 10), chunks=(6, 10), dtype="int32", codecs=["test-reverse"])
    short.put_encoded_chunk((0, 0), ITEMS.tobytes()[:-4])
    with pytest.raises(CodecError, match="not a chunk of"):
        short[...]


def test_wrong_configuration_of_a_numcodecs_codec() -> None:
    with pytest.raises(MetadataError, match="numcodecs refuses") as caught:
        parse_codecs(["bytes", {"name": "base64", "configuration": {"nonsense": 1}}])
    assert caught.value.at == "/1/configuration"


def test_no_pickle() -> None:
    with pytest.raises(UnsupportedError, match="pickle"):
        get_codec_class("numcodecs.pickle")
    with pytest.raises(MetadataError, match="pickle"):
        parse_codecs(["bytes", numcodecs.Pickle()])


def test_without_numcodecs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numcodecs.registry", None)
    with pytest.raises(UnsupportedError, match=r"pip install zarrpipe\[numcodecs\]"):
        get_codec_class("numcodecs.base64")
