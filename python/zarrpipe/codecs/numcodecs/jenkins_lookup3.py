"""`numcodecs.jenkins_lookup3`: Bob Jenkins' lookup3 checksum behind the bytes.

In JSON: ``{"name": "numcodecs.jenkins_lookup3", "configuration": {"initval": 0}}``.

Source: zarr-extensions, "numcodecs.jenkins_lookup3"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.jenkins_lookup3);
lookup3.c (https://www.burtleburtle.net/bob/c/lookup3.c), `hashlittle`; HDF5, `H5_checksum_lookup3`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.native import NativeCodec, check_integer
from zarrpipe.errors import MetadataError

__all__ = ["JenkinsLookup3"]


@dataclass(frozen=True, kw_only=True)
class JenkinsLookup3(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """The lookup3 checksum of HDF5, behind the bytes.

    Parameters
    ----------
    initval : int
        What the hash starts from: 0 to 2**32 - 1.
    prefix : bytes or iterable of int, optional
        Bytes hashed in front of the others, but not stored.

    Raises
    ------
    MetadataError
        A parameter has a value that it cannot have.

    Examples
    --------
    >>> JenkinsLookup3(prefix=b"ab").to_dict()
    {'name': 'numcodecs.jenkins_lookup3', 'configuration': {'initval': 0, 'prefix': (97, 98)}}
    """

    initval: int = 0
    prefix: tuple[int, ...] | bytes | None = None

    name: ClassVar[str] = "numcodecs.jenkins_lookup3"
    is_fixed_size = True

    def __post_init__(self) -> None:
        check_integer(self.initval, "initval", 0, 2**32 - 1)
        if self.prefix is not None:
            object.__setattr__(self, "prefix", _parse_prefix(self.prefix))


def _parse_prefix(prefix: object) -> tuple[int, ...]:
    # numcodecs has an array of uint8 here.
    given: tuple[Any, ...] = tuple(prefix) if isinstance(prefix, Iterable) and not isinstance(prefix, str) else (None,)
    for byte in given:
        if isinstance(byte, bool) or not isinstance(byte, int | np.integer) or not 0 <= byte <= 255:
            raise MetadataError(f"prefix is bytes or integers from 0 to 255, not {prefix!r}", at="/prefix")
    return tuple(int(byte) for byte in given)
