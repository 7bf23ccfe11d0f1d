"""NumPy's times: `numpy.datetime64`, since 1970, and `numpy.timedelta64`, the time between two.

In JSON: ``{"name": "numpy.datetime64", "configuration": {"unit": "us", "scale_factor": 10}}``: an item counts units of
ten microseconds. The unit may be ``"generic"``: not told.

Fill value in JSON: an integer, or ``"NaT"``, not a time, which is the integer -2^63 and is written as that.

Source: zarr-extensions, data-types/numpy.datetime64 and data-types/numpy.timedelta64.
"""

# ruff: noqa: ARG002 - `zarr_format` is a part of the contract; these scalars look alike in v2 and v3.

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, cast

import numpy as np

from zarrpipe._types import JSON, Layout, ZarrFormat
from zarrpipe.dtypes.numeric import HasEndianness, HasItemSize, in_byte_order, order_of, v2_name
from zarrpipe.dtypes.zdtype import TBaseDType, TDType_co, TScalar_co, ZDType, check_extension
from zarrpipe.errors import MetadataError

__all__ = ["DateTime64", "TimeDType", "TimeDelta64"]

_UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "generic")
_MU_SECONDS = ("\N{GREEK SMALL LETTER MU}s", "\N{MICRO SIGN}s")
_TYPE_STRING = re.compile(r"([<>])([mM])8(?:\[([0-9]{0,10})([a-zA-Z]{1,7})\])?")
_NOT_A_TIME = -(2**63)


def _is_integer(data: object) -> bool:
    return isinstance(data, int | np.integer) and not isinstance(data, bool | np.timedelta64)


@dataclass(frozen=True, kw_only=True)
class TimeDType(ZDType[TDType_co, TScalar_co], HasEndianness, HasItemSize, Generic[TDType_co, TScalar_co]):
    """A data type of times.

    Parameters
    ----------
    unit : str
        What is counted, as NumPy names it: "Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as" or
        "generic".
    scale_factor : int
        How many of them an item counts at once.
    """

    unit: str = "generic"
    scale_factor: int = 1

    _letter: ClassVar[str]
    _python_types: ClassVar[tuple[type, ...]]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unit in _MU_SECONDS:
            # NumPy's spelling, so that equal data types are equal.
            object.__setattr__(self, "unit", "us")
        if self.unit not in _UNITS:
            raise MetadataError(f"the unit of times is one of {', '.join(_UNITS)}, not {self.unit!r}")
        factor: object = self.scale_factor
        if isinstance(factor, bool) or not isinstance(factor, int) or not 1 <= factor < 2**31:
            raise MetadataError(f"the scale factor of times is an integer from 1 to {2**31 - 1}, not {factor!r}")

    @classmethod
    def from_native_dtype(cls, dtype: TBaseDType) -> Self:
        if not cls._check_native_dtype(dtype):
            raise TypeError(f"{cls.__name__} is not the data type of {dtype!r}")
        unit, factor = np.datetime_data(cast(Any, dtype))
        return cls(unit=unit, scale_factor=factor, endianness=order_of(dtype))

    def _native(self) -> np.dtype[Any]:
        """Return the NumPy data type in the host's byte order."""
        return np.dtype(f"{self._letter}8[{self.scale_factor}{self.unit}]")

    def to_native_dtype(self) -> TDType_co:
        return cast(TDType_co, in_byte_order(self._native(), self.endianness))

    @property
    def item_size(self) -> int:
        return 8

    @classmethod
    def _from_json_v2(cls, data: JSON) -> Self:
        name = v2_name(data, cls._zarr_v3_name)
        match = _TYPE_STRING.fullmatch(name) if isinstance(name, str) else None
        if match is None or match[2] != cls._letter:
            raise MetadataError(f"{cls._zarr_v3_name} is written <{cls._letter}8 and [unit], not {name!r}")
        order, _, factor, unit = match.groups()
        endianness = cast(Any, "big" if order == ">" else "little")
        return cls(unit=unit or "generic", scale_factor=int(factor or 1), endianness=endianness)

    @classmethod
    def _from_json_v3(cls, data: JSON) -> Self:
        name, configuration = check_extension(data)
        if name != cls._zarr_v3_name:
            raise MetadataError(f"{name!r} is not the data type {cls._zarr_v3_name!r}")
        if set(configuration) != {"unit", "scale_factor"}:
            raise MetadataError(f"the data type {name!r} is configured by unit and scale_factor", at="/configuration")
        try:
            return cls(**cast(Any, configuration))
        except MetadataError as error:
            raise MetadataError(error.message, at="/configuration") from None

    def to_json(self, zarr_format: ZarrFormat) -> JSON:
        if zarr_format == 3:
            configuration: JSON = {"unit": self.unit, "scale_factor": self.scale_factor}
            return {"name": self._zarr_v3_name, "configuration": configuration}
        name = self.to_native_dtype().str
        if self.unit == "generic" and self.scale_factor != 1:
            name += f"[{self.scale_factor}generic]"  # which NumPy leaves out
        return {"name": name, "object_codec_id": None}

    def _check_scalar(self, data: object) -> bool:
        # A timedelta64 is an integer to NumPy.
        if _is_integer(data) or data is None:
            return True
        return isinstance(data, self._python_types)

    def cast_scalar(self, data: object) -> TScalar_co:
        if not self._check_scalar(data):
            raise TypeError(f"{data!r} is not a scalar of {self._native()}")
        if _is_integer(data):
            return self._counted(int(cast(Any, data)))
        is_time = isinstance(data, np.datetime64 | np.timedelta64)
        if data is None or (np.isnat(cast(Any, data)) if is_time else data == "NaT"):
            return self._counted(_NOT_A_TIME)
        try:
            return cast(TScalar_co, np.array(data, dtype=self._native())[()])
        except ValueError as error:
            raise TypeError(f"{data!r} is not a scalar of {self._native()}: {error}") from error

    def _counted(self, count: int) -> TScalar_co:
        # By its bits: NumPy's constructors refuse a number where the unit is generic.
        return cast(TScalar_co, np.array(count, dtype=np.int64).view(self._native())[()])

    def default_scalar(self) -> TScalar_co:
        return self._counted(_NOT_A_TIME)

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> TScalar_co:
        if data == "NaT":
            return self._counted(_NOT_A_TIME)
        if zarr_format == 2 and isinstance(data, float) and data.is_integer():
            data = int(data)
        if isinstance(data, bool) or not isinstance(data, int):
            raise MetadataError(f'the fill value of {self._zarr_v3_name} is an integer or "NaT", not {data!r}')
        if not -(2**63) <= data < 2**63:
            raise MetadataError(f"{data} is out of range for {self._zarr_v3_name}")
        return self._counted(data)

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        return int(cast(Any, self.cast_scalar(data)).view(np.int64))

    def layout(self) -> Layout:
        return "opaque", 8, ((0, 8, 1),)

    def fill_bytes(self, scalar: object) -> bytes:
        return cast(np.generic, self.cast_scalar(scalar)).tobytes()


@dataclass(frozen=True, kw_only=True)
class DateTime64(TimeDType[np.dtype[np.datetime64], np.datetime64]):
    """A time since 1970.

    Examples
    --------
    >>> DateTime64(unit="s").to_json_scalar("1970-01-02", zarr_format=3)
    86400
    """

    dtype_cls = cast(Any, np.dtypes.DateTime64DType)
    _zarr_v3_name = "numpy.datetime64"
    _letter: ClassVar[str] = "M"
    _python_types: ClassVar[tuple[type, ...]] = (str, dt.date, np.datetime64)


@dataclass(frozen=True, kw_only=True)
class TimeDelta64(TimeDType[np.dtype[np.timedelta64], np.timedelta64]):
    """The time between two times.

    Examples
    --------
    >>> TimeDelta64(unit="m", scale_factor=15).to_native_dtype()
    dtype('<m8[15m]')
    """

    dtype_cls = cast(Any, np.dtypes.TimeDelta64DType)
    _zarr_v3_name = "numpy.timedelta64"
    _letter: ClassVar[str] = "m"
    _python_types: ClassVar[tuple[type, ...]] = (str, dt.timedelta, np.timedelta64)
