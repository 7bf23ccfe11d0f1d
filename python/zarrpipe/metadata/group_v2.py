"""The documents of a v2 group: `.zgroup`, and `.zattrs` beside it.

In JSON: ``{"zarr_format": 2}``.

Source: Zarr v2 specification, "Groups" (https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

from zarrpipe._types import JSON
from zarrpipe.abc.metadata import Metadata
from zarrpipe.errors import MetadataError
from zarrpipe.metadata.array_v2 import check_format_v2
from zarrpipe.metadata.group import parse_attributes
from zarrpipe.metadata.json import dumps, in_document, loads, pointer
from zarrpipe.metadata.nodes import ZATTRS, ZGROUP, join_key

__all__ = ["GroupV2Metadata"]

_OWN = frozenset({"zarr_format", "attributes"})


@dataclass(frozen=True, kw_only=True)
class GroupV2Metadata(Metadata):
    """A v2 group.

    Parameters
    ----------
    attributes : dict
        The user's, any JSON.
    extra_fields : dict
        Fields of `.zgroup` that are not known: kept when it is written.

    Raises
    ------
    MetadataError
        A field has a value that it cannot have.

    Examples
    --------
    >>> sorted(GroupV2Metadata(attributes={"a": 1}).documents())
    ['.zattrs', '.zgroup']
    """

    attributes: dict[str, Any] = field(default_factory=dict)
    extra_fields: dict[str, Any] = field(default_factory=dict)

    zarr_format: ClassVar[Literal[2]] = 2
    node_type: ClassVar[Literal["group"]] = "group"
    document_name: ClassVar[str] = ZGROUP

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", parse_attributes(self.attributes))
        if clash := sorted(_OWN.intersection(self.extra_fields)):
            raise MetadataError(f"a group's own field {clash[0]!r} cannot be an extra one", at=pointer(clash[0]))

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Return the group of a `.zgroup` document, to which its attributes were added under that name.

        Raises
        ------
        MetadataError
            The document is not that of a v2 group.
        """
        check_format_v2(data)
        extra = {name: value for name, value in data.items() if name not in _OWN}
        return cls(attributes=parse_attributes(data.get("attributes")), extra_fields=extra)

    @classmethod
    def from_bytes(cls, data: bytes, attributes: bytes | None = None, *, path: str = "") -> Self:
        """Return the group of the bytes of `.zgroup` and, where there is one, `.zattrs`; `path` is for messages."""
        with in_document(join_key(path, ZATTRS)):
            parsed = {} if attributes is None else loads(attributes, allow_nan=True)
        with in_document(join_key(path, ZGROUP)):
            return cls.from_dict({**loads(data, allow_nan=True), "attributes": parsed})

    def _zgroup(self) -> dict[str, JSON]:
        return {
            "zarr_format": self.zarr_format,
            **{name: self.extra_fields[name] for name in sorted(self.extra_fields)},
        }

    def to_dict(self) -> dict[str, JSON]:
        """Return `.zgroup` with the attributes added to it."""
        return {**self._zgroup(), "attributes": self.attributes}

    def to_bytes(self) -> bytes:
        """Return `to_dict` as bytes: the same for the same group."""
        return dumps(self.to_dict(), allow_nan=True)

    def documents(self) -> dict[str, bytes]:
        """Return the documents by name. That which makes it a group is the last."""
        return {ZATTRS: dumps(self.attributes, allow_nan=True), ZGROUP: dumps(self._zgroup(), allow_nan=True)}

    def update_attributes(self, attributes: dict[str, JSON]) -> Self:
        """Return the group with these attributes in place of its own."""
        return replace(self, attributes=attributes)

    def __hash__(self) -> int:
        return hash(self.to_bytes())
