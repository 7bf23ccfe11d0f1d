"""The document of a v3 group.

Source: Zarr v3 core specification, "Group metadata"; consolidated metadata as zarr-python writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

from zarrpipe._types import JSON, NodeType
from zarrpipe.abc.metadata import Metadata
from zarrpipe.errors import MetadataError
from zarrpipe.metadata.extension import may_be_ignored
from zarrpipe.metadata.json import dumps, in_document, loads, located, pointer
from zarrpipe.metadata.nodes import ZARR_JSON

__all__ = ["GroupMetadata", "check_format_and_type", "parse_attributes", "parse_extra_fields", "parse_node_type"]

_KNOWN = frozenset({"zarr_format", "node_type", "attributes", "consolidated_metadata"})


def check_format_and_type(data: Mapping[str, JSON], node_type: Literal["array", "group"]) -> None:
    """Raise MetadataError unless a document is of a v3 node of this type."""
    zarr_format = data.get("zarr_format")
    # 3.0 and true are not the integer 3.
    if type(zarr_format) is not int or zarr_format != 3:
        raise MetadataError(f"zarr_format is 3, not {zarr_format!r}", at="/zarr_format")
    if data.get("node_type") != node_type:
        raise MetadataError(f"node_type is {node_type!r}, not {data.get('node_type')!r}", at="/node_type")


def parse_node_type(data: Mapping[str, JSON]) -> NodeType:
    """Return what a v3 document is of."""
    node_type = data.get("node_type")
    if node_type == "array":
        return "array"
    if node_type == "group":
        return "group"
    raise MetadataError(f'node_type is "array" or "group", not {node_type!r}', at="/node_type")


def parse_attributes(data: object) -> dict[str, JSON]:
    """Attributes; none where the document has none."""
    if data is None:
        return {}
    if not isinstance(data, Mapping) or not all(isinstance(name, str) for name in data):
        raise MetadataError("attributes are an object", at="/attributes")
    return dict(data)


def parse_extra_fields(data: Mapping[str, JSON], known: frozenset[str], what: str) -> dict[str, JSON]:
    """Return the fields that are not known, all of which must say that they may be ignored."""
    extra = {name: value for name, value in data.items() if name not in known}
    for name, value in extra.items():
        if not may_be_ignored(value):
            raise MetadataError(
                f"{what} has a field {name!r} that is not known and does not say that it may be ignored",
                at=pointer(name),
            )
    return extra


def _parse_consolidated(data: object) -> dict[str, JSON] | None:
    if data is None:
        # zarr-python wrote null until 3.1.3.
        return None
    if not isinstance(data, Mapping):
        raise MetadataError(f"consolidated metadata is an object, not {data!r}")
    if data.get("must_understand") is not False:
        raise MetadataError("consolidated metadata may be ignored, and says so", at="/must_understand")
    if not isinstance(data.get("kind"), str):
        raise MetadataError("the kind of consolidated metadata is a string", at="/kind")
    if data["kind"] == "inline":
        nodes = data.get("metadata")
        if not isinstance(nodes, Mapping):
            raise MetadataError("inline consolidated metadata is an object", at="/metadata")
        for path, node in nodes.items():
            if not isinstance(node, Mapping):
                raise MetadataError("a node's metadata is an object", at="/metadata" + pointer(path))
    return dict(data)


@dataclass(frozen=True, kw_only=True)
class GroupMetadata(Metadata):
    """A v3 group.

    Parameters
    ----------
    attributes : dict
        The user's, any JSON.
    consolidated_metadata : dict, optional
        The documents of the nodes below, as they stand in this one. They are kept, not parsed.
    extra_fields : dict
        Fields that are not known and may be ignored: kept when the document is written.

    Raises
    ------
    MetadataError
        A field has a value that it cannot have.

    Examples
    --------
    >>> GroupMetadata.from_bytes(GroupMetadata(attributes={"a": 1}).to_bytes()).attributes
    {'a': 1}
    """

    attributes: dict[str, Any] = field(default_factory=dict)
    consolidated_metadata: dict[str, Any] | None = None
    extra_fields: dict[str, Any] = field(default_factory=dict)

    zarr_format: ClassVar[Literal[3]] = 3
    node_type: ClassVar[Literal["group"]] = "group"
    document_name: ClassVar[str] = ZARR_JSON

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", parse_attributes(self.attributes))
        with located("/consolidated_metadata"):
            object.__setattr__(self, "consolidated_metadata", _parse_consolidated(self.consolidated_metadata))
        extra = parse_extra_fields(self.extra_fields, frozenset(), "a group")
        if clash := sorted(_KNOWN.intersection(extra)):
            raise MetadataError(f"a group's own field {clash[0]!r} cannot be an extra one", at=pointer(clash[0]))
        object.__setattr__(self, "extra_fields", extra)

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Return the group of a document.

        Raises
        ------
        MetadataError
            The document is not that of a v3 group.
        """
        check_format_and_type(data, "group")
        if "attributes" in data and not isinstance(data["attributes"], Mapping):
            raise MetadataError("attributes are an object", at="/attributes")
        with located("/consolidated_metadata"):
            consolidated = _parse_consolidated(data.get("consolidated_metadata"))
        return cls(
            attributes=parse_attributes(data.get("attributes")),
            consolidated_metadata=consolidated,
            extra_fields=parse_extra_fields(data, _KNOWN, "a group"),
        )

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview, *, key: str | None = None) -> Self:
        """Return the group of a document's bytes; `key`, where they lie, is for the message."""
        with in_document(key):
            return cls.from_dict(loads(data))

    def to_dict(self) -> dict[str, JSON]:
        """Return the document."""
        document: dict[str, JSON] = {
            "zarr_format": self.zarr_format,
            "node_type": self.node_type,
            "attributes": self.attributes,
        }
        if self.consolidated_metadata is not None:
            document["consolidated_metadata"] = self.consolidated_metadata
        return {**document, **{name: self.extra_fields[name] for name in sorted(self.extra_fields)}}

    def to_bytes(self) -> bytes:
        """Return the document's bytes: the same for the same group."""
        return dumps(self.to_dict())

    def documents(self) -> dict[str, bytes]:
        """Return the documents by name: the one."""
        return {self.document_name: self.to_bytes()}

    def update_attributes(self, attributes: dict[str, JSON]) -> Self:
        """Return the group with these attributes in place of its own."""
        return replace(self, attributes=attributes)

    def __hash__(self) -> int:
        return hash(self.to_bytes())
