"""`numcodecs.astype`: another data type.

In JSON: ``{"name": "numcodecs.astype", "configuration": {"encode_dtype": "<f4", "decode_dtype": "<f8"}}``.

Source: numcodecs, "AsType" (https://numcodecs.readthedocs.io/en/stable/filter/astype.html).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe._types import JSON
from zarrpipe.codecs.computing import AnyZDType
from zarrpipe.codecs.numcodecs.filter import ArrayFilter
from zarrpipe.errors import MetadataError

__all__ = ["AsType"]


@dataclass(frozen=True, kw_only=True)
class AsType(ArrayFilter):
    """Another data type by NumPy's conversion, which refuses nothing: see `CastValue` for one that does.

    Parameters
    ----------
    encode_dtype : str
        The data type to store, as NumPy writes it.
    decode_dtype : str, optional
        That of items; None for the chunk's.

    Raises
    ------
    MetadataError
        One is not a number's data type, or that of the chunk has another size; or one is a time and the other neither
        the same nor an integer.

    Examples
    --------
    >>> AsType(encode_dtype="<f4", decode_dtype="<f8").to_dict()["configuration"]
    {'encode_dtype': '<f4', 'decode_dtype': '<f8'}
    """

    encode_dtype: str
    decode_dtype: str | None = None

    name: ClassVar[str] = "numcodecs.astype"
    _decoded: ClassVar[str] = "decode_dtype"
    _encoded: ClassVar[str] = "encode_dtype"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encode_dtype is None:
            raise MetadataError("it is a data type, not None", at="/encode_dtype")

    def _resolved(self, dtype: AnyZDType) -> dict[str, JSON]:
        decoded, encoded = self._types(dtype)
        times = [native for native in (decoded, encoded) if native.kind in "mM"]
        same = decoded.newbyteorder("=") == encoded.newbyteorder("=")
        counts = len(times) == 1 and {decoded.kind, encoded.kind} & set("iu")
        if times and not same and not counts:
            # Units would have to be converted, and NaT is a number only among integers.
            raise MetadataError(
                f"{decoded.str!r} does not become {encoded.str!r} here", at="/configuration/encode_dtype"
            )
        return super()._resolved(dtype)
