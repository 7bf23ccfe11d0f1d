"""`numcodecs.zfpy`: compression of numeric arrays by zfp, with its header.

In JSON: ``{"name": "numcodecs.zfpy", "configuration": {"mode": 4, "tolerance": 0.05, "rate": -1, "precision": -1}}``.

Source: zarr-extensions, "numcodecs.zfpy"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.zfpy).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from zarrpipe._types import JSON
from zarrpipe.abc.buffer import Buffer, NDBuffer
from zarrpipe.codecs.items import native_dtype
from zarrpipe.codecs.native import check_integer
from zarrpipe.codecs.zfp import ZfpArrayBytesCodec, check_number
from zarrpipe.codecs.zfp_stream import Parameters, compress, decompress_with_header
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.spec import ArraySpec

__all__ = ["ZFPY"]

_EXPERT, _FIXED_RATE, _FIXED_PRECISION, _FIXED_ACCURACY, _REVERSIBLE = range(1, 6)


@dataclass(frozen=True, kw_only=True)
class ZFPY(ZfpArrayBytesCodec):
    """Compression by zfp. Streams say how they were made, so the parameters matter to writing alone.

    Parameters
    ----------
    mode : int
        2 for a fixed rate, 3 for a fixed precision, 4 for a fixed accuracy, 5 for no loss.
    tolerance : float
        How far from the truth numbers may be, with mode 4. As with the next two, a negative number means: no loss.
    rate : float
        Bits for each number, with mode 2.
    precision : int
        Bit planes, with mode 3.
    compression_kwargs : dict, optional
        What numcodecs puts into its configurations beside the parameters. It has no meaning.

    Raises
    ------
    MetadataError
        A parameter has a value that it cannot have.

    Examples
    --------
    >>> ZFPY(mode=4, tolerance=0.05).to_dict()["configuration"]
    {'mode': 4, 'tolerance': 0.05, 'rate': -1, 'precision': -1}
    """

    mode: int = _FIXED_ACCURACY
    tolerance: float = -1
    rate: float = -1
    precision: int = -1
    compression_kwargs: Mapping[str, JSON] | None = None

    name: ClassVar[str] = "numcodecs.zfpy"
    _dtypes = frozenset({"int32", "int64", "float32", "float64"})

    def __post_init__(self) -> None:
        check_integer(self.mode, "mode", _EXPERT, _REVERSIBLE)
        if self.mode == _EXPERT:
            raise UnsupportedError("the expert mode of zfp is one that numcodecs does not have", at="/mode")
        check_number(self.tolerance, "tolerance", -math.inf, math.inf)
        check_number(self.rate, "rate", -math.inf, 4096)
        check_integer(self.precision, "precision", -(2**31), 2**31 - 1)
        if not isinstance(self.compression_kwargs, Mapping | None):
            raise MetadataError(
                f"compression_kwargs of zfpy is an object, not {self.compression_kwargs!r}", at="/compression_kwargs"
            )
        # The class is frozen.
        object.__setattr__(self, "compression_kwargs", None)

    def _parameters(self) -> Parameters:
        parameters = {
            _FIXED_ACCURACY: Parameters(tolerance=self.tolerance),
            _FIXED_RATE: Parameters(rate=self.rate),
            _FIXED_PRECISION: Parameters(precision=self.precision),
        }.get(self.mode, Parameters())
        return Parameters() if max(parameters) < 0 else parameters

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        data = np.ascontiguousarray(chunk_data.as_numpy_array()).view(np.uint8)
        items = decompress_with_header(data, native_dtype(chunk_spec), tuple(chunk_spec.shape), codec=self.name)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(items)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        items: Any = np.ascontiguousarray(chunk_data.as_numpy_array(), dtype=native_dtype(chunk_spec))
        stream = compress(items.reshape(items.shape or (1,)), self._parameters(), codec=self.name, write_header=True)
        return chunk_spec.prototype.buffer.from_bytes(stream)
