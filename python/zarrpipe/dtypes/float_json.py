"""The JSON forms of floats, of any format.

A number, of which the nearest float is meant; ``"Infinity"`` or ``"-Infinity"`` where the format has them; ``"NaN"``,
the positive quiet one with no payload, or the only one; or ``"0x..."``, the bits as a big-endian number, which is how
any other NaN is written.

Source: Zarr v3 core specification, "Fill value"; zarr-extensions, data-types/float8_e4m3 and the like.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import numpy as np

from zarrpipe._types import JSON, ZarrFormat
from zarrpipe.errors import MetadataError

__all__ = ["FloatForm", "SmallFloatForm"]

_INFINITIES = {"Infinity": math.inf, "-Infinity": -math.inf}
_HEX = re.compile("0x([0-9a-fA-F]+)")


@dataclass(frozen=True)
class FloatForm:
    """How the floats of a format are written.

    Parameters
    ----------
    name : str
        The data type, for messages.
    native : numpy.dtype
        The NumPy data type in the host's byte order.
    nan_bits : int, optional
        What ``"NaN"`` stands for; None where the format has none.
    has_infinity : bool
        Whether the format has infinities.
    """

    name: str
    native: np.dtype[Any]
    nan_bits: int | None
    has_infinity: bool = True

    def from_bits(self, bits: int) -> Any:
        """Return the float with these bits; a signalling NaN stays one."""
        return np.array(bits, dtype=f"u{self.native.itemsize}").view(self.native)[()]

    def bits(self, value: Any) -> int:
        """Return a float's bits."""
        return int(np.asarray(value).view(f"u{self.native.itemsize}")[()])

    @property
    def words(self) -> tuple[str, ...]:
        """What values are written as that are not numbers."""
        return (*(("NaN",) if self.nan_bits is not None else ()), *(_INFINITIES if self.has_infinity else ()))

    def from_json(self, data: JSON) -> Any:
        """Return a float from its JSON form.

        Raises
        ------
        MetadataError
            `data` is not a form of a float of this format.
        """
        if isinstance(data, str):
            if data in self.words:
                return self.nearest(_INFINITIES.get(data, math.nan))
            digits = _HEX.fullmatch(data)
            if digits and len(digits[1]) == 2 * self.native.itemsize and self._are_bits(int(digits[1], 16)):
                return self.from_bits(int(digits[1], 16))
        elif isinstance(data, int | float) and not isinstance(data, bool):
            try:
                return self.nearest(data)
            except OverflowError as error:
                raise MetadataError(f"the fill value is too large for {self.name}: {data}") from error
        words = "".join(f', "{word}"' for word in self.words)
        raise MetadataError(
            f'the fill value of {self.name} is a number{words} or "0x" and {2 * self.native.itemsize} hexadecimal '
            f"digits, not {data!r}"
        )

    def _are_bits(self, bits: int) -> bool:
        """Whether some float has these bits."""
        return bits < 1 << 8 * self.native.itemsize

    def to_json(self, value: Any, zarr_format: ZarrFormat) -> float | str:
        """Return the JSON form of a float, with all its bits: the payload of a NaN too, which v2 has no form for."""
        number = float(value)
        if math.isnan(number):
            bits = self.bits(value)
            if zarr_format == 2 or bits == self.nan_bits:
                return "NaN"
            return f"0x{bits:0{2 * self.native.itemsize}x}"
        if math.isinf(number):
            return "Infinity" if number > 0 else "-Infinity"
        return number

    def nearest(self, number: Any) -> Any:
        """Return the float nearest to a number, half to even; infinity beyond the largest, as IEEE 754 rounds.

        Raises
        ------
        OverflowError
            It is too large to be a float at all.
        """
        if number != number:
            # NumPy's own NaN may have any sign; the one without payload is meant.
            return self.from_bits(self._nan_bits())
        with np.errstate(over="ignore"):
            return self.native.type(number)

    def _nan_bits(self) -> int:
        if self.nan_bits is None:
            raise OverflowError(f"{self.name} has no NaN")
        return self.nan_bits


@dataclass(frozen=True)
class SmallFloatForm(FloatForm):
    """The form of a format of 16 bits or less, rounded here: ml_dtypes rounds twice on its way from 64 bits.

    Parameters
    ----------
    largest_bits : int
        The bits of the largest number. Those below are the other numbers that are not negative, in order.
    sign_bit : int
        The bit of negative numbers; 0 where there are none.
    has_negative_zero : bool
        Whether zero has a sign.
    """

    largest_bits: int = 0
    sign_bit: int = 0
    has_negative_zero: bool = True

    def _are_bits(self, bits: int) -> bool:
        # Every pattern is a float, except where there are bits above the sign.
        return bits < 1 << 8 * self.native.itemsize if self.has_infinity or self.nan_bits else bits < 2 * self.sign_bit

    def nearest(self, number: Any) -> Any:
        """Return the float nearest to a number, half to even.

        Raises
        ------
        OverflowError
            It is beyond the largest float, and there is no infinity.
        """
        number = number if isinstance(number, int) else float(number)
        if number != number:
            return self.from_bits(self._nan_bits())
        negative = math.copysign(1, number) < 0
        bits = self._nearest_bits(abs(number))
        if bits is None:
            if not self.has_infinity:
                raise OverflowError(f"{number} is too large for {self.name}")
            bits = self.largest_bits + 1
        if negative and self.sign_bit == 0 and number:
            raise OverflowError(f"{self.name} has no negative numbers: {number}")
        if negative and (bits or self.has_negative_zero):
            bits |= self.sign_bit
        return self.from_bits(bits)

    def _value(self, bits: int) -> float:
        return float(self.from_bits(bits))

    def _beyond(self, largest: float) -> float:
        """Return what would follow the largest number: as far away as the one before, or twice it without mantissa."""
        return 2 * largest - self._value(self.largest_bits - 1) if self.sign_bit else 2 * largest

    def _nearest_bits(self, magnitude: float) -> int | None:
        """Return the bits of the nearest number; None where it is beyond the largest."""
        above = bisect_left(range(self.largest_bits + 1), magnitude, key=self._value)
        if above == 0:
            return 0
        below = above - 1
        low = self._value(below)
        high = self._value(above) if above <= self.largest_bits else self._beyond(low)
        middle = low + (high - low) / 2
        # Without mantissa the halves go up, as in ml_dtypes.
        up = magnitude > middle or (magnitude == middle and (below % 2 == 1 or self.sign_bit == 0))
        nearest = above if up else below
        return nearest if nearest <= self.largest_bits else None
