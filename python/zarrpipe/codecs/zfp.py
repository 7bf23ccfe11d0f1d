"""`zfp`: compression of numeric arrays, lossy or not, by the package zfpy.

In JSON: ``{"name": "zfp", "configuration": {"mode": "fixed_accuracy", "tolerance": 0.05}}``.

Source: zarr-extensions, "ZFP codec" (https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/zfp).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt

from zarrpipe._types import JSON, ChunkCoords
from zarrpipe.abc.buffer import Buffer, NDBuffer
from zarrpipe.abc.codec import ArrayBytesCodec
from zarrpipe.codecs.items import native_dtype
from zarrpipe.codecs.native import check_choice, check_integer
from zarrpipe.codecs.zfp_stream import MIN_BLOCK_BITS, Parameters, compress, decompress, load
from zarrpipe.errors import CodecError, MetadataError, UnsupportedError
from zarrpipe.metadata.extension import check_fields, parse_extension
from zarrpipe.metadata.grid import sample_chunk_shapes
from zarrpipe.metadata.json import located, pointer
from zarrpipe.spec import ArraySpec

if TYPE_CHECKING:
    from zarrpipe.metadata import ChunkGrid

__all__ = ["ZfpArrayBytesCodec", "ZfpCodec", "check_number"]

_MAX_AXES = 4
_MIN_EXP = -1074  # of the smallest double
_MAX_BITS = 16658  # of a block
_MAX_PREC = 64
_MAX_RATE = 4096


class ZfpArrayBytesCodec(ArrayBytesCodec):
    """What `zfp` and `numcodecs.zfpy` share. A subclass is a frozen dataclass of the configuration."""

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    is_fixed_size: ClassVar[bool] = False  # type: ignore[misc]

    _dtypes: ClassVar[frozenset[str]]

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Return the codec of a document.

        Raises
        ------
        MetadataError
            The document is malformed, of another codec, or has a configuration that the codec cannot have.
        """
        document = parse_extension(data, what="a codec", ignorable=True)
        if document["name"] != cls.name:
            raise MetadataError(f"{document['name']!r} is not the codec {cls.name!r}", at="/name")
        configuration = dict(cast("Mapping[str, JSON]", document.get("configuration", {})))
        known, what = fields(cast(Any, cls)), f"the codec {cls.name!r}"
        with located("/configuration"):
            check_fields(configuration, frozenset(item.name for item in known), what=what)
            for item in known:
                if item.default is MISSING and item.name not in configuration:
                    raise MetadataError(f"{what} needs {item.name!r}")
            return cls(**configuration)

    def to_dict(self) -> dict[str, JSON]:
        """Return the codec's document."""
        configuration = {item.name: getattr(self, item.name) for item in fields(cast(Any, self))}
        return {
            "name": self.name,
            "configuration": {name: value for name, value in configuration.items() if value is not None},
        }

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        raise NotImplementedError(f"the encoded size of {self.name} varies")

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        self._check(native_dtype(array_spec), array_spec.shape)
        return self

    def validate(self, *, shape: ChunkCoords, dtype: Any, chunk_grid: ChunkGrid) -> None:
        for chunk_shape in sample_chunk_shapes(chunk_grid, shape):
            self._check(dtype.to_native_dtype(), chunk_shape)

    def _check(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        """Raise MetadataError unless zfp has such arrays, UnsupportedError where zfpy is missing."""
        if dtype.name not in self._dtypes:
            raise MetadataError(f"{self.name} takes {', '.join(sorted(self._dtypes))}, not {dtype}")
        if len(shape) > _MAX_AXES:
            raise MetadataError(
                f"zfp takes chunks of at most {_MAX_AXES} axes, not {len(shape)}; the codec reshape can join some"
            )
        load()


@dataclass(frozen=True, kw_only=True)
class ZfpCodec(ZfpArrayBytesCodec):
    """Compression by zfp, without its header.

    Parameters
    ----------
    mode : {"reversible", "fixed_accuracy", "fixed_rate", "fixed_precision", "expert"}
        The first is lossless.
    tolerance : float, optional
        How far from the truth numbers may be, with "fixed_accuracy".
    rate : float, optional
        Bits for each number, with "fixed_rate".
    precision : int, optional
        Bit planes, with "fixed_precision".
    minbits, maxbits, maxprec, minexp : int, optional
        With "expert". Supported is what equals one of the other modes.

    Raises
    ------
    MetadataError
        A parameter is missing, of another mode, or has a value that it cannot have.

    Examples
    --------
    >>> ZfpCodec(mode="fixed_accuracy", tolerance=0.05).to_dict()
    {'name': 'zfp', 'configuration': {'mode': 'fixed_accuracy', 'tolerance': 0.05}}
    """

    mode: str
    tolerance: float | None = None
    rate: float | None = None
    precision: int | None = None
    minbits: int | None = None
    maxbits: int | None = None
    maxprec: int | None = None
    minexp: int | None = None

    name: ClassVar[str] = "zfp"
    _dtypes = frozenset(
        {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"}
    )

    _MODES: ClassVar[dict[str, tuple[str, ...]]] = {
        "reversible": (),
        "fixed_accuracy": ("tolerance",),
        "fixed_rate": ("rate",),
        "fixed_precision": ("precision",),
        "expert": ("minbits", "maxbits", "maxprec", "minexp"),
    }

    def __post_init__(self) -> None:
        check_choice(self.mode, "mode", tuple(self._MODES))
        needed = self._MODES[self.mode]
        for item in fields(self)[1:]:
            value = getattr(self, item.name)
            if value is None and item.name in needed:
                raise MetadataError(f"the mode {self.mode!r} of zfp needs {item.name!r}")
            if value is not None and item.name not in needed:
                raise MetadataError(f"the mode {self.mode!r} of zfp has no {item.name!r}", at=pointer(item.name))
        if self.tolerance is not None:
            check_number(self.tolerance, "tolerance", 0, math.inf)
        if self.rate is not None:
            check_number(self.rate, "rate", 0, _MAX_RATE)
        for name, least, most in (
            ("precision", 1, 2**31 - 1),
            ("minbits", 0, 2**31 - 1),
            ("maxbits", 1, 2**31 - 1),
            ("maxprec", 1, 2**31 - 1),
            ("minexp", -(2**31), 2**31 - 1),
        ):
            if getattr(self, name) is not None:
                check_integer(getattr(self, name), name, least, most)

    def _check(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        super()._check(dtype, shape)
        self._parameters(_stored_dtype(dtype), max(len(shape), 1))

    def _parameters(self, dtype: np.dtype[Any], axes: int) -> Parameters:
        """Return what zfpy is told for arrays of a data type that zfp has."""
        if self.tolerance is not None:
            return Parameters(tolerance=float(self.tolerance))
        if self.rate is not None:
            return Parameters(rate=float(self.rate))
        if self.precision is not None:
            return Parameters(precision=self.precision)
        return Parameters() if self.mode == "reversible" else self._expert_parameters(dtype, axes)

    def _expert_parameters(self, dtype: np.dtype[Any], axes: int) -> Parameters:
        limits = cast("tuple[int, int, int, int]", (self.minbits, self.maxbits, self.maxprec, self.minexp))
        minbits, maxbits, maxprec, minexp = limits
        if maxprec >= _MAX_PREC and minexp == _MIN_EXP and minbits == maxbits:
            if maxbits >= MIN_BLOCK_BITS.get(dtype.name, 1) and maxbits <= _MAX_BITS:
                return Parameters(rate=maxbits / 4**axes)
        elif minbits <= 1 and maxbits >= _MAX_BITS:
            if maxprec >= _MAX_PREC and minexp < _MIN_EXP:
                return Parameters()
            if maxprec >= _MAX_PREC and minexp <= 1023:
                return Parameters(tolerance=math.ldexp(1.0, minexp))
            if minexp == _MIN_EXP:
                return Parameters(precision=maxprec)
        raise UnsupportedError(
            "the expert mode of zfp is supported where it equals another mode: zfpy, which does the work, has no more"
        )

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype = native_dtype(chunk_spec)
        stored, shape = _stored_dtype(dtype), tuple(chunk_spec.shape) or (1,)
        data = np.ascontiguousarray(chunk_data.as_numpy_array()).view(np.uint8)
        numbers = decompress(data, stored, shape, self._parameters(stored, len(shape)), codec=self.name)
        items = _demoted(numbers, dtype).reshape(chunk_spec.shape)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(items)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        dtype = native_dtype(chunk_spec)
        items = np.ascontiguousarray(chunk_data.as_numpy_array(), dtype=dtype).reshape(tuple(chunk_spec.shape) or (1,))
        numbers = _promoted(items, self.name)
        parameters = self._parameters(numbers.dtype, numbers.ndim)
        stream = compress(numbers, parameters, codec=self.name, write_header=False)
        return chunk_spec.prototype.buffer.from_bytes(stream)


def check_number(value: object, name: str, least: float, most: float) -> None:
    """Raise MetadataError unless the member `name` is a finite number in the range."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise MetadataError(f"{name} is a number from {least} to {most}, not {value!r}", at=pointer(name))
    if not math.isfinite(value):
        raise MetadataError(f"{name} is a finite number, not {value!r}", at=pointer(name))


# Data types that zfp does not have

_STORED = {"float16": "float32", "uint32": "int32", "uint64": "int64"}


def _stored_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the data type that zfp is given."""
    return np.dtype(_STORED.get(dtype.name, "int32" if dtype.itemsize < 4 else dtype.name))


def _promoted(items: npt.NDArray[Any], codec: str) -> npt.NDArray[Any]:
    stored = _stored_dtype(items.dtype)
    if items.dtype == stored or items.dtype.kind == "f":
        return items.astype(stored, copy=False)
    bits = 8 * items.itemsize
    if bits < 32:
        middle = 1 << (bits - 1) if items.dtype.kind == "u" else 0
        return (items.astype(stored) - middle) << (31 - bits)
    if items.size and items.max() > np.iinfo(stored).max:
        raise CodecError(f"zfp has no numbers above {np.iinfo(stored).max}; there is {items.max()}", codec=codec)
    return items.astype(stored)


def _demoted(numbers: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if dtype.kind != "f" and dtype != numbers.dtype:
        bits, limits = 8 * dtype.itemsize, np.iinfo(dtype)
        if bits < 32:
            numbers = (numbers >> (31 - bits)) + (1 << (bits - 1) if dtype.kind == "u" else 0)
        # What is above the limits of 32 and 64 bits no signed number of as many bits can be.
        numbers = np.clip(numbers, limits.min, min(int(limits.max), np.iinfo(numbers.dtype).max))
    with np.errstate(over="ignore"):
        return numbers.astype(dtype, copy=False)
