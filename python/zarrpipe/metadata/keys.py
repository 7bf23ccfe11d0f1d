"""Chunk key encodings: from a chunk's coordinates to its key, below the array's.

Source: Zarr v3 core specification, "Chunk key encoding".
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Self, cast

from zarrpipe._types import JSON
from zarrpipe.abc.metadata import Metadata
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.metadata.extension import check_fields, parse_extension, place_of_name
from zarrpipe.metadata.json import located

__all__ = [
    "ChunkKeyEncoding",
    "DefaultChunkKeyEncoding",
    "N5ChunkKeyEncoding",
    "Separator",
    "V2ChunkKeyEncoding",
    "parse_chunk_key_encoding",
]

Separator = Literal["/", "."]

# A coordinate as it is written: no sign, no leading zero, ASCII digits.
_COORDINATE = re.compile("0|[1-9][0-9]*")


@dataclass(frozen=True)
class ChunkKeyEncoding(Metadata, ABC):
    """How a chunk's coordinates become a key.

    Parameters
    ----------
    separator : {"/", "."}
        Between the coordinates.

    Raises
    ------
    MetadataError
        It is another separator.
    """

    separator: Separator = "/"

    name: ClassVar[str]

    def __post_init__(self) -> None:
        if self.separator not in ("/", "."):
            raise MetadataError(f'the separator is "/" or ".", not {self.separator!r}')

    @abstractmethod
    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        """Return the key of a chunk, below the array's."""

    @abstractmethod
    def decode_chunk_key(self, chunk_key: str) -> tuple[int, ...]:
        """Return the coordinates in a key; ValueError if it is not a chunk's."""

    def _coordinates(self, text: str, chunk_key: str) -> tuple[int, ...]:
        parts = text.split(self.separator)
        if not all(_COORDINATE.fullmatch(part) for part in parts):
            raise ValueError(f"{chunk_key!r} is not the key of a chunk")
        return tuple(int(part) for part in parts)

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        encoding = parse_extension(data, what="a chunk key encoding")
        if encoding["name"] != cls.name:
            raise MetadataError(f"{encoding['name']!r} is not the chunk key encoding {cls.name!r}", at="/name")
        configuration = encoding.get("configuration")
        if not isinstance(configuration, Mapping):
            return cls()
        with located("/configuration"):
            check_fields(configuration, frozenset({"separator"}), what="a chunk key encoding")
            if "separator" not in configuration:
                return cls()
            with located("/separator"):
                return cls(cast(Separator, configuration["separator"]))

    def to_dict(self) -> dict[str, JSON]:
        return {"name": self.name, "configuration": {"separator": self.separator}}


@dataclass(frozen=True)
class DefaultChunkKeyEncoding(ChunkKeyEncoding):
    """``c/1/2``.

    In JSON: ``{"name": "default", "configuration": {"separator": "/"}}``.

    Parameters
    ----------
    separator : {"/", "."}
        Between "c" and the coordinates.

    Examples
    --------
    >>> DefaultChunkKeyEncoding().encode_chunk_key((1, 2))
    'c/1/2'
    """

    separator: Separator = "/"

    name: ClassVar[str] = "default"

    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        return self.separator.join(["c", *map(str, chunk_coords)])

    def decode_chunk_key(self, chunk_key: str) -> tuple[int, ...]:
        if chunk_key == "c":
            return ()
        if not chunk_key.startswith("c" + self.separator):
            raise ValueError(f"{chunk_key!r} is not the key of a chunk")
        return self._coordinates(chunk_key[2:], chunk_key)


@dataclass(frozen=True)
class V2ChunkKeyEncoding(ChunkKeyEncoding):
    """``1.2``: for arrays that were v2 before.

    In JSON: ``{"name": "v2", "configuration": {"separator": "."}}``.

    Parameters
    ----------
    separator : {"/", "."}
        Between the coordinates.

    Examples
    --------
    >>> V2ChunkKeyEncoding().encode_chunk_key((1, 2)), V2ChunkKeyEncoding().encode_chunk_key(())
    ('1.2', '0')
    """

    separator: Separator = "."

    name: ClassVar[str] = "v2"

    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        return self.separator.join(map(str, chunk_coords)) or "0"

    def decode_chunk_key(self, chunk_key: str) -> tuple[int, ...]:
        # "0" is the key of a scalar's chunk too: the array's rank tells which.
        return self._coordinates(chunk_key, chunk_key)


@dataclass(frozen=True)
class N5ChunkKeyEncoding(ChunkKeyEncoding):
    """``2/1`` for the chunk (1, 2): N5 counts axes from the other end. It is in no v3 document.

    Examples
    --------
    >>> N5ChunkKeyEncoding().encode_chunk_key((1, 2)), N5ChunkKeyEncoding().decode_chunk_key("2/1")
    ('2/1', (1, 2))
    """

    separator: Separator = "/"

    name: ClassVar[str] = "n5"

    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        return self.separator.join(map(str, chunk_coords[::-1]))

    def decode_chunk_key(self, chunk_key: str) -> tuple[int, ...]:
        return self._coordinates(chunk_key, chunk_key)[::-1]


_ENCODINGS: dict[str, type[ChunkKeyEncoding]] = {
    DefaultChunkKeyEncoding.name: DefaultChunkKeyEncoding,
    V2ChunkKeyEncoding.name: V2ChunkKeyEncoding,
}


def parse_chunk_key_encoding(data: object) -> ChunkKeyEncoding:
    """Return the chunk key encoding of a metadata document, or one that is an encoding already.

    Raises
    ------
    MetadataError
        It is not a chunk key encoding.
    UnsupportedError
        It is of a kind that is not implemented.
    """
    if isinstance(data, ChunkKeyEncoding):
        return data
    extension = parse_extension(data, what="a chunk key encoding")
    name = str(extension["name"])
    if name not in _ENCODINGS:
        known = ", ".join(_ENCODINGS)
        raise UnsupportedError(
            f"the chunk key encoding {name!r} is not implemented; known are {known}", at=place_of_name(data)
        )
    return _ENCODINGS[name].from_dict(extension)
