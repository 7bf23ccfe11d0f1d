"""Codecs of other libraries: zarr-python's classes and objects, and numcodecs' objects.

zarr-python's serve as they are: they are given zarr-python's own specs and buffers. A numcodecs object is wrapped: it
knows nothing of chunks, and takes and gives buffers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt

from zarrpipe._types import JSON, MemoryOrder
from zarrpipe.abc.buffer import Buffer, NDBuffer
from zarrpipe.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BaseCodec, BytesBytesCodec
from zarrpipe.codecs.items import variable_content
from zarrpipe.dtypes import parse_dtype
from zarrpipe.errors import CodecError, MetadataError, UnsupportedError
from zarrpipe.metadata.extension import parse_extension
from zarrpipe.metadata.json import located
from zarrpipe.spec import ArraySpec

__all__ = [
    "NO_PICKLES",
    "NumcodecsArrayArray",
    "NumcodecsArrayBytes",
    "NumcodecsBytesBytes",
    "NumcodecsFilters",
    "find_class",
    "fit",
    "from_numcodecs",
    "is_numcodecs_object",
]

PREFIX = "numcodecs."

NO_PICKLES = "pickled objects are neither read nor written: loading a pickle runs what its bytes say"
"""Why numcodecs' codec `pickle` is refused."""

# zarr-python's codecs.


def find_class(key: str) -> type[Any] | None:
    """Return the class that another library has for a codec's name; None if none has.

    Asked are the entry points ``zarr.codecs`` of installed packages, and then numcodecs, by its id.
    """
    # zarr-python knows two spellings.
    for entry_point in (*entry_points(group="zarr.codecs", name=key), *entry_points(group=f"zarr.codecs.{key}")):
        return cast("type[Any]", entry_point.load())
    return _numcodecs_class(key.removeprefix(PREFIX))


def _is_zarr_codec(codec: object) -> bool:
    return any(base.__module__ == "zarr.abc.codec" for base in type(codec).__mro__)


def fit(codec: Any, spec: ArraySpec) -> tuple[Any, ArraySpec, ArraySpec]:
    """Evolve a Python codec to what a chunk is at its place.

    Parameters
    ----------
    codec : codec
        Of zarrpipe's contract or of zarr-python's.
    spec : ArraySpec
        zarrpipe's or zarr-python's.

    Returns
    -------
    tuple of (codec, ArraySpec, ArraySpec)
        The codec evolved; the spec as the codec is to be given it; and what a chunk is behind the codec, of the same
        class as `spec`.
    """
    if not _is_zarr_codec(codec) or not isinstance(spec, ArraySpec):
        evolved = codec.evolve_from_array_spec(spec)
        return evolved, spec, evolved.resolve_metadata(spec)
    given = _zarr_spec(spec)
    evolved = codec.evolve_from_array_spec(given)
    behind = evolved.resolve_metadata(given)
    dtype = spec.dtype if behind.dtype == given.dtype else parse_dtype(behind.dtype)
    return evolved, given, replace(spec, shape=behind.shape, dtype=dtype, fill_value=behind.fill_value)


def _zarr_spec(spec: ArraySpec) -> Any:
    """Return zarr-python's spec of the same chunk; a data type that it does not have is handed over as it is."""
    array_spec = import_module("zarr.core.array_spec")
    dtype: Any = spec.dtype
    try:
        dtype = import_module("zarr.dtype").parse_dtype(spec.dtype.to_json(3), zarr_format=3)
    except ValueError:
        pass
    else:
        if hasattr(dtype, "endianness"):
            dtype = replace(dtype, endianness=getattr(spec.dtype, "endianness", dtype.endianness))
    config = array_spec.ArrayConfig.from_dict(
        {"order": spec.config.order, "write_empty_chunks": spec.config.write_empty_chunks}
    )
    prototype = import_module("zarr.core.buffer").default_buffer_prototype()
    return array_spec.ArraySpec(spec.shape, dtype, spec.fill_value, config, prototype)


# numcodecs' objects.

# What they turn into what, which numcodecs does not say. Those that are not here take bytes.
_ARRAY_ARRAY = frozenset({"delta", "categorize", "fixedscaleoffset", "quantize", "astype", "bitround", "packbits"})
_ARRAY_BYTES = frozenset({"pcodec", "zfpy"})


def is_numcodecs_object(codec: object) -> bool:
    """Whether an object has the interface of numcodecs' codecs."""
    return all(hasattr(codec, name) for name in ("codec_id", "encode", "decode", "get_config"))


def _numcodecs_class(codec_id: str) -> type[Any] | None:
    try:
        registry = import_module("numcodecs.registry")
    except ImportError:
        return None
    known = codec_id in registry.codec_registry or codec_id in getattr(registry, "entries", {})
    if not known or codec_id == "pickle":
        # Unpickling runs whatever the bytes say.
        return None
    return _wrapper(codec_id)


def _wrapper(codec_id: str) -> type[_Numcodecs]:
    if codec_id in _ARRAY_ARRAY:
        return NumcodecsArrayArray
    return NumcodecsArrayBytes if codec_id in _ARRAY_BYTES else NumcodecsBytesBytes


def from_numcodecs(codec: Any) -> Any:
    """Return a codec of a chain for a numcodecs object.

    Parameters
    ----------
    codec : numcodecs codec
        With `codec_id`, `encode`, `decode` and `get_config`.

    Raises
    ------
    MetadataError
        It is numcodecs' pickle codec.
    """
    if codec.codec_id == "pickle":
        raise MetadataError(NO_PICKLES)
    return _wrapper(codec.codec_id)(codec)


@dataclass(frozen=True)
class _Numcodecs(BaseCodec[Any, Any]):
    """A numcodecs object as a codec of a chain.

    Parameters
    ----------
    codec : numcodecs codec
        The object.
    """

    codec: Any

    is_fixed_size: ClassVar[bool] = False  # type: ignore[misc]

    def __hash__(self) -> int:
        return hash((type(self), self.codec.codec_id))

    @property
    def name(self) -> str:
        """The name in documents."""
        return PREFIX + str(self.codec.codec_id)

    def to_dict(self) -> dict[str, JSON]:
        configuration = {key: value for key, value in self.codec.get_config().items() if key != "id"}
        return {"name": self.name, "configuration": configuration} if configuration else {"name": self.name}

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        document = parse_extension(data, what="a codec", ignorable=True)
        codec_id = str(document["name"]).removeprefix(PREFIX)
        configuration = cast("Mapping[str, JSON]", document.get("configuration", {}))
        with located("/configuration"):
            return cls(_numcodecs_object({**configuration, "id": codec_id}))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        raise NotImplementedError(f"the encoded size of {self.name} varies")

    def _decoded_items(self, data: Any, spec: ArraySpec) -> NDBuffer:
        """Decode to the items of a chunk; what comes out has no shape, and often no data type."""
        # In the byte order of the spec, which v2 sets: numcodecs' codecs are given arrays in it.
        dtype: np.dtype[Any] = spec.dtype.to_native_dtype()
        items = np.ascontiguousarray(self.codec.decode(data))
        if items.dtype != dtype and variable_content(spec.dtype):
            items = items.astype(dtype)
        elif items.dtype != dtype:
            if items.size * items.itemsize != int(np.prod(spec.shape)) * dtype.itemsize:
                raise CodecError(f"decoded to {items.nbytes} bytes, which are not a chunk of {spec.shape}")
            items = items.reshape(-1).view(dtype)
        if items.size != int(np.prod(spec.shape)):
            raise CodecError(f"decoded to {items.size} items, which are not a chunk of {spec.shape}")
        return spec.prototype.nd_buffer.from_numpy_array(items.reshape(spec.shape))


class NumcodecsBytesBytes(_Numcodecs, BytesBytesCodec):
    """A numcodecs object that takes bytes and gives bytes."""

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return _buffer(self.codec.decode(chunk_data.as_numpy_array()), chunk_spec)

    def _encode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        return _buffer(self.codec.encode(chunk_data.as_numpy_array()), chunk_spec)

    def as_serializer(self) -> NumcodecsArrayBytes:
        """Return the same object for chains in which it takes the array itself, as image codecs do."""
        return NumcodecsArrayBytes(self.codec)


class NumcodecsArrayBytes(_Numcodecs, ArrayBytesCodec):
    """A numcodecs object that takes an array and gives bytes."""

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return self._decoded_items(chunk_data.as_numpy_array(), chunk_spec)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        return _buffer(self.codec.encode(_given(chunk_data)), chunk_spec)


class NumcodecsArrayArray(_Numcodecs, ArrayArrayCodec):
    """A numcodecs object that takes an array and gives another."""

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        # Only the codec knows what it makes of an array: it is shown one.
        sample = np.zeros(chunk_spec.shape, dtype=chunk_spec.dtype.to_native_dtype())
        if variable_content(chunk_spec.dtype):
            sample = np.full(chunk_spec.shape, "", dtype=object)
        encoded = np.asarray(self.codec.encode(sample))
        dtype = parse_dtype(encoded.dtype)
        shape = chunk_spec.shape if encoded.size == sample.size else encoded.shape
        return replace(chunk_spec, shape=shape, dtype=dtype, fill_value=dtype.default_scalar())

    def _decode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        return self._decoded_items(chunk_data.as_numpy_array(), chunk_spec)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer | None:
        encoded = np.asarray(self.codec.encode(_given(chunk_data)))
        return chunk_spec.prototype.nd_buffer.from_numpy_array(
            encoded.reshape(chunk_spec.shape) if encoded.size == int(np.prod(chunk_spec.shape)) else encoded
        )


class NumcodecsFilters(ArrayBytesCodec):
    """numcodecs objects one after the other, as format 2 has them: each is given what the one before it gives.

    For what is no chain of format 3, as an array filter behind one that gives bytes.

    Parameters
    ----------
    configs : sequence of mapping
        The configurations, in the order of encoding.
    order : {"C", "F"}
        The order of items in a chunk.

    Raises
    ------
    UnsupportedError
        numcodecs is not installed.
    MetadataError
        It refuses a configuration.
    """

    is_fixed_size = False
    name = "numcodecs"

    def __init__(self, configs: Sequence[Mapping[str, JSON]], order: MemoryOrder) -> None:
        self._configs = [dict(config) for config in configs]
        self._order = order
        self._codecs = [_numcodecs_object(config) for config in self._configs]

    def to_dict(self) -> dict[str, JSON]:
        return {"name": self.name, "configuration": {"filters": cast("list[JSON]", self._configs)}}

    def __repr__(self) -> str:
        return f"NumcodecsFilters({self._configs})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._configs, self._order)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        raise NotImplementedError("the encoded size of numcodecs' codecs varies")

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        items = chunk_data.as_numpy_array()
        encoded: Any = np.array(items, dtype=object if items.dtype.kind == "T" else None, order=self._order)
        for codec in self._codecs:
            encoded = codec.encode(encoded)
        return _buffer(encoded, chunk_spec)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        decoded: Any = chunk_data.as_numpy_array()
        for codec in reversed(self._codecs):
            decoded = codec.decode(decoded)
        flat = np.asarray(decoded if isinstance(decoded, np.ndarray) else np.frombuffer(decoded, np.uint8))
        flat = flat.reshape(-1, order="A")
        dtype: np.dtype[Any] = chunk_spec.dtype.to_native_dtype()
        if dtype.hasobject:
            flat = flat.astype(dtype)
        elif flat.nbytes == int(np.prod(chunk_spec.shape)) * dtype.itemsize:
            flat = np.ascontiguousarray(flat).view(dtype)
        if flat.size != int(np.prod(chunk_spec.shape)):
            raise CodecError(f"decoded to {flat.nbytes} bytes, which are not a chunk of {chunk_spec.shape}")
        return chunk_spec.prototype.nd_buffer.from_numpy_array(flat.reshape(chunk_spec.shape, order=self._order))


def _numcodecs_object(config: Mapping[str, JSON]) -> Any:
    if config["id"] == "pickle":
        raise UnsupportedError(NO_PICKLES)
    try:
        return import_module("numcodecs").get_codec(dict(config))
    except ImportError:
        raise UnsupportedError(
            f"the codec {config['id']!r} here needs a package: pip install zarrpipe[numcodecs]"
        ) from None
    except (TypeError, ValueError, KeyError) as error:
        raise MetadataError(f"numcodecs refuses the codec {config['id']!r}: {error}") from error


def _given(chunk: NDBuffer) -> npt.NDArray[Any]:
    """Return items as numcodecs takes them: in C order, as it flattens in the order of memory, and text as objects."""
    items = chunk.as_numpy_array()
    return np.ascontiguousarray(items, dtype=object if items.dtype.kind == "T" else None)


def _buffer(data: Any, spec: ArraySpec) -> Buffer:
    flat = np.ascontiguousarray(np.frombuffer(data, dtype=np.uint8) if not isinstance(data, np.ndarray) else data)
    return spec.prototype.buffer.from_array_like(cast(Any, flat.reshape(-1).view(np.uint8)))
