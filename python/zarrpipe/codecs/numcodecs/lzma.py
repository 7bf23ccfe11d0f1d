"""`numcodecs.lzma`: LZMA and LZMA2 in the containers of XZ.

In JSON: ``{"name": "numcodecs.lzma", "configuration": {"format": 1, "check": -1, "preset": 6}}``.

Source: zarr-extensions, "numcodecs.lzma"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.lzma);
the numbers are those of Python's `lzma` and liblzma (https://tukaani.org/xz/xz-file-format.txt).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.native import NativeCodec, check_integer
from zarrpipe.errors import MetadataError

__all__ = ["LZMA"]

_EXTREME = 1 << 31


@dataclass(frozen=True, kw_only=True)
class LZMA(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """Compression by LZMA, with the parameters of Python's `lzma.compress`.

    Parameters
    ----------
    format : int
        `lzma.FORMAT_XZ` (1), `FORMAT_ALONE` (2) or `FORMAT_RAW` (3); `FORMAT_AUTO` (0) can only be read.
    check : int
        `lzma.CHECK_NONE` (0), `CHECK_CRC32` (1), `CHECK_CRC64` (4) or `CHECK_SHA256` (10) in the format XZ; -1 for its
        default, CRC64, and in the other formats, which have none.
    preset : int, optional
        From 0, the fastest, to 9, the smallest, with `lzma.PRESET_EXTREME` added or not; None for 6.
    filters : iterable of dict, optional
        The filters in place of a preset, as `lzma` describes them; the format RAW needs them.

    Raises
    ------
    MetadataError
        A parameter has a value that it cannot have.

    Examples
    --------
    >>> LZMA(preset=1).to_dict()
    {'name': 'numcodecs.lzma', 'configuration': {'format': 1, 'check': -1, 'preset': 1}}
    """

    format: int = 1
    check: int = -1
    preset: int | None = None
    filters: tuple[Mapping[str, int], ...] | None = None

    name: ClassVar[str] = "numcodecs.lzma"
    is_fixed_size = False

    def __post_init__(self) -> None:
        check_integer(self.format, "format", 0, 3)
        check_integer(self.check, "check", -1, 10)
        if self.check not in (-1, 0, 1, 4, 10):
            raise MetadataError(f"check is one of -1, 0, 1, 4, 10, not {self.check!r}", at="/check")
        if self.preset is not None:
            check_integer(self.preset, "preset", 0, 9 | _EXTREME)
            if self.preset & ~_EXTREME > 9:
                raise MetadataError(
                    f"preset is 0 to 9, and the bit of a slower variant, not {self.preset}", at="/preset"
                )
        if self.filters is not None:
            object.__setattr__(self, "filters", _parse_filters(self.filters))

    def __hash__(self) -> int:
        return hash((self.format, self.check, self.preset, self.filters and len(self.filters)))


def _parse_filters(filters: Any) -> tuple[dict[str, int], ...]:
    # What the filters hold is checked where they are used.
    if isinstance(filters, str | bytes | Mapping) or not isinstance(filters, Iterable):
        raise MetadataError(f"filters are a list of objects, not {filters!r}", at="/filters")
    parsed = tuple(filters)
    for index, item in enumerate(parsed):
        if not isinstance(item, Mapping):
            raise MetadataError(f"a filter is an object, not {item!r}", at=f"/filters/{index}")
    return tuple(dict(item) for item in parsed)
