"""Codecs by numcodecs' interface, over the same Rust stages: buffers in, buffers out, no chunk in sight.

Other libraries (kerchunk, tifffile) call this interface.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from zarrpipe.abc.codec import ArrayArrayCodec, BytesBytesCodec
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.codecs.numcodecs.objects import ItemList
from zarrpipe.codecs.registry import BUILT_IN, get_codec_class, numcodecs_document
from zarrpipe.config import config as settings
from zarrpipe.dtypes import RaggedArrays, parse_dtype
from zarrpipe.errors import LimitError, MetadataError, UnsupportedError
from zarrpipe.spec import ArraySpec, parse_array_config

__all__ = ["BufferCodec", "get_codec"]

PREFIX = "numcodecs."

# Codecs of variable-length items, and the data type that these are of.
_VARIABLE = {"vlen-utf8": "string", "vlen-bytes": "bytes", "vlen-array": None}


def get_codec(config: Any) -> Any:
    """Return a codec with numcodecs' interface: `encode(buf)`, `decode(buf, out=None)`, `get_config()`.

    Parameters
    ----------
    config : dict
        ``id``, and the configuration: what `get_config` of a numcodecs codec gives.

    Returns
    -------
    BufferCodec or numcodecs.abc.Codec
        numcodecs' own for what is not built in.

    Raises
    ------
    MetadataError
        There is no id, or the codec cannot have the configuration.
    UnsupportedError
        There is no such codec; the message says what to install.

    Examples
    --------
    >>> codec = get_codec({"id": "zlib", "level": 1})
    >>> bytes(codec.decode(codec.encode(b"abc" * 5)))
    b'abcabcabcabcabc'
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("id"), str):
        raise MetadataError(f'a codec\'s configuration is an object with an "id", not {config!r}')
    document = numcodecs_document(config)
    codec = get_codec_class(str(document["name"])).from_dict(document)
    if document["name"] in BUILT_IN:
        return _interface(codec)
    if not hasattr(codec, "codec"):
        raise UnsupportedError(f"the codec {config['id']!r} is not one of numcodecs'")
    return codec.codec


def _interface(codec: Any) -> BufferCodec:
    if isinstance(codec, BytesBytesCodec):
        return _OfBytes(codec)
    if isinstance(codec, ArrayArrayCodec):
        return _OfItems(codec)
    if isinstance(codec, ItemList):
        return _OfObjects(codec)
    return _OfVariable(codec) if codec.name in _VARIABLE else _OfArrays(codec)


class BufferCodec(ABC):
    """A built-in codec by numcodecs' interface: made by `get_codec`.

    Parameters
    ----------
    codec : codec
        One of `zarrpipe.codecs.numcodecs`, or of the codecs for variable-length items.
    """

    def __init__(self, codec: Any) -> None:
        self._codec = codec

    @property
    def codec_id(self) -> str:
        """The codec's id."""
        return str(self._codec.name).removeprefix(PREFIX)

    def get_config(self) -> dict[str, Any]:
        """Return the configuration with the id: what `get_codec` takes."""
        return {"id": self.codec_id, **self._codec.to_dict().get("configuration", {})}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Return the codec of a configuration: `get_codec`."""
        return get_codec(config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BufferCodec) and self._codec == other._codec

    def __hash__(self) -> int:
        return hash(self._codec)

    def __repr__(self) -> str:
        return f"get_codec({self.get_config()!r})"

    @abstractmethod
    def encode(self, buf: Any) -> Any:
        """Encode a buffer.

        Parameters
        ----------
        buf : bytes-like or numpy.ndarray
            Contiguous, in C or Fortran order; items are taken in the order of memory.

        Returns
        -------
        bytes or numpy.ndarray
            An array from codecs that turn items into items, else bytes.

        Raises
        ------
        ValueError
            The buffer is not contiguous.
        TypeError
            It holds objects, and the codec is not for these.
        """

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode a buffer.

        Parameters
        ----------
        buf : bytes-like or numpy.ndarray
            What `encode` gave.
        out : bytes-like or numpy.ndarray, optional
            Where to put the result: writable, contiguous, and as large as that.

        Returns
        -------
        bytes, numpy.ndarray or `out`

        Raises
        ------
        CodecError
            The bytes are not of this codec.
        ValueError
            `out` has another size than what comes out.
        """
        decoded = self._decode(_flat(buf))
        return decoded if out is None else _copy_into(decoded, out)

    @abstractmethod
    def _decode(self, data: npt.NDArray[Any]) -> Any:
        """Decode a flat array of what `encode` gave, or of its bytes."""

    def _encode_items(self, items: npt.NDArray[Any], dtype: Any) -> Any:
        spec = _spec(dtype, items.shape)
        return self._codec._encode_sync(spec.prototype.nd_buffer.from_numpy_array(items), spec)


class _OfBytes(BufferCodec):
    """Bytes to bytes."""

    def encode(self, buf: Any) -> bytes:
        items = _flat(buf)
        # The item size is the default of what shuffles bytes.
        spec = _spec(f"V{items.itemsize}" if items.itemsize > 1 else "uint8", items.shape)
        encoded: bytes = self._codec._encode_sync(_buffer(items, spec), spec).to_bytes()
        return encoded

    def _decode(self, data: npt.NDArray[Any]) -> bytes:
        spec = _spec("uint8", (1,))
        decoded: bytes = self._codec._decode_sync(_buffer(data, spec), spec).to_bytes()
        return decoded


class _OfItems(BufferCodec):
    """Items to items."""

    def encode(self, buf: Any) -> npt.NDArray[Any]:
        items = _flat(buf)
        dtype = np.dtype(self._named("decode_dtype", "dtype") or items.dtype)
        native = items.view(dtype).astype(dtype.newbyteorder("="), copy=False)
        encoded: npt.NDArray[Any] = self._encode_items(native, native.dtype).as_numpy_array()
        return encoded.astype(self._named("encode_dtype", "astype") or encoded.dtype, copy=False)

    def _decode(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
        codec = self._codec
        if codec.name == "numcodecs.bitround":
            return data
        if codec.name == "numcodecs.packbits":
            dtype, items = np.dtype(bool), data.view(np.uint8)
            # The first byte says how many bits of the last are none of the array's.
            shape = ((items.size - 1) * 8 - int(items[0]) if items.size else 0,)
        else:
            dtype = np.dtype(self._named("decode_dtype", "dtype"))
            stored = np.dtype(self._named("encode_dtype", "astype") or dtype)
            items = data.view(stored).astype(stored.newbyteorder("="), copy=False)
            shape = items.shape
        spec = _spec(dtype.newbyteorder("="), shape)
        decoded = codec._decode_sync(spec.prototype.nd_buffer.from_numpy_array(items), spec).as_numpy_array()
        out: npt.NDArray[Any] = decoded.astype(dtype, copy=False)
        return out

    def _named(self, *fields: str) -> Any:
        return next((getattr(self._codec, field) for field in fields if getattr(self._codec, field, None)), None)


class _OfVariable(BufferCodec):
    """Strings, or bytes, of any length."""

    def encode(self, buf: Any) -> bytes:
        items = np.asarray(buf, dtype=object).reshape(-1)
        encoded: bytes = self._encode_items(items, self._dtype()).to_bytes()
        return encoded

    def _decode(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
        encoded = data.view(np.uint8)
        # The count stands in front; a wrong one is found when the items are cut.
        count = int.from_bytes(encoded[:4].tobytes(), "little")
        spec = _spec(self._dtype(), (min(count, encoded.size),))
        decoded: npt.NDArray[Any] = self._codec._decode_sync(_buffer(encoded, spec), spec).as_numpy_array()
        return decoded.astype(object)

    def _dtype(self) -> Any:
        return _VARIABLE[self._codec.name] or RaggedArrays(item=self._codec.dtype)


class _OfObjects(BufferCodec):
    """Whatever JSON and MessagePack have."""

    def encode(self, buf: Any) -> bytes:
        encoded: bytes = self._codec.encode_array(np.asarray(buf))
        return encoded

    def _decode(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
        encoded = data.view(np.uint8).tobytes()
        decoded: npt.NDArray[Any] = self._codec.decode_array(
            encoded, np.dtype(object), self._codec.stored_shape(encoded)
        )
        return decoded


class _OfArrays(BufferCodec):
    """Numbers to bytes that tell how many there are."""

    def encode(self, buf: Any) -> bytes:
        items = _flat(buf)
        encoded: bytes = self._encode_items(items, items.dtype).to_bytes()
        return encoded

    def _decode(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
        from zarrpipe import _core

        encoded = data.view(np.uint8)
        name, count = _core.pcodec_announced(encoded) or ("uint64", 0)
        # A stream takes what it says in memory, as chunks do: the limit is theirs.
        if count * np.dtype(name).itemsize > settings.current.max_chunk_nbytes:
            raise LimitError(f"a stream of {count} items is larger than max_chunk_nbytes", codec=self._codec.name)
        spec = _spec(name, (count,))
        decoded: npt.NDArray[Any] = self._codec._decode_sync(_buffer(encoded, spec), spec).as_numpy_array()
        return decoded


def _spec(dtype: Any, shape: tuple[int, ...]) -> ArraySpec:
    own = parse_dtype(dtype)
    return ArraySpec(shape, own, own.default_scalar(), parse_array_config(None), default_buffer_prototype())


def _buffer(items: npt.NDArray[Any], spec: ArraySpec) -> Any:
    return spec.prototype.buffer.from_array_like(cast(Any, items.view(np.uint8)))


def _flat(buf: Any) -> npt.NDArray[Any]:
    """Return a buffer's items as an array of one axis, in the order of memory; no copy is made."""
    array = buf if isinstance(buf, np.ndarray) else np.asarray(memoryview(buf))
    if array.dtype.hasobject:
        raise TypeError("this codec takes bytes and numbers, not objects")
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        raise ValueError("a buffer to encode or decode is contiguous")
    return array.reshape(-1, order="A")


def _copy_into(decoded: Any, out: Any) -> Any:
    source = decoded if isinstance(decoded, np.ndarray) else np.frombuffer(decoded, dtype=np.uint8)
    if source.dtype.hasobject:
        out.reshape(-1, copy=False)[...] = source
        return out
    source, target = source.reshape(-1).view(np.uint8), _flat(out).view(np.uint8)
    if source.size != target.size:
        raise ValueError(f"{source.size} bytes came out, and `out` has {target.size}")
    target[...] = source
    return out
