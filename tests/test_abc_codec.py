"""The codec contract: names and signatures as on the API page of `zarr.abc.codec`, and what the base classes do."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import zarr.abc.codec
import zarr.abc.store

import zarrpipe.abc.codec as ours
import zarrpipe.abc.store
from zarrpipe.abc.metadata import JSON, Metadata, parse_named_configuration
from zarrpipe.buffer import Buffer, NDBuffer, default_buffer_prototype
from zarrpipe.dtypes import UInt8
from zarrpipe.spec import ArraySpec, parse_array_config

PAGE = json.loads((Path(__file__).parent / "contract" / "zarr_abc_codec.json").read_text())
MEMBERS = [(cls, name, member) for cls, body in PAGE["classes"].items() for name, member in body["members"].items()]
SPEC = ArraySpec((4,), UInt8(), 0, parse_array_config(None), default_buffer_prototype())


def parameters_as_written(function: Callable[..., Any]) -> str:
    """Parameters with their annotations as the source has them."""
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "cls")]
    text, keyword_only = [], False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            text.append("*")
            keyword_only = True
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        text.append(f"{parameter.name}: {parameter.annotation}{default}")
    return ", ".join(text)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_classes_and_data() -> None:
    assert set(PAGE["classes"]) == {
        "ArrayArrayCodec",
        "ArrayBytesCodec",
        "ArrayBytesCodecPartialDecodeMixin",
        "ArrayBytesCodecPartialEncodeMixin",
        "BaseCodec",
        "BytesBytesCodec",
        "CodecPipeline",
    }
    assert PAGE["data"] == ["CodecInput", "CodecOutput"]
    for name in (*PAGE["classes"], *PAGE["data"]):
        assert name in ours.__all__
    assert isinstance(ours.CodecInput, TypeVar)
    assert set(zarr.abc.codec.__all__) <= set(ours.__all__)


@pytest.mark.parametrize("name", PAGE["classes"])
def test_bases(name: str) -> None:
    cls = getattr(ours, name)
    bases = PAGE["classes"][name]["bases"]
    assert {base.__name__ for base in cls.__mro__} >= {
        base for base in bases if base[:5] in ("BaseC", "Metad", "Gener")
    }


@pytest.mark.parametrize(("cls", "name", "member"), MEMBERS, ids=[f"{cls}.{name}" for cls, name, _ in MEMBERS])
def test_members(cls: str, name: str, member: dict[str, Any]) -> None:
    found = inspect.getattr_static(getattr(ours, cls), name)
    options = member.get("options", [])
    if member["kind"] == "attribute":
        assert found is False
        return
    assert getattr(found, "__isabstractmethod__", False) == ("abstractmethod" in options)
    assert isinstance(found, property) == (member["kind"] == "property")
    if isinstance(found, property):
        return
    assert isinstance(found, classmethod) == ("classmethod" in options)
    function = found.__func__ if isinstance(found, classmethod) else found
    assert inspect.iscoroutinefunction(function) == ("async" in options)
    assert squeezed(parameters_as_written(function)) == squeezed(member["parameters"])
    assert squeezed(str(inspect.signature(function).return_annotation)) == squeezed(member["returns"])


def public_functions(cls: type) -> dict[str, Any]:
    return {
        name: inspect.getattr_static(cls, name)
        for name in dir(cls)
        if not name.startswith("_")
        or name in ("_encode_single", "_decode_single", "_encode_partial_single", "_decode_partial_single")
    }


PAIRS = [
    *((getattr(ours, name), getattr(zarr.abc.codec, name)) for name in PAGE["classes"]),
    *(
        (getattr(zarrpipe.abc.store, name), getattr(zarr.abc.store, name))
        for name in (
            *("Store", "ByteGetter", "ByteSetter", "SyncByteGetter", "SyncByteSetter", "SupportsSyncStore"),
            *("RangeByteRequest", "OffsetByteRequest", "SuffixByteRequest"),
        )
    ),
]


@pytest.mark.parametrize(("mine", "theirs"), PAIRS, ids=[mine.__name__ for mine, _ in PAIRS])
def test_the_installed_zarr_has_the_same_signatures(mine: type, theirs: type) -> None:
    expected = public_functions(theirs)
    assert set(expected) <= set(public_functions(mine))
    for name, member in expected.items():
        found = inspect.getattr_static(mine, name)
        assert isinstance(found, property) == isinstance(member, property), name
        if inspect.isfunction(member) or isinstance(member, classmethod):
            ours_, theirs_ = (getattr(cls, name) for cls in (mine, theirs))
            shapes = [
                [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]
                for function in (ours_, theirs_)
            ]
            assert shapes[0] == shapes[1], name
            kinds = [
                (inspect.iscoroutinefunction(f), inspect.isasyncgenfunction(f), f.__class__) for f in (ours_, theirs_)
            ]
            assert kinds[0] == kinds[1], name


@dataclass(frozen=True)
class SyncInvert(ours.BytesBytesCodec):
    is_fixed_size = True

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        return input_byte_length

    def _decode_sync(self, chunk_data: Any, chunk_spec: ArraySpec) -> Any:
        return chunk_spec.prototype.buffer.from_array_like(~chunk_data.as_numpy_array())

    _encode_sync = _decode_sync


@dataclass(frozen=True)
class AsyncInvert(ours.BytesBytesCodec):
    async def _decode_single(self, chunk_data: Any, chunk_spec: ArraySpec) -> Any:
        await asyncio.sleep(0)
        return chunk_spec.prototype.buffer.from_array_like(~chunk_data.as_numpy_array())

    async def _encode_single(self, chunk_data: Any, chunk_spec: ArraySpec) -> Any:
        return await self._decode_single(chunk_data, chunk_spec)


@pytest.mark.parametrize("codec", [SyncInvert(), AsyncInvert()])
async def test_batches(codec: ours.BytesBytesCodec) -> None:
    chunks = [Buffer.from_bytes(bytes([n] * 4)) for n in range(200)]
    batch: list[tuple[Any, ArraySpec]] = [(None, SPEC), *((chunk, SPEC) for chunk in chunks), (None, SPEC)]
    encoded = list(await codec.encode(batch))
    assert encoded[0] is encoded[-1] is None
    assert [e.to_bytes() for e in encoded[1:-1] if e is not None] == [bytes([255 - n] * 4) for n in range(200)]
    decoded = list(await codec.decode(zip(encoded, [SPEC] * 202, strict=True)))
    assert decoded[1:-1] == chunks
    assert list(await codec.decode([])) == []


async def test_sync_support() -> None:
    assert isinstance(SyncInvert(), ours.SupportsSyncCodec)
    assert not isinstance(AsyncInvert(), ours.SupportsSyncCodec)
    assert ours._codec_supports_sync(SyncInvert())

    class Sometimes(SyncInvert):
        _sync_capable = False

    assert not ours._codec_supports_sync(Sometimes())


async def test_concurrency_is_bounded_and_a_failure_comes_through_as_itself() -> None:
    under_way = most = started = 0

    class Slow(ours.BytesBytesCodec):
        async def _decode_single(self, chunk_data: Any, chunk_spec: ArraySpec) -> Any:
            nonlocal under_way, most, started
            started += 1
            under_way += 1
            most = max(most, under_way)
            try:
                await asyncio.sleep(0.001)
                if chunk_data.to_bytes() == b"bad":
                    raise KeyError("bad")
            finally:
                under_way -= 1
            return chunk_data

    good = (Buffer.from_bytes(b"good"), SPEC)
    await Slow().decode([good] * 500)
    assert 1 < most <= 64
    started = 0
    with pytest.raises(KeyError, match="bad"):
        await Slow().decode([(Buffer.from_bytes(b"bad"), SPEC), *[good] * 500])
    assert under_way == 0
    assert started < 500


async def test_what_is_not_supplied_says_so() -> None:
    class Nothing(ours.ArrayBytesCodec, ours.ArrayBytesCodecPartialDecodeMixin, ours.ArrayBytesCodecPartialEncodeMixin):
        pass

    codec, items = Nothing(), NDBuffer.create(shape=(4,), dtype="u1")
    for call in (codec.encode([(items, SPEC)]), codec.decode([(Buffer.from_bytes(b"abcd"), SPEC)])):
        with pytest.raises(NotImplementedError, match="Nothing"):
            await call
    partial: Any = (object(), slice(2), SPEC)
    with pytest.raises(NotImplementedError, match="Nothing"):
        await codec.decode_partial([partial])
    with pytest.raises(NotImplementedError, match="Nothing"):
        await codec.encode_partial([(object(), items, slice(2), SPEC)])  # type: ignore[list-item]
    with pytest.raises(NotImplementedError, match="Nothing"):
        codec.compute_encoded_size(4, SPEC)
    assert codec.is_fixed_size is False
    assert codec.resolve_metadata(SPEC) is SPEC
    assert codec.evolve_from_array_spec(SPEC) is codec
    with pytest.raises(NotImplementedError, match="CodecPipeline"):
        ours.CodecPipeline.from_array_metadata_and_store(None, None)  # type: ignore[arg-type]


async def test_partial_mixins_run_a_batch() -> None:
    written: list[Any] = []

    class Partial(ours.ArrayBytesCodec, ours.ArrayBytesCodecPartialDecodeMixin, ours.ArrayBytesCodecPartialEncodeMixin):
        async def _decode_partial_single(self, byte_getter: Any, selection: Any, chunk_spec: ArraySpec) -> Any:
            return selection

        async def _encode_partial_single(
            self, byte_setter: Any, chunk_array: Any, selection: Any, chunk_spec: ArraySpec
        ) -> None:
            written.append(selection)

    batch: Any = [(object(), slice(n), SPEC) for n in range(3)]
    assert list(await Partial().decode_partial(batch)) == [slice(0), slice(1), slice(2)]
    items = NDBuffer.create(shape=(4,), dtype="u1")
    encode: Any = [(object(), items, slice(n), SPEC) for n in range(3)]
    result: Any = Partial().encode_partial(encode)
    assert await result is None
    assert written == [slice(0), slice(1), slice(2)]


def test_metadata_is_a_dictionary_and_back() -> None:
    @dataclass(frozen=True)
    class Inner(Metadata):
        level: int

    @dataclass(frozen=True)
    class Outer(Metadata):
        name: str
        inner: Inner
        several: tuple[Inner, ...]

    data = Outer("x", Inner(1), (Inner(2), Inner(3))).to_dict()
    assert data == {"name": "x", "inner": {"level": 1}, "several": ({"level": 2}, {"level": 3})}
    inner: dict[str, JSON] = {"level": 1}
    assert Inner.from_dict(inner) == Inner(1)
    assert parse_named_configuration("bytes", "bytes", require_configuration=False) == ("bytes", None)
    for bad in (3, {"configuration": {}}, {"name": "x"}, {"name": "x", "configuration": 3}):
        with pytest.raises((TypeError, ValueError)):
            parse_named_configuration(bad)  # type: ignore[arg-type]


class OneKey(zarrpipe.abc.store.Store):  # noqa: PLW1641
    """A store of one value, to try the defaults of the contract."""

    supports_writes = supports_deletes = supports_listing = True  # type: ignore[assignment]

    def __init__(self, value: bytes, *, read_only: bool = False) -> None:
        super().__init__(read_only=read_only)
        self.value: bytes | None = value
        self.requests: list[Any] = []

    def __eq__(self, value: object) -> bool:
        return self is value

    def get_sync(self, key: str, *, prototype: Any = None, byte_range: Any = None) -> Any:
        self.requests.append(byte_range)
        if self.value is None or key != "a/k":
            return None
        part = slice(None)
        if isinstance(byte_range, zarrpipe.abc.store.RangeByteRequest):
            part = slice(byte_range.start, byte_range.end)
        elif isinstance(byte_range, zarrpipe.abc.store.OffsetByteRequest):
            part = slice(byte_range.offset, None)
        elif isinstance(byte_range, zarrpipe.abc.store.SuffixByteRequest):
            part = slice(-byte_range.suffix, None)
        return Buffer.from_bytes(self.value[part])

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        return self.get_sync(key, prototype=prototype, byte_range=byte_range)

    async def get_partial_values(self, prototype: Any, key_ranges: Any) -> Any:
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        return self.value is not None and key == "a/k"

    async def set(self, key: str, value: Any) -> None:
        self._check_writable()
        self.value = value.to_bytes()

    async def delete(self, key: str) -> None:
        self.value = None

    async def list(self) -> Any:
        if self.value is not None:
            yield "a/k"

    async def list_prefix(self, prefix: str) -> Any:
        if self.value is not None and "a/k".startswith(prefix):
            yield "a/k"

    list_dir = list_prefix


async def test_store_defaults() -> None:
    with await OneKey.open(b"0123456789") as store:
        with pytest.raises(ValueError, match="open"):
            await store._open()
        assert await store.getsize("a/k") == await store.getsize_prefix("a") == 10
        assert await store.getsize_prefix("a/kk") == 0
        with pytest.raises(FileNotFoundError):
            await store.getsize("b")
        assert not await store.is_empty("a")
        assert await store.is_empty("b")
        await store.set_if_not_exists("a/k", Buffer.from_bytes(b"x"))
        assert store.value == b"0123456789"
        await store.clear()
        assert store.value is None
        await store._set_many([("a/k", Buffer.from_bytes(b"xy"))])
        assert [key async for key, _ in store._get_many([("a/k", default_buffer_prototype(), None)])] == ["a/k"]
        with pytest.raises(NotImplementedError):
            store.with_read_only()
    assert not store._is_open
    with pytest.raises(PermissionError):
        await OneKey(b"", read_only=True).delete_dir("")


async def test_ranges_share_requests() -> None:
    from zarrpipe.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest

    prototype = default_buffer_prototype()
    parts = [RangeByteRequest(5, 7), None, RangeByteRequest(0, 2), SuffixByteRequest(3), RangeByteRequest(3, 4)]
    parts += [OffsetByteRequest(8), RangeByteRequest(100, 101)]
    want = [b"56", b"0123456789", b"01", b"789", b"3", b"89", b""]
    store = OneKey(b"0123456789")
    found = dict([pair async for group in store.get_ranges("a/k", parts, prototype=prototype) for pair in group])
    # A gap of 1 MiB joins them all; range requests may end behind the value.
    assert [found[index].to_bytes() for index in range(7)] == want  # type: ignore[union-attr]
    assert store.requests.count(RangeByteRequest(0, 101)) == 1
    again = OneKey(b"0123456789")
    found = dict(again.get_ranges_sync("a/k", parts, prototype=prototype, max_gap_bytes=1))
    assert [found[index].to_bytes() for index in range(7)] == want  # type: ignore[union-attr]
    assert RangeByteRequest(0, 7) in again.requests
    assert RangeByteRequest(100, 101) in again.requests
    with pytest.raises(ExceptionGroup) as caught:
        again.get_ranges_sync("b", parts, prototype=prototype)
    assert caught.group_contains(FileNotFoundError)
    with pytest.raises(ExceptionGroup) as caught:
        _ = [group async for group in again.get_ranges("b", parts, prototype=prototype)]
    assert caught.group_contains(FileNotFoundError)
    assert not zarrpipe.abc.store._store_supports_sync_io(again)


async def test_set_or_delete() -> None:
    calls: list[str] = []

    class Setter:
        async def get(self, prototype: Any, byte_range: Any = None) -> None: ...

        async def set(self, value: Any) -> None:
            calls.append("set")

        async def delete(self) -> None:
            calls.append("delete")

        async def set_if_not_exists(self, default: Any) -> None: ...

    assert isinstance(Setter(), zarrpipe.abc.store.ByteSetter)
    await zarrpipe.abc.store.set_or_delete(Setter(), Buffer.from_bytes(b""))
    await zarrpipe.abc.store.set_or_delete(Setter(), None)
    assert calls == ["set", "delete"]


def test_the_contract_needs_no_extension() -> None:
    code = "import sys, zarrpipe.abc.codec, zarrpipe.abc.store; print('zarrpipe._core' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
