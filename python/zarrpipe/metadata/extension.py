"""Extension points: what a document names, rather than defines.

An extension is an object with a `name`, a `configuration` where it needs one, and `must_understand` where it may be
ignored; or the name alone.

Source: Zarr v3 core specification, "Extension definition".
"""

from __future__ import annotations

from collections.abc import Mapping

from zarrpipe._types import JSON
from zarrpipe.errors import MetadataError
from zarrpipe.metadata.json import pointer

__all__ = ["check_fields", "may_be_ignored", "parse_extension", "place_of_name"]

_FIELDS = frozenset({"name", "configuration", "must_understand"})


def parse_extension(data: object, *, what: str, ignorable: bool = False) -> dict[str, JSON]:
    """Return an extension in its object form, without `must_understand` unless it may be ignored.

    Parameters
    ----------
    data : JSON
        What the document has at the extension point.
    what : str
        The extension point, for the message: "a codec".
    ignorable : bool
        Whether the extension point allows ``"must_understand": false``.

    Returns
    -------
    dict
        `name`, and `configuration` if the document has one.

    Raises
    ------
    MetadataError
        It is not an extension.
    """
    name_at = place_of_name(data)
    if isinstance(data, str):
        data = {"name": data}
    if not isinstance(data, Mapping):
        raise MetadataError(f"{what} is a string or an object, not {data!r}")
    if "name" not in data:
        raise MetadataError(f"{what} has a name")
    name = data["name"]
    if not isinstance(name, str) or not name:
        raise MetadataError(f"the name of {what} is a string, not {name!r}", at=name_at)
    extension: dict[str, JSON] = {"name": name}
    if "configuration" in data:
        if not isinstance(data["configuration"], Mapping):
            raise MetadataError(
                f"the configuration of {what} is an object, not {data['configuration']!r}", at="/configuration"
            )
        extension["configuration"] = dict(data["configuration"])
    must_understand = data.get("must_understand", True)
    if not isinstance(must_understand, bool):
        raise MetadataError(f"must_understand is a boolean, not {must_understand!r}", at="/must_understand")
    if not must_understand:
        if not ignorable:
            raise MetadataError(f"{what} cannot be ignored", at="/must_understand")
        extension["must_understand"] = False
    check_fields(data, _FIELDS, what=what)
    return extension


def place_of_name(data: object) -> str:
    """Where an extension has its name: as a pointer, empty where it is the name alone."""
    return "" if isinstance(data, str) else "/name"


def check_fields(data: Mapping[str, JSON], known: frozenset[str], *, what: str) -> None:
    """Raise MetadataError at the first field that is not known."""
    for name in data:
        if name not in known:
            raise MetadataError(f"{what} has no field {name!r}", at=pointer(name))


def may_be_ignored(value: object) -> bool:
    """Whether a field that is not known says that it may be ignored."""
    return isinstance(value, Mapping) and value.get("must_understand") is False
